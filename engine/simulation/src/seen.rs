//! Counts what happened in a run: a simulation proves nothing about what it never reaches.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A fault that was injected, or a path that the system took.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Seen { $($(#[$doc])* $kind,)* }

        impl Seen {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the value with this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|seen| seen.name() == name)
            }

            /// Returns the name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    // Processes and leadership.
    /// A process died at some point of its work, and another was started in its place.
    ProcessKilled = "process killed",
    /// All processes died at once.
    AllKilled = "all processes killed",
    /// A process was asked to end, ended in an orderly way, and another was started in its place.
    ProcessStopped = "process stopped in good order",
    /// A process was frozen for a while, and continued as if nothing had happened.
    ProcessFrozen = "process frozen",
    /// A process, or the component that represents all gateways or all projections, was replaced by
    /// one of the newer build.
    PartUpgraded = "part upgraded",
    /// The same with the older build.
    PartDowngraded = "part downgraded",
    /// An admin requested a vocabulary.
    RaiseAsked = "raise of the vocabulary asked for",
    /// An announcement never reached the log.
    AnnouncementLost = "announcement lost",
    /// Two or more processes were requested to lead one shard.
    LeadShared = "lead given to several",
    /// No process was requested to lead a shard.
    LeadWithdrawn = "lead given to nobody",
    /// A shard had no leader for longer than a request may be parked.
    ShardDown = "shard down",
    /// An unknown engine appended a term.
    StrangerTerm = "stranger's term",

    // The log.
    /// A process's writer broke with records in its queue.
    WriterBroken = "writer broken",
    /// A record of a dead or broken writer reached the log after all.
    RecordLate = "record of a dead writer arrives late",
    /// A record that a dead or broken writer had taken never reached the log.
    RecordLost = "record of a dead writer lost",
    /// A writer's queue was full.
    QueueFull = "queue full",
    /// A command that an engine had written before was written again.
    CopyRepeated = "engine's command repeated",
    /// A command that an engine wrote never reached the log, and those after it did.
    CopyLost = "engine's command lost",
    /// An `AdvanceTime` never reached the log.
    TimerLost = "engine's timer lost",
    /// A later build wrote a record that this one may skip.
    LaterBuild = "record of a later build",
    /// A record that is not a command was written to the commands topic.
    Garbage = "garbage among commands",
    /// A reader got no events for a while, but commands all the time.
    EventsStalled = "events reader stalled",
    /// A reader started after the requested offset.
    CommandsSkipped = "commands reader skipped",
    /// A reader got records again that it had already read.
    ReadAgain = "records read again",
    /// The end of the log could not be determined.
    HeadUnavailable = "head unavailable",
    /// The broker's clock went back.
    BrokerClockBack = "broker's clock goes back",

    // Snapshots.
    /// A byte of a snapshot changed.
    SnapshotFlipped = "snapshot flipped",
    /// A snapshot was cut short.
    SnapshotTruncated = "snapshot truncated",
    /// Snapshots were removed.
    SnapshotsGone = "snapshots gone",
    /// A process found an old snapshot in place of newer ones.
    SnapshotOld = "snapshots replaced by an old one",
    /// A process died while it wrote a snapshot.
    SnapshotUnfinished = "snapshot unfinished",
    /// The snapshot store could not be read.
    StoreUnreadable = "store unreadable",

    // Clients and readers.
    /// A request never reached the log.
    RequestLost = "request lost",
    /// A request reached the log, but its acknowledgement was lost.
    RequestUnsure = "request's acknowledgement lost",
    /// A request was refused: nothing was written.
    RequestRefused = "request turned away",
    /// A request was sent again, under its command id or a new one.
    RequestRepeated = "request repeated",
    /// A projection died between its transactions.
    ProjectionCrashed = "projection crashed",
    /// A gateway forgot how far it had read.
    GatewayCrashed = "gateway crashed",

    // The system's reactions.
    /// The vocabulary of a shard was raised.
    VocabularyRaised = "vocabulary raised",
    /// A raise was refused, since a component could not read the vocabulary, or none had announced
    /// that it can.
    RaiseRefused = "raise refused",
    /// A component of the older build stopped at the raise.
    OlderBuildHalted = "older build halted",
    /// A component of the older build was informed which build to install.
    OlderBuildTold = "older build told",
    /// A process became a shard's leader.
    TookOver = "took over",
    /// A process that does not follow the shard stopped leading it and freed its state.
    StateForgotten = "state forgotten",
    /// A process without the shard's state was requested to lead it.
    BegunWith = "begun with",
    /// A leader resigned in an orderly way.
    Resigned = "resigned",
    /// A leader read another's term.
    Deposed = "deposed",
    /// A leader was deposed with outcomes that it had decided and not read back.
    DeposedUnconfirmed = "deposed with unconfirmed outcomes",
    /// A leader's writer broke.
    LeadLost = "lead lost with the writer",
    /// A takeover was not completed.
    TakeOverAbandoned = "take-over abandoned",
    /// A recovery started from a snapshot.
    RestoredFromSnapshot = "restored from a snapshot",
    /// A recovery had only the log.
    RecoveredFromLog = "recovered from the log alone",
    /// A damaged snapshot was read and skipped.
    DamagedSnapshotSkipped = "damaged snapshot skipped",
    /// A snapshot was stored.
    SnapshotKept = "snapshot kept",
    /// An outcome of a stale writer is in the log and does not count.
    StaleOutcome = "stale outcome ignored",
    /// A record of a later build was skipped.
    PassedOver = "record of a later build passed over",
    /// A message was received.
    MessageTakenIn = "message taken in",
    /// A message arrived again and was skipped.
    MessageRepeated = "duplicate message skipped",
    /// A message arrived before one that was still missing, and was skipped.
    MessageEarly = "message before its turn skipped",
    /// A market closed at its expiry.
    MarketExpired = "market expired",
    /// A dispute window ended and payouts began.
    WindowEnded = "dispute window ended",
    /// A repeat under a client id did nothing.
    ClientIdRepeated = "client id repeated",
    /// A client id that was used for another order was refused.
    ClientIdReused = "client id reused",
    /// A record that is not a command was refused.
    GarbageRefused = "garbage refused",
    /// A command that this build does not know was refused, under its own id.
    StrangeCommandRefused = "command of a later build refused",
    /// An order was refused.
    OrderRejected = "order rejected",
    /// An order was cancelled.
    OrderCancelled = "order cancelled",
    /// An order expired.
    OrderExpired = "order expired",
    /// An order was cancelled because its market paused.
    OrderPaused = "order cancelled by a pause",
    /// An order met one of its own account, and one of them was cancelled or reduced.
    SelfTradePrevented = "self-trade prevented",
    /// A reduce-only order arrived with more contracts than allowed.
    ReducingCut = "order that only reduces cut",
    /// A resting reduce-only order was reduced.
    ReducingShrunk = "order that only reduces shrunk",
    /// A resting reduce-only order was cancelled.
    ReducingEnded = "order that only reduces ended",
    /// A reduce-only order found nothing to reduce.
    NothingToReduce = "nothing to reduce",
    /// Orders of a group filled up to its limit.
    GroupFilledUp = "group filled up",
    /// A shard was informed by another that a group was triggered.
    GroupTriggeredElsewhere = "group triggered elsewhere",
    /// A group's home shard counted what another shard had filled.
    GroupAddedUp = "group added up",
    /// Fills were reported later, since no message could be sent to their home shard.
    GroupReportedLate = "group reported late",
    /// An order was cancelled with its group.
    GroupOrderEnded = "order ended with its group",
    /// A taker stopped, since its group was triggered.
    GroupTakerStopped = "taker stopped by its group",
    /// An order was refused, since its group was triggered.
    GroupClosed = "order refused by its group",
    /// A group was reset.
    GroupReset = "group reset",
    /// A group's limits were changed.
    GroupChanged = "group changed",
    /// A group was deleted.
    GroupDeleted = "group deleted",
    /// An admin was set.
    AdminSet = "admin set",
    /// An admin was revoked.
    AdminRevoked = "admin revoked",
    /// An admin without the role tried to manage admins.
    AdminNotAllowed = "admins not allowed",
    /// A command would have revoked or reduced the last admin that keeps the role.
    LastAdminKept = "last admin kept",
    /// An order was amended.
    OrderAmended = "order amended",
    /// An amendment was refused.
    AmendRejected = "amendment rejected",
    /// An account held more credits for an amendment.
    HoldRaised = "hold raised",
    /// An account cancelled all its orders.
    MassCancel = "mass cancel",
    /// An order was cancelled by that.
    OrderMassCancelled = "order ended by a mass cancel",
    /// A dead-man switch was not set again in time.
    DeadManSwitchFired = "dead-man switch fired",
    /// An order was cancelled by that.
    OrderSwitchedOff = "order ended by a dead-man switch",
    /// A batch was answered request by request.
    BatchOneByOne = "batch answered one by one",
    /// An all-or-nothing batch was executed.
    BatchCarriedOut = "batch carried out whole",
    /// An all-or-nothing batch was refused.
    BatchRefused = "batch refused whole",
    /// An account was frozen.
    AccountFrozen = "account frozen",
    /// A purse on a shard was frozen.
    PurseFrozen = "purse frozen",
    /// A transfer was received.
    TransferReceived = "transfer received",
    /// A transfer could not be received and was returned.
    TransferReturned = "transfer returned",
    /// A sender's home shard was informed that its transfer was received on another shard.
    TransferCompleted = "transfer completed",
    /// A parked movement, or a pending transfer, was repeated.
    MovementRepeatedUnderWay = "movement repeated while under way",
    /// Its client id was used for another movement.
    MovementReusedUnderWay = "name of a movement under way reused",
    /// A transfer that had been received was repeated.
    ReceivedTransferRepeated = "received transfer repeated",
    /// Its client id was used for another movement.
    ReceivedTransferReused = "name of a received transfer reused",
    /// A returned transfer was repeated.
    ReturnedTransferRepeated = "returned transfer repeated",
    /// Its client id was used for another movement.
    ReturnedTransferReused = "name of a returned transfer reused",
    /// Orders matched.
    Traded = "traded",
    /// Pairs were redeemed.
    PairsRedeemed = "pairs redeemed",
    /// A position was paid out.
    PaidOut = "paid out",

    // Purses: asking, lending, returning.
    /// An order was parked.
    OrderParked = "order parked",
    /// An amendment was parked.
    AmendmentParked = "amendment parked",
    /// An all-or-nothing batch was parked.
    BatchParked = "batch parked whole",
    /// A request was parked while another of its account was parked.
    ParkedBehind = "request parked behind another",
    /// A request with the client id of a parked one arrived.
    ParkedRepeated = "parked request repeated",
    /// A home shard was asked for credits.
    CreditsAsked = "credits asked for",
    /// A home shard was asked for room alone.
    RoomAsked = "room asked for",
    /// A home shard was asked for what its own purse lacks.
    AskedAtHome = "home's own purse asks",
    /// The home shard was asked again for the same request.
    AskedAgain = "asked again for one request",
    /// A home shard lent more than it was asked for.
    FloatLent = "float lent",
    /// A purse of an account was created on another shard.
    PurseMade = "purse made",
    /// What was asked for arrived when nothing waited for it any more.
    FundedLate = "funded when nobody waits",
    /// A parked order was accepted.
    ParkedPlaced = "parked order placed",
    /// A parked amendment was made.
    ParkedAmended = "parked amendment carried out",
    /// A parked batch was executed.
    ParkedBatchCarriedOut = "parked batch carried out",
    /// A claim waited on its account's home shard.
    ClaimParked = "claim waits at home",
    /// Purses were recalled.
    Recalled = "recall",
    /// Purses were recalled again for the same claim.
    RecalledAgain = "recall again for one claim",
    /// A withdrawal was made with what was returned.
    WithdrawnAfterRecall = "withdrawn after a recall",
    /// A transfer was made with what was returned.
    TransferredAfterRecall = "transferred after a recall",
    /// A purse was lent what was returned.
    FundedAfterRecall = "funded after a recall",
    /// A claim on credits was refused, since there is no other purse.
    RefusedAtOnce = "funds insufficient at once",
    /// A claim on credits was refused, since no purse had any left.
    RefusedAfterRecall = "funds insufficient after a recall",
    /// A claim was refused because of its account's limits.
    RoomRefused = "room refused",
    /// A request was parked for too long on its market's shard.
    FundingTimeout = "funding timeout",
    /// A request was parked for too long while another shard had no leader.
    FundingTimeoutDown = "funding timeout while a shard is down",
    /// A claim waited for too long.
    ClaimTimeout = "claim timeout",
    /// An order was cancelled while it was parked.
    CancelledWhileParked = "cancelled while parked",
    /// A market accepted no orders any more when a parked one was decided.
    ClosedWhileParked = "market closed while parked",
    /// An account was frozen while a request of it was parked.
    FrozenWhileParked = "frozen while parked",
    /// An instruction completed at once, since there are no other shards.
    CompletedAtOnce = "instruction completed at once",
    /// The last shard had carried out an instruction.
    CompletedLater = "instruction completed later",
    /// The limits of an account changed, and one of its purses keeps only the room that it uses.
    PurseSealed = "purse sealed",
    /// A sealed purse asked, and returned free room.
    RoomGivenBack = "room given back",
    /// Free credits of an idle purse were returned to the home shard.
    CreditsRested = "credits go home from rest",
    /// The payout of a market was sent to the home shard.
    PayoutSentHome = "payout goes home",
    /// A deposit waited for a second admin.
    DepositProposed = "deposit proposed",
    /// The second admin confirmed a proposed deposit.
    DepositConfirmed = "deposit confirmed",
    /// An admin dropped a proposed deposit.
    DepositDropped = "deposit dropped",
    /// A proposed deposit expired.
    DepositExpired = "proposed deposit expired",
    /// A key added another.
    KeyAddedByKey = "key added by a key",
    /// A key requested to grant or end what it may not.
    KeyAskedForMore = "key asked for more than it has",
    /// A key was replaced and stayed valid for a while.
    KeyRotated = "key rotated",
    /// A key was revoked.
    KeyRevoked = "key revoked",
    /// A key expired.
    KeyExpired = "key expired",
    /// A proposed deposit was requested again while it waited.
    ProposalRepeated = "proposed deposit repeated",
    /// A market was removed from its shard's state, a week after it was paid out.
    MarketArchived = "market archived",
    /// A shard's outbox for another one was full.
    OutboxFull = "outbox full",
    /// A command that needed more messages to that shard was refused.
    ShardUnavailable = "shard unavailable",
    /// A request concerned an archived market or its ticker.
    ArchivedRefused = "request in an archived market refused",
    /// An outcome contained its command's origin.
    OriginSaid = "outcome leads back to its request",
    /// A message had the trace of the command that it serves.
    TraceFollowed = "trace followed to another shard",
    /// A market opened at its opening time.
    MarketOpened = "market opened by itself",
    /// A market's description was replaced.
    MarketEdited = "market edited",
    /// An edit was refused, since the market had traded.
    EditTooLate = "edit of a market that has traded refused",
    /// A market is no longer proposed to be YES.
    YesReleased = "YES of a market event released",
    /// A market was not confirmed as YES, since another one of its event is.
    YesTaken = "YES of a market event taken",
    /// A market was not confirmed as YES, since its event's home shard had not answered.
    YesPending = "YES of a market event pending",
    /// Time advanced by minutes.
    TimeLeapt = "time leapt",

    // After a run, a shard's log has lost its end.
    /// An engine's snapshot was ahead of the log.
    LogCutFound = "log found cut",
    /// An engine's snapshot contained what the log no longer has, although the log is longer.
    OtherLogFound = "other log found",
    /// The log had fewer outcomes than a leader had committed.
    OutcomesGoneFound = "outcomes found gone",
    /// Commands with outcomes were missing.
    CommandsCutFound = "commands found cut",
    /// The last command with an outcome was a different one.
    OtherCommandsFound = "other commands found",

    /// A leader published the hash of its state; every follower checked it.
    StateHashed = "state hash published",
    /// A projection committed a batch.
    BatchCommitted = "projection's batch committed",
}

/// The number of occurrences of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally([u64; Seen::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Seen::ALL.len()])
    }
}

impl Tally {
    /// Counts one more occurrence.
    pub fn note(&mut self, seen: Seen) {
        self.0[seen as usize] += 1;
    }

    /// Returns the number of occurrences.
    pub fn of(&self, seen: Seen) -> u64 {
        self.0[seen as usize]
    }

    /// Adds the counts of another tally.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, part)| *sum += part);
    }

    /// Returns what never occurred.
    pub fn missing(&self) -> Vec<&'static str> {
        Seen::ALL.iter().filter(|seen| self.of(**seen) == 0).map(|seen| seen.name()).collect()
    }
}

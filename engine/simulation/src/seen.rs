//! What happened in a run, counted: a simulation proves nothing about what it never reaches.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A fault that was done to the system, or a path that it took.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Seen { $($(#[$doc])* $kind,)* }

        impl Seen {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The one that is called so.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|seen| seen.name() == name)
            }

            /// What it is called.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    // Processes and who leads.
    /// A process died at some point of what it was doing, and another was started in its place.
    ProcessKilled = "process killed",
    /// All processes died at once.
    AllKilled = "all processes killed",
    /// A process was asked to end, ended in good order, and another was started in its place.
    ProcessStopped = "process stopped in good order",
    /// A process stood still for a while, and went on as if nothing had happened.
    ProcessFrozen = "process frozen",
    /// A process, or what stands for all gateways or all projections, was replaced by one of the newer build.
    PartUpgraded = "part upgraded",
    /// The same with the older build.
    PartDowngraded = "part downgraded",
    /// An admin asked for a vocabulary.
    RaiseAsked = "raise of the vocabulary asked for",
    /// An announcement never reached the log.
    AnnouncementLost = "announcement lost",
    /// Two or more processes were told to lead one shard.
    LeadShared = "lead given to several",
    /// Nobody was told to lead a shard.
    LeadWithdrawn = "lead given to nobody",
    /// Nobody led a shard for longer than a request may be parked.
    ShardDown = "shard down",
    /// Somebody unknown appended a term.
    StrangerTerm = "stranger's term",

    // The log.
    /// A process's writer broke with records in its queue.
    WriterBroken = "writer broken",
    /// A record of a dead or broken writer reached the log after all.
    RecordLate = "record of a dead writer arrives late",
    /// A record that a dead or broken writer had taken never reached the log.
    RecordLost = "record of a dead writer lost",
    /// A writer had no room.
    QueueFull = "queue full",
    /// A command that an engine had written before was written once more.
    CopyRepeated = "engine's command repeated",
    /// A command that an engine wrote never reached the log, and those after it did.
    CopyLost = "engine's command lost",
    /// An `AdvanceTime` never reached the log.
    TimerLost = "engine's timer lost",
    /// A later build wrote a record that this one may pass over.
    LaterBuild = "record of a later build",
    /// Something that is no command stands among the commands.
    Garbage = "garbage among commands",
    /// A reader got no events for a while, and commands all the time.
    EventsStalled = "events reader stalled",
    /// A reader began after the place that it was told.
    CommandsSkipped = "commands reader skipped",
    /// A reader got records again that it had read.
    ReadAgain = "records read again",
    /// The end of the log could not be learned.
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
    /// The shelf could not be read.
    ShelfUnreadable = "store unreadable",

    // Clients and readers.
    /// A request never reached the log.
    RequestLost = "request lost",
    /// A request reached the log and its sender did not learn of it.
    RequestUnsure = "request's acknowledgement lost",
    /// A request was turned away: nothing was written.
    RequestRefused = "request turned away",
    /// A request was sent again, under its command id or a new one.
    RequestRepeated = "request repeated",
    /// A projection died between its transactions.
    ProjectionCrashed = "projection crashed",
    /// A gateway forgot how far it had read.
    GatewayCrashed = "gateway crashed",

    // What the system did about it.
    /// The vocabulary of a shard was raised.
    VocabularyRaised = "vocabulary raised",
    /// It was not, since somebody could not read it, or nobody had said that it can.
    RaiseRefused = "raise refused",
    /// A part of the older build stopped where it was raised.
    OlderBuildHalted = "older build halted",
    /// A part of the older build was told what to install.
    OlderBuildTold = "older build told",
    /// A process became a shard's leader.
    TookOver = "took over",
    /// A process that does not follow the shard led it no more, and gave its state back.
    StateForgotten = "state forgotten",
    /// A process without the shard's state was told to lead it.
    BegunWith = "begun with",
    /// A leader gave its shard up in good order.
    Resigned = "resigned",
    /// A leader met another's term.
    Deposed = "deposed",
    /// A leader was deposed with outcomes that it had decided and not read back.
    DeposedUnconfirmed = "deposed with unconfirmed outcomes",
    /// A leader's writer broke.
    LeadLost = "lead lost with the writer",
    /// A take-over did not come to its end.
    TakeOverAbandoned = "take-over abandoned",
    /// A recovery began at a snapshot.
    RestoredFromSnapshot = "restored from a snapshot",
    /// A recovery had only the log.
    RecoveredFromLog = "recovered from the log alone",
    /// A damaged snapshot was asked for and another way was found.
    DamagedSnapshotSkipped = "damaged snapshot skipped",
    /// A snapshot was put on a shelf.
    SnapshotKept = "snapshot kept",
    /// An outcome of a stale writer stands in the log and does not count.
    StaleOutcome = "stale outcome ignored",
    /// A record of a later build was passed over.
    PassedOver = "record of a later build passed over",
    /// A message was taken in.
    MessageTakenIn = "message taken in",
    /// A message came again and was skipped.
    MessageRepeated = "duplicate message skipped",
    /// A message came before one that was still missing, and was skipped.
    MessageEarly = "message before its turn skipped",
    /// A market closed by itself.
    MarketExpired = "market expired",
    /// A dispute window ended and payouts began.
    WindowEnded = "dispute window ended",
    /// A repeat under a client id did nothing.
    ClientIdRepeated = "client id repeated",
    /// A client id that stands for another order was refused.
    ClientIdReused = "client id reused",
    /// Something that is no command was refused.
    GarbageRefused = "garbage refused",
    /// A command that this build does not know was refused, under its own id.
    StrangeCommandRefused = "command of a later build refused",
    /// An order was refused.
    OrderRejected = "order rejected",
    /// An order was cancelled.
    OrderCancelled = "order cancelled",
    /// An order's own time came.
    OrderExpired = "order expired",
    /// An order was cancelled since its market paused.
    OrderPaused = "order cancelled by a pause",
    /// An order met one of its own account, and one of them lost something.
    SelfTradePrevented = "self-trade prevented",
    /// An order that only reduces came in for more contracts than it may.
    ReducingCut = "order that only reduces cut",
    /// One that rested lost a part.
    ReducingShrunk = "order that only reduces shrunk",
    /// One that rested lost all.
    ReducingEnded = "order that only reduces ended",
    /// One found nothing to reduce.
    NothingToReduce = "nothing to reduce",
    /// Orders of a group filled as much as they may.
    GroupFilledUp = "group filled up",
    /// A shard learned from another that a group was triggered.
    GroupTriggeredElsewhere = "group triggered elsewhere",
    /// A group's home counted what another shard had filled.
    GroupAddedUp = "group added up",
    /// Fills were reported later, since no message could go to their home.
    GroupReportedLate = "group reported late",
    /// An order ended with its group.
    GroupOrderEnded = "order ended with its group",
    /// A taker stopped, since its group was triggered.
    GroupTakerStopped = "taker stopped by its group",
    /// An order was refused, since its group was triggered.
    GroupClosed = "order refused by its group",
    /// A group was reset.
    GroupReset = "group reset",
    /// A group got other limits.
    GroupChanged = "group changed",
    /// A group was deleted.
    GroupDeleted = "group deleted",
    /// An admin was set.
    AdminSet = "admin set",
    /// An admin was revoked.
    AdminRevoked = "admin revoked",
    /// Who may not tried to say who is an admin.
    AdminNotAllowed = "admins not allowed",
    /// The last that keeps admins was to be revoked, or to have less.
    LastAdminKept = "last admin kept",
    /// An order was amended.
    OrderAmended = "order amended",
    /// An amendment was refused.
    AmendRejected = "amendment rejected",
    /// An account held more for an amendment.
    HoldRaised = "hold raised",
    /// An account asked for the end of all its orders.
    MassCancel = "mass cancel",
    /// An order ended by that.
    OrderMassCancelled = "order ended by a mass cancel",
    /// A dead-man switch was not set again in time.
    DeadManSwitchFired = "dead-man switch fired",
    /// An order ended by that.
    OrderSwitchedOff = "order ended by a dead-man switch",
    /// A batch was answered request by request.
    BatchOneByOne = "batch answered one by one",
    /// An all-or-nothing batch was carried out.
    BatchCarriedOut = "batch carried out whole",
    /// An all-or-nothing batch was refused.
    BatchRefused = "batch refused whole",
    /// An account was frozen.
    AccountFrozen = "account frozen",
    /// A shard paid for no orders of an account any more.
    PurseFrozen = "purse frozen",
    /// A transfer came in.
    TransferReceived = "transfer received",
    /// A transfer could not be received and came back.
    TransferReturned = "transfer returned",
    /// A sender's home learned that its transfer was received on another shard.
    TransferCompleted = "transfer completed",
    /// A movement that waited, or a transfer under way, was repeated.
    MovementRepeatedUnderWay = "movement repeated while under way",
    /// Its name was used for another movement.
    MovementReusedUnderWay = "name of a movement under way reused",
    /// A transfer that had been received was repeated.
    ReceivedTransferRepeated = "received transfer repeated",
    /// Its name was used for another movement.
    ReceivedTransferReused = "name of a received transfer reused",
    /// A transfer that had come back was repeated.
    ReturnedTransferRepeated = "returned transfer repeated",
    /// Its name was used for another movement.
    ReturnedTransferReused = "name of a returned transfer reused",
    /// Orders matched.
    Traded = "traded",
    /// Pairs became credits.
    PairsRedeemed = "pairs redeemed",
    /// A position was paid out.
    PaidOut = "paid out",

    // Purses: asking, lending, giving back.
    /// An order was parked.
    OrderParked = "order parked",
    /// An amendment was parked.
    AmendmentParked = "amendment parked",
    /// An all-or-nothing batch was parked.
    BatchParked = "batch parked whole",
    /// A request was parked while another of its account was.
    ParkedBehind = "request parked behind another",
    /// A client id stands for a request that is parked.
    ParkedRepeated = "parked request repeated",
    /// A home was asked for credits.
    CreditsAsked = "credits asked for",
    /// A home was asked for room alone.
    RoomAsked = "room asked for",
    /// A home was asked for what its own purse lacks.
    AskedAtHome = "home's own purse asks",
    /// A request for which the home was asked was lacking again.
    AskedAgain = "asked again for one request",
    /// A home lent more than it was asked for.
    FloatLent = "float lent",
    /// An account came to have a purse on one more shard.
    PurseMade = "purse made",
    /// What was asked for came when nobody waited for it any more.
    FundedLate = "funded when nobody waits",
    /// An order that was parked was taken in.
    ParkedPlaced = "parked order placed",
    /// A parked amendment was carried out.
    ParkedAmended = "parked amendment carried out",
    /// A parked batch was carried out.
    ParkedBatchCarriedOut = "parked batch carried out",
    /// A claim waited at its account's home.
    ClaimParked = "claim waits at home",
    /// Purses were told to give back.
    Recalled = "recall",
    /// Purses were told so again for the same claim.
    RecalledAgain = "recall again for one claim",
    /// A withdrawal was made with what came back.
    WithdrawnAfterRecall = "withdrawn after a recall",
    /// A transfer was made with what came back.
    TransferredAfterRecall = "transferred after a recall",
    /// A purse was lent what came back.
    FundedAfterRecall = "funded after a recall",
    /// A claim on credits was refused, since there is no other purse.
    RefusedAtOnce = "funds insufficient at once",
    /// A claim on credits was refused, since no purse had any left.
    RefusedAfterRecall = "funds insufficient after a recall",
    /// A claim was refused for the limits of its account.
    RoomRefused = "room refused",
    /// A request was parked for too long at its market's shard.
    FundingTimeout = "funding timeout",
    /// A request was parked for too long while nobody led another shard.
    FundingTimeoutDown = "funding timeout while a shard is down",
    /// A claim waited for too long.
    ClaimTimeout = "claim timeout",
    /// An order was cancelled while it was parked.
    CancelledWhileParked = "cancelled while parked",
    /// A market took no orders any more when a parked one was decided.
    ClosedWhileParked = "market closed while parked",
    /// An account was frozen while a request of it was parked.
    FrozenWhileParked = "frozen while parked",
    /// All shards had carried an instruction out at once, since there are none.
    CompletedAtOnce = "instruction completed at once",
    /// The last shard had carried an instruction out.
    CompletedLater = "instruction completed later",
    /// The limits of an account changed, and a purse of it keeps just the room that it uses.
    PurseSealed = "purse sealed",
    /// A sealed purse asked, and gave free room back.
    RoomGivenBack = "room given back",
    /// Free credits of a purse that nothing changed went home.
    CreditsRested = "credits go home from rest",
    /// What a market had paid out went home.
    PayoutSentHome = "payout goes home",
    /// A deposit waited for a second admin.
    DepositProposed = "deposit proposed",
    /// The second admin confirmed it.
    DepositConfirmed = "deposit confirmed",
    /// An admin dropped it.
    DepositDropped = "deposit dropped",
    /// Nobody confirmed it in time.
    DepositExpired = "proposed deposit expired",
    /// A key added another.
    KeyAddedByKey = "key added by a key",
    /// A key asked for what it may not give, or end.
    KeyAskedForMore = "key asked for more than it has",
    /// A key was replaced and stayed valid for a while.
    KeyRotated = "key rotated",
    /// A key was revoked.
    KeyRevoked = "key revoked",
    /// A key's time came.
    KeyExpired = "key expired",
    /// It was asked for again while it waited.
    ProposalRepeated = "proposed deposit repeated",
    /// A market left its shard's state, a week after it was paid out.
    MarketArchived = "market archived",
    /// A shard kept as many messages for another one as it may.
    OutboxFull = "outbox full",
    /// What would have sent it more was refused.
    ShardUnavailable = "shard unavailable",
    /// Somebody asked for something in an archived market, or for its ticker.
    ArchivedRefused = "request in an archived market refused",
    /// An outcome said what its command came with.
    OriginSaid = "outcome leads back to its request",
    /// A message had the trace of the command that it serves.
    TraceFollowed = "trace followed to another shard",
    /// A market opened at its opening time.
    MarketOpened = "market opened by itself",
    /// What a market is was replaced.
    MarketEdited = "market edited",
    /// It was not, since the market had traded.
    EditTooLate = "edit of a market that has traded refused",
    /// A market that was to be YES is not any more.
    YesReleased = "YES of a market event released",
    /// A market was not confirmed as YES, since another one of its event is.
    YesTaken = "YES of a market event taken",
    /// A market was not confirmed as YES, since its event's home had not answered.
    YesPending = "YES of a market event pending",
    /// Time went on by minutes.
    TimeLeapt = "time leapt",

    // After a run, a shard's log has lost its end.
    /// An engine's snapshot was ahead of the log.
    LogCutFound = "log found cut",
    /// An engine's snapshot was of what the log no longer has, though it is longer.
    OtherLogFound = "other log found",
    /// The log had fewer outcomes than a leader had said.
    OutcomesGoneFound = "outcomes found gone",
    /// Commands were gone that had outcomes.
    CommandsCutFound = "commands found cut",
    /// The last command with an outcome was another.
    OtherCommandsFound = "other commands found",

    /// A leader published the hash of its state; every follower checked it.
    StateHashed = "state hash published",
    /// A projection committed a batch.
    BatchCommitted = "projection's batch committed",
}

/// How often each was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally([u64; Seen::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Seen::ALL.len()])
    }
}

impl Tally {
    /// Counts one more.
    pub fn note(&mut self, seen: Seen) {
        self.0[seen as usize] += 1;
    }

    /// How often.
    pub fn of(&self, seen: Seen) -> u64 {
        self.0[seen as usize]
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, part)| *sum += part);
    }

    /// What was never seen.
    pub fn missing(&self) -> Vec<&'static str> {
        Seen::ALL.iter().filter(|seen| self.of(**seen) == 0).map(|seen| seen.name()).collect()
    }
}

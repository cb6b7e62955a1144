//! Rejections: the reasons why a command is refused.

open_enum! {
    /// Why a command was refused. Codes are public and append-only. 1xx: the command alone; 2xx:
    /// against market or account; 3xx: against state.
    ///
    /// A later build may add codes freely, except codes that [leave a client id
    /// free](Rejection::leaves_client_id_free): they need a new vocabulary, since `apply` depends
    /// on that.
    Rejection: u16, unknown "unknown-" {
        /// The record is not a command of a known version.
        Undecodable = 100, "undecodable";
        /// The command does not belong on this shard.
        WrongShard = 101, "wrong-shard";
        /// An order for no contracts.
        QuantityIsZero = 102, "quantity-is-zero";
        /// An amount that is not positive or above the limit.
        AmountOutOfRange = 103, "amount-out-of-range";
        /// A budget on a sell order.
        BudgetOnSell = 104, "budget-on-sell";
        /// The market's id does not match its ticker.
        MarketIdMismatch = 105, "market-id-mismatch";
        /// A tick size that does not divide a credit.
        TickSizeInvalid = 106, "tick-size-invalid";
        /// An expiry that is not in the future.
        ExpiryInPast = 107, "expiry-in-past";
        /// The account id is 0, which is not valid.
        AccountIdInvalid = 108, "account-id-invalid";
        /// A message or acknowledgement that no shard could have sent.
        MessageInvalid = 109, "message-invalid";
        /// Post-only combined with immediate-or-cancel or fill-or-kill: such an order could never
        /// have an effect.
        PostOnlyImmediate = 110, "post-only-immediate";
        /// An empty batch, or one with more requests than the limit.
        BatchSizeInvalid = 111, "batch-size-invalid";
        /// A request in a batch concerns another account.
        AccountMismatch = 112, "account-mismatch";
        /// A dead-man switch with a timeout of zero, or above the maximum.
        TimeoutOutOfRange = 113, "timeout-out-of-range";
        /// A transfer from an account to itself.
        TransferToSelf = 114, "transfer-to-self";
        /// An amendment that changes nothing.
        AmendmentEmpty = 115, "amendment-empty";
        /// A dispute window above the maximum.
        DisputeWindowInvalid = 116, "dispute-window-invalid";
        /// Leaders halted at the command, and two admins quarantined it.
        Quarantined = 117, "quarantined";
        /// An opening time that is not in the future, or not before the closing time.
        OpeningInvalid = 118, "opening-invalid";
        /// An edit of a market, or an addition to it, that changes nothing.
        EditEmpty = 119, "edit-empty";
        /// The market event's id does not match its name.
        MarketEventIdMismatch = 120, "market-event-id-mismatch";
        /// A ticker, or a market event's name, without a letter: it could be mistaken for an id.
        NameInvalid = 121, "name-invalid";
        /// A time beyond the year 9999.
        TimeOutOfRange = 122, "time-out-of-range";

        /// There is no such account.
        AccountUnknown = 201, "account-unknown";
        /// The account id already exists.
        AccountExists = 202, "account-exists";
        /// There is no such market.
        MarketUnknown = 203, "market-unknown";
        /// The ticker already exists.
        MarketExists = 204, "market-exists";
        /// The market accepts no orders at present.
        MarketNotOpen = 205, "market-not-open";
        /// The price is not a multiple of the market's tick size.
        PriceOffTick = 206, "price-off-tick";
        /// The market's fee is above the maximum that the order accepts.
        FeeRateTooLow = 207, "fee-rate-too-low";
        /// The account has no such live order.
        OrderUnknown = 208, "order-unknown";
        /// The market's current state does not allow this transition.
        TransitionInvalid = 209, "transition-invalid";
        /// The account has no such key.
        ApiKeyUnknown = 210, "api-key-unknown";
        /// The key's id already exists.
        ApiKeyExists = 211, "api-key-exists";
        /// The account is frozen.
        AccountFrozen = 212, "account-frozen";
        /// Orders of the market are still waiting to be cancelled.
        MarketSweeping = 213, "market-sweeping";
        /// The admin who proposed an answer or a deposit cannot confirm it.
        SecondAdminRequired = 214, "second-admin-required";
        /// The proposed answer differs from the one to confirm.
        AnswerMismatch = 215, "answer-mismatch";
        /// No such deposit was ever proposed.
        DepositUnknown = 216, "deposit-unknown";
        /// The proposed deposit has ended: it was confirmed, dropped, or has expired.
        DepositEnded = 217, "deposit-ended";
        /// The proposed deposit has another account or amount.
        DepositMismatch = 218, "deposit-mismatch";
        /// The shard's vocabulary is already this one, or a later one.
        VocabularyNotHigher = 219, "vocabulary-not-higher";
        /// A component that reads the shard's log does not know the vocabulary; or no component has
        /// announced that it does.
        VocabularyUnread = 220, "vocabulary-unread";
        /// The market was paid out long ago and is archived. Its ticker is never listed again.
        MarketArchived = 221, "market-archived";
        /// The shard has reached its limit of resting orders or of markets.
        BooksFull = 222, "books-full";
        /// The market has traded: its description can be added to, but not replaced.
        MarketTraded = 230, "market-traded";
        /// Trading has ended, or the market is resolved: its description cannot change.
        MarketEnded = 231, "market-ended";
        /// The market is or was open: its opening time cannot change.
        MarketOpened = 232, "market-opened";
        /// The market event's name already exists.
        MarketEventExists = 233, "market-event-exists";
        /// Another market of the exclusive market event has its YES.
        YesTaken = 234, "yes-taken";
        /// The account has no such group.
        GroupUnknown = 240, "group-unknown";
        /// The account already has this group.
        GroupExists = 241, "group-exists";
        /// The group was triggered. It accepts no orders until it is reset.
        GroupTriggered = 242, "group-triggered";
        /// The key would be invalid at once: its expiry is not in the future.
        KeyExpiryInPast = 250, "key-expiry-in-past";
        /// The key that makes the request was revoked or has expired.
        AskingKeyEnded = 251, "asking-key-ended";
        /// The key that makes the request lacks a right of the key that it would add or revoke.
        KeyRightsExceeded = 252, "key-rights-exceeded";
        /// The replaced key would stay valid for longer than the maximum.
        GraceTooLong = 253, "grace-too-long";
        /// There is no such admin.
        AdminUnknown = 260, "admin-unknown";
        /// The admin that makes the request may not manage admins, or is not an admin.
        AdminsNotAllowed = 261, "admins-not-allowed";
        /// No admin without expiry would be left that may manage admins.
        LastAdmin = 262, "last-admin";
        /// Another admin has the same proof.
        AdminProofTaken = 263, "admin-proof-taken";

        /// The account has not enough available credits, over all shards.
        FundsInsufficient = 301, "funds-insufficient";
        /// The account has not enough unreserved contracts.
        PositionInsufficient = 302, "position-insufficient";
        /// The client id was used for a different request.
        ClientIdReused = 303, "client-id-reused";
        /// The account's credits would exceed the limit.
        WalletLimit = 304, "wallet-limit";
        /// The account has reached its limit of keys.
        ApiKeyLimit = 305, "api-key-limit";
        /// The order was decided after its deadline.
        DeadlinePassed = 306, "deadline-passed";
        /// A post-only order would take, and no price is left at which it could rest.
        PostOnlyWouldTake = 307, "post-only-would-take";
        /// The account has reached its limit of live orders.
        LiveOrderLimit = 308, "live-order-limit";
        /// The account's live orders have reached their limit of value.
        NotionalLimit = 309, "notional-limit";
        /// The account's contracts, held and wanted, have reached their limit.
        PositionLimit = 310, "position-limit";
        /// The account cancelled the request before it was decided.
        CancelledWhileParked = 311, "cancelled-while-parked";
        /// The new quantity is not above what is already filled.
        QuantityFilled = 312, "quantity-filled";
        /// Another request of the same all-or-nothing batch was refused.
        BatchRefused = 313, "batch-refused";
        /// The result of an all-or-nothing batch depends on the batch itself, so it cannot be
        /// guaranteed.
        BatchConflict = 314, "batch-conflict";
        /// The credits or room that the request lacks did not arrive in time: the account's home
        /// shard, or another shard with a purse of the account, does not answer.
        FundingTimeout = 315, "funding-timeout";
        /// The account has reached its limit of parked requests, or of pending instructions to its
        /// purses.
        ParkedLimit = 316, "parked-limit";
        /// The account has reached its limit of client ids in this hour.
        ClientIdLimit = 317, "client-id-limit";
        /// The account's order is filled and no longer live.
        OrderFilled = 318, "order-filled";
        /// The account's order was cancelled and is no longer live.
        OrderCancelled = 319, "order-cancelled";
        /// The account's order has expired and is no longer live.
        OrderExpired = 320, "order-expired";
        /// The shard has reached its limit of proposed deposits that wait for a second admin.
        DepositProposalLimit = 321, "deposit-proposal-limit";
        /// The shard has reached its limit of announced components.
        PartsLimit = 322, "parts-limit";
        /// The request needs another shard, which has not received messages from this shard for
        /// long. Nothing was held or sent.
        ShardUnavailable = 323, "shard-unavailable";
        /// The order is reduce-only, and there is nothing to reduce.
        NothingToReduce = 324, "nothing-to-reduce";
        /// The account has reached its limit of reduce-only buys that rest in the market.
        ReduceOnlyLimit = 325, "reduce-only-limit";
        /// The market would exceed its limit of sources, tags or clarifications.
        MarketTextsLimit = 330, "market-texts-limit";
        /// The market already has this source or tag.
        AdditionRepeated = 331, "addition-repeated";
        /// The shard has reached its limit of market events.
        MarketEventsLimit = 332, "market-events-limit";
        /// The home shard of the market's event has not yet answered whether the market can be
        /// answered YES.
        YesPending = 333, "yes-pending";
        /// The account has reached its limit of groups.
        GroupsLimit = 340, "groups-limit";
        /// The group has reached its limit of resting orders on the shard.
        GroupOrdersLimit = 341, "group-orders-limit";
        /// The limit of admins is reached.
        AdminsLimit = 346, "admins-limit";
        /// The net deposits of all accounts of the shard (deposits minus withdrawals) would exceed
        /// the limit.
        ShardCreditsLimit = 347, "shard-credits-limit";
    }
}

impl Rejection {
    /// Returns true if an order refused for this reason uses no client id: the id belongs to
    /// another order, or the client is asked to send the order again later.
    pub const fn leaves_client_id_free(self) -> bool {
        matches!(
            self,
            Self::ClientIdReused
                | Self::FundingTimeout
                | Self::ParkedLimit
                | Self::ClientIdLimit
                | Self::ShardUnavailable
        )
    }
}

//! Why a command was refused.

open_enum! {
    /// Why a command was refused. Codes are public and append-only.
    /// 1xx the command alone, 2xx against market or account, 3xx against state.
    ///
    /// A later build may add codes freely, but for those that [leave a client id
    /// free](Rejection::leaves_client_id_free): they need a new vocabulary, since `apply` depends on that.
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
        /// The market's id is not that of its ticker.
        MarketIdMismatch = 105, "market-id-mismatch";
        /// A tick size that does not divide a credit.
        TickSizeInvalid = 106, "tick-size-invalid";
        /// An expiry that is not in the future.
        ExpiryInPast = 107, "expiry-in-past";
        /// The id 0 names no account.
        AccountIdInvalid = 108, "account-id-invalid";
        /// A message or acknowledgement that no shard could have sent.
        MessageInvalid = 109, "message-invalid";
        /// Post-only, and immediate-or-cancel or fill-or-kill: it could never do anything.
        PostOnlyImmediate = 110, "post-only-immediate";
        /// A batch of nothing, or of more than it may hold.
        BatchSizeInvalid = 111, "batch-size-invalid";
        /// Something in a batch is another account's.
        AccountMismatch = 112, "account-mismatch";
        /// A dead-man switch for no time, or for longer than it may be set.
        TimeoutOutOfRange = 113, "timeout-out-of-range";
        /// A transfer from an account to itself.
        TransferToSelf = 114, "transfer-to-self";
        /// An amendment that changes nothing.
        AmendmentEmpty = 115, "amendment-empty";
        /// A dispute window longer than it may be.
        DisputeWindowInvalid = 116, "dispute-window-invalid";
        /// Leaders halted at the command, and two admins put it aside.
        Quarantined = 117, "quarantined";
        /// An opening time that is not in the future, or not before the closing time.
        OpeningInvalid = 118, "opening-invalid";
        /// A change of a market, or an addition to it, that changes nothing.
        EditEmpty = 119, "edit-empty";
        /// The market event's id is not that of its name.
        MarketEventIdMismatch = 120, "market-event-id-mismatch";
        /// A ticker, or a market event's name, without a letter: it could be taken for an id.
        NameInvalid = 121, "name-invalid";
        /// A time beyond the year 9999.
        TimeOutOfRange = 122, "time-out-of-range";

        /// There is no such account.
        AccountUnknown = 201, "account-unknown";
        /// The account id is taken.
        AccountExists = 202, "account-exists";
        /// There is no such market.
        MarketUnknown = 203, "market-unknown";
        /// The ticker is taken.
        MarketExists = 204, "market-exists";
        /// The market takes no orders now.
        MarketNotOpen = 205, "market-not-open";
        /// The price is not a multiple of the market's tick size.
        PriceOffTick = 206, "price-off-tick";
        /// The market's fee is above what the order accepts.
        FeeRateTooLow = 207, "fee-rate-too-low";
        /// The account has no such live order.
        OrderUnknown = 208, "order-unknown";
        /// The market cannot go from where it stands to there.
        TransitionInvalid = 209, "transition-invalid";
        /// The account has no such key.
        ApiKeyUnknown = 210, "api-key-unknown";
        /// The key's id is taken.
        ApiKeyExists = 211, "api-key-exists";
        /// The account is frozen.
        AccountFrozen = 212, "account-frozen";
        /// Orders of the market still wait for their cancel.
        MarketSweeping = 213, "market-sweeping";
        /// The admin who proposed an answer or a deposit cannot confirm it.
        SecondAdminRequired = 214, "second-admin-required";
        /// The proposed answer is another one.
        AnswerMismatch = 215, "answer-mismatch";
        /// No such deposit was ever proposed.
        DepositUnknown = 216, "deposit-unknown";
        /// The proposed deposit waits no more: it is confirmed or dropped, or its time has come.
        DepositEnded = 217, "deposit-ended";
        /// The proposed deposit is to another account, or of another amount.
        DepositMismatch = 218, "deposit-mismatch";
        /// The shard's vocabulary is that one already, or a higher one.
        VocabularyNotHigher = 219, "vocabulary-not-higher";
        /// A part that reads the shard's log does not know the vocabulary; or none has said that it does.
        VocabularyUnread = 220, "vocabulary-unread";
        /// The market was paid out long ago and is archived. Its ticker is never listed again.
        MarketArchived = 221, "market-archived";
        /// As many orders rest on the shard, or as many markets are there, as may be.
        BooksFull = 222, "books-full";
        /// The market has traded: what it is can be added to, and not be replaced.
        MarketTraded = 230, "market-traded";
        /// Trading has ended, or the market is resolved: what it is stays as it is.
        MarketEnded = 231, "market-ended";
        /// The market is open or was: its opening time stays as it is.
        MarketOpened = 232, "market-opened";
        /// The market event's name is taken.
        MarketEventExists = 233, "market-event-exists";
        /// Another market of the exclusive market event holds its YES.
        YesTaken = 234, "yes-taken";
        /// The account has no such group.
        GroupUnknown = 240, "group-unknown";
        /// The account has such a group.
        GroupExists = 241, "group-exists";
        /// The group was triggered. It takes no orders until it is reset.
        GroupTriggered = 242, "group-triggered";
        /// The key would be worthless at once: its expiry is not in the future.
        KeyExpiryInPast = 250, "key-expiry-in-past";
        /// The key that asks was revoked or has expired.
        AskingKeyEnded = 251, "asking-key-ended";
        /// The key that asks has not every right of the key that it would add or revoke.
        KeyRightsExceeded = 252, "key-rights-exceeded";
        /// The replaced key would stay valid for longer than it may.
        GraceTooLong = 253, "grace-too-long";
        /// There is no such admin.
        AdminUnknown = 260, "admin-unknown";
        /// The admin that asks may not say who is an admin, or is none.
        AdminsNotAllowed = 261, "admins-not-allowed";
        /// No admin would be left that may always say who is an admin.
        LastAdmin = 262, "last-admin";
        /// Another admin proves itself in this way.
        AdminProofTaken = 263, "admin-proof-taken";

        /// The account has not enough available credits, wherever they are.
        FundsInsufficient = 301, "funds-insufficient";
        /// The account has not enough unreserved contracts.
        PositionInsufficient = 302, "position-insufficient";
        /// The client id stands for a different request.
        ClientIdReused = 303, "client-id-reused";
        /// The account's credits would exceed the limit.
        WalletLimit = 304, "wallet-limit";
        /// The account has as many keys as it may.
        ApiKeyLimit = 305, "api-key-limit";
        /// The order came later than it asked for.
        DeadlinePassed = 306, "deadline-passed";
        /// A post-only order would take, and there is no price left to rest at.
        PostOnlyWouldTake = 307, "post-only-would-take";
        /// The account has as many live orders as it may.
        LiveOrderLimit = 308, "live-order-limit";
        /// The account's live orders are worth as much as they may.
        NotionalLimit = 309, "notional-limit";
        /// The account holds, or wants, as many contracts as it may.
        PositionLimit = 310, "position-limit";
        /// Its account cancelled the request before it was decided.
        CancelledWhileParked = 311, "cancelled-while-parked";
        /// No more than what is filled already.
        QuantityFilled = 312, "quantity-filled";
        /// Something else in the same all-or-nothing batch was refused.
        BatchRefused = 313, "batch-refused";
        /// What an all-or-nothing batch asks depends on what it does itself, so it cannot be promised.
        BatchConflict = 314, "batch-conflict";
        /// What the request lacks did not come in time: its account's home, or another shard with a purse of it, does not answer.
        FundingTimeout = 315, "funding-timeout";
        /// As many requests of the account are parked, or instructions to its purses under way, as may be.
        ParkedLimit = 316, "parked-limit";
        /// The account has used as many client ids in this hour as it may.
        ClientIdLimit = 317, "client-id-limit";
        /// The account's order is filled: it is not live any more.
        OrderFilled = 318, "order-filled";
        /// The account's order was cancelled: it is not live any more.
        OrderCancelled = 319, "order-cancelled";
        /// The account's order has expired: it is not live any more.
        OrderExpired = 320, "order-expired";
        /// As many proposed deposits of the shard wait for a second admin as may.
        DepositProposalLimit = 321, "deposit-proposal-limit";
        /// As many parts as may have announced themselves to the shard.
        PartsLimit = 322, "parts-limit";
        /// It needs another shard, which has not taken in what was sent there for long. Nothing was held or sent.
        ShardUnavailable = 323, "shard-unavailable";
        /// The order only reduces its account's position, and there is nothing to reduce.
        NothingToReduce = 324, "nothing-to-reduce";
        /// As many buys of the account that only reduce rest in the market as may.
        ReduceOnlyLimit = 325, "reduce-only-limit";
        /// The market would have more sources, tags or clarifications than it may.
        MarketTextsLimit = 330, "market-texts-limit";
        /// The market has that source or tag already.
        AdditionRepeated = 331, "addition-repeated";
        /// As many market events of the shard as may be.
        MarketEventsLimit = 332, "market-events-limit";
        /// The home of the market's event has not answered yet whether the market can be answered YES.
        YesPending = 333, "yes-pending";
        /// The account has as many groups as it may.
        GroupsLimit = 340, "groups-limit";
        /// As many orders of the group rest on the shard as may.
        GroupOrdersLimit = 341, "group-orders-limit";
        /// There are as many admins as may be.
        AdminsLimit = 346, "admins-limit";
        /// What all accounts of the shard have deposited, less what they withdrew, would exceed the limit.
        ShardCreditsLimit = 347, "shard-credits-limit";
    }
}

impl Rejection {
    /// True if an order that is refused for this uses up no client id: the id stands for another order, or its client
    /// is asked to send the order again later.
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

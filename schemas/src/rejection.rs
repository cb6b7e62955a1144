//! Why a command was refused.

wire_enum! {
    /// Why a command was refused. Codes are public and append-only.
    /// 1xx the command alone, 2xx against market or account, 3xx against state.
    Rejection: u16 {
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

        /// The account has not enough available credits.
        FundsInsufficient = 301, "funds-insufficient";
        /// The account has not enough unreserved contracts.
        PositionInsufficient = 302, "position-insufficient";
        /// The client id stands for a different request.
        ClientIdReused = 303, "client-id-reused";
        /// The wallet, or all of its shard's together, would exceed the limit.
        WalletLimit = 304, "wallet-limit";
        /// The account has as many keys as it may.
        ApiKeyLimit = 305, "api-key-limit";
    }
}

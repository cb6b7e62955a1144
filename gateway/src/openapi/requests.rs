//! Bodies of requests. The readers beside the handlers read them (`http::fields`): strictly, with
//! the location of each fault. The tests of `document` hold these against the readers.

use utoipa::ToSchema;

use super::scalars::{
    AccountIdText, AmountText, AnswerValueText, ClientIdText, ContractName, CreditsLimitText, EventNameText,
    FeeRateText, GroupNumber, LabelText, MarketIdText, OrderIdText, PostOnlyName, PriceText, PublicKeyText,
    QuantityNumber, RoleName, ScopeName, SelfTradeName, SideName, TickerText, TicksText, TimeInForceName, TimeText,
    TypeName,
};

/// Declares bodies: structs that only describe.
macro_rules! bodies {
    ($($(#[$attribute:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(ToSchema)]
        $(#[$attribute])*
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "it describes a body")]
        pub struct $name {
            $($(#[$about])* $field: $type,)*
        }
    )*};
}

bodies! {
    /// An order to place.
    ///
    /// | type   | side      | required          | optional                                              |
    /// |--------|-----------|-------------------|-------------------------------------------------------|
    /// | LIMIT  | BUY, SELL | price, quantity   | time_in_force, expires_at, post_only, cancel_on_pause |
    /// | MARKET | BUY       | budget            |                                                       |
    /// | MARKET | BUY, SELL | quantity          | worst_price                                           |
    ///
    /// Every order has `ticker` or `market_id`, and may have `client_id`, `deadline`, `self_trade`,
    /// `reduce_only` and `group`.
    #[schema(examples(json!({"ticker": "RAIN-TOMORROW", "contract": "YES", "side": "BUY", "type": "LIMIT",
        "price": "0.5500", "quantity": 10, "client_id": "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11"})))]
    PlaceOrder {
        /// The market's ticker; either this or `market_id`.
        #[schema(value_type = Option<TickerText>)]
        ticker: (),
        /// The market's id; either this or `ticker`.
        #[schema(value_type = Option<MarketIdText>)]
        market_id: (),
        #[schema(value_type = ContractName)]
        contract: (),
        #[schema(value_type = SideName)]
        side: (),
        #[schema(value_type = TypeName)]
        r#type: (),
        /// The limit price of the order's own contract, a multiple of the market's tick size.
        #[schema(value_type = Option<PriceText>)]
        price: (),
        #[schema(value_type = Option<QuantityNumber>)]
        quantity: (),
        /// GTC if absent.
        #[schema(value_type = Option<TimeInForceName>)]
        time_in_force: (),
        /// When it expires; only with GTD.
        #[schema(value_type = Option<TimeText>)]
        expires_at: (),
        /// OFF if absent. Only for an order that may rest.
        #[schema(value_type = Option<PostOnlyName>)]
        post_only: (),
        /// True if a pause of the market cancels it. Only for an order that may rest.
        cancel_on_pause: Option<bool>,
        /// The worst price of a MARKET order with a quantity; any if absent.
        #[schema(value_type = Option<PriceText>)]
        worst_price: (),
        /// The credits that a MARKET buy may spend, fees included.
        #[schema(value_type = Option<AmountText>)]
        budget: (),
        /// CANCEL_NEWEST if absent.
        #[schema(value_type = Option<SelfTradeName>)]
        self_trade: (),
        /// The engine refuses the order if it comes after this time.
        #[schema(value_type = Option<TimeText>)]
        deadline: (),
        /// True if it may only reduce its account's position.
        reduce_only: Option<bool>,
        /// The account's group that it belongs to.
        #[schema(value_type = Option<GroupNumber>)]
        group: (),
        #[schema(value_type = Option<ClientIdText>)]
        client_id: (),
    }

    /// A change of an order: at least one of the two.
    #[schema(examples(json!({"price": "0.5400"})))]
    AmendOrder {
        #[schema(value_type = Option<PriceText>)]
        price: (),
        /// The quantity in total, filled contracts included.
        #[schema(value_type = Option<QuantityNumber>)]
        quantity: (),
    }

    /// Many requests of one account: 1 to 100.
    #[schema(examples(json!({"requests": [
        {"place": {"ticker": "RAIN-TOMORROW", "contract": "NO", "side": "BUY", "type": "LIMIT", "price": "0.4000",
            "quantity": 5}},
        {"cancel": {"order_id": "144115188075855873"}}]})))]
    SubmitBatch {
        /// True if all are carried out or none; only for markets of one shard.
        all_or_nothing: Option<bool>,
        #[schema(min_items = 1, max_items = 100)]
        requests: Vec<BatchItemRequest>,
    }

    /// One of `place`, `cancel` and `amend`.
    BatchItemRequest {
        place: Option<PlaceOrder>,
        cancel: Option<OrderReference>,
        amend: Option<AmendInBatch>,
    }

    /// An order: by its id, or by a client id within a market.
    OrderReference {
        #[schema(value_type = Option<OrderIdText>)]
        order_id: (),
        #[schema(value_type = Option<ClientIdText>)]
        client_id: (),
        /// With `client_id`; either this or `market_id`.
        #[schema(value_type = Option<TickerText>)]
        ticker: (),
        /// With `client_id`; either this or `ticker`.
        #[schema(value_type = Option<MarketIdText>)]
        market_id: (),
    }

    /// A change of an order in a batch.
    AmendInBatch {
        #[schema(value_type = Option<OrderIdText>)]
        order_id: (),
        #[schema(value_type = Option<ClientIdText>)]
        client_id: (),
        /// With `client_id`; either this or `market_id`.
        #[schema(value_type = Option<TickerText>)]
        ticker: (),
        /// With `client_id`; either this or `ticker`.
        #[schema(value_type = Option<MarketIdText>)]
        market_id: (),
        #[schema(value_type = Option<PriceText>)]
        price: (),
        /// The quantity in total, filled contracts included.
        #[schema(value_type = Option<QuantityNumber>)]
        quantity: (),
    }

    /// A group of orders to create.
    #[schema(examples(json!({"group": 7, "contracts": 100, "window_s": 10})))]
    CreateGroup {
        #[schema(value_type = GroupNumber)]
        group: (),
        /// The contracts that may fill within the window.
        #[schema(minimum = 1, maximum = 1_000_000_000)]
        contracts: u32,
        /// The window, in seconds.
        #[schema(minimum = 1, maximum = 60)]
        window_s: u8,
    }

    /// The limits of a group of orders.
    #[schema(examples(json!({"contracts": 100, "window_s": 10})))]
    ChangeGroup {
        /// The contracts that may fill within the window.
        #[schema(minimum = 1, maximum = 1_000_000_000)]
        contracts: u32,
        /// The window, in seconds.
        #[schema(minimum = 1, maximum = 60)]
        window_s: u8,
    }

    /// The time-out of a dead-man switch.
    #[schema(examples(json!({"timeout_s": 30})))]
    SetDeadManSwitch {
        /// Seconds without another request like this until all orders are cancelled.
        #[schema(minimum = 1, maximum = 86_400)]
        timeout_s: u32,
    }

    /// Credits to send to another account.
    #[schema(examples(json!({"to": "4611686018427387905", "amount": "12.5",
        "client_id": "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a12"})))]
    Transfer {
        #[schema(value_type = AccountIdText)]
        to: (),
        #[schema(value_type = AmountText)]
        amount: (),
        /// Required in a signed request.
        #[schema(value_type = Option<ClientIdText>)]
        client_id: (),
    }

    /// The key of a new account.
    OpenAccount {
        /// Absent: the gateway generates a secret.
        #[schema(value_type = Option<PublicKeyText>)]
        public_key: (),
    }

    /// A key to create, with at most the rights of the key that asks.
    #[schema(examples(json!({"name": "reporting", "scopes": ["READ"]})))]
    CreateApiKey {
        /// Absent: the gateway generates a secret.
        #[schema(value_type = Option<PublicKeyText>)]
        public_key: (),
        /// READ and TRADE if absent; each once.
        #[schema(value_type = Option<Vec<ScopeName>>, min_items = 1)]
        scopes: (),
        #[schema(value_type = Option<TimeText>)]
        expires_at: (),
        /// For people: 1 to 64 bytes.
        #[schema(min_length = 1, max_length = 64)]
        name: Option<String>,
        /// The markets in which it may place orders; all if absent.
        #[schema(value_type = Option<Vec<MarketIdText>>, min_items = 1, max_items = 20)]
        markets: (),
        /// The largest notional of an order; any if absent.
        #[schema(value_type = Option<AmountText>)]
        notional: (),
    }

    /// A key that replaces another one with the same rights.
    #[schema(examples(json!({"grace_s": 3600})))]
    RotateApiKey {
        /// Seconds for which the old key stays valid; 0 if absent.
        #[schema(minimum = 0, maximum = 604_800)]
        grace_s: Option<u32>,
        /// Required if the old key signs its requests.
        #[schema(value_type = Option<PublicKeyText>)]
        public_key: (),
    }

    /// Credits to deposit or to withdraw.
    #[schema(examples(json!({"account_id": "4611686018427387905", "amount": "100"})))]
    MoveCredits {
        #[schema(value_type = AccountIdText)]
        account_id: (),
        #[schema(value_type = AmountText)]
        amount: (),
        #[schema(value_type = Option<ClientIdText>)]
        client_id: (),
    }

    /// The proposed deposit as the second admin knows it.
    #[schema(examples(json!({"account_id": "4611686018427387905", "amount": "100000"})))]
    ConfirmDeposit {
        #[schema(value_type = AccountIdText)]
        account_id: (),
        #[schema(value_type = AmountText)]
        amount: (),
    }

    /// A market to list.
    #[schema(examples(json!({"ticker": "RAIN-MONDAY", "question": "Does it rain on Monday?",
        "rules": "YES if the station reports rain.", "category": "weather", "expiry": "2099-01-01T00:00:00Z"})))]
    CreateMarket {
        #[schema(value_type = TickerText)]
        ticker: (),
        /// 1 to 500 bytes.
        #[schema(min_length = 1, max_length = 500)]
        question: String,
        /// What decides the answer: 1 to 10,000 bytes, with line ends.
        #[schema(min_length = 1, max_length = 10_000)]
        rules: String,
        /// Where the answer is published: at most 10, each of 1 to 500 bytes.
        #[schema(max_items = 10)]
        sources: Option<Vec<String>>,
        #[schema(value_type = LabelText)]
        category: (),
        #[schema(value_type = Option<Vec<LabelText>>, max_items = 10)]
        tags: (),
        /// The name or id of the market event that it belongs to.
        event: Option<String>,
        /// When it opens by itself, before the expiry.
        #[schema(value_type = Option<TimeText>)]
        opens_at: (),
        /// When trading ends.
        #[schema(value_type = TimeText)]
        expiry: (),
        /// 0.0001 if absent.
        #[schema(value_type = Option<TicksText>)]
        tick_size: (),
        /// The fee rate of resting orders; 0 if absent.
        #[schema(value_type = Option<FeeRateText>)]
        maker_fee: (),
        /// The fee rate of incoming orders; 0 if absent.
        #[schema(value_type = Option<FeeRateText>)]
        taker_fee: (),
        /// Milliseconds between the second admin's confirmation and the payout; 0 if absent.
        #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
        dispute_window_ms: Option<u64>,
        limits: Option<LimitMarket>,
    }

    /// Changes of a market's description, before its first trade.
    #[schema(examples(json!({"category": "weather"})))]
    EditMarket {
        /// 1 to 500 bytes.
        #[schema(min_length = 1, max_length = 500)]
        question: Option<String>,
        /// 1 to 10,000 bytes, with line ends.
        #[schema(min_length = 1, max_length = 10_000)]
        rules: Option<String>,
        /// At most 10, each of 1 to 500 bytes.
        #[schema(max_items = 10)]
        sources: Option<Vec<String>>,
        #[schema(value_type = Option<LabelText>)]
        category: (),
        #[schema(value_type = Option<Vec<LabelText>>, max_items = 10)]
        tags: (),
        /// The name or id of a market event; null takes the market out of its event.
        event: Option<String>,
        /// Null: it does not open by itself.
        #[schema(value_type = Option<TimeText>)]
        opens_at: (),
        #[schema(value_type = Option<TimeText>)]
        expiry: (),
    }

    /// Additions to a market's description, at any time before its end.
    #[schema(examples(json!({"clarification": "Hail is no rain."})))]
    AddToMarket {
        /// 1 to 2,000 bytes, with line ends.
        #[schema(min_length = 1, max_length = 2_000)]
        clarification: Option<String>,
        /// At most 10 in all, each of 1 to 500 bytes.
        #[schema(max_items = 10)]
        sources: Option<Vec<String>>,
        #[schema(value_type = Option<Vec<LabelText>>, max_items = 10)]
        tags: (),
    }

    /// How a market pauses.
    PauseMarket {
        /// True if orders can still be cancelled.
        cancel_only: Option<bool>,
    }

    /// The answer to a market's question.
    #[schema(examples(json!({"answer": "YES"})))]
    AnswerMarket {
        #[schema(value_type = AnswerValueText)]
        answer: (),
    }

    /// Limits of each account in one market. They replace all earlier ones: an absent field, and an absent
    /// body, mean no limit.
    #[schema(examples(json!({"live_orders": 200, "position": 10_000})))]
    LimitMarket {
        /// Live orders of the account in the market.
        live_orders: Option<u32>,
        /// Credits that live orders may be worth.
        #[schema(value_type = Option<CreditsLimitText>)]
        notional: (),
        /// Contracts that the account may hold or buy.
        #[schema(maximum = 9_223_372_036_854_775_807_i64)]
        position: Option<u64>,
    }

    /// Limits of an account over all markets. They replace all earlier ones: an absent field, and an
    /// absent body, mean no limit.
    #[schema(examples(json!({"live_orders": 1_000, "held": "50000"})))]
    LimitAccount {
        /// Live orders in all markets together.
        live_orders: Option<u32>,
        /// Credits that its orders may hold.
        #[schema(value_type = Option<CreditsLimitText>)]
        held: (),
    }

    /// A market event to create.
    #[schema(examples(json!({"name": "cup-final", "title": "Who wins the cup?", "exclusive": true})))]
    CreateEvent {
        #[schema(value_type = EventNameText)]
        name: (),
        /// 1 to 500 bytes.
        #[schema(min_length = 1, max_length = 500)]
        title: String,
        /// True if at most one of its markets can be YES.
        exclusive: Option<bool>,
    }

    /// An admin as wanted. The key stays if neither `key_hash` nor `new_key` is given.
    #[schema(examples(json!({"roles": ["MARKETS"], "name": "night shift", "new_key": true})))]
    SetAdmin {
        #[schema(value_type = Vec<RoleName>, min_items = 1)]
        roles: (),
        /// For people: 1 to 64 bytes.
        #[schema(min_length = 1, max_length = 64)]
        name: Option<String>,
        #[schema(value_type = Option<TimeText>)]
        expires_at: (),
        /// The SHA-256 of the admin's key, in lower-case hex.
        #[schema(pattern = "^[0-9a-f]{64}$")]
        key_hash: Option<String>,
        /// True if the gateway generates a key and shows it in the answer.
        new_key: Option<bool>,
    }

    /// The vocabulary of the log to write from now on.
    #[schema(examples(json!({"to": 2})))]
    RaiseVocabulary {
        /// The vocabulary.
        #[schema(minimum = 1, maximum = 65_535)]
        to: u16,
    }
}

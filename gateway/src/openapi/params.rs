//! Parameters of queries.

use utoipa::IntoParams;

use super::scalars::{
    ClientIdText, CommandIdText, GroupNumber, MarketIdText, OrderIdText, TickerText, TicksText, TimeText,
};

/// Declares parameters: structs that only describe.
macro_rules! parameters {
    ($($(#[$attribute:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(IntoParams)]
        $(#[$attribute])*
        #[into_params(parameter_in = Query)]
        #[expect(dead_code, reason = "it describes parameters")]
        pub struct $name {
            $($(#[$about])* $field: $type,)*
        }
    )*};
}

parameters! {
    /// A page of a list.
    PageParams {
        /// The length of the page; 50 if absent.
        #[param(minimum = 1, maximum = 100, example = 50)]
        limit: Option<u8>,
        /// The `next` of the page before, unchanged.
        cursor: Option<String>,
    }

    /// A range of time, by the log's time.
    RangeParams {
        /// Only from this moment on.
        #[param(value_type = Option<TimeText>)]
        since: (),
        /// Only before this moment, which is later than `since`.
        #[param(value_type = Option<TimeText>)]
        until: (),
    }

    /// A market, by either of its names.
    MarketParams {
        /// Only of the market with this id; or give `ticker`.
        #[param(value_type = Option<MarketIdText>)]
        market_id: (),
        /// Only of the market with this ticker; or give `market_id`.
        #[param(value_type = Option<TickerText>)]
        ticker: (),
    }

    /// Filters of orders.
    OrderParams {
        /// `live` (ACTIVE and PARTIALLY_FILLED) or statuses, separated by commas.
        #[param(
            pattern = "^(live|ACTIVE|PARTIALLY_FILLED|FILLED|CANCELLED|EXPIRED|REJECTED)(,(live|ACTIVE|PARTIALLY_FILLED|FILLED|CANCELLED|EXPIRED|REJECTED)){0,15}$",
            example = "live"
        )]
        status: Option<String>,
        /// Only those that this command placed.
        #[param(value_type = Option<CommandIdText>)]
        command_id: (),
        /// Only the one with this client id; with a market.
        #[param(value_type = Option<ClientIdText>)]
        client_id: (),
        /// Only those of this group; with `status=live`.
        #[param(value_type = Option<GroupNumber>)]
        group: (),
    }

    /// Filters of fills.
    FillParams {
        /// Only of this order.
        #[param(value_type = Option<OrderIdText>)]
        order_id: (),
    }

    /// An order by the client's own id.
    NamedOrderParams {
        /// The client's own id.
        #[param(value_type = ClientIdText)]
        client_id: (),
        /// The market in which it names an order: ticker or id.
        market: String,
    }

    /// Which orders to cancel.
    CancelParams {
        /// Only the one with this client id; with a market.
        #[param(value_type = Option<ClientIdText>)]
        client_id: (),
        /// Only of this market: ticker or id.
        market: Option<String>,
    }

    /// Filters of markets.
    MarketFilterParams {
        /// Only in one of these states, separated by commas.
        #[param(pattern = "^[A-Z_]+(,[A-Z_]+){0,15}$", example = "OPEN,PAUSED")]
        state: Option<String>,
        /// Only of one of these categories, separated by commas.
        #[param(pattern = "^[a-z0-9-]{1,32}(,[a-z0-9-]{1,32}){0,15}$", example = "weather")]
        category: Option<String>,
        /// Only with one of these tags, separated by commas.
        #[param(pattern = "^[a-z0-9-]{1,32}(,[a-z0-9-]{1,32}){0,15}$", example = "europe")]
        tag: Option<String>,
        /// Only those that have this in the ticker or the question, in any case.
        #[param(min_length = 1, max_length = 64, example = "rain")]
        search: Option<String>,
        /// Only those that expire at this moment or later.
        #[param(value_type = Option<TimeText>)]
        expires_since: (),
        /// Only those that expire before this moment.
        #[param(value_type = Option<TimeText>)]
        expires_until: (),
        /// Only of this market event: name or id.
        event: Option<String>,
    }

    /// The length of candles.
    CandleParams {
        /// The length of an interval; intervals begin at whole multiples of it (UTC).
        #[param(pattern = "^(1m|5m|1h|1d)$", example = "1m")]
        interval: String,
    }

    /// Some markets.
    ManyMarketsParams {
        /// Up to 100 tickers or ids, separated by commas, each once. Not with `limit` or `cursor`.
        #[param(pattern = "^[A-Z0-9-]{1,32}(,[A-Z0-9-]{1,32}){0,99}$", example = "RAIN-TOMORROW,SNOW")]
        markets: Option<String>,
    }

    /// Some markets' books.
    ManyBooksParams {
        /// Up to 100 tickers or ids, separated by commas, each once.
        #[param(pattern = "^[A-Z0-9-]{1,32}(,[A-Z0-9-]{1,32}){0,99}$", example = "RAIN-TOMORROW,SNOW")]
        markets: String,
        /// Levels of each side; 10 if absent.
        #[param(minimum = 1, maximum = 100, example = 10)]
        depth: Option<u8>,
    }

    /// How much of a book, and how finely.
    DepthParams {
        /// Levels of each side; all if absent, or 1,000 with a `tick` that is coarser than the market's own.
        #[param(minimum = 1, maximum = 1_000, example = 10)]
        depth: Option<u16>,
        /// Prices at multiples of this tick, which is a multiple of the market's own: bids are rounded down,
        /// asks up.
        #[param(value_type = Option<TicksText>, example = "0.01")]
        tick: (),
    }
}

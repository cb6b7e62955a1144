//! Parameters of queries.

use utoipa::IntoParams;

use super::scalars::{
    ClientIdText, CommandIdText, GroupNumber, LabelText, MarketIdText, MarketStateName, OrderIdText, TickerText,
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

    /// The length of a list.
    LimitParams {
        /// The length of the list; 50 if absent.
        #[param(minimum = 1, maximum = 100, example = 50)]
        limit: Option<u8>,
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
        /// `live` (ACTIVE and PARTIALLY_FILLED), or one status.
        #[param(pattern = "^(live|ACTIVE|PARTIALLY_FILLED|FILLED|CANCELLED|EXPIRED|REJECTED)$", example = "live")]
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
        /// Only in this state.
        #[param(value_type = Option<MarketStateName>)]
        state: (),
        /// Only of this category.
        #[param(value_type = Option<LabelText>)]
        category: (),
        /// Only with this tag.
        #[param(value_type = Option<LabelText>)]
        tag: (),
        /// Only of this market event: name or id.
        event: Option<String>,
    }

    /// The depth of a book.
    DepthParams {
        /// Levels of each side; all if absent.
        #[param(minimum = 1, maximum = 1_000, example = 10)]
        depth: Option<u16>,
    }
}

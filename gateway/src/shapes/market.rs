//! Markets, their answers and limits, and accounts' limits, as clients get them. Pure.

use std::fmt::Display;
use std::sync::Arc;

use schemas::market::{Resolution, YesValue};
use schemas::text::{Clarification, Label, Source};
use schemas::{
    AccountLimits, AdminId, Credits, Listing, MarketEventId, MarketId, MarketLimits, MarketState, ResolutionAnswer,
    Shard, Timestamp,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{Rate, Ticks, iso, iso_or_null, text, text_or_null};
use crate::openapi::described_by;
use crate::openapi::scalars::{
    AdminIdText, AnswerValueText, CreditsText, FeeRateText, LabelText, MarketEventIdText, MarketIdText,
    MarketStateName, TickerText, TicksText, TimeText,
};
use crate::view::market_events::MarketEventView;

/// The answer of a market: YES, NO, VOID, or the payout of one YES contract.
pub struct AnswerText(pub ResolutionAnswer);

impl Display for AnswerText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ResolutionAnswer::Void => f.write_str("VOID"),
            ResolutionAnswer::Value(YesValue::YES) => f.write_str("YES"),
            ResolutionAnswer::Value(YesValue::NO) => f.write_str("NO"),
            ResolutionAnswer::Value(value) => Ticks(value.ticks()).fmt(f),
        }
    }
}

/// Limits of each account in one market; null means no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketLimits)]
pub struct MarketLimitsShape {
    /// Live orders of the account in the market.
    #[schema(required)]
    live_orders: Option<u32>,
    /// Credits that its live orders may be worth.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<CreditsText>, required)]
    notional: Option<Credits>,
    /// Contracts that it may hold or buy.
    #[schema(required)]
    position: Option<u64>,
}

impl From<MarketLimits> for MarketLimitsShape {
    fn from(limits: MarketLimits) -> Self {
        let MarketLimits { live_orders, notional, position } = limits;
        Self {
            live_orders: Some(live_orders).filter(|n| *n != MarketLimits::NONE.live_orders),
            notional: Some(notional).filter(|n| *n != MarketLimits::NONE.notional),
            position: Some(position).filter(|n| *n != MarketLimits::NONE.position),
        }
    }
}

/// Limits of an account over all markets; null means no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountLimits)]
pub struct AccountLimitsShape {
    /// Live orders in all markets together.
    #[schema(required)]
    live_orders: Option<u32>,
    /// Credits that its orders may hold.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<CreditsText>, required)]
    held: Option<Credits>,
}

impl From<AccountLimits> for AccountLimitsShape {
    fn from(limits: AccountLimits) -> Self {
        let AccountLimits { live_orders, held } = limits;
        Self {
            live_orders: Some(live_orders).filter(|n| *n != AccountLimits::NONE.live_orders),
            held: Some(held).filter(|n| *n != AccountLimits::NONE.held),
        }
    }
}

/// A market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketShape {
    /// The fields it was created with, and its current limits.
    pub listing: Listing,
    /// The state.
    pub state: MarketState,
    /// The proposed or final answer, from RESOLVING on.
    pub resolution: Option<Resolution>,
    /// The market's home shard.
    pub shard: Shard,
    /// Additions to its rules, oldest first.
    pub clarifications: Arc<Vec<Clarified>>,
}

/// An admin's addition to a market's rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Clarification)]
pub struct Clarified {
    /// The text.
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    pub text: Clarification,
    /// The admin.
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    pub by: AdminId,
    /// When it was added, by the log's time.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    pub time: Timestamp,
}

/// A market in a list: without its rules, clarifications and sources.
pub struct Brief(pub MarketShape);

/// A market event.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketEvent)]
pub struct MarketEventShape {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketEventIdText)]
    event_id: MarketEventId,
    /// The name, which gives the id.
    name: String,
    /// The title, for people.
    title: String,
    /// True if at most one of its markets can be YES.
    exclusive: bool,
    /// The market that is YES, or is proposed as YES, in an exclusive market event.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<MarketIdText>, required)]
    yes_market_id: Option<MarketId>,
    /// The shard that decides about it.
    shard: u16,
}

impl From<MarketEventView> for MarketEventShape {
    fn from(known: MarketEventView) -> Self {
        let MarketEventView { event, yes, shard } = known;
        Self {
            event_id: event.id,
            name: event.name.to_string(),
            title: event.title.to_string(),
            exclusive: event.exclusive,
            yes_market_id: yes,
            shard: shard.number(),
        }
    }
}

impl MarketShape {
    /// Creates a market that was just listed.
    pub fn listed(listing: Listing, shard: Shard) -> Self {
        Self { listing, state: MarketState::Created, resolution: None, shard, clarifications: Arc::default() }
    }

    /// Appends an addition to its rules.
    pub fn clarify(&mut self, clarified: Clarified) {
        Arc::make_mut(&mut self.clarifications).push(clarified);
    }

    /// Returns the payout of one YES contract, once it is final.
    fn yes_value(&self) -> Option<YesValue> {
        self.resolution.filter(|_| self.state.is_final()).map(|resolution| resolution.answer.yes_value())
    }
}

/// The proposed or final answer to a market's question.
#[derive(Serialize, ToSchema)]
#[schema(as = Resolution)]
struct ResolutionShape {
    #[schema(value_type = AnswerValueText)]
    answer: String,
    /// The admin who proposed it.
    #[schema(value_type = AdminIdText)]
    proposed_by: String,
    /// The admin who confirmed it.
    #[schema(value_type = Option<AdminIdText>, required)]
    confirmed_by: Option<String>,
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    payout_at: Option<Timestamp>,
}

impl From<Resolution> for ResolutionShape {
    fn from(resolution: Resolution) -> Self {
        let Resolution { answer, proposed_by, confirmed } = resolution;
        Self {
            answer: AnswerText(answer).to_string(),
            proposed_by: proposed_by.to_string(),
            confirmed_by: confirmed.map(|confirmed| confirmed.by.to_string()),
            payout_at: confirmed.map(|confirmed| confirmed.payout),
        }
    }
}

/// A market in a list: without its rules, clarifications and sources.
#[derive(Serialize, ToSchema)]
#[schema(as = BriefMarket)]
struct BriefFields<'a> {
    #[schema(value_type = MarketIdText)]
    market_id: String,
    #[schema(value_type = TickerText)]
    ticker: &'a str,
    /// The question, which the answer answers.
    question: &'a str,
    #[schema(value_type = LabelText)]
    category: &'a str,
    #[schema(value_type = Vec<LabelText>)]
    tags: Vec<&'a str>,
    /// The market event that it belongs to.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<MarketEventIdText>, required)]
    event_id: Option<MarketEventId>,
    #[schema(value_type = MarketStateName)]
    state: &'static str,
    /// When it opens by itself.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    opens_at: Option<Timestamp>,
    /// When trading ends.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    expiry: Timestamp,
    #[schema(value_type = TicksText)]
    tick_size: String,
    /// The fee rate of resting orders.
    #[schema(value_type = FeeRateText)]
    maker_fee: String,
    /// The fee rate of incoming orders.
    #[schema(value_type = FeeRateText)]
    taker_fee: String,
    /// Milliseconds between the second admin's confirmation and the payout.
    dispute_window_ms: u64,
    limits: MarketLimitsShape,
    /// The proposed or final answer, from RESOLVING on.
    #[schema(required)]
    resolution: Option<ResolutionShape>,
    /// What one YES contract pays, in credits, once it is final.
    #[schema(value_type = Option<CreditsText>, required)]
    yes_value: Option<String>,
    /// The shard that decides about it.
    shard: u16,
}

/// A market.
#[derive(Serialize, ToSchema)]
#[schema(as = Market)]
struct WholeFields<'a> {
    #[serde(flatten)]
    brief: BriefFields<'a>,
    #[serde(flatten)]
    texts: Texts<'a>,
}

/// The long fields of a market.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketTexts)]
struct Texts<'a> {
    /// What decides the answer.
    rules: &'a str,
    /// Additions to the rules, oldest first.
    clarifications: &'a [Clarified],
    /// Where the answer is published.
    sources: Vec<&'a str>,
}

impl<'a> BriefFields<'a> {
    fn of(market: &'a MarketShape) -> Self {
        let (listing, about) = (&market.listing, &market.listing.about);
        Self {
            market_id: listing.market.to_string(),
            ticker: listing.ticker.as_str(),
            question: about.question.as_str(),
            category: about.category.as_str(),
            tags: about.tags.iter().map(Label::as_str).collect(),
            event_id: about.event,
            state: market.state.name(),
            opens_at: listing.opens,
            expiry: listing.expiry,
            tick_size: Ticks(listing.tick).to_string(),
            maker_fee: Rate(listing.maker_fee).to_string(),
            taker_fee: Rate(listing.taker_fee).to_string(),
            dispute_window_ms: listing.dispute_window_ms,
            limits: listing.limits.into(),
            resolution: market.resolution.map(ResolutionShape::from),
            yes_value: market.yes_value().map(|value| Ticks(value.ticks()).to_string()),
            shard: market.shard.number(),
        }
    }
}

described_by!(MarketShape, WholeFields<'static>);
described_by!(Brief, BriefFields<'static>);

impl Serialize for MarketShape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let about = &self.listing.about;
        let sources = about.sources.iter().map(Source::as_str).collect();
        let texts = Texts { rules: about.rules.as_str(), clarifications: &self.clarifications, sources };
        WholeFields { brief: BriefFields::of(self), texts }.serialize(serializer)
    }
}

impl Serialize for Brief {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BriefFields::of(&self.0).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::market::Confirmation;
    use serde_json::json;

    #[test]
    fn a_market_shows_its_answer_and_what_a_yes_pays_once_that_is_certain() {
        let listing = crate::view::tests::listing("RAIN");
        let shown = |state, answer, confirmed| {
            let resolution = Some(Resolution { answer, proposed_by: AdminId(1), confirmed });
            let market =
                MarketShape { state, resolution, ..MarketShape::listed(listing.clone(), Shard::new(3).unwrap()) };
            serde_json::to_value(market).unwrap()
        };
        let quarter = ResolutionAnswer::Value(YesValue::new(2_500).unwrap());
        let proposed = shown(MarketState::Resolving, quarter, None);
        assert_eq!(
            proposed["resolution"],
            json!({"answer": "0.2500", "proposed_by": "1", "confirmed_by": null, "payout_at": null})
        );
        assert_eq!((&proposed["yes_value"], &proposed["limits"]["position"]), (&json!(null), &json!(null)));
        let confirmed = Some(Confirmation { by: AdminId(2), payout: Timestamp(1_000) });
        let voided = shown(MarketState::Voided, ResolutionAnswer::Void, confirmed);
        assert_eq!((&voided["resolution"]["answer"], &voided["yes_value"]), (&json!("VOID"), &json!("0.5000")));
        assert_eq!(voided["resolution"]["confirmed_by"], "2");
    }

    #[test]
    fn a_market_in_a_list_is_brief() {
        let mut market = MarketShape::listed(crate::view::tests::listing("RAIN"), Shard::new(3).unwrap());
        let (text, by, time) = ("Hail is no rain.".parse().unwrap(), AdminId(2), Timestamp(1_000));
        market.clarify(Clarified { text, by, time });
        let whole = serde_json::to_value(&market).unwrap();
        assert_eq!(
            whole["clarifications"],
            json!([{"text": "Hail is no rain.", "by": "2", "time": "1970-01-01T00:00:01.000Z"}])
        );
        assert_eq!((&whole["rules"], &whole["sources"]), (&json!("YES if it does."), &json!([])));
        let brief = serde_json::to_value(Brief(market)).unwrap();
        assert_eq!(
            (&brief["category"], &brief["event_id"], &brief["opens_at"]),
            (&json!("tests"), &json!(null), &json!(null))
        );
        assert!(["rules", "clarifications", "sources"].iter().all(|field| brief.get(field).is_none()), "{brief}");
    }
}

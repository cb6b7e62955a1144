//! Records of `lfg.events[s]`: a `Term` for each new writer, one `Outcome` for each command, and
//! records about a shard that halts.
//!
//! Layout: version (1 byte), a [frame]. An outcome ends with its chain (16 bytes): the hash of all
//! its own preceding bytes and of the previous chain. Each event of an outcome is a frame of its
//! own.
//!
//! | kind | record  | chained by                                          |
//! |------|---------|-----------------------------------------------------|
//! | 1    | term    | not chained                                         |
//! | 2    | outcome | XXH3, 128 bits, big-endian, without seed and secret |
//! | 3    | halted  | not chained; readers may skip it                    |
//! | 4    | quarantine | not chained                                      |

use bincode::{Decode, Encode};

use crate::build::Build;
use crate::codec::{self, DecodeError, VERSION};
use crate::event::Event;
use crate::frame;
use crate::halting::{LeaderHalted, Quarantine};
use crate::ids::{CommandId, EngineId, Shard};
use crate::time::Timestamp;

/// The running hash of a shard's outcomes. All zero before the first outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
pub struct Chain(pub [u8; CHAIN_BYTES]);

const CHAIN_BYTES: usize = 16;

/// Computes the chain after a record from the record's bytes followed by the previous chain. It is
/// a checksum that detects any accident, not a seal: anyone who can rewrite a topic can recompute
/// the chain, whatever the hash. (ADR 13.)
fn chain_of(bytes_and_chain: &[u8]) -> Chain {
    Chain(twox_hash::XxHash3_128::oneshot(bytes_and_chain).to_be_bytes())
}

/// A record of the events topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A new writer takes over the shard.
    Term(Term),
    /// The events of one command, and the chain after them.
    Outcome(Outcome, Chain),
    /// A leader has halted.
    Halted(LeaderHalted),
    /// Admins quarantine a record or a command.
    Quarantine(Quarantine),
    /// A record of a later build that this build may skip.
    Unknown {
        /// Its kind.
        kind: u16,
    },
}

/// A new writer takes over the shard. The offset of this record is the term's number.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Term {
    /// The shard. A reader that finds a different one is reading the wrong log.
    pub shard: Shard,
    /// The number of shards of the log: part of the data, the same in every term.
    pub shards: u16,
    /// The process that takes over.
    pub engine: EngineId,
    /// Distinguishes the takeovers of one process.
    pub attempt: u64,
    /// The shard's vocabulary, in which the leader writes. A reader that knows less stops here.
    pub vocabulary: u16,
    /// The leader's build, so that an operator knows which one to install.
    pub build: Build,
}

/// All effects of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The writer's term: the offset of its `Term` record.
    pub term: u64,
    /// Without gaps over the outcomes that count, from 1.
    pub sequence: u64,
    /// The command's time: the broker's append time, made non-decreasing.
    pub time: Timestamp,
    /// The command.
    pub cause: Cause,
    /// The events, in order.
    pub events: Vec<Event>,
}

/// The command that caused an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Cause {
    /// Its offset in `lfg.commands[s]`.
    pub offset: u64,
    /// Its id; all zero if the record could not be decoded.
    pub id: CommandId,
}

/// The first vocabulary.
const FIRST: u16 = 1;

const KIND_TERM: u16 = 1;
const KIND_OUTCOME: u16 = 2;
const KIND_HALTED: u16 = 3;
const KIND_QUARANTINE: u16 = 4;

/// The fields before an outcome's events.
#[derive(Encode, Decode)]
struct Top {
    term: u64,
    sequence: u64,
    time: Timestamp,
    cause: Cause,
    events: u32,
}

/// The number of bytes of [`Top`].
const TOP_BYTES: usize = 8 + 8 + 8 + 24 + 4;

impl Term {
    /// Returns the term of this build, with the newest vocabulary that it knows. (A leader writes
    /// the vocabulary of its shard's state.)
    pub const fn new(shard: Shard, shards: u16, engine: EngineId, attempt: u64) -> Self {
        Self { shard, shards, engine, attempt, vocabulary: frame::VOCABULARY, build: Build::THIS }
    }

    /// Returns the record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        // A term needs no vocabulary; otherwise nobody could read the build's name.
        alone(KIND_TERM, 0, self)
    }
}

/// Returns the bytes of a record that is not an outcome.
fn alone(kind: u16, needs: u16, body: &impl Encode) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    frame::put(&mut bytes, needs, |bytes| {
        codec::encode_into(&u32::from(kind), bytes);
        codec::encode_into(body, bytes);
    });
    bytes
}

impl LeaderHalted {
    /// Returns the record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        alone(KIND_HALTED, 0, self)
    }
}

impl Quarantine {
    /// Returns the record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        alone(KIND_QUARANTINE, FIRST, self)
    }
}

impl Outcome {
    /// Returns the record's bytes and the chain after it.
    pub fn encode(&self, before: Chain) -> (Vec<u8>, Chain) {
        self.encode_naming(before, None)
    }

    /// Like `encode`. If a reader must know a later vocabulary, the record names the build to
    /// install after its events, for readers that lack that vocabulary and started after the term
    /// record.
    pub fn encode_naming(&self, before: Chain, install: Option<Build>) -> (Vec<u8>, Chain) {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(VERSION);
        frame::put(&mut bytes, 0, |bytes| {
            codec::encode_into(&u32::from(KIND_OUTCOME), bytes);
            let events = u32::try_from(self.events.len()).expect("a command has bounded effects");
            let Self { term, sequence, time, cause, .. } = *self;
            codec::encode_into(&Top { term, sequence, time, cause, events }, bytes);
            let mut needs = 0;
            for event in &self.events {
                needs |= event.needs();
                frame::put(bytes, event.needs(), |bytes| event.encode_body(bytes));
            }
            if let Some(install) = install.filter(|_| needs != 0) {
                codec::encode_into(&install, bytes);
            }
        });
        let chain = Record::seal(&mut bytes, before);
        (bytes, chain)
    }

    /// Returns the number of events that were skipped because this build does not know them.
    pub fn unknown(&self) -> u64 {
        let unknown = |event: &&Event| matches!(event, Event::Unknown { .. });
        self.events.iter().filter(unknown).count() as u64
    }

    fn decode(reads: u16, body: &[u8]) -> Result<Self, DecodeError> {
        let (top, mut rest) = body.split_at_checked(TOP_BYTES).ok_or(DecodeError::Truncated)?;
        let Top { term, sequence, time, cause, events: count } = codec::decode_exact(top)?;
        let count = usize::try_from(count).map_err(|_| DecodeError::Truncated)?;
        // The capacity is limited to the number of events that the bytes can contain.
        let mut events = Vec::with_capacity(count.min(rest.len() / frame::HEAD_BYTES));
        for left in (0..count).rev() {
            let (head, event) = frame::take(&mut rest)?;
            if head.kind == Event::NO_KIND {
                return Err(DecodeError::Kind(head.kind));
            }
            let read = frame::read((head, reads), event, Event::LAST_KIND, |kind| Ok(Event::Unknown { kind }));
            events.push(read.map_err(|error| Event::name_build(error, event, || named_behind(rest, left)))?);
        }
        Ok(Self { term, sequence, time, cause, events })
    }
}

/// Returns the build that an outcome names after its last events. `left` is the number of events
/// that remain.
#[cold]
fn named_behind(mut rest: &[u8], left: usize) -> Option<Build> {
    for _ in 0..left {
        frame::take(&mut rest).ok()?;
    }
    codec::decode_front(rest).ok()
}

impl Event {
    /// The kind of [`Event::Unknown`], which is never written.
    const NO_KIND: u16 = 0;

    /// The last kind that this build knows.
    const LAST_KIND: u16 = 76;

    /// The kind of [`Event::VocabularyRaised`].
    const RAISED_KIND: u16 = 58;

    /// Returns the vocabulary that a reader must know; 0 for kinds that exist since the first
    /// vocabulary, or that readers may skip.
    #[inline]
    const fn needs(&self) -> u16 {
        match self {
            Self::VocabularyRaised { to, .. } => *to,
            _ => 0,
        }
    }

    /// Adds the build to install to an error. A raise names the build that reads the new
    /// vocabulary, also for readers that do not know it; if another event needs more, the outcome
    /// names the build `behind` its events.
    #[cold]
    fn name_build(error: DecodeError, body: &[u8], behind: impl FnOnce() -> Option<Build>) -> DecodeError {
        let DecodeError::Newer { kind, needs, reads, .. } = error else { return error };
        let raised = || codec::decode_front::<(u32, u16, Build)>(body).ok().map(|(.., build)| build);
        let install = if kind == Self::RAISED_KIND { raised() } else { behind() };
        DecodeError::Newer { kind, needs, reads, install }
    }

    /// Encodes the kind and fields.
    #[inline]
    fn encode_body(&self, bytes: &mut Vec<u8>) {
        debug_assert!(!matches!(self, Self::Unknown { .. }), "what is not known is never written");
        codec::encode_into(self, bytes);
    }
}

impl Record {
    /// Decodes a record. The chain is the one that the record contains; [`Record::follows`] checks
    /// it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_knowing(frame::VOCABULARY, bytes)
    }

    /// Decodes a record as a build that reads vocabulary `reads`.
    pub fn decode_knowing(reads: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = codec::versioned(bytes)?;
        let (head, body) = frame::take(&mut rest)?;
        head.check(reads)?;
        let body = &body[4..];
        let (record, chain) = match head.kind {
            KIND_TERM => (Self::Term(codec::decode_front(body)?), rest),
            KIND_OUTCOME => {
                let (chain, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
                (Self::Outcome(Outcome::decode(reads, body)?, Chain(*chain)), rest)
            }
            KIND_HALTED => (Self::Halted(codec::decode_front(body)?), rest),
            KIND_QUARANTINE => (Self::Quarantine(codec::decode_front(body)?), rest),
            0 => return Err(DecodeError::Kind(0)),
            kind => return Ok(Self::Unknown { kind }),
        };
        if chain.is_empty() { Ok(record) } else { Err(DecodeError::Trailing(chain.len())) }
    }

    /// Returns the term of an outcome without decoding its events, which a later build may have
    /// written. `None` if the record is not an outcome, or has a form that this build does not
    /// know.
    pub fn term_of_outcome(bytes: &[u8]) -> Option<u64> {
        let mut rest = codec::versioned(bytes).ok()?;
        let (head, body) = frame::take(&mut rest).ok()?;
        let is_known = head.kind == KIND_OUTCOME && head.needs == 0;
        body.get(4..).filter(|_| is_known)?.first_chunk().copied().map(u64::from_le_bytes)
    }

    /// Appends to the bytes of an outcome the chain that follows `before`.
    #[inline]
    pub fn seal(bytes: &mut Vec<u8>, before: Chain) -> Chain {
        let end = bytes.len();
        bytes.extend_from_slice(&before.0);
        let chain = chain_of(bytes);
        bytes[end..].copy_from_slice(&chain.0);
        chain
    }

    /// Returns true if the chain at the end of an outcome's `bytes` is the one that follows
    /// `before`.
    pub fn follows(bytes: &[u8], before: Chain) -> bool {
        let Some((body, chain)) = bytes.split_last_chunk() else { return false };
        chain_of(&[body, before.0.as_slice()].concat()) == Chain(*chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CancelReason, OrderAmended, OrderPlaced, Party, Trade};
    use crate::group::{GroupId, TriggerCause};
    use crate::ids::{AccountId, ClientId, MarketId, OrderId, TradeId};
    use crate::limits::{
        BATCH_MAX, EVENT_BYTES_MAX, FILL_EVENTS_MAX, GROUP_COUNTS, ORDER_FILLS_MAX, PARKED_MAX, RECORD_BYTES_MAX,
        REDUCE_ONLY_MAX, SHARDS_MAX, SWEEP_MAX,
    };
    use crate::message::Message;
    use crate::money::{Credits, FeeRate, Price, Quantity};
    use crate::order::{Entry, Instructions, NewOrder, PostOnly, SelfTrade, Status, Terms, TimeInForce};
    use crate::purse::{Need, Parked, ParkedRequest, PurseInstruction, Returned, Room};
    use crate::settlement::{Settlement, SettlementReason};
    use crate::{BatchRequest, Rejection};

    const MARKET: MarketId = MarketId(1);
    const ACCOUNT: AccountId = AccountId(2);

    fn settlement(reason: SettlementReason) -> Settlement {
        let order = Some(OrderId(3));
        let amount = Credits(4);
        Settlement {
            account: ACCOUNT,
            market: MARKET,
            order,
            reason,
            spent: amount,
            released: amount,
            received: amount,
        }
    }

    /// All events that one fill can cause: the trade, and the settlement of its maker, who may then
    /// have pairs.
    fn fill() -> [Event; FILL_EVENTS_MAX] {
        let party = Party { order: OrderId(5), account: ACCOUNT, entry: Entry::BuyNo, fee: Credits(6) };
        let trade = Trade {
            id: TradeId(7),
            market: MARKET,
            price: Price::MAX,
            quantity: Quantity::ZERO,
            maker: party,
            taker: party,
            maker_remaining: Quantity::ZERO,
        };
        [
            Event::Traded(trade),
            Event::Settled(settlement(SettlementReason::Trade)),
            Event::PairsRedeemed { market: MARKET, account: ACCOUNT, pairs: 8 },
            Event::Settled(settlement(SettlementReason::Redemption)),
        ]
    }

    /// The events that a resting order of the same account can cause instead of a fill, and those
    /// that each order of a sweep causes.
    fn without_fill() -> [[Event; 2]; 2] {
        let (order, account, market, entry) = (OrderId(5), ACCOUNT, MARKET, Entry::BuyNo);
        let (price, quantity, reason) = (Price::MAX, Quantity::ZERO, CancelReason::SelfTrade);
        let released = Event::Settled(settlement(SettlementReason::Release));
        [
            [Event::OrderCancelled { order, account, market, entry, price, quantity, reason }, released.clone()],
            [Event::OrderReduced { order, account, market, entry, price, quantity, reason }, released],
        ]
    }

    /// The events that a group can cause at a fill: the fill is counted, the group is triggered and
    /// reported, and the remainder of its order ends.
    fn grouped() -> Vec<Event> {
        let (account, group, to) = (ACCOUNT, GroupId::new(1).expect("a group"), Shard::new(1).expect("there are two"));
        let (generation, contracts, triggered) = (u64::MAX, u64::MAX, true);
        let message = Message::GroupFilled { account, group, generation, contracts, triggered };
        let told = [
            Event::GroupFilled { account, group, contracts, filled: contracts, reported_by: Some(to) },
            Event::GroupTriggered { account, group, cause: TriggerCause::Filled },
            Event::GroupReported { account, group },
            Event::Sent { to, number: u64::MAX, message },
        ];
        without_fill()[0].iter().cloned().chain(told).collect()
    }

    #[test]
    fn a_groups_part_in_a_fill_is_within_what_it_counts_for() {
        let (filled, grouped) = (fill(), grouped());
        assert!(grouped.len() <= GROUP_COUNTS * FILL_EVENTS_MAX);
        let bytes = |events: &[Event]| -> usize { events.iter().map(bytes_of).sum() };
        assert!(bytes(&grouped) <= GROUP_COUNTS * bytes(&filled), "{} and {}", bytes(&grouped), bytes(&filled));
    }

    /// The largest order.
    fn order() -> NewOrder {
        let terms = Terms::Limit {
            price: Price::MAX,
            quantity: Quantity::ZERO,
            time_in_force: TimeInForce::Gtd { expires: Timestamp(10) },
            post_only: PostOnly::Reprice,
        };
        NewOrder {
            account: ACCOUNT,
            market: MARKET,
            entry: Entry::BuyYes,
            terms,
            fee_rate: FeeRate::ZERO,
            client_id: Some(ClientId(9)),
            instructions: Instructions {
                self_trade: SelfTrade::CancelOldest,
                deadline: Some(Timestamp(11)),
                cancel_on_pause: true,
                reduce_only: true,
                group: GroupId::new(1),
            },
        }
    }

    /// The events that one request of a batch can cause besides fills.
    fn request() -> [Event; 5] {
        let (id, quantity, filled, price) = (OrderId(3), Quantity::ZERO, Quantity::ZERO, Price::MAX);
        let (status, cancel_reason) = (Status::Cancelled, Some(CancelReason::MatchLimit));
        let amended = OrderAmended {
            order: id,
            account: ACCOUNT,
            market: MARKET,
            entry: Entry::BuyYes,
            old_price: price,
            old_remaining: quantity,
            price,
            quantity,
            filled,
            status,
            cancel_reason,
            in_place: false,
        };
        [
            Event::BatchItem { index: u16::MAX },
            Event::HoldRaised { account: ACCOUNT, order: id, amount: Credits(1) },
            Event::OrderPlaced(OrderPlaced { id, order: order(), price, quantity, filled, status, cancel_reason }),
            Event::OrderAmended(amended),
            Event::Settled(settlement(SettlementReason::Release)),
        ]
    }

    /// The events that deciding a parked request can cause besides those of the request itself: its
    /// end or its answer, and an ask for the next one.
    fn decided() -> [Event; 6] {
        let (account, ticket, command, room) = (ACCOUNT, u64::MAX, CommandId(2), Room::ALL);
        let (from, need, given_back) = (Shard::new(1).expect("there are two"), Need::credits(Credits(1)), room);
        let ask = Message::Ask { account, need, given_back };
        [
            Event::PurseReceived { account, from, credits: Credits(1), room },
            Event::AskAnswered { account, refused: Some(Rejection::FundsInsufficient) },
            Event::ParkedCancelled { account, ticket, command },
            Event::Resumed { account, ticket, command },
            Event::Asked { account, need, given_back },
            Event::Sent { to: from, number: u64::MAX, message: ask },
        ]
    }

    /// The events that a claim can cause that waits for its account's purses on every shard.
    fn recalled() -> Vec<Event> {
        let (account, ticket, instruction) = (ACCOUNT, u64::MAX, PurseInstruction::Recall(Need::NOTHING));
        let instruct = |to| {
            let message = Message::Instruct { account, ticket, instruction };
            Event::Sent { to, number: u64::MAX, message }
        };
        let shards = Shard::all(SHARDS_MAX).collect();
        let instructed = Event::Instructed { account, ticket, instruction, shards };
        Shard::all(SHARDS_MAX).map(instruct).chain([instructed]).collect()
    }

    fn bytes_of(event: &Event) -> usize {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, 0, |bytes| event.encode_body(bytes));
        bytes.len()
    }

    #[test]
    fn every_event_of_a_fill_or_sweep_is_within_its_limit() {
        for event in fill().into_iter().chain(without_fill().into_iter().flatten()) {
            assert!(bytes_of(&event) <= EVENT_BYTES_MAX, "{event:?} takes {}", bytes_of(&event));
        }
        let filled: usize = fill().iter().map(bytes_of).sum();
        for events in without_fill() {
            let bytes: usize = events.iter().map(bytes_of).sum();
            assert!(bytes <= filled, "{events:?} take {bytes}, a fill {filled}");
            assert!(bytes <= EVENT_BYTES_MAX, "{events:?} take {bytes}");
        }
    }

    /// The worst outcome fits a record and can be read back: a batch that fills as often as a
    /// command may, followed by as many parked requests and recalled claims as one command may
    /// decide, and a whole sweep, with each purse returning credits.
    #[test]
    fn the_worst_outcome_fits_a_record() {
        let parked = Parked {
            account: ACCOUNT,
            ticket: 1,
            command: CommandId(2),
            index: None,
            deadline: Timestamp(3),
            request: ParkedRequest::Batch(vec![BatchRequest::Place(order()); BATCH_MAX]),
        };
        let mut events = vec![
            Event::StateHashed { hash: crate::StateHash { way: 1, sum: 7 } },
            Event::OrderRejected { id: OrderId(3), order: order(), code: Rejection::OrderUnknown },
            Event::Parked(Box::new(parked)),
        ];
        events.extend((0..BATCH_MAX + PARKED_MAX).flat_map(|_| request()));
        // The group of each request's own order.
        events.extend((0..BATCH_MAX + PARKED_MAX).flat_map(|_| grouped()));
        events.extend((0..PARKED_MAX).flat_map(|_| decided()));
        events.extend((0..PARKED_MAX).flat_map(|_| recalled()));
        events.extend((0..ORDER_FILLS_MAX).flat_map(|_| fill()));
        events.extend((0..SWEEP_MAX).flat_map(|_| without_fill()[0].clone()));
        // Reduce-only orders of the account of each request.
        let shrunk = (BATCH_MAX + PARKED_MAX) * REDUCE_ONLY_MAX;
        events.extend((0..shrunk).flat_map(|_| without_fill()[1].clone()));
        let returned = Returned { account: ACCOUNT, credits: Credits(1), room: Room::ALL, ticket: Some(1), more: true };
        for to in Shard::all(SHARDS_MAX) {
            events.push(Event::Sent { to, number: u64::MAX, message: Message::Return(Vec::new()) });
        }
        let to = Shard::new(1).expect("there are two");
        events.push(Event::Sent { to, number: 1, message: Message::Return(vec![returned; SWEEP_MAX]) });
        let cause = Cause { offset: 1, id: CommandId(1) };
        let outcome = Outcome { term: 0, sequence: 1, time: Timestamp(1), cause, events };
        let (bytes, chain) = outcome.encode(Chain::default());
        assert!(bytes.len() < RECORD_BYTES_MAX, "{} bytes", bytes.len());
        assert_eq!(Record::decode(&bytes), Ok(Record::Outcome(outcome, chain)));
    }
}

//! Way 1 of hashing: which fields count, in this order. It never changes: another way hashes
//! anything that is added to the state.
//!
//! A hash is XXH3-64 of the kind (a byte), the id and the fields. Purses, positions, orders and
//! client ids, which are many, are packed into words of 64 bits, little-endian, as the functions
//! here define. For the others, integers are little-endian at their full width, flags are a byte,
//! an absent value is a zero byte and a present one has a one byte before it, lists have their
//! length (u64) in front, and a value of the log's vocabulary (a listing, a request, a message) is
//! hashed as the log encodes it.

use bincode::Encode;
use schemas::{
    AccountId, Admin, CommandId, Credits, GroupId, MarketEventId, MarketId, Message, OrderId, Shard, Status,
};
use twox_hash::XxHash3_64;

use super::LEAST;
use crate::state::{
    Account, AccountQueue, Announced, ArchivedMarkets, Deposits, Groups, KnownMarketEvent, Market, MarketOrder,
    MassCancel, OpenAsk, OpenTransfer, OrderMetadata, PendingInstruction, Position, Purse, StateFacts, TransferName,
    YesClaim,
};

/// Kinds of entities.
#[derive(Clone, Copy)]
enum EntityKind {
    Shard = 1,
    Purse = 2,
    Account = 3,
    Market = 4,
    Position = 5,
    Order = 6,
    ClientId = 7,
    OldClientId = 8,
    ClientIdsUsed = 9,
    EndedOrder = 10,
    Waiting = 11,
    Instruction = 12,
    Outbox = 13,
    Kept = 14,
    Inbox = 15,
    MassCancel = 16,
    Transfer = 17,
    Deposits = 18,
    Part = 19,
    Archive = 20,
    ArchivedMarket = 21,
    MarketEvent = 22,
    Groups = 23,
    Admin = 24,
}

/// Buffer for the bytes that are hashed, reused between entities.
#[derive(Default)]
pub struct FieldBuffer(Vec<u8>);

pub fn purse(id: AccountId, purse: &Purse) -> u64 {
    let Purse { available, held, live_orders, room, frozen, sealed, changed } = *purse;
    let flags = u64::from(frozen) | u64::from(sealed.orders) << 8 | u64::from(sealed.held) << 16;
    let room = [room.orders.into(), bits(room.held)];
    let changed = u64::from(changed);
    hash_words(
        EntityKind::Purse,
        [id.0, bits(available), bits(held), live_orders.into(), room[0], room[1], flags, changed],
    )
}

pub fn position(market: MarketId, account: AccountId, position: &Position) -> u64 {
    let Position { yes, no, yes_reserved, no_reserved } = *position;
    hash_words(EntityKind::Position, [market.0, account.0, yes, no, yes_reserved, no_reserved])
}

pub fn order(market: MarketId, order: &MarketOrder) -> u64 {
    let OrderMetadata {
        account,
        expires,
        fee_rate,
        quantity,
        entry,
        self_trade,
        post_only,
        cancel_on_pause,
        reduce_only,
        group,
    } = order.owner;
    let flags = [cancel_on_pause.into(), reduce_only.into()];
    let group = group.map_or(0, GroupId::number).to_le_bytes();
    let codes = [entry.code(), self_trade.code(), post_only.code(), flags[0], flags[1], group[0], group[1], 0];
    let codes = u64::from_le_bytes(codes);
    let left = u64::from(order.price) | u64::from(order.remaining) << 32;
    let asked = u64::from(quantity.contracts()) | u64::from(fee_rate.millionths()) << 32;
    hash_words(EntityKind::Order, [order.id.0, market.0, account.0, left, asked, expires.0, codes])
}

/// Hashes a client id entry: `words` is the entry, `hour` is that of its generation.
pub fn client_id(hour: u64, [name, name_2, number, rest]: [u64; 4]) -> u64 {
    hash_words(EntityKind::ClientId, [name, name_2, number, rest, hour])
}

/// Hashes the entry of an order that rests for longer than client ids are kept.
pub fn old_client_id(words: [u64; 4]) -> u64 {
    hash_words(EntityKind::OldClientId, words)
}

pub fn client_ids_used(account: AccountId, hour: u64, used: u32) -> u64 {
    hash_words(EntityKind::ClientIdsUsed, [account.0, hour, used.into()])
}

pub fn ended_order(id: OrderId, account: AccountId, status: Status) -> u64 {
    hash_words(EntityKind::EndedOrder, [id.0, account.0, status.code().into()])
}

/// Hashes a market that has left the state.
pub fn archived_market(id: MarketId) -> u64 {
    hash_words(EntityKind::ArchivedMarket, [id.0])
}

/// Returns the state of a claim, and the market that holds the claimed YES if it is another one.
fn claim(claim: YesClaim) -> (u8, MarketId) {
    match claim {
        YesClaim::Asked => (0, MarketId(0)),
        YesClaim::Granted => (1, MarketId(0)),
        YesClaim::Taken(by) => (2, by),
    }
}

/// Returns credits as a word: two's complement.
#[allow(clippy::cast_sign_loss, reason = "the bits")]
fn bits(credits: Credits) -> u64 {
    credits.0 as u64
}

/// As [`FieldBuffer::hash`], for words of 64 bits.
#[inline]
fn hash_words<const N: usize>(kind: EntityKind, words: [u64; N]) -> u64 {
    let mut bytes = [0; 1 + 8 * 8];
    bytes[0] = kind as u8;
    let end = 1 + 8 * N;
    for (place, word) in bytes[1..end].chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    XxHash3_64::oneshot(&bytes[..end]).max(LEAST)
}

impl FieldBuffer {
    fn hash(&mut self, kind: EntityKind, fields: impl Encode) -> u64 {
        self.0.clear();
        self.0.push(kind as u8);
        schemas::codec::encode_into(&fields, &mut self.0);
        XxHash3_64::oneshot(&self.0).max(LEAST)
    }

    pub fn shard(&mut self, shard: Shard, facts: &StateFacts) -> u64 {
        let StateFacts { time, orders, trades, deposited, tickets, untried, vocabulary, install, .. } = facts;
        self.hash(EntityKind::Shard, (shard, time, orders, trades, deposited, tickets, untried, (vocabulary, install)))
    }

    pub fn part(&mut self, announced: &Announced) -> u64 {
        let Announced { part, at } = announced;
        self.hash(EntityKind::Part, (part, at))
    }

    pub fn admin(&mut self, admin: &Admin) -> u64 {
        self.hash(EntityKind::Admin, admin)
    }

    pub fn account(&mut self, id: AccountId, account: &Account) -> u64 {
        let Account { frozen, limits, dead_man_due, lent, keys } = account;
        let lent: Vec<_> =
            lent.iter().map(|(to, lent)| (*to, lent.credits, lent.room.orders, lent.room.held)).collect();
        let keys: Vec<_> = keys.values().collect();
        self.hash(EntityKind::Account, (id, frozen, limits, dead_man_due, lent, keys))
    }

    /// Hashes a market; `positions` is the sum of the hashes of its positions.
    pub fn market(&mut self, id: MarketId, market: &Market, positions: u64) -> u64 {
        let Market { listing, state, limits, settled, resolution, collateral, fees, yes, no, .. } = market;
        let sums = (collateral, fees, yes, no);
        let claim = (market.claims, market.yes_claim.map(claim));
        let life = (state, limits, settled, resolution, market.traded, claim);
        self.hash(EntityKind::Market, (id, listing, life, sums, positions))
    }

    pub fn market_event(&mut self, id: MarketEventId, event: &KnownMarketEvent) -> u64 {
        let KnownMarketEvent { exclusive, yes } = *event;
        self.hash(EntityKind::MarketEvent, (id, exclusive, yes))
    }

    pub fn groups(&mut self, account: AccountId, groups: &Groups) -> u64 {
        let Groups { generations, all } = groups;
        self.hash(EntityKind::Groups, (account, generations, all))
    }

    pub fn waiting(&mut self, account: AccountId, waiting: &AccountQueue) -> u64 {
        let AccountQueue { requests, ended, asked, claims, recall } = waiting;
        let asked = asked.map(|OpenAsk { ticket, need }| (ticket, need));
        self.hash(EntityKind::Waiting, (account, requests, ended, asked, claims, recall))
    }

    pub fn instruction(&mut self, (account, ticket): (AccountId, u64), pending: &PendingInstruction) -> u64 {
        let PendingInstruction { command, instruction, shards, since, more } = pending;
        self.hash(EntityKind::Instruction, (account, ticket, command, instruction, shards, since, more))
    }

    /// Hashes an outbox; `kept` is the sum of the hashes of its messages.
    pub fn outbox(&mut self, to: Shard, last: u64, kept: u64) -> u64 {
        self.hash(EntityKind::Outbox, (to, last, kept))
    }

    pub fn kept(&mut self, number: u64, origin: CommandId, message: &Message) -> u64 {
        self.hash(EntityKind::Kept, (number, origin, message))
    }

    pub fn inbox(&mut self, from: Shard, last: u64) -> u64 {
        self.hash(EntityKind::Inbox, (from, last))
    }

    pub fn mass_cancel(&mut self, (account, market): (AccountId, Option<MarketId>), rest: &MassCancel) -> u64 {
        let MassCancel { reason, up_to, tickets } = rest;
        self.hash(EntityKind::MassCancel, (account, market, reason, up_to, tickets))
    }

    /// Hashes the deposits, of which there are few: those that wait, and admins who have deposited
    /// alone today.
    pub fn deposits(&mut self, deposits: &Deposits) -> u64 {
        let Deposits { proposed, open, day, alone } = deposits;
        let open: Vec<_> = open.iter().collect();
        let alone: Vec<_> = alone.iter().collect();
        self.hash(EntityKind::Deposits, (proposed, open, day, alone))
    }

    /// Hashes what is kept of archived markets.
    pub fn archive(&mut self, archive: &ArchivedMarkets) -> u64 {
        self.hash(EntityKind::Archive, (archive.fees(), archive.sum()))
    }

    pub fn transfer(&mut self, (from, client_id): TransferName, transfer: &OpenTransfer) -> u64 {
        let OpenTransfer { command, to, amount } = transfer;
        self.hash(EntityKind::Transfer, (from, client_id, command, to, amount))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use expect_test::expect;
    use schemas::market::{Confirmation, Resolution};
    use schemas::{
        About, AccountLimits, AdminId, ApiKey, ApiKeyId, ClientId, Credits, Entry, FeeRate, GroupLimits, Instructions,
        Listing, MarketLimits, MarketState, Need, NewOrder, Parked, ParkedRequest, PostOnly, Price, ProposalId,
        PurseInstruction, Quantity, Rejection, ResolutionAnswer, Room, Scopes, SelfTrade, Sources, Tags, Terms,
        TimeInForce, Timestamp,
    };

    use super::*;
    use crate::book::{Books, Resting};
    use crate::state::{Group, Hashed, Listed, Proposed, PurseLoan, Sealed};

    const ACCOUNT: AccountId = AccountId(0x0102);
    const ROOM: Room = Room { orders: 3, held: Credits(4) };

    fn listed() -> Listed {
        Listed { clarifications: 1, ..Listed::of(&listing()) }
    }

    fn listing() -> Listing {
        let ticker: schemas::text::Ticker = "RAIN".parse().unwrap();
        Listing {
            market: MarketId::of(&ticker),
            ticker,
            about: Arc::new(About {
                question: "Rain?".parse().unwrap(),
                rules: "YES if it rains.".parse().unwrap(),
                sources: Sources::new(vec!["https://rain.example".parse().unwrap()]).unwrap(),
                category: "weather".parse().unwrap(),
                tags: Tags::new(vec!["rain".parse().unwrap(), "2026".parse().unwrap()]).unwrap(),
                event: Some(MarketEventId(12)),
            }),
            opens: Some(Timestamp(4)),
            expiry: Timestamp(5),
            tick: 100,
            maker_fee: FeeRate::new(6).unwrap(),
            taker_fee: FeeRate::new(7).unwrap(),
            dispute_window_ms: 8,
            limits: MarketLimits { live_orders: 9, notional: Credits(10), position: 11 },
        }
    }

    fn parked(ticket: u64) -> Parked {
        let order = NewOrder {
            account: ACCOUNT,
            market: listing().market,
            entry: Entry::BuyNo,
            terms: Terms::Limit {
                price: Price::new(12).unwrap(),
                quantity: Quantity::new(13).unwrap(),
                time_in_force: TimeInForce::Gtc,
                post_only: PostOnly::Off,
            },
            fee_rate: FeeRate::new(14).unwrap(),
            client_id: Some(ClientId(15)),
            instructions: Instructions::default(),
        };
        let deadline = Timestamp(17);
        Parked {
            account: ACCOUNT,
            ticket,
            command: CommandId(16),
            index: Some(1),
            deadline,
            request: ParkedRequest::Place(order),
        }
    }

    /// Hashes in existing logs are checked with these numbers as long as anybody reads them: they
    /// never change.
    #[test]
    fn way_1_stays_as_it_is() {
        let (mut fields, shard, market) = (FieldBuffer::default(), Shard::new(1).unwrap(), listing().market);
        let facts = StateFacts {
            time: Timestamp(1),
            orders: 2,
            trades: 3,
            deposited: Credits(4),
            tickets: 5,
            untried: Some(ACCOUNT),
            ..StateFacts::default()
        };
        let purse = Purse {
            available: Credits(1),
            held: Credits(2),
            live_orders: 3,
            room: ROOM,
            frozen: true,
            sealed: Sealed { orders: true, held: false },
            changed: 4,
        };
        let key = ApiKey::with_secret(ApiKeyId(1), [2; 32], Scopes::READ);
        let account = Account {
            frozen: true,
            limits: AccountLimits { live_orders: 1, held: Credits(2) },
            dead_man_due: Some(Timestamp(3)),
            lent: [(shard, PurseLoan { credits: Credits(4), room: ROOM })].into_iter().collect(),
            keys: [(key.id, key)].into_iter().collect(),
        };
        let resolution = Resolution {
            answer: ResolutionAnswer::Void,
            proposed_by: AdminId(1),
            confirmed: Some(Confirmation { by: AdminId(2), payout: Timestamp(3) }),
        };
        let mut books: Books<OrderId, OrderMetadata> = Books::new();
        let entered = Market {
            listing: listed(),
            state: MarketState::Open,
            limits: listing().limits,
            settled: Some(Timestamp(6)),
            resolution: Some(resolution),
            traded: true,
            claims: 2,
            yes_claim: Some(YesClaim::Taken(MarketId(3))),
            collateral: Credits(1),
            fees: Credits(2),
            yes: 3,
            no: 4,
            positions: Hashed::default(),
            book: books.add(1),
        };
        let owner = OrderMetadata {
            account: ACCOUNT,
            expires: Timestamp(1),
            fee_rate: FeeRate::new(2).unwrap(),
            quantity: Quantity::new(30).unwrap(),
            entry: Entry::SellYes,
            self_trade: SelfTrade::CancelBoth,
            post_only: PostOnly::Reprice,
            cancel_on_pause: true,
            reduce_only: true,
            group: GroupId::new(0x0506),
        };
        let order = Resting { id: OrderId(1), side: owner.entry.book_side(), price: 2, remaining: 3, owner };
        let need = Need { credits: Credits(1), room: ROOM };
        let waiting = AccountQueue {
            requests: [parked(1), parked(2)].into(),
            ended: BTreeMap::from([(2, Rejection::CancelledWhileParked)]),
            asked: Some(OpenAsk { ticket: 1, need }),
            claims: [parked(3)].into(),
            recall: Some(4),
        };
        let instruction = PurseInstruction::Recall(need);
        let pending = PendingInstruction {
            command: CommandId(1),
            instruction,
            shards: [shard].into(),
            since: Timestamp(2),
            more: true,
        };
        let rest =
            MassCancel { reason: schemas::event::CancelReason::Requested, up_to: OrderId(1), tickets: vec![2, 3] };
        let exclusive = KnownMarketEvent { exclusive: true, yes: Some(MarketId(2)) };
        let limits = GroupLimits::new(1, 2).unwrap();
        let mut group = Group { triggered: true, unreported: 4, trigger_unreported: true, ..Group::new(limits, 3) };
        group.count(5, Timestamp(80));
        let groups = Groups { generations: 6, all: [(GroupId::new(7).unwrap(), group)].into_iter().collect() };
        let mut archive = ArchivedMarkets::default();
        archive.add(market, Credits(1));
        let under_way = OpenTransfer { command: CommandId(2), to: AccountId(3), amount: Credits(4) };
        let proposed = Proposed {
            account: ACCOUNT,
            amount: Credits(1),
            client_id: Some(ClientId(2)),
            by: AdminId(3),
            expires: Timestamp(4),
        };
        let deposits = Deposits {
            proposed: 5,
            open: BTreeMap::from([(ProposalId(5), proposed)]),
            day: 6,
            alone: BTreeMap::from([(AdminId(7), Credits(8))]),
        };
        let fund = Message::Fund { account: ACCOUNT, credits: Credits(1), room: ROOM, refused: None };
        let hashes = [
            ("shard", fields.shard(shard, &facts)),
            ("purse", super::purse(ACCOUNT, &purse)),
            ("account", fields.account(ACCOUNT, &account)),
            ("market", fields.market(market, &entered, 5)),
            ("market event", fields.market_event(MarketEventId(1), &exclusive)),
            ("position", position(market, ACCOUNT, &Position { yes: 1, no: 2, yes_reserved: 3, no_reserved: 4 })),
            ("order", super::order(market, &order)),
            ("client id", client_id(1, [2, 3, 4, 5])),
            ("old client id", old_client_id([2, 3, 4, 5])),
            ("client ids used", client_ids_used(ACCOUNT, 1, 2)),
            ("ended order", ended_order(OrderId(1), ACCOUNT, Status::Filled)),
            ("groups", fields.groups(ACCOUNT, &groups)),
            ("waiting", fields.waiting(ACCOUNT, &waiting)),
            ("instruction", fields.instruction((ACCOUNT, 1), &pending)),
            ("outbox", fields.outbox(shard, 1, 2)),
            ("kept", fields.kept(1, CommandId(2), &fund)),
            ("inbox", fields.inbox(shard, 1)),
            ("mass cancel", fields.mass_cancel((ACCOUNT, Some(market)), &rest)),
            ("deposits", fields.deposits(&deposits)),
            ("archive", fields.archive(&archive)),
            ("archived market", archived_market(market)),
            ("transfer", fields.transfer((ACCOUNT, ClientId(1)), &under_way)),
        ];
        let shown: String = hashes.iter().map(|(kind, hash)| format!("{hash:016x} {kind}\n")).collect();
        expect![[r#"
            b4c1567b9a9e0937 shard
            917074483e84537c purse
            088879d9d9dfe8bc account
            718e9d9a4556c9ec market
            ef780774438acd33 market event
            cc24eaf33cbd7af4 position
            d5dc1500f21d7fbf order
            64303f18df6639e9 client id
            10f164b7330cc00e old client id
            7034d0efebd72752 client ids used
            6c0215efa9cd3718 ended order
            a8f7db9d2fd01ee9 groups
            23efe5253fbb40c3 waiting
            38820e53adaf972a instruction
            f98f286131efbc24 outbox
            a65091b345a704a5 kept
            7ec13bf6535a0a79 inbox
            831f0baf0de15cb0 mass cancel
            40a26974fb6871cd deposits
            8dd23add595d32c0 archive
            88e8ded46aa0567b archived market
            161d973fe2e876e4 transfer
        "#]]
        .assert_eq(&shown);
    }
}

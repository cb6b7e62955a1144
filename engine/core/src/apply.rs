//! Makes an event true. Never decides and never fails: recovery, standbys and auditors run just this.
//!
//! Architecture invariant: the only code that changes a [`State`]. What an event means is fixed for ever.
//!
//! A panic here is a broken invariant (`Invariant`), never an input: going on would make every further number wrong, so
//! stopping the shard is the smaller loss.

use schemas::effects::{self, MarketChange, PositionChange, WalletChange};
use schemas::event::{FirstOutcome, OrderPlaced, Trade};
use schemas::{AccountId, ClientId, Event, Listing, MarketId, MarketState, NewOrder, OrderId, Shard};

use crate::Place;
use crate::book::{Book, Resting};
use crate::decide::fingerprint;
use crate::invariants::Invariant;
use crate::state::{Account, Market, Position, Remembered, Stake, State, Table};

impl State {
    /// Makes one event true.
    pub fn apply(&mut self, place: &Place, event: &Event) {
        if let Some(change) = effects::wallet_change(event) {
            self.change_wallet(&change);
        }
        for change in effects::position_changes(event) {
            self.change_position(&change);
        }
        if let Some(change) = effects::market_change(event) {
            self.change_market(&change);
        }
        self.apply_to_things(place, event);
    }

    /// What an event does beyond wallets, positions and a market's sums.
    fn apply_to_things(&mut self, place: &Place, event: &Event) {
        match event {
            Event::Rejected { .. }
            | Event::MessageSkipped { .. }
            | Event::ClientIdRepeated { .. }
            | Event::StateHashed { .. }
            | Event::PairsRedeemed { .. }
            | Event::Settled(_) => {}
            Event::AccountOpened { account } => self.open_account(*account),
            Event::ApiKeyAdded { account, key } => {
                self.account_mut(*account).keys.insert(key.id, *key);
            }
            Event::ApiKeyRevoked { account, key } => {
                self.account_mut(*account).keys.remove(key);
            }
            Event::Deposited { account, amount, client_id } => {
                self.facts.deposited += *amount;
                self.remember(*account, *client_id, FirstOutcome::Deposit { amount: *amount }, 0);
            }
            Event::Withdrawn { account, amount, client_id } => {
                self.facts.deposited -= *amount;
                self.remember(*account, *client_id, FirstOutcome::Withdrawal { amount: *amount }, 0);
            }
            Event::OrderFunded { id, order, .. } => self.take_in(*id, order, FirstOutcome::Order { id: *id }),
            Event::OrderPlaced(placed) => self.rest(placed),
            Event::OrderRejected { id, order, code } => {
                self.take_in(*id, order, FirstOutcome::OrderRejected { id: *id, code: *code });
            }
            Event::Traded(trade) => self.fill_maker(trade),
            Event::OrderCancelled { order, market, .. } => self.end_order(*order, *market),
            Event::MarketCreated(listing) => self.list(listing),
            Event::MarketChanged { market, state, yes_value } => {
                let market = self.market_mut(*market);
                market.state = *state;
                market.yes_value = *yes_value;
            }
            Event::PaidOut { .. } | Event::MarketSettled { .. } => {}
            Event::Sent { to, number, message } => {
                self.facts.outboxes.entry(*to).or_default().push(*number, place.cause.id, message.clone());
            }
            Event::Received { from, number } => self.receive(*from, *number),
            Event::Acknowledged { to, number } => {
                self.facts.outboxes.entry(*to).or_default().acknowledge(*number);
            }
        }
        self.refresh_lookup(event);
    }

    /// Time never goes back, whatever the broker's clock does.
    pub(crate) fn advance_clock(&mut self, place: &Place) {
        self.facts.time = self.facts.time.max(place.time);
    }

    fn change_wallet(&mut self, change: &WalletChange) {
        let account = self.account_mut(change.account);
        account.available += change.available;
        account.held += change.held;
        let positive = account.available.0 >= 0 && account.held.0 >= 0;
        assert!(positive, "{}: wallet of {} is {account:?}", Invariant::NothingIsNegative, change.account);
    }

    fn change_position(&mut self, change: &PositionChange) {
        let market = self.market_mut(change.market);
        let position = market.positions.get_or_default(change.account);
        let add = |value: u64, difference: i64| {
            value.checked_add_signed(difference).unwrap_or_else(|| {
                panic!("{}: position of {} by {change:?}", Invariant::NothingIsNegative, change.account)
            })
        };
        position.yes = add(position.yes, change.yes);
        position.no = add(position.no, change.no);
        position.yes_reserved = add(position.yes_reserved, change.yes_reserved);
        position.no_reserved = add(position.no_reserved, change.no_reserved);
        let covered = position.yes >= position.yes_reserved && position.no >= position.no_reserved;
        assert!(covered, "{}: {} reserves {position:?}", Invariant::NothingIsNegative, change.account);
        if *position == Position::default() {
            market.positions.remove(change.account);
        }
    }

    fn change_market(&mut self, change: &MarketChange) {
        let market = self.market_mut(change.market);
        let add = |value: u64, difference: i64| {
            value.checked_add_signed(difference).unwrap_or_else(|| {
                panic!("{}: contracts of {} by {change:?}", Invariant::NothingIsNegative, change.market)
            })
        };
        market.collateral += change.collateral;
        market.fees += change.fees;
        market.yes = add(market.yes, change.yes);
        market.no = add(market.no, change.no);
    }

    fn open_account(&mut self, id: AccountId) {
        assert!(self.facts.accounts.insert(id, Account::default()).is_none(), "account {id} opened twice");
    }

    /// Counts an order that came in here and remembers what its client called it.
    fn take_in(&mut self, id: OrderId, order: &NewOrder, first: FirstOutcome) {
        if id.entry_shard() != self.shard {
            return;
        }
        // A buy whose market is here too has two events, with one id.
        if id == self.next_order_id(id.market_shard()) {
            self.facts.orders += 1;
        }
        let fingerprint = if order.client_id.is_some() { fingerprint(order) } else { 0 };
        self.remember(order.account, order.client_id, first, fingerprint);
    }

    fn remember(&mut self, account: AccountId, client_id: Option<ClientId>, first: FirstOutcome, fingerprint: u64) {
        if let Some(client_id) = client_id {
            let time = self.facts.time;
            self.facts.client_ids.remember(Remembered { account, client_id, time, first, fingerprint });
        }
    }

    fn rest(&mut self, placed: &OrderPlaced) {
        let order = &placed.order;
        self.take_in(placed.id, order, FirstOutcome::Order { id: placed.id });
        if placed.status.is_live() {
            let resting = Resting {
                id: placed.id,
                side: order.entry.book_side(),
                price: u32::from(placed.book_price().ticks()),
                remaining: placed.resting().contracts(),
                owner: Stake { account: order.account, entry: order.entry, fee_rate: order.fee_rate },
            };
            self.market_mut(order.market).book.insert(resting);
            self.lookup.live.insert(placed.id, order.market);
        }
    }

    fn fill_maker(&mut self, trade: &Trade) {
        self.facts.trades += 1;
        let maker = trade.maker.order;
        let book = &mut self.market_mut(trade.market).book;
        let filled = book.take_first(trade.maker.entry.book_side(), trade.quantity.contracts());
        let left = filled.remaining - trade.quantity.contracts();
        let agrees = filled.id == maker && left == trade.maker_remaining.contracts();
        assert!(agrees, "{}: maker {maker} is {filled:?}", Invariant::LevelsAddUp);
        if left == 0 {
            self.lookup.live.remove(&maker);
        }
    }

    fn end_order(&mut self, order: OrderId, market: MarketId) {
        let gone = self.market_mut(market).book.remove(order);
        assert!(gone.is_some(), "{}: order {order} ended twice", Invariant::LevelsAddUp);
        self.lookup.live.remove(&order);
    }

    fn list(&mut self, listing: &Listing) {
        let market = Market {
            listing: listing.clone(),
            state: MarketState::Created,
            yes_value: None,
            collateral: schemas::Credits::ZERO,
            fees: schemas::Credits::ZERO,
            yes: 0,
            no: 0,
            positions: Table::default(),
            book: Book::new(u32::from(schemas::Price::MAX.ticks())),
        };
        assert!(self.facts.markets.insert(listing.market, market).is_none(), "market {} listed twice", listing.market);
        self.lookup.expiries.insert((listing.expiry, listing.market));
    }

    fn receive(&mut self, from: Shard, number: u64) {
        let inbox = self.facts.inboxes.entry(from).or_default();
        assert_eq!(number, inbox.last + 1, "{}: message from shard {from}", Invariant::MessagesAreDense);
        inbox.last = number;
    }

    /// Keeps the look-ups in step with a market that ended or was swept.
    fn refresh_lookup(&mut self, event: &Event) {
        let (Event::MarketChanged { market, .. }
        | Event::OrderCancelled { market, .. }
        | Event::PairsRedeemed { market, .. }
        | Event::PaidOut { market, .. }) = event
        else {
            return;
        };
        // A market that still trades is where it was since it was listed, so a cancel there need not touch the look-ups.
        if self.market(*market).is_some_and(|market| !market.expires()) {
            self.lookup_market(*market);
        }
    }

    /// Puts one market where the look-ups should have it.
    pub(crate) fn lookup_market(&mut self, id: MarketId) {
        let market = self.facts.markets.get(id).expect("the event names a market that is here");
        let expiry = (market.listing.expiry, id);
        if market.expires() {
            self.lookup.expiries.insert(expiry);
        } else {
            self.lookup.expiries.remove(&expiry);
        }
        if market.needs_sweep() {
            self.lookup.sweeping.insert(id);
        } else {
            self.lookup.sweeping.remove(&id);
        }
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        self.facts.accounts.get_mut(id).unwrap_or_else(|| panic!("account {id} lives here"))
    }

    fn market_mut(&mut self, id: MarketId) -> &mut Market {
        self.facts.markets.get_mut(id).unwrap_or_else(|| panic!("market {id} lives here"))
    }
}

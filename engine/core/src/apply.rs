//! Makes an event true. Never decides and never fails: recovery, standbys and auditors run just this.
//!
//! Architecture invariant: the only code that changes a [`State`]. What an event means is fixed for ever.
//!
//! A panic here is a broken invariant (`Invariant`), never an input: going on would make every further number wrong, so
//! stopping the shard is the smaller loss.

use std::ops::RangeInclusive;

use schemas::effects::{self, MarketChange, PositionChange, WalletChange};
use schemas::event::{FirstOutcome, KnownAs, OrderAmended, OrderPlaced, Trade};
use schemas::market::Resolution;
use schemas::{
    AccountId, ClientId, Credits, Entry, Event, Listing, MarketId, MarketLimits, MarketState, NewOrder, OrderId, Price,
    Quantity, Shard, Side, Timestamp,
};

use crate::Place;
use crate::book::Resting;
use crate::decide::fingerprint;
use crate::invariants::Invariant;
use crate::state::{
    Account, Exposure, Market, MarketOrder, MarketView, MassCancel, Position, Remembered, Stake, State, Table,
};

/// The prices of every market's book.
const PRICES: RangeInclusive<u32> = Price::MIN.ticks() as u32..=Price::MAX.ticks() as u32;

impl State {
    /// Makes one event true.
    // What orders lead to comes a thousand times as often as all the rest: it shall not pay for the rest's stack.
    #[inline]
    pub fn apply(&mut self, place: &Place, event: &Event) {
        match event {
            Event::OrderEntered { id, account, held, known_as, .. } => self.enter(*id, *account, *held, *known_as),
            Event::OrderPlaced(placed) => self.place(placed),
            Event::Traded(trade) => self.trade(trade),
            Event::OrderCancelled { order, account, market, entry, quantity, .. }
            | Event::OrderReduced { order, account, market, entry, quantity, .. } => {
                self.take_off(*market, *account, *order, *entry, *quantity);
            }
            Event::Settled(settlement) => self.change_wallet(&WalletChange::settled(settlement)),
            _ => self.apply_rare(place, event),
        }
    }

    #[inline(never)]
    fn apply_rare(&mut self, place: &Place, event: &Event) {
        match event {
            Event::OrderEntered { .. }
            | Event::OrderPlaced(_)
            | Event::Traded(_)
            | Event::OrderCancelled { .. }
            | Event::OrderReduced { .. }
            | Event::Settled(_) => unreachable!("see `apply`"),
            Event::Rejected { .. }
            | Event::MessageSkipped { .. }
            | Event::ClientIdRepeated { .. }
            | Event::StateHashed { .. }
            | Event::CancelRejected { .. }
            | Event::AmendRejected { .. }
            | Event::MassCancelRequested { .. }
            | Event::BatchItem { .. } => {}
            Event::HoldRaised { .. } | Event::TransferReceived { .. } | Event::TransferReturned { .. } => {
                self.change_wallet_by(event);
            }
            Event::AccountOpened { account } => self.open_account(*account),
            Event::ApiKeyAdded { account, key } => {
                self.account_mut(*account).keys.insert(key.id, *key);
            }
            Event::ApiKeyRevoked { account, key } => {
                self.account_mut(*account).keys.remove(key);
            }
            Event::Deposited { account, amount, client_id } => {
                self.change_wallet_by(event);
                self.facts.deposited += *amount;
                self.remember(*account, *client_id, FirstOutcome::Deposit { amount: *amount }, 0);
            }
            Event::Withdrawn { account, amount, client_id } => {
                self.change_wallet_by(event);
                self.facts.deposited -= *amount;
                self.remember(*account, *client_id, FirstOutcome::Withdrawal { amount: *amount }, 0);
            }
            Event::OrderRejected { id, order, code } => self.reject(*id, order, *code),
            Event::OrderAmended(amended) => {
                self.change_market(amended.market, event);
                self.amend(amended);
            }
            Event::PairsRedeemed { market, .. } | Event::PaidOut { market, .. } => {
                self.change_market(*market, event);
                self.refresh_lookup(*market);
            }
            Event::MarketSettled { market } => {
                self.market_mut(*market).settled = true;
                self.lookup_market(*market);
            }
            Event::MarketCreated(listing) => self.list(listing),
            Event::MarketChanged { market, state, resolution, .. } => self.move_on(*market, *state, *resolution),
            Event::MarketLimited { market, limits } => {
                self.market_mut(*market).limits = *limits;
                self.limit_exposures(*market);
            }
            Event::Sent { to, number, message } => {
                self.facts.outboxes.entry(*to).or_default().push(*number, place.cause.id, message.clone());
            }
            Event::Received { from, number } => self.receive(*from, *number),
            Event::Acknowledged { to, number } => {
                self.facts.outboxes.entry(*to).or_default().acknowledge(*number);
            }
            Event::AccountFrozen { account, .. } => self.account_mut(*account).frozen = true,
            Event::AccountUnfrozen { account, .. } => self.account_mut(*account).frozen = false,
            Event::AccountLimited { account, limits } => self.account_mut(*account).limits = *limits,
            Event::DeadManSwitchSet { account, due } => self.set_dead_man_switch(*account, *due),
            Event::DeadManSwitchFired { account } => self.set_dead_man_switch(*account, None),
            Event::MassCancelOpened { account, market, reason, up_to } => {
                let rest = MassCancel { reason: *reason, up_to: *up_to };
                self.facts.mass_cancels.insert((*account, *market), rest);
            }
            Event::MassCancelClosed { account, market } => {
                self.facts.mass_cancels.remove(&(*account, *market));
            }
            Event::TransferSent { from, to, amount, client_id } => {
                self.change_wallet_by(event);
                self.remember(*from, *client_id, FirstOutcome::Transfer { to: *to, amount: *amount }, 0);
            }
        }
    }

    /// Time never goes back, whatever the broker's clock does.
    pub(crate) fn advance_clock(&mut self, place: &Place) {
        self.facts.time = self.facts.time.max(place.time);
    }

    /// What an event means for the one wallet that it changes.
    fn change_wallet_by(&mut self, event: &Event) {
        if let Some(change) = effects::wallet_change(event) {
            self.change_wallet(&change);
        }
    }

    #[inline]
    fn change_wallet(&mut self, change: &WalletChange) {
        let account = self.account_mut(change.account);
        account.available += change.available;
        account.held += change.held;
        account.live_orders = account
            .live_orders
            .checked_add_signed(change.live_orders)
            .unwrap_or_else(|| panic!("{}: {} by {change:?}", Invariant::LiveOrdersAreCounted, change.account));
        let positive = (account.available.0 | account.held.0) >= 0;
        assert!(positive, "{}: wallet of {} is {account:?}", Invariant::NothingIsNegative, change.account);
    }

    /// What an event means for positions in its market and for the market's own sums.
    fn change_market(&mut self, id: MarketId, event: &Event) {
        for change in effects::position_changes(event) {
            self.change_position(id, &change);
        }
        if let Some(change) = effects::market_change(event) {
            self.market_mut(id).change(&change);
        }
    }

    fn change_position(&mut self, id: MarketId, change: &PositionChange) {
        if self.market_mut(id).change_position(change) {
            self.paired.push(change.account);
        }
    }

    /// Two orders matched: contracts move, the market's sums change, and the maker gives what it had first.
    fn trade(&mut self, trade: &Trade) {
        self.facts.trades += 1;
        let id = trade.market;
        for change in PositionChange::traded(trade) {
            self.change_position(id, &change);
        }
        let market = self.market_mut(id);
        market.change(&MarketChange::traded(trade));
        let (book, maker) = (market.book, &trade.maker);
        let filled = self.facts.books.take_first(book, maker.entry.book_side(), trade.quantity.contracts());
        let agrees = filled.id == maker.order && filled.contracts() - trade.quantity == trade.maker_remaining;
        assert!(agrees, "{}: maker {} is {filled:?}", Invariant::LevelsAddUp, maker.order);
        self.lookup.order_loses(id, &filled, trade.quantity);
    }

    fn open_account(&mut self, id: AccountId) {
        assert!(self.facts.accounts.insert(id, Account::default()), "account {id} opened twice");
    }

    /// Holds what an order needs, counts it as one that came in here and remembers what its client called it.
    fn enter(&mut self, id: OrderId, account: AccountId, held: Credits, known_as: Option<KnownAs>) {
        self.change_wallet(&WalletChange::held(account, held, 1));
        self.facts.orders += 1;
        if let Some(KnownAs { client_id, fingerprint }) = known_as {
            self.remember(account, Some(client_id), FirstOutcome::Order { id }, fingerprint);
        }
    }

    /// The same for an order that was refused where it came in. One that its market refused was counted before.
    fn reject(&mut self, id: OrderId, order: &NewOrder, code: schemas::Rejection) {
        if id != self.next_order_id(id.market_shard()) {
            return;
        }
        self.facts.orders += 1;
        if order.client_id.is_some() {
            let first = FirstOutcome::OrderRejected { id, code };
            self.remember(order.account, order.client_id, first, fingerprint(order));
        }
    }

    fn remember(&mut self, account: AccountId, client_id: Option<ClientId>, first: FirstOutcome, fingerprint: u64) {
        if let Some(client_id) = client_id {
            let time = self.facts.time;
            self.facts.client_ids.remember(Remembered { account, client_id, time, first, fingerprint });
        }
    }

    fn place(&mut self, placed: &OrderPlaced) {
        if !placed.status.is_live() {
            return;
        }
        let order = &placed.order;
        if order.entry.side() == Side::Sell {
            self.change_position(order.market, &PositionChange::placed(placed));
        }
        let owner = Stake {
            account: order.account,
            expires: order.terms.time_in_force().expires().unwrap_or(Stake::NEVER),
            fee_rate: order.fee_rate,
            quantity: placed.quantity,
            entry: order.entry,
            self_trade: order.instructions.self_trade,
            post_only: order.terms.post_only(),
            cancel_on_pause: order.instructions.cancel_on_pause,
        };
        let (side, price) = (order.entry.book_side(), u32::from(placed.price.ticks()));
        self.rest(order.market, Resting { id: placed.id, side, price, remaining: placed.resting().contracts(), owner });
    }

    #[inline]
    fn rest(&mut self, market: MarketId, resting: MarketOrder) {
        let book = self.market_mut(market).book;
        self.facts.books.insert(book, resting);
        self.lookup.order_rests(market, &resting);
    }

    /// Takes contracts off a resting order without a trade and frees them if it sells.
    fn take_off(&mut self, market: MarketId, account: AccountId, order: OrderId, entry: Entry, quantity: Quantity) {
        if entry.side() == Side::Sell {
            let freed = -i64::from(quantity.contracts());
            self.change_position(market, &PositionChange::reserved(market, account, entry, freed));
        }
        self.reduce(market, order, quantity);
        self.refresh_lookup(market);
    }

    /// All contracts of an order end it, fewer leave it in its place.
    fn reduce(&mut self, market: MarketId, order: OrderId, quantity: Quantity) {
        let books = &mut self.facts.books;
        let gone = || panic!("{}: order {order} ended twice", Invariant::LevelsAddUp);
        let before = books.take_from(order, quantity.contracts()).unwrap_or_else(gone);
        if before.contracts() > quantity {
            books.owner_mut(order).expect("it still rests").quantity = before.owner.quantity - quantity;
        }
        self.lookup.order_loses(market, &before, quantity);
    }

    fn amend(&mut self, amended: &OrderAmended) {
        let OrderAmended { order, market, .. } = *amended;
        if amended.in_place {
            self.reduce(market, order, amended.old_remaining - amended.resting());
            return;
        }
        let (_, before) = self
            .facts
            .books
            .remove(order)
            .unwrap_or_else(|| panic!("{}: order {order} is gone", Invariant::LevelsAddUp));
        self.lookup.order_loses(market, &before, before.contracts());
        if amended.status.is_live() {
            let owner = Stake { quantity: amended.quantity, ..before.owner };
            let (price, remaining) = (u32::from(amended.price.ticks()), amended.resting().contracts());
            self.rest(market, Resting { price, remaining, owner, ..before });
        }
    }

    fn list(&mut self, listing: &Listing) {
        let market = Market {
            listing: listing.clone(),
            state: MarketState::Created,
            limits: listing.limits,
            settled: false,
            resolution: None,
            collateral: Credits::ZERO,
            fees: Credits::ZERO,
            yes: 0,
            no: 0,
            positions: Table::default(),
            book: self.facts.books.add_with(PRICES),
        };
        assert!(self.facts.markets.insert(listing.market, market), "market {} listed twice", listing.market);
        self.limit_exposures(listing.market);
        self.schedule(listing.market);
    }

    fn move_on(&mut self, id: MarketId, state: MarketState, resolution: Option<Resolution>) {
        if let Some(time) = self.market(id).and_then(|market| market.moves_on()) {
            self.lookup.market_times.remove(&(time, id));
        }
        let market = self.market_mut(id);
        market.state = state;
        market.resolution = resolution;
        self.schedule(id);
        self.lookup_market(id);
    }

    /// Counts accounts' live orders where they are limited, and only there: it costs memory for every account.
    pub(crate) fn limit_exposures(&mut self, id: MarketId) {
        let market = self.facts.markets.get(id).expect("the event names a market that is here");
        if market.limits == MarketLimits::NONE {
            self.lookup.exposures.remove(&id);
            return;
        }
        let mut exposures: Table<AccountId, Exposure> = Table::default();
        for order in (MarketView { market, books: &self.facts.books }).all_orders() {
            exposures.get_or_default(order.owner.account).add(&Exposure::of_live(&order));
        }
        self.lookup.exposures.insert(id, exposures);
    }

    fn set_dead_man_switch(&mut self, id: AccountId, due: Option<Timestamp>) {
        let before = std::mem::replace(&mut self.account_mut(id).dead_man_due, due);
        if let Some(before) = before {
            self.lookup.dead_man_switches.remove(&(before, id));
        }
        if let Some(due) = due {
            self.lookup.dead_man_switches.insert((due, id));
        }
    }

    fn receive(&mut self, from: Shard, number: u64) {
        let inbox = self.facts.inboxes.entry(from).or_default();
        assert_eq!(number, inbox.last + 1, "{}: message from shard {from}", Invariant::MessagesAreDense);
        inbox.last = number;
    }

    /// Keeps the look-ups in step with a market that is swept: whether it is still to be.
    fn refresh_lookup(&mut self, market: MarketId) {
        if self.lookup.sweeping.contains(&market) {
            self.lookup_market(market);
        }
    }

    /// Puts one market where the look-ups should have it.
    pub(crate) fn lookup_market(&mut self, id: MarketId) {
        let market = self.market(id).expect("the event names a market that is here");
        let paused = matches!(market.state, MarketState::Paused | MarketState::CancelOnly);
        let pausing = paused && self.lookup.paused_orders(id).next().is_some();
        if market.ends_orders() || market.pays_out() || pausing {
            self.lookup.sweeping.insert(id);
        } else {
            self.lookup.sweeping.remove(&id);
        }
    }

    /// Notes when a market moves on by itself.
    pub(crate) fn schedule(&mut self, id: MarketId) {
        if let Some(time) = self.market(id).and_then(|market| market.moves_on()) {
            self.lookup.market_times.insert((time, id));
        }
    }

    #[inline]
    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        self.facts.accounts.get_mut(id).unwrap_or_else(|| panic!("account {id} lives here"))
    }

    #[inline]
    fn market_mut(&mut self, id: MarketId) -> &mut Market {
        self.facts.markets.get_mut(id).unwrap_or_else(|| panic!("market {id} lives here"))
    }
}

impl Market {
    /// True if the account now holds pairs.
    fn change_position(&mut self, change: &PositionChange) -> bool {
        let position = self.positions.get_or_default(change.account);
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
            self.positions.remove(change.account);
            return false;
        }
        position.pairs() > 0
    }

    fn change(&mut self, change: &MarketChange) {
        let add = |value: u64, difference: i64| {
            value
                .checked_add_signed(difference)
                .unwrap_or_else(|| panic!("{}: market by {change:?}", Invariant::NothingIsNegative))
        };
        self.collateral += change.collateral;
        self.fees += change.fees;
        self.yes = add(self.yes, change.yes);
        self.no = add(self.no, change.no);
    }
}

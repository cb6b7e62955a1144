//! The requests of clients and admins: the only module that creates commands, listings and
//! accounts.
//!
//! | file     | content                                                            |
//! |----------|--------------------------------------------------------------------|
//! | here     | accounts and markets; credits; the opening commands                |
//! | `orders` | orders, cancels, amendments, batches, switches                     |
//! | `admins` | markets and their answers, freezes, limits                         |
//! | `listings` | markets as admins list them                                      |
//! | `keys`   | keys that keys add, replace and revoke                             |
//! | `groups` | groups of orders                                                   |
//! | `roles`  | creation and revocation of admins                                  |

mod admins;
mod groups;
mod keys;
mod listings;
mod orders;
mod roles;
mod small;

use std::collections::{BTreeMap, VecDeque};

use schemas::market::Resolution;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, ClientId, Command, CommandId, CommandRecord, Credits, IdempotencyKey,
    Listing, MarketId, MarketState, OrderId, Origin, Scopes, Shard, Timestamp, TraceContext, Transition, frame,
};

use small::small;

use crate::answers::ClientName;
use crate::cluster::START;
use crate::random::Random;

const ACCOUNTS_PER_SHARD: usize = 2;
const MARKETS_PER_SHARD: usize = 2;

/// An account that is never opened: transfers to it are returned.
const NOBODY: AccountId = AccountId(1_000_000);

/// The first of the accounts that receive deposits by two admins; each run uses one.
const VAULTS: AccountId = AccountId(2_000);

/// The number of order names that clients remember for cancels, amendments and repeats.
const NAMES_MAX: usize = 60;

/// The number of transfers that clients repeat, or whose names they reuse.
const TRANSFERS_MAX: usize = 4;

/// The first deposit of an account in credits: mostly small, so that its purses (its balances on
/// single shards) must lend each other some.
const FIRST_CREDITS: [i64; 5] = [4, 12, 20, 40, 150];

/// A command and the shard that it is sent to.
#[derive(Clone)]
pub struct RoutedCommand {
    pub shard: Shard,
    pub command: Command,
    /// The client ids in the command: a repeat does nothing.
    pub names: Vec<ClientName>,
}

/// What clients know when they make a request.
#[derive(Clone, Copy)]
pub struct ClientView<'a> {
    /// Milliseconds since 1970.
    pub now: u64,
    /// Orders that the gateway reported to their accounts; they may have ended since.
    pub live: &'a [(AccountId, OrderId)],
    /// The last reported state of each market.
    pub markets: &'a BTreeMap<MarketId, (MarketState, Option<Resolution>)>,
    /// The available credits of the accounts' purses, by shard.
    pub available: &'a [BTreeMap<AccountId, Credits>],
    /// The accounts' positions in markets, by shard.
    pub positions: &'a [Contracts],
}

/// YES and NO contracts.
pub type Contracts = BTreeMap<(AccountId, MarketId), (i64, i64)>;

impl ClientView<'_> {
    /// Returns the available credits of an account, as far as reported.
    fn wallet(&self, account: AccountId) -> Credits {
        self.available.iter().filter_map(|purses| purses.get(&account)).copied().sum()
    }

    /// Returns the position of an account in a market, as far as reported.
    fn position(&self, account: AccountId, market: MarketId) -> (i64, i64) {
        let all = self.positions.iter().find_map(|positions| positions.get(&(account, market)));
        all.copied().unwrap_or_default()
    }
}

/// The accounts and markets of a run.
pub struct Population {
    map: ShardMap,
    accounts: Vec<AccountId>,
    listings: Vec<Listing>,
    names: u128,
    /// The client ids of recent orders, whatever their state.
    named: VecDeque<(AccountId, MarketId, ClientId)>,
    /// An account that only receives deposits that need a second admin, so that trading accounts
    /// stay poor.
    vault: AccountId,
    /// The number of such deposits requested.
    proposed: u64,
    /// Recent transfers: from, to, amount, and client id.
    transfers: VecDeque<(AccountId, AccountId, Credits, ClientId)>,
}

impl Population {
    /// Returns accounts and markets on every shard; one market of each shard expires during the
    /// run.
    pub fn new(map: ShardMap, random: &mut Random) -> Self {
        let mut homes = vec![0; usize::from(map.shards())];
        let mut some = |home: Shard, most: usize| {
            homes[home.index()] += 1;
            homes[home.index()] <= most
        };
        let ids = (1..1_000).map(AccountId);
        let accounts: Vec<_> = ids.filter(|&id| some(map.of_account(id), ACCOUNTS_PER_SHARD)).collect();
        let vault = AccountId(VAULTS.0 + random.below(100));
        let mut homes = vec![0; usize::from(map.shards())];
        let mut listings = Vec::new();
        for number in 0..1_000 {
            let market = listings::listing(&format!("MARKET-{number}"));
            let seen = &mut homes[map.of_market(market.market).index()];
            *seen += 1;
            if *seen <= MARKETS_PER_SHARD {
                let expires = *seen == MARKETS_PER_SHARD;
                let expiry = if expires { Timestamp(START + 5_000 + random.below(120_000)) } else { market.expiry };
                listings.push(listings::vary(Listing { expiry, ..market }, random));
            }
        }
        Self {
            map,
            accounts,
            listings,
            names: 0,
            named: VecDeque::new(),
            vault,
            proposed: 0,
            transfers: VecDeque::new(),
        }
    }

    /// Returns the commands that must come first.
    pub fn opening(&mut self, random: &mut Random) -> Vec<RoutedCommand> {
        let mut all = Vec::new();
        for account in self.accounts.clone() {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [7; 32], Scopes::READ_TRADE);
            all.push(self.at_account(account, Command::OpenAccount { account, key }, None));
            all.push(self.deposit(account, Credits::whole(*random.pick(&FIRST_CREDITS))));
            if random.one_in(4) {
                all.push(self.limit_account(account, random));
            }
            all.extend(self.make_groups(account, random));
        }
        let (account, key) = (self.vault, ApiKey::with_secret(ApiKeyId(self.vault.0), [7; 32], Scopes::READ));
        all.push(self.at_account(account, Command::OpenAccount { account, key }, None));
        all.push(self.first_admin());
        all.push(self.create_event());
        for listing in self.listings.clone() {
            let (market, opens) = (listing.market, listing.opens);
            all.push(self.at_market(market, Command::CreateMarket { listing, by: AdminId(1) }));
            let (by, transition) = (AdminId(1), Transition::Open);
            // The others open automatically.
            if opens.is_none() {
                all.push(self.at_market(market, Command::ChangeMarket { market, by, transition }));
            }
        }
        all
    }

    /// Returns any request that somebody may make.
    pub fn any(&mut self, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let account = *random.pick(&self.accounts);
        match random.below(400) {
            0..18 => self.deposit(account, some_credits(random)),
            18..28 => self.withdraw(account, sight, random),
            28..40 => self.transfer(account, sight, random),
            40..90 => self.cancel(account, sight, random),
            90..130 => self.amend(account, sight, random),
            130..165 => self.batch(account, sight, random),
            165..172 => self.mass_cancel(account, random),
            172..178 => self.dead_man_switch(account, random),
            178..194 => self.supervise(account, random),
            194..218 => self.change_market(sight, random),
            218..230 => self.change_keys(account, sight, random),
            230..240 => self.deposit_by_two(random),
            240..246 => self.describe(sight, random),
            246..257 => self.act_on_group(account, random),
            257..261 => self.change_admins(sight, random),
            _ => self.place(account, sight, random),
        }
    }

    /// Returns one more command for every shard.
    pub fn probes(&mut self) -> Vec<RoutedCommand> {
        let mut first: Vec<AccountId> = Vec::new();
        for &account in &self.accounts {
            if first.iter().all(|&other| self.map.of_account(other) != self.map.of_account(account)) {
                first.push(account);
            }
        }
        first.into_iter().map(|account| self.deposit(account, Credits(1))).collect()
    }

    pub fn everybody(&self) -> Vec<AccountId> {
        self.accounts.clone()
    }

    /// Lists all markets again, which is refused, and as many new ones.
    pub fn listings_again(&mut self) -> Vec<RoutedCommand> {
        // Earlier names are forgotten by now: they would name other orders.
        self.named.clear();
        let others = (0..self.listings.len()).map(|number| listings::listing(&format!("LATER-{number}")));
        let others: Vec<Listing> = others.collect();
        self.listings.splice(0..0, others);
        let listings: Vec<Listing> =
            self.listings.iter().map(|l| Listing { opens: None, expiry: listings::NEVER, ..l.clone() }).collect();
        let mut all = Vec::new();
        for listing in listings {
            let (market, by, transition) = (listing.market, AdminId(1), Transition::Open);
            all.push(self.at_market(market, Command::CreateMarket { listing, by }));
            all.push(self.at_market(market, Command::ChangeMarket { market, by, transition }));
        }
        all
    }

    /// Returns any market; more often the first of a shard, so that orders meet.
    fn market(&self, random: &mut Random) -> MarketId {
        let any = random.pick(&self.listings).market;
        let mut markets = self.listings.iter().map(|listing| listing.market);
        let first = markets.find(|market| self.map.of_market(*market) == self.map.of_market(any));
        first.filter(|_| random.below(3) > 0).unwrap_or(any)
    }

    fn deposit(&mut self, account: AccountId, amount: Credits) -> RoutedCommand {
        let client_id = self.name();
        let command = Command::Deposit { account, amount, client_id: Some(client_id), by: AdminId(1) };
        self.at_account(account, command, Some(client_id))
    }

    fn withdraw(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let (amount, client_id) = (credits_of(sight.wallet(account), random), self.name());
        let command = Command::Withdraw { account, amount, client_id: Some(client_id), by: listings::admin(random) };
        self.at_account(account, command, Some(client_id))
    }

    /// Returns a transfer to another account, sometimes to itself, which is refused, or to an
    /// account that does not exist, which returns it. Sometimes repeats an earlier one, or reuses
    /// its name for another movement.
    fn transfer(&mut self, from: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        if !self.transfers.is_empty() && random.one_in(3) {
            return self.transfer_again(random);
        }
        let to = if random.one_in(5) { AccountId(NOBODY.0 + random.below(10)) } else { *random.pick(&self.accounts) };
        let (amount, client_id) = (credits_of(sight.wallet(from), random), self.name());
        self.transfers.push_back((from, to, amount, client_id));
        self.transfers.drain(..self.transfers.len().saturating_sub(TRANSFERS_MAX));
        let command = Command::Transfer { from, to, amount, client_id: Some(client_id) };
        self.at_account(from, command, Some(client_id))
    }

    fn transfer_again(&mut self, random: &mut Random) -> RoutedCommand {
        let (from, to, amount, name) = self.transfers[random.index(self.transfers.len())];
        let (client_id, more, by) = (Some(name), amount + Credits(1), listings::admin(random));
        let command = match random.below(8) {
            0 => Command::Transfer { from, to, amount: more, client_id },
            1 => Command::Transfer { from, to: *random.pick(&self.accounts), amount, client_id },
            2 => Command::Withdraw { account: from, amount, client_id, by },
            3 => Command::Deposit { account: from, amount, client_id, by },
            _ => Command::Transfer { from, to, amount, client_id },
        };
        self.at_account(from, command, client_id)
    }

    fn name(&mut self) -> ClientId {
        self.names += 1;
        ClientId(self.names)
    }

    fn at_account(&self, account: AccountId, command: Command, client_id: Option<ClientId>) -> RoutedCommand {
        let names = client_id.into_iter().map(|client_id| (account, None, client_id)).collect();
        RoutedCommand { shard: self.map.of_account(account), command, names }
    }

    fn at_market(&self, market: MarketId, command: Command) -> RoutedCommand {
        RoutedCommand { shard: self.map.of_market(market), command, names: Vec::new() }
    }
}

fn some_credits(random: &mut Random) -> Credits {
    Credits(1 + random.below(5_000_000).cast_signed())
}

/// Returns some credits; sometimes all that the account has on all shards, or slightly more, which
/// is refused.
fn credits_of(wallet: Credits, random: &mut Random) -> Credits {
    match random.below(6) {
        0 if wallet > Credits::ZERO => wallet,
        1 if wallet > Credits::ZERO => wallet + Credits(1),
        _ => some_credits(random),
    }
}

/// Returns a command's record, with its origin.
pub fn record(id: CommandId, command: Command) -> Vec<u8> {
    CommandRecord { origin: origin(id), ..CommandRecord::new(id, command) }.encode()
}

/// Returns the origin of a command, if any. It depends on the id, so that every record with that id
/// can be checked.
pub fn origin(id: CommandId) -> Option<Box<Origin>> {
    let id = id.0;
    let mut trace = [1; 25];
    trace[..16].copy_from_slice(&id.to_le_bytes());
    let trace = TraceContext::new(trace).filter(|_| id.is_multiple_of(3));
    let idempotency_key = id.is_multiple_of(2).then(|| IdempotencyKey::new(format!("key-{id}"))).flatten();
    (trace.is_some() || idempotency_key.is_some()).then(|| Box::new(Origin { trace, idempotency_key }))
}

/// Returns bytes that are not a command.
pub fn garbage(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => Vec::new(),
        1 => (0..random.below(50)).map(|_| 0xff).collect(),
        // A truncated record.
        2 => record(CommandId(9), Command::AdvanceTime)[..5].to_vec(),
        // A record of a later build, which has an id.
        _ => {
            let id = CommandId(u128::MAX - u128::from(random.below(1_000)));
            let mut record = record(id, Command::AdvanceTime)[..1 + size_of::<CommandId>()].to_vec();
            frame::put(&mut record, 0, |bytes| bytes.extend_from_slice(&9_999_u32.to_le_bytes()));
            record
        }
    }
}

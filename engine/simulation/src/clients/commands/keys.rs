//! Requests made with accounts' keys: adding, revoking and rotating keys.

use schemas::limits::KEY_GRACE_MAX_MS;
use schemas::{AccountId, ApiKey, ApiKeyId, Command, Credits, KeyMarkets, KeyTerms, MarketId, Scopes, Timestamp};

use super::{ClientView, Population, RoutedCommand};
use crate::random::Random;

/// The number of key ids besides an account's first. Few, so that commands concern the same keys.
const KEYS: u64 = 8;

/// The longest validity of a key that ends, in milliseconds.
const LASTS_MAX: u64 = 20_000;

impl Population {
    /// Returns a change of keys, mostly made with a key: often one that lacks the rights, or has
    /// ended.
    pub fn change_keys(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let by = if random.one_in(4) { None } else { Some(some_key(account, random)) };
        let old = some_key(account, random);
        let command = match random.below(5) {
            0 => Command::RevokeApiKey { account, key: old, by },
            1 | 2 => {
                let grace_ms = match random.below(8) {
                    0 => 0,
                    1 => KEY_GRACE_MAX_MS + random.below(2),
                    _ => 1 + random.below(LASTS_MAX),
                };
                Command::RotateApiKey { account, old, key: Box::new(new_key(sight.now, random)), grace_ms, by }
            }
            _ => Command::AddApiKey { account, key: new_key(sight.now, random), by },
        };
        self.at_account(account, command, None)
    }
}

fn some_key(account: AccountId, random: &mut Random) -> ApiKeyId {
    // The first key has every right that others may have.
    ApiKeyId(if random.one_in(2) { account.0 } else { other_key(random) })
}

/// Returns a key id that differs from every account id.
fn other_key(random: &mut Random) -> u64 {
    5_000 + random.below(KEYS)
}

fn new_key(now: u64, random: &mut Random) -> ApiKey {
    let scopes = Scopes::from_bits(u8::try_from(random.below(16)).unwrap_or(1));
    let key = ApiKey::with_secret(ApiKeyId(other_key(random)), [8; 32], scopes);
    let lasts = random.below(LASTS_MAX);
    let expires = random.one_in(2).then(|| Timestamp(now + lasts));
    let bits = if random.one_in(2) { random.below(8) } else { 0 };
    let markets = KeyMarkets::new((0..3).filter(|bit| bits >> bit & 1 == 1).map(MarketId).collect());
    let notional = random.one_in(2).then(|| Credits(1 + random.below(3).cast_signed()));
    let terms = Some(Box::new(KeyTerms { name: "simulated".parse().ok(), markets, notional }));
    ApiKey { expires, terms, ..key }
}

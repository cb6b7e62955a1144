//! Authentication: an account's or an admin's key as a bearer token, or an account's key that
//! signed the request (`signed`).
//!
//! Keys are compared by their SHA-256 in constant time and are never logged.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use schemas::{ADMINS_HOME, AccountId, AdminId, AdminRoles, ApiKeyId, Scopes};
use service::clock::now;
use service::serve::Peer;

use crate::http::problem::{Problem, kinds};
use crate::http::signed::{claimed, signer};
use crate::shares::{Asker, Owner, Rank};
use crate::state::Shared;
use crate::view::keys::{KeyHolder, PresentedKey};

/// The longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 256;

/// An account with read access to its own data.
pub struct ReadAccess(pub AccountId);

/// An account that may trade in every market, with orders of any notional.
pub struct TradeAccess(pub AccountId);

/// An account that may place orders: its key says in which markets and up to which notional.
pub struct PlaceAccess(pub KeyHolder);

/// An account that may cancel in every market.
pub struct CancelAccess(pub AccountId);

/// An account that may transfer its credits.
pub struct TransferAccess(pub AccountId);

/// An account's key that manages other keys. The engine limits it to its own rights.
pub struct KeyAccess(pub AccountId, pub ApiKeyId);

impl FromRequestParts<Shared> for ReadAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        account(parts, state, Scopes::READ).map(|key| Self(key.account))
    }
}

impl FromRequestParts<Shared> for TradeAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let key = account(parts, state, Scopes::TRADE)?;
        // The notional and the markets of the account's orders are unknown here.
        if key.may_enter_all() && key.may_any_worth() { Ok(Self(key.account)) } else { Err(bound()) }
    }
}

impl FromRequestParts<Shared> for PlaceAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        account(parts, state, Scopes::TRADE).map(Self)
    }
}

impl FromRequestParts<Shared> for CancelAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let key = account(parts, state, Scopes::CANCEL)?;
        if key.may_enter_all() { Ok(Self(key.account)) } else { Err(bound()) }
    }
}

impl FromRequestParts<Shared> for TransferAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        account(parts, state, Scopes::TRANSFER).map(|key| Self(key.account))
    }
}

/// An account's key that revokes keys: itself, or any other key if it has the trade scope.
pub struct RevokeAccess {
    /// The account.
    pub account: AccountId,
    /// The key of the request.
    pub by: ApiKeyId,
    trades: bool,
}

impl RevokeAccess {
    /// Returns whether it may revoke this key, or an invalid id (`None`).
    pub fn check(&self, key: Option<ApiKeyId>) -> Result<(), Problem> {
        if self.trades || key == Some(self.by) { Ok(()) } else { Err(Problem::new(kinds::SCOPE_MISSING)) }
    }
}

impl FromRequestParts<Shared> for RevokeAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let key = account(parts, state, Scopes::from_bits(0))?;
        Ok(Self { account: key.account, by: key.key, trades: key.scopes.contains(Scopes::TRADE) })
    }
}

impl FromRequestParts<Shared> for KeyAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        account(parts, state, Scopes::TRADE).map(|key| Self(key.account, key.key))
    }
}

/// The refusal of a key that is restricted to markets or to a notional.
pub fn bound() -> Problem {
    Problem::new(kinds::KEY_BOUND)
}

macro_rules! admins {
    ($($(#[$doc:meta])* $name:ident: $role:ident,)*) => {$(
        $(#[$doc])*
        pub struct $name(pub AdminId);

        impl FromRequestParts<Shared> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
                admin(parts, state, AdminRoles::$role).map(Self)
            }
        }
    )*};
}

admins! {
    /// An admin with the role for markets.
    MarketsAdmin: MARKETS,
    /// An admin with the role for credits and accounts.
    MoneyAdmin: MONEY,
    /// An admin with the role for admins.
    HeadAdmin: ADMINS,
}

/// Any admin: all of them may read.
pub struct AnyAdmin;

impl FromRequestParts<Shared> for AnyAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        admin(parts, state, AdminRoles::AUDITOR).map(|_| Self)
    }
}

/// Returns the admin if it has this role. Refuses while the shard that would show a revocation has
/// halted.
fn admin(parts: &Parts, state: &Shared, role: AdminRoles) -> Result<AdminId, Problem> {
    if signer(parts).is_some() {
        return Err(Problem::new(kinds::ADMIN_ONLY));
    }
    let token = bearer(&parts.headers)?;
    let Some((admin, roles)) = admin_holder(token, state) else {
        // A valid key of an account is 403; anything else is 401.
        return holder(token, state).and_then(|_| Err(Problem::new(kinds::ADMIN_ONLY)));
    };
    // The record at which the shard halted may be the revocation.
    if state.halted.contains(ADMINS_HOME) {
        return Err(Problem::shard_halted(ADMINS_HOME));
    }
    if roles.contains(role) { Ok(admin) } else { Err(Problem::new(kinds::ROLE_MISSING)) }
}

/// Returns the admin who holds this key. While there is none on the log, that is the configured
/// first admin, who has all roles.
fn admin_holder(token: &str, state: &Shared) -> Option<(AdminId, AdminRoles)> {
    let view = state.live.view();
    if view.admins().is_empty() {
        return state.first_admin.as_ref()?.holder(token).map(|admin| (admin, AdminRoles::ALL));
    }
    view.admins().holder(token, now())
}

/// Returns whose share of this gateway a request uses: that of the account or admin whose key it
/// shows, or of its address.
///
/// A signature is verified only over the whole body. Until then a signed request uses its address's
/// share, so that a flood of forged ones takes nothing from the account whose key they name; but it
/// has the rank of a key, so that no crowd without keys keeps it out. Behind an address of many, it
/// uses a share for claims of this key.
pub fn asker(parts: &Parts, state: &Shared, is_urgent: bool) -> Asker {
    let via = via(&parts.extensions, state);
    let of_key = |key: &KeyHolder| {
        // The last eighth is for keys that can cancel.
        let rank = if is_urgent && key.scopes.contains(Scopes::CANCEL) { Rank::Urgent } else { Rank::Known };
        Asker { rank, ..Asker::account(key.account, via) }
    };
    let by_token = |token: &str| match admin_holder(token, state) {
        Some((admin, _)) => Some(Asker { owner: Owner::Admin(admin), rank: Rank::Known, via }),
        None => holder(token, state).ok().map(|key| of_key(&key)),
    };
    let known = match signer(parts) {
        Some(key) => Some(of_key(key)),
        None => bearer(&parts.headers).ok().and_then(by_token),
    };
    known.unwrap_or_else(|| match (via, claimed(state, &parts.headers)) {
        (_, None) => Asker::anonymous(via),
        (Some(address), Some(_)) => Asker { owner: Owner::Address(address), rank: Rank::Known, via },
        (None, Some(key)) => Asker { owner: Owner::Claimed(key), rank: Rank::Known, via },
    })
}

/// Returns the address that a request comes from, unless it stands for many clients.
pub fn via(extensions: &Extensions, state: &Shared) -> Option<Peer> {
    extensions.get::<Peer>().copied().filter(|peer| !state.shared_addresses.contains(peer))
}

fn account(parts: &Parts, state: &Shared, scope: Scopes) -> Result<KeyHolder, Problem> {
    let holder = match signer(parts) {
        Some(holder) => holder.clone(),
        None => bearing(&parts.headers, state)?,
    };
    if holder.scopes.contains(scope) { Ok(holder) } else { Err(Problem::new(kinds::SCOPE_MISSING)) }
}

fn bearing(headers: &HeaderMap, state: &Shared) -> Result<KeyHolder, Problem> {
    let token = bearer(headers)?;
    if admin_holder(token, state).is_some() {
        return Err(Problem::new(kinds::ACCOUNT_ONLY));
    }
    holder(token, state)
}

/// Returns the token of an `Authorization: Bearer …` header.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(|| Problem::new(kinds::UNAUTHENTICATED))?;
    let refused = |detail: &str| Problem::new(kinds::UNAUTHENTICATED).detail(detail);
    if values.next().is_some() {
        return Err(refused("more than one Authorization header"));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() && token.len() <= TOKEN_MAX => Ok(token),
        _ => Err(refused("the Authorization header is not of the form `Bearer KEY`")),
    }
}

/// Returns the holder of an account's key. Refuses while the shard that would show a revocation has
/// halted.
pub fn holder(token: &str, state: &Shared) -> Result<KeyHolder, Problem> {
    let unknown = || Problem::new(kinds::UNAUTHENTICATED).detail("the key is malformed, unknown, revoked or expired");
    let presented = PresentedKey::parse(token).ok_or_else(unknown)?;
    let keys = state.live.keys(presented.id).map_err(|error| Problem::unstored(&error))?;
    let holder = keys.holder(&presented, now()).ok_or_else(unknown)?;
    let home = state.map.of_account(holder.account);
    if state.halted.is_left_behind(home) { Err(Problem::shard_halted(home)) } else { Ok(holder) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        bearer(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn a_token_is_a_bearer_token_and_only_one() {
        assert_eq!(token(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["bearer  abc "]).as_deref(), Some("abc"));
        let long = format!("Bearer {}", "x".repeat(TOKEN_MAX + 1));
        for values in [&[][..], &["abc"], &["Basic abc"], &["Bearer "], &["Bearer a", "Bearer b"], &[long.as_str()]] {
            assert_eq!(token(values), None, "{values:?}");
        }
    }
}

//! (1) Who is calling.
//!
//! A key is an `EdDSA` JSON web token. Its signature is verified once per isolate and key; after that a
//! bounded memory vouches for it, and only its expiry is looked at again. Revocation is the journal's.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt as _, UntrustedToken};
use meter::key::{self, Caller};
use meter::oauth;
use meter::refusal::{Reason, Refusal};
use meter::time::UnixMs;
use meter::wire::claims::KeyClaims;
use serde::de::DeserializeOwned;
use worker::web_sys::Request;

use crate::config::Config;
use crate::platform;
use crate::reply::Failure;

/// Most keys an isolate remembers as verified; about 1 kB each.
const VERIFIED_MAX: usize = 2_000;

#[derive(Default)]
struct Verified {
    callers: HashMap<String, Caller>,
    order: VecDeque<String>,
}

thread_local! {
    static VERIFIED: RefCell<Verified> = RefCell::default();
}

impl Verified {
    fn remember(&mut self, token: &str, caller: &Caller) {
        if self.order.len() >= VERIFIED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.callers.remove(&oldest);
        }
        if self.callers.insert(token.to_owned(), caller.clone()).is_none() {
            self.order.push_back(token.to_owned());
        }
    }
}

/// The header in which the platform names the caller's address. Whoever runs `workerd` by itself puts a
/// proxy in front that sets it, and lets no caller set it.
const CALLER_ADDRESS: &str = "cf-connecting-ip";

/// The caller that a request's key names, when the key may be used from where the request comes.
pub(crate) fn authenticate(request: &Request, config: &Config) -> Result<Caller, Failure> {
    let header = request.headers().get("authorization")?;
    let caller = of_token(key::from_header(header.as_deref())?, config)?;
    check_address(&caller, request)?;
    Ok(caller)
}

/// Refuses when the key is not for this address. Most keys are for all, and cost nothing here.
pub(super) fn check_address(caller: &Caller, request: &Request) -> Result<(), Failure> {
    if caller.has_networks() {
        caller.check_address(address_of(request)?.as_deref())?;
    }
    Ok(())
}

/// The address that a request comes from, as the platform names it.
pub(crate) fn address_of(request: &Request) -> Result<Option<String>, Failure> {
    Ok(request.headers().get(CALLER_ADDRESS)?)
}

/// The caller that a key names.
pub(super) fn of_token(token: &str, config: &Config) -> Result<Caller, Failure> {
    let now = platform::now();
    if let Some(caller) = VERIFIED.with_borrow(|verified| verified.callers.get(token).cloned()) {
        caller.check_expiry(now)?;
        return Ok(caller);
    }
    let (signer, claims, expires_at) = verify_by::<KeyClaims>(token, config)?;
    let caller = Caller::from_claims(&claims.stated(expires_at), now)?;
    if signer == Signer::Edge {
        oauth::check_issued(&caller, now)?;
    }
    VERIFIED.with_borrow_mut(|verified| verified.remember(token, &caller));
    Ok(caller)
}

/// The claims of a token that the origin signed, and when it expires.
pub(crate) fn verify<T: DeserializeOwned>(
    token: &str,
    config: &Config,
) -> Result<(T, Option<UnixMs>), Refusal> {
    match verify_by(token, config)? {
        (Signer::Origin, claims, expires_at) => Ok((claims, expires_at)),
        (Signer::Edge, _, _) => Err(Reason::KeyInvalid.into()),
    }
}

/// Who signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signer {
    /// One of the configured keys.
    Origin,
    /// The edge's own key, which stands for registered keys only.
    Edge,
}

/// The claims of a token that a known key signed, who that was, and when it expires.
///
/// The algorithm is fixed: a token that names another one, or none, is not valid.
fn verify_by<T: DeserializeOwned>(
    token: &str,
    config: &Config,
) -> Result<(Signer, T, Option<UnixMs>), Refusal> {
    let invalid = || Refusal::from(Reason::KeyInvalid);
    let token = UntrustedToken::new(token).map_err(|_| invalid())?;
    let kid = token.header().key_id.as_deref().ok_or_else(invalid)?;
    let edge_key = config.edge_key.as_ref().filter(|key| key.kid() == kid);
    let (signer, public_key) = match edge_key {
        Some(key) => (Signer::Edge, key.verifying_key()),
        None => (Signer::Origin, *config.public_key(kid).ok_or_else(invalid)?),
    };
    let verified = Ed25519.validator::<T>(&public_key).validate(&token).map_err(|_| invalid())?;
    let (_, claims) = verified.into_parts();
    let expires_at = claims
        .expiration
        .map(|end| UnixMs::new(u64::try_from(end.timestamp_millis()).unwrap_or_default()));
    Ok((signer, claims.custom, expires_at))
}

#[cfg(test)]
mod tests {
    use meter::account::Limits;
    use meter::key::{CALLER_AUDIENCE, Claims};
    use meter::time::UnixMs;

    use super::*;

    #[test]
    fn so_many_keys_are_remembered_and_the_oldest_is_forgotten() {
        let claims = Claims {
            audience: CALLER_AUDIENCE,
            account: "acc_1",
            key: "key_1",
            journal: "j0",
            expires_at: None,
            operations: None,
            subjects: None,
            networks: None,
            limits: Limits::default(),
            session: None,
        };
        let caller = Caller::from_claims(&claims, UnixMs::new(0)).unwrap();
        let mut verified = Verified::default();
        for token in 0..VERIFIED_MAX {
            verified.remember(&token.to_string(), &caller);
        }
        assert!(verified.callers.contains_key("0"));
        verified.remember("one more", &caller);
        assert!(!verified.callers.contains_key("0") && verified.callers.contains_key("1"));
        assert_eq!((verified.callers.len(), verified.order.len()), (VERIFIED_MAX, VERIFIED_MAX));
    }
}

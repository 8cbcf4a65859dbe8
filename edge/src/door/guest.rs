//! Guests: requests without a key, where the operator gives one to everybody.
//!
//! How many calls one address may begin is `meter::door::guest`'s to say; here is the isolate's memory of
//! it. What all guests together may spend is the guest key's own limits, which its journal keeps.

use std::cell::RefCell;

use meter::door::guest::Visitors;
use meter::refusal::Reason;
use worker::Env;
use worker::web_sys::Request;

use crate::config::{Config, setting};
use crate::reply::Failure;
use crate::{call, platform};

/// The secret that holds the key of the guest account.
const GUEST_KEY: &str = "GUEST_KEY";

thread_local! {
    static VISITORS: RefCell<Visitors> = RefCell::default();
}

/// The request with the guests' key, when it came without any and there is one; `None` for every other.
///
/// A page whose origin is not listed cannot read replies, and may not spend the guests' money either.
pub(super) fn admitted(
    request: &Request,
    env: &Env,
    config: &Config,
) -> Result<Option<Request>, Failure> {
    if request.headers().has("authorization")? {
        return Ok(None);
    }
    let Some(key) = setting(env, GUEST_KEY) else { return Ok(None) };
    if request.headers().get("origin")?.is_some_and(|origin| !config.origins.allows(&origin)) {
        return Err(Reason::OriginNotAllowed.into());
    }
    let address = call::address_of(request)?;
    let limit = config.guest_calls_per_minute;
    VISITORS
        .with_borrow_mut(|visitors| visitors.begin(address.as_deref(), limit, platform::now()))?;
    let request = Request::new_with_request(request)?;
    request.headers().set("authorization", &format!("Bearer {key}"))?;
    Ok(Some(request))
}

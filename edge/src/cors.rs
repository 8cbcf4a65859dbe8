//! Browsers: which pages may read replies, said in headers.
//!
//! Who may is `meter::cors`'s to decide. A preflight is answered here, without a key and without a
//! request to a journal.

use meter::cors::{self, Origins};
use meter::refusal::Reason;
use worker::Result;
use worker::web_sys::{Headers, Request, Response};

use crate::reply::{self, Body, Failure};

/// The answer to a browser that asks beforehand what a page may send; `None` when the request is another.
pub(crate) fn preflight(request: &Request, origins: &Origins) -> Result<Option<Response>, Failure> {
    let asks = request.headers();
    if request.method() != "OPTIONS" || !asks.has("access-control-request-method")? {
        return Ok(None);
    }
    let Some(origin) = asks.get("origin")? else { return Ok(None) };
    if !origins.allows(&origin) {
        return Err(Reason::OriginNotAllowed.into());
    }
    let headers = reply::own_headers()?;
    headers.set("access-control-allow-methods", cors::METHODS)?;
    headers.set("access-control-allow-headers", cors::HEADERS)?;
    headers.set("access-control-max-age", cors::MAX_AGE_S)?;
    Ok(Some(reply::respond(204, &headers, Body::Stream(None))?))
}

/// Adds to a reply's headers that the page which asked may read it, when it may.
pub(crate) fn add(headers: &Headers, origins: &Origins, origin: Option<&str>) -> Result<()> {
    if origins.is_empty() {
        return Ok(());
    }
    // A cache must not give one origin's reply to another.
    headers.append("vary", "Origin")?;
    if let Some(origin) = origin.filter(|origin| origins.allows(origin)) {
        headers.set("access-control-allow-origin", origin)?;
        headers.set("access-control-expose-headers", cors::EXPOSED)?;
    }
    Ok(())
}

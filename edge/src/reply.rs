//! Replies that Weir makes itself, and the headers it adds to upstream's.

use meter::dify;
use meter::door;
use meter::header;
use meter::ids::CallId;
use meter::money::Nanos;
use meter::rate::Rate;
use meter::refusal::{Reason, Refusal};
use meter::route::Provider;
use meter::wire::command::KeptReplyDoc;
use serde::Serialize;
use worker::js_sys::Uint8Array;
use worker::web_sys::{Headers, ReadableStream, Response, ResponseInit};
use worker::{Error, Result};

use crate::{log, platform};

/// The header that names the call, on every reply.
const CALL_ID: &str = "weir-call-id";
/// Upstream's log id, for asking its support.
const LOG_ID: &str = "x-tt-logid";
/// The header that says what the call cost, in quota.
const CHARGE: &str = "weir-charge";
/// The header that says what is left, in quota.
pub(crate) const BALANCE: &str = "weir-balance";

/// The header by which libraries of the `OpenAI` family are told whether to try again (contract §6.2).
pub(crate) const SHOULD_RETRY: &str = "x-should-retry";

/// The header that marks a reply that is given again.
const REPLAYED: &str = "weir-replayed";

/// What every reply of Weir's own says to browsers and caches: it is what its content type says and
/// nothing else, belongs in no frame and no cache, and tells no other site where it came from.
const OWN: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
];

/// Why a request did not get upstream's answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Weir said no.
    Refused(Refusal),
    /// The platform failed. The caller learns nothing of it, the log everything.
    Broken(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<wasm_bindgen::JsValue> for Failure {
    fn from(error: wasm_bindgen::JsValue) -> Self {
        Self::Broken(error.into())
    }
}

/// The reply to a request that failed.
pub(crate) fn failure(failure: Failure, call: &CallId) -> Result<Response> {
    failure_of(Provider::Coze, failure, call)
}

/// The same in the words that this provider's libraries understand.
pub(crate) fn failure_of(provider: Provider, failure: Failure, call: &CallId) -> Result<Response> {
    let refusal = match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Broken(error) => {
            log::error("request_failed", Some(call.as_str()), &error.to_string());
            Reason::Internal.into()
        }
    };
    let headers = own_headers()?;
    headers.set("content-type", "application/json")?;
    headers.set(CALL_ID, call.as_str())?;
    if matches!(refusal.reason, Reason::KeyMissing | Reason::KeyInvalid | Reason::KeyExpired) {
        // RFC 9110 §15.5.2: a 401 names the scheme that would be accepted.
        headers.set("www-authenticate", "Bearer")?;
    }
    if let Some(seconds) = refusal.retry_after_s {
        headers.set("retry-after", &seconds.to_string())?;
    }
    if let Some(rate) = refusal.rate {
        add_rate(&headers, rate)?;
    }
    if refusal.forbids_retry() {
        headers.set(SHOULD_RETRY, "false")?;
    }
    let body = match provider {
        Provider::Coze => refusal.body(call.as_str()),
        Provider::Dify => dify::body(&refusal, call.as_str()),
    };
    respond(refusal.reason.status(), &headers, Body::Text(&body))
}

/// The reply that a request had when it was first sent.
pub(crate) fn replayed(call: &CallId, reply: &KeptReplyDoc) -> Result<Response> {
    let headers = own_headers()?;
    headers.set("content-type", "application/json")?;
    headers.set(CALL_ID, call.as_str())?;
    headers.set(REPLAYED, "true")?;
    respond(reply.status, &headers, Body::Text(&reply.body))
}

/// A JSON reply of our own.
pub(crate) fn json<T: Serialize>(status: u16, body: &T) -> Result<Response> {
    let headers = own_headers()?;
    headers.set("content-type", "application/json")?;
    let body = serde_json::to_string(body)?;
    respond(status, &headers, Body::Text(&body))
}

/// What a reply's body is made of.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Text of ours.
    Text(&'a str),
    /// Upstream's bytes, read already.
    Bytes(&'a Uint8Array),
    /// Upstream's bytes as they arrive.
    Stream(Option<&'a ReadableStream>),
}

/// A reply with this status, these headers and this body.
pub(crate) fn respond(status: u16, headers: &Headers, body: Body<'_>) -> Result<Response> {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers);
    let response = match body {
        Body::Text(text) => Response::new_with_opt_str_and_init(Some(text), &init)?,
        Body::Bytes(bytes) => Response::new_with_opt_buffer_source_and_init(Some(bytes), &init)?,
        Body::Stream(stream) => Response::new_with_opt_readable_stream_and_init(stream, &init)?,
    };
    Ok(response)
}

/// The headers of a reply of our own.
pub(crate) fn own_headers() -> Result<Headers> {
    let headers = Headers::new()?;
    for (name, value) in OWN {
        headers.set(name, value)?;
    }
    Ok(headers)
}

/// Upstream's headers as they go down, with the call's name added.
pub(crate) fn headers_down(upstream: &Headers, call: &CallId) -> Result<Headers> {
    let headers = Headers::new_with_headers(upstream)?;
    for name in worker::Headers(upstream.clone()).keys() {
        if header::stays_up(&name) {
            headers.delete(&name)?;
        }
    }
    headers.set(CALL_ID, call.as_str())?;
    Ok(headers)
}

/// The headers of a reply that a door made: upstream's log id, and the call's name.
pub(crate) fn headers_of_door(upstream: &Headers, call: &CallId) -> Result<Headers> {
    let headers = own_headers()?;
    if let Some(log) = upstream.get(LOG_ID)? {
        headers.set(LOG_ID, &log)?;
    }
    headers.set(CALL_ID, call.as_str())?;
    Ok(headers)
}

/// A reply that a door made of upstream's.
///
/// After an error of upstream's the work may have been done, so that nobody is to ask for it again
/// without knowing.
pub(crate) fn of_door(said: &door::Reply, upstream: &Headers, call: &CallId) -> Result<Response> {
    let headers = headers_of_door(upstream, call)?;
    headers.set("content-type", "application/json")?;
    if said.status >= 400 {
        headers.set(SHOULD_RETRY, "false")?;
    }
    respond(said.status, &headers, Body::Text(&said.body))
}

/// Adds what the call cost and what is left.
pub(crate) fn add_charge(headers: &Headers, amount: Nanos, balance: Nanos) -> Result<()> {
    headers.set(CHARGE, &amount.in_quota().to_string())?;
    headers.set(BALANCE, &balance.in_quota().to_string())?;
    Ok(())
}

/// Adds how the caller stands with its calls a minute.
///
/// These three names are what clients read today. The fields of the later IETF drafts changed their
/// syntax from one draft to the next, and are left out until there is a standard.
pub(crate) fn add_rate(headers: &Headers, rate: Rate) -> Result<()> {
    let Rate { limit, remaining, reset_s } = rate;
    headers.set("ratelimit-limit", &limit.to_string())?;
    headers.set("ratelimit-remaining", &remaining.to_string())?;
    headers.set("ratelimit-reset", &reset_s.to_string())?;
    Ok(())
}

/// Says that the edge is up.
pub(crate) fn health() -> Result<Response> {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
        version: &'static str,
        now_ms: u64,
    }
    let now_ms = platform::now().get();
    json(200, &Health { status: "ok", version: env!("CARGO_PKG_VERSION"), now_ms })
}

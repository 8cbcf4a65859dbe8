//! Who is asking: every request on the upstream's paths is read whole, numbered, noted and given a
//! log id; handlers ask for a [`Visit`], which only an accepted credential gives.
//!
//! # Bounds
//! A body is at most [`BODY_BYTES_MAX`].

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::coze::fault::{Fault, Refused};
use crate::world::Upstream;
use crate::world::chats::Session;
use crate::world::seen::SeenRequest;
use crate::world::tokens::{Holder, TOKEN_PREFIX};
use crate::world::works::{Kind, Status, Work};

/// The upstream's own limit for workflow calls, 20 MB.
pub(crate) const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

/// The header in which a gateway names its own account.
const DEVICE_INFO: &str = "x-coze-deviceinfo";

/// A request that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) no: u64,
    pub(crate) logid: String,
    pub(crate) session: Session,
    pub(crate) account_hint: Option<String>,
    pub(crate) device_id: Option<String>,
}

/// A request that arrived, let in or not.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) no: u64,
    pub(crate) logid: String,
}

impl Visit {
    /// A unit of work that this request starts.
    pub(crate) fn work(&self, work_id: String, kind: Kind, subject: &str, now: i64) -> Work {
        Work {
            work_id,
            kind,
            subject: subject.to_owned(),
            execute_id: None,
            chat_id: None,
            conversation_id: None,
            status: Status::Running,
            input_count: 0,
            output_count: 0,
            token_count: 0,
            billable: false,
            user_id: None,
            account_hint: self.account_hint.clone(),
            device_id: self.device_id.clone(),
            request_no: self.no,
            created_at: now,
        }
    }
}

/// Notes the request and puts the log id on the reply.
pub(crate) async fn note(
    State(upstream): State<Upstream>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_dify = parts.uri.path().starts_with("/dify/");
    let body = to_bytes(body, BODY_BYTES_MAX).await.ok();
    let mut seen = describe(&parts, body.as_ref());
    let now = upstream.now_seconds();
    let credential = credential(&parts);
    let token = credential.as_deref().and_then(bearer);
    let arrival = upstream.change(|world| {
        let holder = token.and_then(|token| world.tokens.holder(token, now));
        seen.session = holder.and_then(|holder| holder.session.0);
        Arrival { no: world.seen.note(seen), logid: world.ids.draw_log(now) }
    });
    let logid = HeaderValue::from_str(&arrival.logid).ok();
    let mut response = match body {
        None => Refused::new(Fault::TOO_LARGE, &arrival.logid).into(),
        Some(body) => {
            parts.extensions.insert(arrival);
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
    };
    // Dify has no log ids.
    if let Some(logid) = logid.filter(|_| !is_dify) {
        response.headers_mut().insert("x-tt-logid", logid);
    }
    response
}

fn describe(parts: &Parts, body: Option<&Bytes>) -> SeenRequest {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = if *name == header::AUTHORIZATION {
            credential_kind(value.as_bytes()).to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert(value);
    }
    SeenRequest {
        no: 0,
        session: None,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(redact_query),
        headers,
        body_bytes: body.and_then(|body| u64::try_from(body.len()).ok()),
        body_sha256: body.map(|body| hexadecimal(&Sha256::digest(body))),
    }
}

/// The query with the credential that websocket clients put into it reduced to its kind.
fn redact_query(query: &str) -> String {
    let redact = |pair: &str| match pair.split_once('=') {
        Some(("authorization", value)) => {
            let value = value.replace("%20", " ").replace('+', " ");
            format!("authorization={}", credential_kind(value.as_bytes()))
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(redact).collect::<Vec<_>>().join("&")
}

/// Of which kind a credential is, without the credential.
fn credential_kind(value: &[u8]) -> &'static str {
    let value = String::from_utf8_lossy(value);
    let Some(token) = bearer(&value) else { return "other" };
    match token {
        token if token.starts_with("pat_") => "Bearer pat",
        token if token.starts_with("sat_") => "Bearer sat",
        token if token.starts_with("czs_") => "Bearer czs",
        token if token.starts_with("czu_") => "Bearer czu",
        token if token.starts_with("app-") => "Bearer app",
        token if token.split('.').count() == 3 => "Bearer jwt",
        _ => "Bearer other",
    }
}

/// The token of a bearer credential; the scheme is spelt in any case.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Unwrap safety: writing to a string does not fail, so there is no error to drop.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

impl FromRequestParts<Upstream> for Arrival {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Upstream) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refused::new(Fault::NO_ROUTE, ""))
    }
}

impl FromRequestParts<Upstream> for Visit {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, upstream: &Upstream) -> Result<Self, Refused> {
        let Arrival { no, logid } = Arrival::from_request_parts(parts, upstream).await?;
        let credential = credential(parts);
        let token = credential.as_deref().and_then(bearer);
        let holder = holder(upstream, token).map_err(|fault| Refused::new(fault, &logid))?;
        let DeviceInfo { device_id, custom_consumer } = device_info(&parts.headers);
        let account_hint = custom_consumer.or(holder.account_hint);
        Ok(Self { no, logid, session: holder.session, account_hint, device_id })
    }
}

/// The credential of a request: its header, or for a websocket, whose clients cannot always set one,
/// the query.
fn credential(parts: &Parts) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        authorization: Option<String>,
    }
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        return value.to_str().ok().map(ToOwned::to_owned);
    }
    parts.headers.get(header::UPGRADE)?;
    Query::<Named>::try_from_uri(&parts.uri).ok()?.0.authorization
}

/// Who holds a token.
pub(crate) fn holder(upstream: &Upstream, token: Option<&str>) -> Result<Holder, Fault> {
    match token {
        Some(token) if token == upstream.config().token => Ok(Holder::default()),
        Some(token) if token.starts_with(TOKEN_PREFIX) => upstream
            .read(|world| world.tokens.holder(token, upstream.now_seconds()))
            .ok_or(Fault::TOKEN_EXPIRED),
        _ => Err(Fault::UNAUTHENTICATED),
    }
}

/// What a request says of the device it comes from.
#[derive(Debug, Default, Deserialize)]
struct DeviceInfo {
    device_id: Option<String>,
    custom_consumer: Option<String>,
}

fn device_info(headers: &HeaderMap) -> DeviceInfo {
    let header = headers.get(DEVICE_INFO);
    header.and_then(|header| serde_json::from_slice(header.as_bytes()).ok()).unwrap_or_default()
}

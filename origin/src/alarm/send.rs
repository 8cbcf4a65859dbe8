//! Sending an alarm once.
//!
//! # Bounds
//! An attempt takes at most [`SEND_MS_MAX`], and its answer has at most [`ANSWER_BYTES_MAX`] bytes. No
//! redirect is followed: what is secret in a URL goes to one host.

use axum::body::Bytes;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use http_body_util::Full;
use meter::time::UnixMs;

use crate::https::{Failure, Https, Limits};

use super::AlarmDoc;
use super::form::{message, verdict};
use super::hook::{Hook, SETTING};

/// Longest attempt, from connecting to the last byte.
pub const SEND_MS_MAX: u64 = 10_000;
/// Largest answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends an alarm to a webhook; says why it was not taken.
pub async fn send(hook: &Hook, alarm: &AlarmDoc, now: UnixMs) -> Result<(), String> {
    let message = message(hook, alarm, now).map_err(|error| error.to_string())?;
    let https = Https::named(&hook.url, SETTING).map_err(|error| error.to_string())?;
    let mut request = Request::post(&message.url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(message.body)));
    // The URL may be a secret, and is not told.
    let request = request.map_err(|_| "its URL cannot be asked".to_owned())?;
    let limits = Limits { ms_max: SEND_MS_MAX, bytes_max: ANSWER_BYTES_MAX };
    match https.send(request, limits).await {
        Ok((status, body)) => verdict(hook.form, status.as_u16(), &body),
        Err(Failure::Unreachable(problem)) => Err(format!("it could not be reached: {problem}")),
        Err(Failure::TooSlow(ms)) => Err(format!("it did not answer within {ms} ms")),
        Err(Failure::TooLarge(bytes)) => Err(format!("it answered more than {bytes} bytes")),
    }
}

//! Log lines: each reads alone and carries its fields as JSON. Never a key, a prompt or a body.

use serde::Serialize;
use worker::{console_error, console_warn};

#[derive(Serialize)]
struct Line<'a> {
    event: &'a str,
    #[serde(rename = "call.id", skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
    detail: &'a str,
}

fn line(event: &str, call_id: Option<&str>, detail: &str) -> String {
    serde_json::to_string(&Line { event, call_id, detail }).unwrap_or_default()
}

/// Something went wrong that somebody has to look at.
pub(crate) fn error(event: &str, call_id: Option<&str>, detail: &str) {
    console_error!("{}", line(event, call_id, detail));
}

/// Something went wrong and is being taken care of.
pub(crate) fn warn(event: &str, call_id: Option<&str>, detail: &str) {
    console_warn!("{}", line(event, call_id, detail));
}

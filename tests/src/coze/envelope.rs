//! Envelopes around what is said, bodies that come in, and the counting of characters.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::coze::fault::Fault;
use crate::wire::node::{Node, object};

/// The upstream's content type for JSON.
pub(crate) const JSON: &str = "application/json";

/// A JSON body under the upstream's content type.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    typed(JSON, body.into())
}

/// A body under a content type.
pub(crate) fn typed(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `{code, msg, data, detail}`.
pub(crate) fn success(data: impl Into<Node>, logid: &str) -> Node {
    object! { "code": 0_i64, "msg": "", "data": data.into(), "detail": detail(logid) }
}

/// `{code, msg, detail}`, where there is nothing to say.
pub(crate) fn done(logid: &str) -> Response {
    json(object! { "code": 0_i64, "msg": "", "detail": detail(logid) }.to_string())
}

/// `{logid}`.
pub(crate) fn detail(logid: &str) -> Node {
    object! { "logid": logid }
}

/// Reads a JSON body; an empty one counts as `{}`.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Fault::parameter(&error.to_string()))
}

/// A required field, which may not be empty either.
pub(crate) fn required(value: Option<String>, name: &'static str) -> Result<String, Fault> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| Fault::parameter(name))
}

/// How many characters a text has.
pub(crate) fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The text of a value: a string's own, or its compact JSON.
pub(crate) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A text in so many pieces of about equal length, fewer if it is too short for them.
pub(crate) fn pieces(text: &str, count: u32) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let count = usize::try_from(count).unwrap_or(1).max(1);
    let size = characters.len().div_ceil(count).max(1);
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        assert_eq!(pieces("Hello", 2), ["Hel", "lo"]);
        assert_eq!(pieces("ab", 9), ["a", "b"]);
        assert_eq!(pieces("水ab", 0), ["水ab"]);
        assert_eq!(pieces("", 3), [""; 0]);
    }
}

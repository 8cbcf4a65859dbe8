//! The JSON body of a request, read within a bound and refused by the name of the field.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Largest body, in bytes: every field of every document at its longest, several times over.
pub(super) const BODY_BYTES_MAX: usize = 65_536;

/// A body, as the document that a handler takes.
pub(super) struct Body<T>(pub(super) T);

/// The bound that stops a body from being read, set once for the whole router. A route that takes
/// larger ones sets its own.
pub(super) fn limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES_MAX)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        // A form of another site can send a body, but not one that says it is JSON.
        if !kind.is_some_and(is_json) {
            return Err(Error::BodyKind);
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|_| Error::BodyTooLarge(BODY_BYTES_MAX))?;
        read(&bytes).map(Self)
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let document = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        let field = if path == "." { named(&problem) } else { Some(path) };
        Error::Body { field, problem }
    })?;
    json.end().map_err(|error| Error::Body { field: None, problem: error.to_string() })?;
    Ok(document)
}

/// The field that a problem names in its text: one that is missing, given twice or not known.
fn named(problem: &str) -> Option<String> {
    let (before, rest) = problem.split_once('`')?;
    let (name, _) = rest.split_once('`')?;
    before.ends_with("field ").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Sample {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Inner {
        count: u8,
    }

    #[track_caller]
    fn refuses(json: &str, want: Option<&str>) {
        match read::<Sample>(json.as_bytes()) {
            Err(Error::Body { field, .. }) => assert_eq!(field.as_deref(), want, "{json}"),
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_body_is_refused_by_the_field_that_is_wrong() {
        refuses("", None);
        refuses("[]", None);
        refuses(r#"{"name":"a"} x"#, None);
        refuses("{}", Some("name"));
        refuses(r#"{"name":1}"#, Some("name"));
        refuses(r#"{"name":"a","nmae":1}"#, Some("nmae"));
        refuses(r#"{"name":"a","inner":{"count":256}}"#, Some("inner.count"));
        refuses(r#"{"name":"a","name":"b"}"#, Some("name"));
        assert!(read::<Sample>(br#"{"name":"a","inner":{"count":1}}"#).is_ok());
    }

    #[test]
    fn only_json_says_that_it_is_json() {
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/plain") && !is_json("application/jsonx") && !is_json(""));
    }
}

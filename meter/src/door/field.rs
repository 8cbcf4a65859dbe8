//! Fields of a door's request, so that a refusal can name the one that is wrong.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ids::UpstreamId;
use crate::refusal::{Reason, Refusal};

/// An id, of such characters only as can stand in a query.
pub(in crate::door) fn upstream_id(name: &str, text: &str) -> Result<UpstreamId, Refusal> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(invalid(name, "holds a character that an id cannot have"));
    }
    text.parse().map_err(|error| invalid(name, &format!("{error}")))
}

/// A field in its own spelling, so that a refusal can name it.
pub(in crate::door) struct Field<'a> {
    name: &'a str,
    raw: Option<&'a RawValue>,
}

impl<'a> Field<'a> {
    pub(in crate::door) fn new(name: &'a str, raw: Option<&'a RawValue>) -> Self {
        Self { name, raw }
    }

    /// Its value, when it was given.
    pub(in crate::door) fn given<T: Deserialize<'a>>(
        self,
        wanted: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(raw) = self.raw else { return Ok(None) };
        let read = serde_json::from_str(raw.get());
        read.map(Some).map_err(|_| invalid(self.name, &format!("is not {wanted}")))
    }

    /// Its value, which has to be there.
    pub(in crate::door) fn needed<T: Deserialize<'a>>(self, wanted: &str) -> Result<T, Refusal> {
        let name = self.name;
        self.given(wanted)?.ok_or_else(|| invalid(name, "is missing"))
    }
}

pub(in crate::door) fn invalid(name: &str, problem: &str) -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, format!("`{name}` {problem}"))
}

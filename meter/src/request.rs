//! What a billable request asks for: the facts in it that decide how it is priced.
//!
//! Path: route → **request** → admission. Only the few fields that matter are looked at; the rest of the
//! body is neither kept nor judged, and goes upstream byte for byte.
//!
//! # Bounds
//! A body has at most [`BODY_BYTES_MAX`] bytes.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ids::UpstreamId;
use crate::refusal::{Reason, Refusal};
use crate::route::Operation;

/// Largest body that Coze accepts for a workflow call (contract §1.4).
pub const BODY_BYTES_MAX: usize = 20 << 20;

/// What kind of thing a call is priced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// A bot; priced on `/v3/chat`.
    Bot,
    /// A workflow; priced on every workflow path, whichever bot or app it runs for (contract §9 no. 35).
    Workflow,
}

impl SubjectKind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Workflow => "workflow",
        }
    }

    /// The kind with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Bot, Self::Workflow].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a call is priced by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its id at upstream.
    pub id: UpstreamId,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.id)
    }
}

/// A billable request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is called.
    pub operation: Operation,
    /// What it is priced by.
    pub subject: Subject,
}

/// The fields that matter, still in their own spelling. `RawValue` lets each be judged by itself, so
/// that an error can name it; serde refuses a field that stands there twice.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    bot_id: Option<&'a RawValue>,
    #[serde(borrow)]
    workflow_id: Option<&'a RawValue>,
}

/// Reads the facts out of a request's body.
pub fn read(operation: Operation, body: &[u8]) -> Result<Asked, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        let detail = format!("it has {} bytes, {BODY_BYTES_MAX} are allowed", body.len());
        return Err(Refusal::with_detail(Reason::BodyTooLarge, detail));
    }
    let invalid = |detail: String| Refusal::with_detail(Reason::BodyInvalid, detail);
    let fields: Fields<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("not a JSON object: {error}")))?;
    let (kind, name, value) = match operation {
        Operation::Chat => (SubjectKind::Bot, "bot_id", fields.bot_id),
        Operation::WorkflowRun | Operation::WorkflowStreamRun => {
            (SubjectKind::Workflow, "workflow_id", fields.workflow_id)
        }
    };
    let value = value.ok_or_else(|| invalid(format!("`{name}` is missing")))?;
    let text: String = serde_json::from_str(value.get())
        .map_err(|_| invalid(format!("`{name}` is not a string")))?;
    let id = text.parse().map_err(|error| invalid(format!("`{name}` {error}")))?;
    Ok(Asked { operation, subject: Subject { kind, id } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(operation: Operation, body: &str, want: Result<&str, &str>) {
        let got = read(operation, body.as_bytes());
        let got = got.map(|asked| asked.subject.to_string()).map_err(|refusal| {
            assert_eq!(refusal.reason, Reason::BodyInvalid);
            refusal.detail.unwrap_or_default().into_owned()
        });
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            _ => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn an_error_names_the_field() {
        use Operation::{Chat, WorkflowRun};
        check(Chat, "", Err("not a JSON object"));
        check(Chat, "[]", Err("not a JSON object"));
        check(Chat, "{\"bot_id\":\"1\"} trailing", Err("not a JSON object"));
        check(Chat, "{}", Err("`bot_id` is missing"));
        check(Chat, r#"{"bot_id":null}"#, Err("`bot_id` is missing"));
        check(Chat, r#"{"bot_id":7490}"#, Err("`bot_id` is not a string"));
        check(Chat, r#"{"bot_id":""}"#, Err("`bot_id` is empty"));
        check(Chat, r#"{"bot_id":"1","bot_id":"2"}"#, Err("duplicate field `bot_id`"));
        check(WorkflowRun, r#"{"bot_id":"1"}"#, Err("`workflow_id` is missing"));
    }

    #[test]
    fn the_subject_is_the_workflow_where_one_runs() {
        check(Operation::Chat, r#"{"bot_id":"7490","workflow_id":"7480"}"#, Ok("bot 7490"));
        check(
            Operation::WorkflowRun,
            r#"{"bot_id":"7490","workflow_id":"7480"}"#,
            Ok("workflow 7480"),
        );
    }

    #[test]
    fn deep_nesting_elsewhere_in_the_body_is_not_our_concern() {
        let deep =
            format!("{{\"bot_id\":\"1\",\"x\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        check(Operation::Chat, &deep, Ok("bot 1"));
    }

    #[test]
    fn a_body_over_the_bound_is_refused_before_it_is_read() {
        let body = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(read(Operation::Chat, &body).map_err(|r| r.reason), Err(Reason::BodyTooLarge));
    }
}

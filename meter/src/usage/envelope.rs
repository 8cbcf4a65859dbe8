//! Coze's JSON envelope and the objects inside it.
//!
//! Only the fields that say something about the work are named; all are optional, since no reply is
//! promised to have them (contract §1.6).

use serde::Deserialize;

use crate::ids::UpstreamId;

use super::count::{Code, Count, Text, UsageFields, usage_fields};
use super::{Observed, Stage, WorkIds};

/// What every JSON reply is wrapped in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope<T> {
    pub(super) code: Code,
    pub(super) data: Option<T>,
    pub(super) detail: Option<Detail>,
}

/// `detail`, which carries upstream's log id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    pub(super) logid: Text,
}

/// A chat, in a stream's event or in a reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chat {
    pub(super) id: Text,
    pub(super) conversation_id: Text,
    pub(super) status: Text,
    #[serde(deserialize_with = "usage_fields")]
    pub(super) usage: Option<UsageFields>,
    pub(super) last_error: Option<LastError>,
}

/// Why a chat failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LastError {
    pub(super) code: Code,
}

impl Chat {
    /// The stage its status names. The open-source server spells two of them differently (§2.4).
    pub(super) fn stage(&self) -> Stage {
        match self.status.as_deref() {
            Some("created" | "in_progress") => Stage::Running,
            Some("requires_action" | "required_action") => Stage::AwaitsTools,
            Some("completed") => Stage::Completed,
            Some("failed") => Stage::Failed,
            Some("canceled" | "cancelled") => Stage::Canceled,
            _ => Stage::Unknown,
        }
    }

    /// What the chat tells, with usage only where it is final enough to count: the zeros of a chat
    /// that is still running are not (§9 no. 4).
    pub(super) fn observe_into(&self, observed: &mut Observed) {
        let stage = self.stage();
        if stage != Stage::Unknown {
            observed.stage = stage;
        }
        if !matches!(stage, Stage::Unknown | Stage::Running) {
            observed.take_usage(self.usage.and_then(UsageFields::usage));
        }
        let failure = self.last_error.as_ref().and_then(|error| error.code.of_failure());
        observed.code = failure.or(observed.code);
        let ids = WorkIds {
            chat: id(self.id.as_deref()),
            conversation: id(self.conversation_id.as_deref()),
            ..WorkIds::default()
        };
        observed.ids = ids.or(std::mem::take(&mut observed.ids));
    }
}

/// The reply of a workflow run, synchronous or not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Run {
    pub(super) code: Code,
    #[serde(deserialize_with = "usage_fields")]
    pub(super) usage: Option<UsageFields>,
    pub(super) token: Count,
    pub(super) execute_id: Text,
    pub(super) debug_url: Text,
    pub(super) interrupt_data: Option<serde::de::IgnoredAny>,
    pub(super) detail: Option<Detail>,
}

/// One element of a run history's `data`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunRecord {
    pub(super) execute_id: Text,
    pub(super) execute_status: Text,
    #[serde(deserialize_with = "usage_fields")]
    pub(super) usage: Option<UsageFields>,
    pub(super) token: Count,
    pub(super) error_code: Code,
    pub(super) interrupt_data: Option<serde::de::IgnoredAny>,
    pub(super) debug_url: Text,
}

/// An upstream id out of a field, when the field holds one.
pub(super) fn id(text: Option<&str>) -> Option<UpstreamId> {
    // Upstream writes "0" where it means none.
    text.filter(|text| *text != "0").and_then(|text| text.parse().ok())
}

/// The execution named by a reply: its own field, or else a parameter of the debug page's address.
///
/// The JSON was decoded before, so the address is plain text here (§2.1).
pub(super) fn execution(execute_id: Option<&str>, debug_url: Option<&str>) -> Option<UpstreamId> {
    id(execute_id).or_else(|| {
        let (_, query) = debug_url?.split_once('?')?;
        let query = query.split('#').next()?;
        id(query.split('&').find_map(|pair| pair.strip_prefix("execute_id=")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_execution_is_found_in_the_debug_address() {
        let from = |url: &str| execution(None, Some(url)).map(|id| id.to_string());
        assert_eq!(from("https://x/work_flow?execute_id=7502&space_id=1").as_deref(), Some("7502"));
        assert_eq!(
            from("https://x/work_flow?space_id=1&execute_id=7502#top").as_deref(),
            Some("7502")
        );
        assert_eq!(from("https://x/execute_id=7502"), None);
        assert_eq!(from("https://x/?my_execute_id=7502"), None);
        let both = execution(Some("1"), Some("https://x/?execute_id=2"));
        assert_eq!(both.map(|id| id.to_string()).as_deref(), Some("1"));
    }
}

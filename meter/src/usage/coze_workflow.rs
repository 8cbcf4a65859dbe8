//! `/v1/workflow/*`: the stream of `stream_run`, the reply of `run`, and the run history.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::sse::Event;

use super::count::{Code, Count, Text, UsageFields, usage_fields, usage_or_token};
use super::envelope::{Envelope, Run, RunRecord, execution, id};
use super::{Observed, Stage, coze_chat};

/// Reads a workflow's stream, event by event.
#[derive(Debug, Default)]
pub struct WorkflowStream {
    observed: Observed,
    /// A message carried a usage, so that the old counter beside it says nothing any more.
    has_usage: bool,
}

/// The fields of all of the stream's events together; each event has some.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventData {
    #[serde(deserialize_with = "usage_fields")]
    usage: Option<UsageFields>,
    token: Count,
    debug_url: Text,
    error_code: Code,
    interrupt_data: Option<Interrupt>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Interrupt {
    event_id: Text,
}

impl WorkflowStream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event in.
    pub fn take(&mut self, event: Event<'_>) {
        let stage = match event.name {
            b"Message" => Stage::Running,
            b"Done" => Stage::Completed,
            // The open-source server writes a lower-case name and plain text (contract §2.4).
            b"Error" | b"error" => Stage::Failed,
            b"Interrupt" => Stage::Interrupted,
            _ => return,
        };
        let data: EventData = serde_json::from_slice(event.data).unwrap_or_default();
        let observed = &mut self.observed;
        // A `Done` behind an interrupt or an error only ends the stream.
        let has_ended = matches!(observed.stage, Stage::Interrupted | Stage::Failed);
        if !(has_ended && stage == Stage::Completed) {
            observed.stage = stage;
        }
        let usage = data.usage.and_then(UsageFields::usage);
        // The old counter, and what a `Done` says, count only where no usage came before (contract §10).
        if stage != Stage::Completed && usage.is_some() {
            observed.take_usage(usage);
            self.has_usage = true;
        } else if !self.has_usage && (stage != Stage::Completed || observed.usage.is_none()) {
            observed.take_usage(usage_or_token(data.usage, data.token));
        }
        observed.code = data.error_code.of_failure().or(observed.code);
        let interrupted = data.interrupt_data.unwrap_or_default().event_id;
        // An interrupt's event id is `<execution>/<n>` (contract §1.1 row 7).
        let from_interrupt = interrupted.as_deref().and_then(|event| event.split('/').next());
        let found = execution(from_interrupt, data.debug_url.as_deref());
        observed.ids.execution = found.or_else(|| observed.ids.execution.take());
    }

    /// What is known so far, for noting the ids of a call that runs long.
    pub fn so_far(&self) -> &Observed {
        &self.observed
    }

    /// What the stream told, now that it has ended.
    pub fn finish(self) -> Observed {
        self.observed.ended()
    }
}

/// Reads the reply of `/v1/workflow/run`.
pub fn read_run(body: &[u8]) -> Observed {
    // A list would be read as an object whose fields are in order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let run = if is_object { serde_json::from_slice::<Run>(body).ok() } else { None };
    let Some(run) = run else { return coze_chat::read_code(body) };
    let mut observed = Observed::nothing();
    observed.code = run.code.number();
    observed.ids.log = run.detail.and_then(|detail| id(detail.logid.as_deref()));
    observed.ids.execution = execution(run.execute_id.as_deref(), run.debug_url.as_deref());
    observed.take_usage(usage_or_token(run.usage, run.token));
    let failed = run.code.tells_failure();
    let used = observed.usage.is_some_and(super::Usage::is_some_used);
    observed.stage = if failed {
        Stage::Failed
    } else if run.interrupt_data.is_some() {
        Stage::Interrupted
    } else if run.execute_id.as_deref().is_some() && !used && !has_data(body) {
        // The start of an asynchronous run: an execution, and neither output nor usage yet.
        Stage::Running
    } else {
        Stage::Completed
    };
    observed
}

fn has_data(body: &[u8]) -> bool {
    serde_json::from_slice::<Envelope<IgnoredAny>>(body).is_ok_and(|reply| reply.data.is_some())
}

/// Reads the reply of `run_histories`.
///
/// Its own code says how the question went, and nothing about the run (contract §3).
pub fn read_history(body: &[u8]) -> Observed {
    let Ok(envelope) = serde_json::from_slice::<Envelope<Vec<RunRecord>>>(body) else {
        return Observed { stage: Stage::Unknown, ..coze_chat::read_code(body) };
    };
    let mut observed = Observed::nothing();
    observed.code = envelope.code.number();
    observed.ids.log = envelope.detail.and_then(|detail| id(detail.logid.as_deref()));
    let Some(record) = envelope.data.unwrap_or_default().into_iter().next() else {
        return observed;
    };
    observed.stage = match record.execute_status.as_deref() {
        Some("Success") => Stage::Completed,
        Some("Fail") => Stage::Failed,
        Some("Running") if record.interrupt_data.is_some() => Stage::Interrupted,
        Some("Running") => Stage::Running,
        _ => Stage::Unknown,
    };
    if !matches!(observed.stage, Stage::Running | Stage::Unknown) {
        observed.take_usage(usage_or_token(record.usage, record.token));
    }
    observed.code = record.error_code.of_failure().or(observed.code);
    observed.ids.execution = execution(record.execute_id.as_deref(), record.debug_url.as_deref());
    observed
}

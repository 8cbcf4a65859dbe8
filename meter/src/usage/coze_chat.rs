//! `/v3/chat`: its stream, its JSON reply and the reply of `retrieve`.

use serde::Deserialize;

use crate::sse::Event;

use super::count::{Code, Text};
use super::envelope::{Chat, Envelope, execution, id};
use super::{Observed, Stage};

/// Reads a chat's stream, event by event.
#[derive(Debug, Default)]
pub struct ChatStream {
    observed: Observed,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorData {
    code: Code,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneData {
    debug_url: Text,
}

impl ChatStream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event in. Message events are not looked into: they hold text, and no usage.
    pub fn take(&mut self, event: Event<'_>) {
        let Ok(name) = std::str::from_utf8(event.name) else { return };
        match name {
            "error" => {
                let error: ErrorData = serde_json::from_slice(event.data).unwrap_or_default();
                self.observed.stage = Stage::Failed;
                self.observed.code = error.code.number().or(self.observed.code);
            }
            "done" | "conversation.stream.done" => {
                let data: DoneData = serde_json::from_slice(event.data).unwrap_or_default();
                let execution = execution(None, data.debug_url.as_deref());
                self.observed.ids.execution =
                    execution.or_else(|| self.observed.ids.execution.take());
            }
            _ if name.starts_with("conversation.chat.") => {
                if let Ok(chat) = serde_json::from_slice::<Chat>(event.data) {
                    chat.observe_into(&mut self.observed);
                }
            }
            _ => {}
        }
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

/// Reads the JSON reply of `/v3/chat` without streaming.
pub fn read_reply(body: &[u8]) -> Observed {
    let mut observed = read_retrieved(body);
    let code = envelope_code(body);
    if code.tells_failure() {
        observed.stage = Stage::Failed;
        observed.code = code.number();
    }
    observed
}

/// Reads the reply of `/v3/chat/retrieve`.
///
/// Its own code says how the question went, and nothing about the chat (contract §3).
pub fn read_retrieved(body: &[u8]) -> Observed {
    let mut observed = Observed::nothing();
    let Ok(envelope) = serde_json::from_slice::<Envelope<Chat>>(body) else {
        // A reply whose `data` is not a chat may still tell its code.
        return Observed { stage: Stage::Unknown, ..read_code(body) };
    };
    observed.code = envelope.code.number();
    observed.ids.log = envelope.detail.and_then(|detail| id(detail.logid.as_deref()));
    if let Some(chat) = envelope.data.filter(|_| !envelope.code.tells_failure()) {
        chat.observe_into(&mut observed);
    }
    observed
}

fn envelope_code(body: &[u8]) -> Code {
    let envelope = serde_json::from_slice::<Envelope<serde::de::IgnoredAny>>(body);
    envelope.map(|envelope| envelope.code).unwrap_or_default()
}

/// Reads no more of a reply than its code and log id.
pub(super) fn read_code(body: &[u8]) -> Observed {
    let mut observed = Observed::nothing();
    if let Ok(envelope) = serde_json::from_slice::<Envelope<serde::de::IgnoredAny>>(body) {
        observed.code = envelope.code.number();
        observed.ids.log = envelope.detail.and_then(|detail| id(detail.logid.as_deref()));
        if envelope.code.tells_failure() {
            observed.stage = Stage::Failed;
        }
    }
    observed
}

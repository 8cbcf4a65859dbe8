//! Chats over a websocket: what their frames say, and what callers may leave out of them.
//!
//! A frame is JSON text, `{"id","event_type","data"}` (contract §5.4). One connection carries many chats,
//! each of them a call. A caller may restrict which events it is sent; those that metering needs are
//! added on the way up, and taken out again on the way down.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{JsonError, fields_in_any_case};
use crate::refusal::{Reason, Refusal};

use super::Observed;
use super::envelope::{Chat, Detail, id};

/// The events that metering needs.
pub const NEEDED_EVENTS: [&str; 5] = [
    "conversation.chat.created",
    "conversation.chat.completed",
    "conversation.chat.failed",
    "conversation.chat.canceled",
    "conversation.chat.requires_action",
];
/// The caller's events that end something, or go on with what has begun (contract §5.4).
const BEGINS_NO_CHAT: [&str; 5] = [
    "chat.update",
    "conversation.chat.cancel",
    "conversation.chat.submit_tool_outputs",
    "conversation.clear",
    "input_audio_buffer.clear",
];
/// Largest frame of upstream's that is looked into, in bytes. Larger ones hold audio and are only passed on.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// What upstream said in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatFrame {
    /// What it tells of a chat.
    pub observed: Observed,
    /// Whether it is the first of its chat.
    pub is_created: bool,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    detail: Option<Detail>,
}

/// A frame of upstream's, unless it is too large to be of use.
fn frame_down(text: &str) -> Option<(String, Frame<'_>)> {
    if text.len() > FRAME_BYTES_MAX { None } else { frame(text) }
}

fn frame(text: &str) -> Option<(String, Frame<'_>)> {
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    let name: String = serde_json::from_str(frame.event_type?.get()).ok()?;
    Some((name, frame))
}

/// Reads a frame from upstream; `None` when it says nothing of how a chat stands.
pub fn read_frame(text: &str) -> Option<ChatFrame> {
    let (name, frame) = frame_down(text)?;
    if !NEEDED_EVENTS.contains(&name.as_str()) {
        return None;
    }
    let chat: Chat = serde_json::from_str(frame.data?.get()).ok()?;
    let mut observed = Observed::nothing();
    chat.observe_into(&mut observed);
    observed.ids.log = frame.detail.and_then(|detail| id(detail.logid.as_deref()));
    // The event's name says how the chat stands even where the object does not.
    let status = name.rsplit('.').next().unwrap_or_default().into();
    let by_name = Chat { status, ..Chat::default() };
    observed.stage = by_name.stage();
    Some(ChatFrame { observed, is_created: name == "conversation.chat.created" })
}

/// Which events one connection's caller did not ask for and is not to see.
#[derive(Debug, Default)]
pub struct Subscriptions {
    added: BTreeSet<&'static str>,
}

impl Subscriptions {
    /// All events, as it is until the caller says otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// The caller's frame as it goes up: a list of events gets those added that metering needs.
    /// `None` when the frame goes up as it came. However long it is: a list that went up as it is would
    /// have upstream say nothing of what its work uses.
    ///
    /// # Errors
    /// A frame in which the list could be read in two ways is refused, and so is one that is no object.
    pub fn extend(&mut self, text: &str) -> Result<Option<String>, Refusal> {
        let [name, data] =
            fields_in_any_case(text, &["event_type", "data"]).map_err(|error| unclear(&error))?;
        let is_update = name.is_some_and(|name| is_string(name, "chat.update"));
        let data = data.filter(|data| is_update && data.get().starts_with('{'));
        let Some(data) = data else { return Ok(None) };
        let [list] = fields_in_any_case(data.get(), &["event_subscriptions"])
            .map_err(|error| unclear(&error))?;
        let list = list.and_then(|list| serde_json::from_str::<Vec<Value>>(list.get()).ok());
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            self.added.clear();
            return Ok(None);
        };
        let is_asked = |needed: &str| list.iter().any(|asked| asked.as_str() == Some(needed));
        self.added = NEEDED_EVENTS.into_iter().filter(|needed| !is_asked(needed)).collect();
        if self.added.is_empty() {
            return Ok(None);
        }
        let mut frame: Value =
            serde_json::from_str(text).map_err(|error| unclear(&error.into()))?;
        let list = frame.pointer_mut("/data/event_subscriptions").and_then(Value::as_array_mut);
        if let Some(list) = list {
            list.extend(self.added.iter().map(|added| Value::from(*added)));
        }
        Ok(Some(frame.to_string()))
    }

    /// Whether the caller is to see this frame of upstream's.
    pub fn shows(&self, text: &str) -> bool {
        self.added.is_empty()
            || frame_down(text).is_none_or(|(name, _)| !self.added.contains(name.as_str()))
    }
}

/// Whether upstream may begin a chat because of a caller's frame. It may because of sound, too: where
/// somebody stops speaking, upstream decides.
pub fn may_begin_chat(text: &str) -> bool {
    let named = fields_in_any_case(text, &["event_type"]);
    !named.is_ok_and(|[name]| {
        name.is_some_and(|name| BEGINS_NO_CHAT.iter().any(|event| is_string(name, event)))
    })
}

fn is_string(value: &RawValue, wanted: &str) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|value| value == wanted)
}

fn unclear(error: &JsonError) -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Stage;

    #[test]
    fn a_completed_chat_tells_its_usage() {
        let text = r#"{"id":"e1","event_type":"conversation.chat.completed","data":{"id":"7501","conversation_id":"7509","status":"completed","usage":{"token_count":140,"output_count":40,"input_count":100}},"detail":{"logid":"L1"}}"#;
        let frame = read_frame(text).unwrap();
        assert_eq!(frame.observed.stage, Stage::Completed);
        assert_eq!(frame.observed.usage.map(|usage| usage.total), Some(140));
        assert_eq!(frame.observed.ids.chat, "7501".parse().ok());
        assert!(!frame.is_created);
    }

    #[test]
    fn a_text_that_imitates_an_event_is_only_text() {
        let text = r#"{"event_type":"conversation.message.delta","data":{"content":"\"event_type\":\"conversation.chat.completed\""}}"#;
        assert_eq!(read_frame(text), None);
        assert_eq!(read_frame("not JSON"), None);
        assert_eq!(read_frame("[]"), None);
    }

    #[test]
    fn a_restricted_list_is_extended_and_the_additions_are_hidden() {
        let mut subscriptions = Subscriptions::new();
        let update = r#"{"id":"1","event_type":"chat.update","data":{"event_subscriptions":["conversation.audio.delta","conversation.chat.failed"]}}"#;
        let sent: Value =
            serde_json::from_str(&subscriptions.extend(update).unwrap().unwrap()).unwrap();
        let list = sent["data"]["event_subscriptions"].as_array().unwrap();
        assert!(NEEDED_EVENTS.iter().all(|needed| list.contains(&Value::from(*needed))));
        assert!(!subscriptions.shows(r#"{"event_type":"conversation.chat.completed"}"#));
        assert!(subscriptions.shows(r#"{"event_type":"conversation.chat.failed"}"#));
        assert!(subscriptions.shows(r#"{"event_type":"conversation.audio.delta"}"#));
    }

    #[test]
    fn without_a_list_nothing_is_changed_and_nothing_hidden() {
        let mut subscriptions = Subscriptions::new();
        for update in [
            r#"{"event_type":"chat.update","data":{}}"#,
            r#"{"event_type":"chat.update","data":{"event_subscriptions":[]}}"#,
            r#"{"event_type":"chat.update"}"#,
            r#"{"event_type":"input_audio_buffer.append","data":{"event_subscriptions":["x"]}}"#,
        ] {
            assert_eq!(subscriptions.extend(update), Ok(None), "{update}");
        }
        assert!(subscriptions.shows(r#"{"event_type":"conversation.chat.completed"}"#));
    }

    /// Go takes a name in any case, and the last of two; upstream would then say nothing of what is used.
    #[test]
    fn a_list_that_could_be_read_in_two_ways_is_refused() {
        for update in [
            r#"{"event_type":"chat.update","data":{"Event_Subscriptions":["error"]}}"#,
            r#"{"event_type":"chat.update","data":{"event_subscriptions":[],"event_subscriptions":["error"]}}"#,
            r#"{"event_type":"chat.update","data":{},"data":{"event_subscriptions":["error"]}}"#,
            r#"{"event_type":"chat.update","data":{},"Data":{"event_subscriptions":["error"]}}"#,
            r#"{"event_type":"x","event_type":"chat.update","data":{"event_subscriptions":["error"]}}"#,
            r#"{"Event_type":"chat.update","data":{"event_subscriptions":["error"]}}"#,
            "[]",
            "",
        ] {
            assert!(Subscriptions::new().extend(update).is_err(), "{update}");
        }
    }

    #[test]
    fn whatever_is_said_may_begin_a_chat_and_what_ends_one_does_not() {
        for text in [
            r#"{"event_type":"conversation.message.create"}"#,
            r#"{"event_type":"input_audio_buffer.append","data":{"delta":""}}"#,
            r#"{"event_type":"conversation.chat.cancel","event_type":"conversation.message.create"}"#,
            r#"{"event_type":"something new"}"#,
            "",
        ] {
            assert!(may_begin_chat(text), "{text}");
        }
        assert!(!may_begin_chat(r#"{"event_type":"conversation.chat.cancel"}"#));
    }

    fn padded(frame: &str, bytes: usize) -> String {
        frame.to_owned() + &" ".repeat(bytes - frame.len())
    }

    #[test]
    fn a_frame_of_upstreams_is_looked_into_up_to_its_bound() {
        let frame = r#"{"event_type":"conversation.chat.created","data":{"id":"7501"}}"#;
        assert!(read_frame(&padded(frame, FRAME_BYTES_MAX)).is_some());
        assert_eq!(read_frame(&padded(frame, FRAME_BYTES_MAX + 1)), None);
    }

    /// Otherwise upstream would be told to say nothing of what its work uses.
    #[test]
    fn a_restricted_list_is_extended_however_long_its_frame_is() {
        let update = r#"{"event_type":"chat.update","data":{"event_subscriptions":["error"]}}"#;
        for bytes in [FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1] {
            let sent = Subscriptions::new().extend(&padded(update, bytes)).unwrap().unwrap();
            assert!(NEEDED_EVENTS.iter().all(|needed| sent.contains(needed)));
        }
    }
}

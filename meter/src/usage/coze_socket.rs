//! Chats over a websocket: what their frames say, and what callers may leave out of them.
//!
//! A frame is JSON text, `{"id","event_type","data"}` (contract §5.4). One connection carries many chats,
//! each of them a call. A caller may restrict which events it is sent; those that metering needs are
//! added on the way up, and taken out again on the way down.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

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
    pub fn extend(&mut self, text: &str) -> Option<String> {
        let (name, _) = frame(text)?;
        if name != "chat.update" {
            return None;
        }
        let mut frame: Value = serde_json::from_str(text).ok()?;
        let data = frame.get_mut("data")?;
        let list = data.get_mut("event_subscriptions");
        let Some(list) = list.and_then(Value::as_array_mut).filter(|list| !list.is_empty()) else {
            self.added.clear();
            return None;
        };
        self.added = NEEDED_EVENTS
            .into_iter()
            .filter(|needed| !list.iter().any(|asked| asked.as_str() == Some(*needed)))
            .collect();
        list.extend(self.added.iter().map(|added| Value::from(*added)));
        (!self.added.is_empty()).then(|| frame.to_string())
    }

    /// Whether the caller is to see this frame of upstream's.
    pub fn shows(&self, text: &str) -> bool {
        self.added.is_empty()
            || frame_down(text).is_none_or(|(name, _)| !self.added.contains(name.as_str()))
    }
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
        let sent: Value = serde_json::from_str(&subscriptions.extend(update).unwrap()).unwrap();
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
            assert_eq!(subscriptions.extend(update), None, "{update}");
        }
        assert!(subscriptions.shows(r#"{"event_type":"conversation.chat.completed"}"#));
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
            let sent = Subscriptions::new().extend(&padded(update, bytes)).unwrap();
            assert!(NEEDED_EVENTS.iter().all(|needed| sent.contains(needed)));
        }
    }
}

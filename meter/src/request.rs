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
    /// A bot.
    Bot,
    /// A workflow, whichever bot or app it runs for (contract §9 no. 35).
    Workflow,
    /// A voice that speaks.
    Voice,
    /// A plugin.
    Plugin,
    /// A Dify app.
    App,
    /// Nothing in particular: the operation itself, for calls that name no subject.
    Service,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Bot, Self::Workflow, Self::Voice, Self::Plugin, Self::App, Self::Service];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Workflow => "workflow",
            Self::Voice => "voice",
            Self::Plugin => "plugin",
            Self::App => "app",
            Self::Service => "service",
        }
    }

    /// The kind with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
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
    /// How much of the operation's own unit is asked for: characters to speak. One for the others.
    pub units: u64,
    /// Which interrupt of an earlier run is answered: `<execution>/<n>` (contract §1.1 row 7).
    pub resumes: Option<UpstreamId>,
}

impl Asked {
    /// A request for one unit that continues nothing.
    pub fn new(operation: Operation, kind: SubjectKind, id: UpstreamId) -> Self {
        Self { operation, subject: Subject { kind, id }, units: 1, resumes: None }
    }

    /// The execution that a resume continues.
    pub fn resumed_execution(&self) -> Option<UpstreamId> {
        self.resumes.as_ref()?.as_str().split('/').next()?.parse().ok()
    }
}

/// What a billable request turns out to want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// New work, to be admitted.
    Work(Asked),
    /// That a chat which waits for its tools goes on. It is the same work, under the call it has.
    Continuation {
        /// The chat.
        chat: UpstreamId,
    },
}

/// The parts of a request that are read.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The path, classed already.
    pub path: &'a str,
    /// The query, with or without its question mark.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// The fields that matter, still in their own spelling. `RawValue` lets each be judged by itself, so
/// that an error can name it; serde refuses a field that stands there twice.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    bot_id: Option<&'a RawValue>,
    #[serde(borrow)]
    workflow_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    voice_id: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Reads what a request wants.
pub fn read(operation: Operation, parts: Parts<'_>) -> Result<Wanted, Refusal> {
    if parts.body.len() > BODY_BYTES_MAX {
        let detail = format!("it has {} bytes, {BODY_BYTES_MAX} are allowed", parts.body.len());
        return Err(Refusal::with_detail(Reason::BodyTooLarge, detail));
    }
    let asked = match operation {
        Operation::Chat | Operation::AudioRoom => {
            Asked::new(operation, SubjectKind::Bot, string("bot_id", fields(parts.body)?.bot_id)?)
        }
        Operation::WorkflowRun | Operation::WorkflowStreamRun | Operation::Chatflow => {
            let id = string("workflow_id", fields(parts.body)?.workflow_id)?;
            Asked::new(operation, SubjectKind::Workflow, id)
        }
        Operation::WorkflowStreamResume | Operation::WorkflowResume => {
            let fields = fields(parts.body)?;
            let id = string("workflow_id", fields.workflow_id)?;
            let event = string("event_id", fields.event_id)?;
            let asked = Asked::new(operation, SubjectKind::Workflow, id);
            Asked { resumes: Some(event), ..asked }
        }
        Operation::AudioSpeech => {
            let fields = fields(parts.body)?;
            let asked =
                Asked::new(operation, SubjectKind::Voice, string("voice_id", fields.voice_id)?);
            let text: String = text("input", fields.input)?;
            let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            Asked { units: characters, ..asked }
        }
        Operation::PluginTool => {
            // `/v1/plugins/{plugin}/tools/call`
            let plugin = parts.path.split('/').nth(3).unwrap_or_default();
            let id = plugin.parse().map_err(|error| invalid(format!("plugin id {error}")))?;
            Asked::new(operation, SubjectKind::Plugin, id)
        }
        Operation::ToolOutputs => {
            let chat = query_value(parts.query, "chat_id").filter(|id| !id.is_empty());
            let chat =
                chat.ok_or_else(|| invalid("`chat_id` is missing in the query".to_owned()))?;
            let chat = chat.parse().map_err(|error| invalid(format!("`chat_id` {error}")))?;
            return Ok(Wanted::Continuation { chat });
        }
        Operation::ChatSocket => {
            let bot = query_value(parts.query, "bot_id").filter(|id| !id.is_empty());
            let bot = bot.ok_or_else(|| invalid("`bot_id` is missing in the query".to_owned()))?;
            let id = bot.parse().map_err(|error| invalid(format!("`bot_id` {error}")))?;
            Asked::new(operation, SubjectKind::Bot, id)
        }
        // A Dify request names no app; the door that it came through does.
        Operation::DifyChat
        | Operation::DifyCompletion
        | Operation::DifyWorkflow
        | Operation::DifySuggested
        | Operation::DifyAudioToText
        | Operation::DifyTextToAudio => return Err(Reason::Internal.into()),
        Operation::AudioTranscription
        | Operation::VoiceClone
        | Operation::SpeechSocket
        | Operation::TranscriptionSocket
        | Operation::InterpretationSocket => {
            // These name nothing that could be priced but themselves.
            let id = operation.name().parse().map_err(|_| Refusal::from(Reason::Internal))?;
            Asked::new(operation, SubjectKind::Service, id)
        }
    };
    Ok(Wanted::Work(asked))
}

/// A query's value, when the key stands there once. None of ours needs percent decoding, and one that
/// was encoded is not found to be an id.
pub fn query_value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let pairs = query.trim_start_matches('?').split('&');
    let mut found = pairs.filter_map(|pair| pair.split_once('=')).filter(|(name, _)| *name == key);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

fn invalid(detail: String) -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, detail)
}

fn fields(body: &[u8]) -> Result<Fields<'_>, Refusal> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("not a JSON object: {error}")))
}

fn text(name: &str, value: Option<&RawValue>) -> Result<String, Refusal> {
    let value = value.ok_or_else(|| invalid(format!("`{name}` is missing")))?;
    serde_json::from_str(value.get()).map_err(|_| invalid(format!("`{name}` is not a string")))
}

fn string(name: &str, value: Option<&RawValue>) -> Result<UpstreamId, Refusal> {
    text(name, value)?.parse().map_err(|error| invalid(format!("`{name}` {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8]) -> Parts<'_> {
        Parts { path: "", query: "", body }
    }

    #[track_caller]
    fn check(operation: Operation, body: &str, want: Result<&str, &str>) {
        let got = read(operation, parts(body.as_bytes())).map(|wanted| match wanted {
            Wanted::Work(asked) => asked.subject.to_string(),
            Wanted::Continuation { chat } => format!("chat {chat}"),
        });
        let got = got.map_err(|refusal| {
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
        use Operation::{AudioSpeech, Chat, WorkflowResume, WorkflowRun};
        check(Chat, "", Err("not a JSON object"));
        check(Chat, "[7]", Err("`bot_id` is not a string"));
        check(Chat, "{\"bot_id\":\"1\"} trailing", Err("not a JSON object"));
        check(Chat, "{}", Err("`bot_id` is missing"));
        check(Chat, r#"{"bot_id":null}"#, Err("`bot_id` is missing"));
        check(Chat, r#"{"bot_id":7490}"#, Err("`bot_id` is not a string"));
        check(Chat, r#"{"bot_id":""}"#, Err("`bot_id` is empty"));
        check(Chat, r#"{"bot_id":"1","bot_id":"2"}"#, Err("duplicate field `bot_id`"));
        check(WorkflowRun, r#"{"bot_id":"1"}"#, Err("`workflow_id` is missing"));
        check(WorkflowResume, r#"{"workflow_id":"1"}"#, Err("`event_id` is missing"));
        check(AudioSpeech, r#"{"voice_id":"1"}"#, Err("`input` is missing"));
    }

    #[test]
    fn the_subject_is_the_workflow_where_one_runs() {
        let body = r#"{"bot_id":"7490","workflow_id":"7480"}"#;
        check(Operation::Chat, body, Ok("bot 7490"));
        check(Operation::WorkflowRun, body, Ok("workflow 7480"));
        check(Operation::Chatflow, body, Ok("workflow 7480"));
        check(Operation::AudioTranscription, "not JSON", Ok("service audio_transcription"));
    }

    #[test]
    fn a_resume_names_the_execution_it_continues() {
        let body = br#"{"workflow_id":"7480","event_id":"7502/3"}"#;
        let Ok(Wanted::Work(asked)) = read(Operation::WorkflowStreamResume, parts(body)) else {
            panic!("not read");
        };
        assert_eq!(asked.resumed_execution(), "7502".parse().ok());
    }

    #[test]
    fn speech_is_counted_in_characters_and_not_in_bytes() {
        let body = r#"{"voice_id":"7","input":"你好 weir"}"#.as_bytes();
        let Ok(Wanted::Work(asked)) = read(Operation::AudioSpeech, parts(body)) else {
            panic!("not read");
        };
        assert_eq!(asked.units, 7);
    }

    #[test]
    fn tool_outputs_continue_the_chat_in_their_query() {
        let wanted = |query| read(Operation::ToolOutputs, Parts { query, ..parts(b"") });
        let chat = "7501".parse().unwrap();
        assert_eq!(wanted("?conversation_id=1&chat_id=7501"), Ok(Wanted::Continuation { chat }));
        assert!(wanted("?conversation_id=1").is_err());
        assert!(wanted("?chat_id=1&chat_id=2").is_err());
        assert!(wanted("?chat_id=").is_err());
    }

    #[test]
    fn deep_nesting_elsewhere_in_the_body_is_not_our_concern() {
        let (open, close) = ("[".repeat(50_000), "]".repeat(50_000));
        check(Operation::Chat, &format!("{{\"bot_id\":\"1\",\"x\":{open}{close}}}"), Ok("bot 1"));
    }

    #[test]
    fn a_body_over_the_bound_is_refused_before_it_is_read() {
        let body = vec![b' '; BODY_BYTES_MAX + 1];
        let refused = read(Operation::Chat, parts(&body)).map_err(|refusal| refusal.reason);
        assert_eq!(refused, Err(Reason::BodyTooLarge));
    }
}

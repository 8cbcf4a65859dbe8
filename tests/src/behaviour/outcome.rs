//! How work ends, and how a call is refused before it begins.

use serde::{Deserialize, Serialize};

/// How a unit of work ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// With an answer.
    #[default]
    Complete,
    /// It fails: `conversation.chat.failed` or the workflow's `Error` after half the answer, a
    /// non-zero code in a sync run, `failed` or `Fail` when polled.
    Fail(Failure),
    /// A stream brings an `error` event (`Error` in a workflow) at a chosen place; where there is no
    /// stream it is a failure with the same code.
    Error(StreamError),
    /// A chat stops and asks for the output of a tool; `submit_tool_outputs` finishes it.
    /// Workflows ignore this.
    RequiresAction(ToolCall),
    /// A workflow stops and asks a question; a resume finishes it. A chatflow shows it as
    /// `requires_action`, and the next call on its conversation is a new chat. Chats ignore this.
    Interrupt(Interruption),
}

/// A failure and whether it cost something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Failure {
    /// The business code.
    pub code: i64,
    /// Its message.
    pub msg: String,
    /// The failed work is charged, and its usage is on the wire.
    pub charged: bool,
}

impl Default for Failure {
    fn default() -> Self {
        Self { code: 4028, msg: "credits exhausted".to_owned(), charged: false }
    }
}

/// An error in the middle of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamError {
    /// How many of the usual events come before it; 0 makes it the first.
    pub after_events: u32,
    /// The business code.
    pub code: i64,
    /// Its message.
    pub msg: String,
    /// The work is charged although no usage ever comes over the wire.
    pub charged: bool,
    /// The stream still ends with its `done` event.
    pub done: bool,
}

impl Default for StreamError {
    fn default() -> Self {
        Self {
            after_events: 0,
            code: 5000,
            msg: "internal error".to_owned(),
            charged: false,
            done: false,
        }
    }
}

/// The function a paused chat asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolCall {
    /// Name of the function.
    pub name: String,
    /// Its arguments, JSON as a string.
    pub arguments: String,
}

impl Default for ToolCall {
    fn default() -> Self {
        Self { name: "weather".to_owned(), arguments: r#"{"city":"Hangzhou"}"#.to_owned() }
    }
}

/// A question a workflow asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interruption {
    /// The interrupt type: 1 local plugin, 2 question node, 5 input node, 7 OAuth plugin.
    pub interrupt_type: u32,
    /// How often a run is interrupted before it completes.
    pub times: u32,
    /// A `Done` event follows the `Interrupt`.
    pub done: bool,
    /// The interrupted leg is charged too, and its usage is on the wire. Otherwise only the last
    /// leg is charged, with the usage of the whole run.
    pub charged: bool,
}

impl Default for Interruption {
    fn default() -> Self {
        Self { interrupt_type: 2, times: 1, done: false, charged: false }
    }
}

/// An answer instead of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refusal {
    /// The HTTP status. 200 with a non-zero code is how most business errors come.
    pub http_status: u16,
    /// What the body is.
    pub body: RefusalBody,
    /// The business code of a JSON body.
    pub code: i64,
    /// Its message.
    pub msg: String,
    /// How many calls are refused before the subject works again. Unset: all.
    pub times: Option<u32>,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            http_status: 200,
            body: RefusalBody::Json,
            code: 4200,
            msg: "Workflow not found".to_owned(),
            times: None,
        }
    }
}

/// The body of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalBody {
    /// The upstream's error envelope, also for a request that asked for a stream.
    #[default]
    Json,
    /// No body and no content type.
    Empty,
    /// A gateway's HTML page.
    Html,
}

/// What polling gives before the work is done. This concerns work that is not streamed: chats with
/// `stream:false` and async workflow runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Polls {
    /// How many polls are answered with "still running". With 0 the work is done at once; with more,
    /// it ends as the last of them is answered, and never when nobody polls, unless `done_after_ms` says
    /// otherwise.
    pub before_done: u32,
    /// After how many milliseconds the work is done however seldom it was polled; 0 for never.
    pub done_after_ms: u64,
    /// The work runs until the subject is released, however often it is polled.
    pub until_released: bool,
    /// The status in the reply that created a chat.
    pub first_status: FirstStatus,
    /// Run histories answer 4314 (execution record not found).
    pub history_forgotten: bool,
}

/// The status a chat is created with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstStatus {
    /// `in_progress`.
    #[default]
    InProgress,
    /// `created`.
    Created,
    /// `completed`, usage included, if it was done at once.
    Completed,
}

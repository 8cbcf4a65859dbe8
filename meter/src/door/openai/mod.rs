//! The `OpenAI` door: chat completions whose models are bots and workflows.
//!
//! `request` reads a completion's request and makes the call of it, `content` its messages, `voice`
//! says the answer, `execution` and `models` are the two pages beside it.

mod content;
mod execution;
mod models;
mod request;
mod voice;

use serde::Serialize;

pub use execution::execution;
pub use models::{MODELS_MAX, model, models};
pub use request::{Completion, Defaults, Kind, MESSAGES_MAX, read};
pub use voice::Voice;

use super::Reply;
use super::problem::Problem;

/// What a model is called that a bot answers for.
pub const BOT: &str = "coze-bot";
/// What a model is called that a workflow answers for.
pub const WORKFLOW: &str = "coze-workflow";
/// What a model is called whose workflow goes on by itself.
pub const WORKFLOW_ASYNC: &str = "coze-workflow-async";

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

/// A problem as `OpenAI`'s libraries read it.
pub fn problem(problem: &Problem) -> Reply {
    Reply { status: problem.status, body: error_body(problem) }
}

fn error_body(problem: &Problem) -> String {
    let Problem { status, code, message } = problem;
    let kind = match *status {
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json(&ErrorBody { error: ErrorObject { message, r#type: kind, param: None, code } })
}

/// Whether a library that sends a request again by itself may do so after this status of *ours*.
///
/// 429 and 503 are said before anything went upstream. After every other refusal a second try would
/// fail as the first did, or might do the work twice (contract §9 no. 19).
pub const fn may_be_sent_again(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Structs of strings, numbers and lists always serialise.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

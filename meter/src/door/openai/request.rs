//! A completion's request, and the call that it asks for.
//!
//! The model says who answers: `coze-bot`, `coze-workflow`, `coze-workflow-async`, each also with an id
//! behind a colon, or a bot's id alone. What would change the answer's meaning and cannot be had from a
//! bot is refused by its name; what only tunes it (temperature, lengths, penalties, seeds) is the bot's
//! own business and ignored.
//!
//! # Bounds
//! At most [`MESSAGES_MAX`] messages, which is what Coze takes (contract §1.4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::door::Order;
use crate::door::field::{Field, invalid, upstream_id};
use crate::ids::{KeyId, UpstreamId};
use crate::refusal::{Reason, Refusal};
use crate::route::Operation;

use super::content::{self, Message};
use super::{BOT, WORKFLOW, WORKFLOW_ASYNC};

/// Most messages of one request.
pub const MESSAGES_MAX: usize = 100;
/// Longest name of a user, in bytes.
const USER_BYTES_MAX: usize = 256;
/// The parameter in which a workflow finds what was said (contract §8.2).
const USER_INPUT: &str = "BOT_USER_INPUT";

/// What stands for what a request leaves out.
#[derive(Debug, Clone)]
pub struct Defaults<'a> {
    /// The bot behind `coze-bot`.
    pub bot: Option<&'a UpstreamId>,
    /// The key that was used, which stands for its user.
    pub key: &'a KeyId,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bot.
    Bot,
    /// A workflow.
    Workflow,
    /// A workflow that goes on by itself.
    WorkflowAsync,
}

/// A request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The call that it asks for.
    pub order: Order,
    /// Who answers.
    pub kind: Kind,
    /// The model by the name that the caller used.
    pub model: String,
    /// Whether the caller wants the answer bit by bit.
    pub streams: bool,
    /// Whether the last bit is to tell the usage.
    pub includes_usage: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    // What only Coze knows.
    #[serde(borrow)]
    bot_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    custom_variables: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    workflow_id: Option<&'a RawValue>,
    #[serde(borrow)]
    workflow_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    app_id: Option<&'a RawValue>,
    // What cannot be had.
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
    #[serde(borrow)]
    logit_bias: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    modalities: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    web_search_options: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    r#type: String,
}

#[derive(Serialize)]
struct ChatBody<'a> {
    bot_id: &'a UpstreamIdText,
    user_id: &'a str,
    stream: bool,
    auto_save_history: bool,
    additional_messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_variables: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct RunBody<'a> {
    workflow_id: &'a UpstreamIdText,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bot_id: Option<UpstreamIdText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<UpstreamIdText>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_async: bool,
}

/// An id of upstream's as text; ids themselves do not serialise.
#[derive(Serialize)]
#[serde(transparent)]
struct UpstreamIdText(String);

/// Reads a request.
pub fn read(body: &[u8], defaults: &Defaults<'_>) -> Result<Completion, Refusal> {
    let fields: Fields<'_> = serde_json::from_slice(body).map_err(|error| {
        Refusal::with_detail(Reason::BodyInvalid, format!("not a JSON object: {error}"))
    })?;
    refuse_unsupported(&fields)?;
    let model: String = Field::new("model", fields.model).needed("a string")?;
    let (kind, id) = who_answers(&model)?;
    let streams = Field::new("stream", fields.stream).given("true or false")?.unwrap_or(false);
    let options = Field::new("stream_options", fields.stream_options);
    let options: StreamOptions = options.given("an object")?.unwrap_or_default();
    let order = match kind {
        Kind::Bot => chat(&fields, id, defaults)?,
        Kind::Workflow => run(&fields, id, false)?,
        Kind::WorkflowAsync if streams => {
            return Err(unsupported("stream", "the reply of coze-workflow-async is a task"));
        }
        Kind::WorkflowAsync => run(&fields, id, true)?,
    };
    let includes_usage = options.include_usage.unwrap_or(false);
    Ok(Completion { order, kind, model, streams, includes_usage })
}

/// Who a model's name means, and its id where the name holds one.
fn who_answers(model: &str) -> Result<(Kind, Option<UpstreamId>), Refusal> {
    let (name, id) = model.split_once(':').map_or((model, None), |(name, id)| (name, Some(id)));
    let kind = match name {
        BOT => Kind::Bot,
        WORKFLOW => Kind::Workflow,
        WORKFLOW_ASYNC => Kind::WorkflowAsync,
        _ if id.is_none() && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Ok((Kind::Bot, Some(upstream_id("model", name)?)));
        }
        _ => {
            let detail =
                format!("`model` is none of {BOT}, {WORKFLOW}, {WORKFLOW_ASYNC} or a bot's id");
            return Err(Refusal::with_detail(Reason::ModelUnknown, detail));
        }
    };
    Ok((kind, id.map(|id| upstream_id("model", id)).transpose()?))
}

fn chat(
    fields: &Fields<'_>,
    named: Option<UpstreamId>,
    defaults: &Defaults<'_>,
) -> Result<Order, Refusal> {
    let bot = one_id("bot_id", fields.bot_id, named)?.or_else(|| defaults.bot.cloned());
    let bot = bot.ok_or_else(|| invalid("bot_id", "is missing, and there is no default bot"))?;
    let messages = messages(fields)?;
    if messages.is_empty() {
        return Err(invalid("messages", "is empty"));
    }
    let user = user(fields)?;
    let query = match id("conversation_id", fields.conversation_id)? {
        Some(conversation) => format!("?conversation_id={conversation}"),
        None => String::new(),
    };
    let body = super::json(&ChatBody {
        bot_id: &UpstreamIdText(bot.to_string()),
        user_id: user.as_deref().unwrap_or(defaults.key.as_str()),
        stream: true,
        auto_save_history: true,
        additional_messages: &messages,
        custom_variables: fields.custom_variables,
        parameters: fields.parameters,
    });
    Ok(Order { operation: Operation::Chat, path: "/v3/chat", query, body })
}

fn run(fields: &Fields<'_>, named: Option<UpstreamId>, is_async: bool) -> Result<Order, Refusal> {
    let workflow = one_id("workflow_id", fields.workflow_id, named)?;
    let workflow = workflow.ok_or_else(|| invalid("workflow_id", "is missing"))?;
    let parameters = match fields.workflow_parameters {
        Some(raw) if !matches!(raw.get().as_bytes().first(), Some(b'{' | b'"')) => {
            return Err(invalid("workflow_parameters", "is not an object"));
        }
        Some(raw) => Some(raw.to_owned()),
        None => Some(said_last(&messages(fields)?)?),
    };
    let text = |id: UpstreamId| UpstreamIdText(id.to_string());
    let body = super::json(&RunBody {
        workflow_id: &UpstreamIdText(workflow.to_string()),
        parameters: parameters.as_deref(),
        bot_id: id("bot_id", fields.bot_id)?.map(text),
        app_id: id("app_id", fields.app_id)?.map(text),
        is_async,
    });
    let (operation, path) = if is_async {
        (Operation::WorkflowRun, "/v1/workflow/run")
    } else {
        // A synchronous run that is silent for 90 seconds loses its reply; a stream does not (§3).
        (Operation::WorkflowStreamRun, "/v1/workflow/stream_run")
    };
    Ok(Order { operation, path, query: String::new(), body })
}

/// The parameters of a workflow that is told no more than what was said last.
fn said_last(messages: &[Message]) -> Result<Box<RawValue>, Refusal> {
    let last = messages.last().ok_or_else(|| invalid("messages", "is empty"))?;
    let why = "holds more than text; say what the workflow gets in `workflow_parameters`";
    let text = last.text().ok_or_else(|| invalid("messages", why))?;
    let parameters = super::json(&serde_json::json!({ USER_INPUT: text }));
    RawValue::from_string(parameters).map_err(|_| Reason::Internal.into())
}

fn messages(fields: &Fields<'_>) -> Result<Vec<Message>, Refusal> {
    let raw: Vec<&RawValue> = Field::new("messages", fields.messages).needed("a list")?;
    if raw.len() > MESSAGES_MAX {
        return Err(invalid("messages", &format!("has {}, {MESSAGES_MAX} are allowed", raw.len())));
    }
    raw.iter().enumerate().map(|(at, raw)| content::message(at, raw)).collect()
}

/// The name of the user that the caller speaks for.
fn user(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    for (name, raw) in [("user", fields.user), ("safety_identifier", fields.safety_identifier)] {
        let user: Option<String> = Field::new(name, raw).given("a string")?;
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            if user.len() > USER_BYTES_MAX {
                return Err(invalid(name, &format!("is longer than {USER_BYTES_MAX} bytes")));
            }
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Refuses what would change the answer's meaning and cannot be had.
fn refuse_unsupported(fields: &Fields<'_>) -> Result<(), Refusal> {
    const NOTHING: [&str; 4] = ["[]", "{}", "false", "\"\""];
    let own = "a bot's tools, format and limits are set in Coze";
    let absent = [
        ("tools", fields.tools),
        ("functions", fields.functions),
        ("stop", fields.stop),
        ("logit_bias", fields.logit_bias),
        ("logprobs", fields.logprobs),
        ("audio", fields.audio),
        ("web_search_options", fields.web_search_options),
    ];
    for (name, raw) in absent {
        if raw.is_some_and(|raw| !NOTHING.contains(&raw.get())) {
            return Err(unsupported(name, own));
        }
    }
    if fields.n.is_some_and(|n| n.get() != "1") {
        return Err(unsupported("n", "there is one answer to a request"));
    }
    let choices = [("tool_choice", fields.tool_choice), ("function_call", fields.function_call)];
    for (name, raw) in choices {
        if raw.is_some_and(|raw| !matches!(raw.get(), "\"none\"" | "\"auto\"")) {
            return Err(unsupported(name, own));
        }
    }
    let format = Field::new("response_format", fields.response_format);
    let format: Option<ResponseFormat> = format.given("an object with a `type`")?;
    if format.is_some_and(|format| format.r#type != "text") {
        return Err(unsupported("response_format", own));
    }
    let modalities = Field::new("modalities", fields.modalities);
    let modalities: Option<Vec<String>> = modalities.given("a list of strings")?;
    if modalities.is_some_and(|all| all.iter().any(|one| one != "text")) {
        return Err(unsupported("modalities", "answers are text"));
    }
    Ok(())
}

/// An id that may be given by field and by the model's name, and then has to be the same.
fn one_id(
    name: &str,
    raw: Option<&RawValue>,
    named: Option<UpstreamId>,
) -> Result<Option<UpstreamId>, Refusal> {
    match (id(name, raw)?, named) {
        (Some(field), Some(named)) if field != named => {
            Err(invalid(name, "is another than the one in `model`"))
        }
        (field, named) => Ok(field.or(named)),
    }
}

fn id(name: &str, raw: Option<&RawValue>) -> Result<Option<UpstreamId>, Refusal> {
    let text: Option<String> = Field::new(name, raw).given("a string")?;
    text.map(|text| upstream_id(name, &text)).transpose()
}

pub(super) fn unsupported(name: &str, why: &str) -> Refusal {
    invalid(name, &format!("is not supported: {why}"))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

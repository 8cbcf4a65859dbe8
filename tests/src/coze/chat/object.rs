//! Chat and message objects, with their keys in the order the contract's samples have them.

use crate::behaviour::{Outcome, ToolCall};
use crate::coze::usage::{Order, told, untold};
use crate::wire::node::{Node, object};
use crate::world::chats::{Chat, Message};
use crate::world::works::{Counts, Status, Work};

/// A chat finishes this many seconds after its start, a chatflow one more; a failure comes sooner.
const COMPLETED_AFTER_SECONDS: i64 = 3;
const CHATFLOW_COMPLETED_AFTER_SECONDS: i64 = 4;
const FAILED_AFTER_SECONDS: i64 = 1;

/// Where a chat object appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the stream of `/v3/chat`.
    Chat,
    /// In the stream of a chatflow.
    Chatflow,
    /// As the data of a JSON reply.
    Reply,
}

/// How a chat stands, as far as its object tells.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) status: &'static str,
    stamp: Option<(&'static str, i64)>,
    error: (i64, String),
    usage: Node,
    action: Option<Node>,
}

impl Standing {
    /// It has begun, and its usage is not known yet.
    pub(crate) fn begun(chat: &Chat, place: Place, status: &'static str) -> Self {
        Self {
            status,
            stamp: None,
            error: (0, String::new()),
            usage: untold(chat.behaviour.usage.form, order(place)),
            action: None,
        }
    }

    pub(crate) fn completed(chat: &Chat, place: Place, counts: Counts) -> Self {
        let after = match place {
            Place::Chat | Place::Reply => COMPLETED_AFTER_SECONDS,
            Place::Chatflow => CHATFLOW_COMPLETED_AFTER_SECONDS,
        };
        Self {
            status: "completed",
            stamp: Some(("completed_at", chat.created_at.saturating_add(after))),
            usage: told(chat.behaviour.usage.form, order(place), counts),
            ..Self::begun(chat, place, "completed")
        }
    }

    /// It failed; counts are there if the failure is charged.
    pub(crate) fn failed(
        chat: &Chat,
        place: Place,
        error: (i64, String),
        charged: Option<Counts>,
    ) -> Self {
        let begun = Self::begun(chat, place, "failed");
        let usage = charged.map(|counts| told(chat.behaviour.usage.form, order(place), counts));
        Self {
            stamp: Some(("failed_at", chat.created_at.saturating_add(FAILED_AFTER_SECONDS))),
            error,
            usage: usage.unwrap_or_else(|| begun.usage.clone()),
            ..begun
        }
    }

    pub(crate) fn requires_action(chat: &Chat, place: Place, call: &ToolCall) -> Self {
        let tool_call = object! {
            "id": &chat.tool_call_id,
            "type": "function",
            "function": object! { "name": &call.name, "arguments": &call.arguments },
        };
        let outputs = object! { "tool_calls": Node::List(vec![tool_call]) };
        Self {
            action: Some(object! { "type": "submit_tool_outputs", "submit_tool_outputs": outputs }),
            ..Self::begun(chat, place, "requires_action")
        }
    }

    /// As its unit of work says.
    pub(crate) fn of(chat: &Chat, work: &Work) -> Self {
        let place = Place::Reply;
        let counts =
            Counts { input: work.input_count, output: work.output_count, token: work.token_count };
        match work.status {
            Status::Running => Self::begun(chat, place, "in_progress"),
            Status::Completed | Status::Interrupted => Self::completed(chat, place, counts),
            Status::Canceled => Self { status: "canceled", ..Self::completed(chat, place, counts) },
            Status::Failed => Self::failed(
                chat,
                place,
                error(&chat.behaviour.outcome),
                work.billable.then_some(counts),
            ),
            Status::RequiresAction => {
                Self::requires_action(chat, place, &tool_call(&chat.behaviour.outcome))
            }
        }
    }
}

/// The code and message a failing outcome shows.
pub(crate) fn error(outcome: &Outcome) -> (i64, String) {
    match outcome {
        Outcome::Fail(failure) => (failure.code, failure.msg.clone()),
        Outcome::Error(error) => (error.code, error.msg.clone()),
        Outcome::Complete | Outcome::RequiresAction(_) | Outcome::Interrupt(_) => {
            (5000, "internal error".to_owned())
        }
    }
}

/// The tool an outcome asks for.
pub(crate) fn tool_call(outcome: &Outcome) -> ToolCall {
    match outcome {
        Outcome::RequiresAction(call) => call.clone(),
        _ => ToolCall::default(),
    }
}

fn order(place: Place) -> Order {
    match place {
        Place::Chat | Place::Reply => Order::Chat,
        Place::Chatflow => Order::Chatflow,
    }
}

/// The chat object.
pub(crate) fn chat(chat: &Chat, place: Place, standing: Standing) -> Node {
    let Standing { status, stamp, error: (code, msg), usage, action } = standing;
    let stamped = |node: Node| match stamp {
        Some((key, seconds)) => node.and(key, Some(seconds)),
        None => node,
    };
    if place == Place::Chatflow {
        let ids = object! {
            "status": status, "id": &chat.id, "conversation_id": &chat.conversation_id,
            "section_id": &chat.conversation_id, "created_at": chat.created_at,
        };
        return stamped(usage.joined(ids))
            .and("last_error", Some(object! { "msg": msg, "code": code }))
            .and("required_action", action);
    }
    let ids = object! {
        "id": &chat.id, "conversation_id": &chat.conversation_id, "bot_id": &chat.bot_id,
        "created_at": chat.created_at,
    };
    let failed = place == Place::Chat && status == "failed";
    stamped(ids)
        .and("last_error", Some(object! { "code": code, "msg": msg }))
        .and("meta_data", (place == Place::Reply).then(|| object! {}))
        .and("status", Some(status))
        .joined(usage)
        .and("section_id", (!failed).then_some(&chat.conversation_id))
        .and("required_action", action)
}

/// A message of the assistant in a stream.
pub(crate) fn stream_message(
    chat: &Chat,
    place: Place,
    id: &str,
    kind: &'static str,
    content: &str,
    content_type: &'static str,
) -> Node {
    object! { "id": id, "conversation_id": &chat.conversation_id }
        .and("bot_id", (place != Place::Chatflow).then_some(&chat.bot_id))
        .joined(object! {
            "role": "assistant", "type": kind, "content": content, "content_type": content_type,
            "chat_id": &chat.id, "section_id": &chat.conversation_id,
        })
}

/// A message in a list.
pub(crate) fn listed_message(conversation_id: &str, message: &Message) -> Node {
    object! {
        "id": &message.id, "conversation_id": conversation_id, "section_id": conversation_id,
        "role": &message.role, "type": &message.kind, "content": &message.content,
        "content_type": &message.content_type, "meta_data": object! {},
        "created_at": message.created_at, "updated_at": message.created_at,
    }
    .and("bot_id", message.bot_id.as_ref())
    .and("chat_id", message.chat_id.as_ref())
}

/// The content of the message that says the answer is complete.
pub(crate) const GENERATE_ANSWER_FINISH: &str = concat!(
    r#"{"msg_type":"generate_answer_finish","data":"{\"finish_reason\":0}","#,
    r#""from_module":null,"from_unit":null}"#,
);

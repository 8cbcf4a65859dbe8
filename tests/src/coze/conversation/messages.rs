//! Messages of a conversation: added, listed page by page, read, changed, deleted.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{find, find_mut};
use crate::coze::chat::object::listed_message;
use crate::coze::envelope::{detail, done, json, parse, success, text_of};
use crate::coze::fault::{Fault, Refused};
use crate::visit::Visit;
use crate::wire::node::{Node, object};
use crate::world::Upstream;
use crate::world::chats::{Conversation, Message};

/// How many messages one page lists unless asked otherwise, and at most.
const PAGE_SIZE_DEFAULT: usize = 50;

/// A message that is put into a conversation.
#[derive(Debug, Deserialize)]
pub(super) struct EnterMessage {
    role: Option<String>,
    r#type: Option<String>,
    content: Option<Value>,
    content_type: Option<String>,
}

impl EnterMessage {
    pub(super) fn into_message(self, id: String, now: i64) -> Message {
        Message {
            id,
            role: self.role.unwrap_or_else(|| "user".to_owned()),
            kind: self.r#type.unwrap_or_else(|| "question".to_owned()),
            content: self.content.as_ref().map(text_of).unwrap_or_default(),
            content_type: self.content_type.unwrap_or_else(|| "text".to_owned()),
            chat_id: None,
            bot_id: None,
            created_at: now,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    conversation_id: Option<String>,
    message_id: Option<String>,
}

pub(super) async fn create(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
    body: Bytes,
) -> Result<Response, Refused> {
    let now = upstream.now_seconds();
    let created = parse::<EnterMessage>(&body).and_then(|message| {
        upstream.change(|world| {
            let id = world.ids.draw();
            let conversation = find_mut(world, named.conversation_id.as_deref(), &visit.session)?;
            let message = message.into_message(id, now);
            conversation.say(message.clone());
            let data = listed_message(&conversation.id, &message);
            Ok(json(success(data, &visit.logid).to_string()))
        })
    });
    created.map_err(|fault| Refused::new(fault, &visit.logid))
}

#[derive(Debug, Deserialize)]
struct ListBody {
    order: Option<String>,
    chat_id: Option<String>,
    before_id: Option<String>,
    after_id: Option<String>,
    limit: Option<usize>,
}

/// One page; the ids that bound it lie in the order asked for, newest first by itself.
pub(super) async fn list(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
    body: Bytes,
) -> Result<Response, Refused> {
    let listed = parse::<ListBody>(&body).and_then(|body| {
        upstream.read(|world| {
            let conversation = find(world, named.conversation_id.as_deref(), &visit.session)?;
            let (page, more) = page(conversation, &body);
            let end = |message: Option<&&Message>| {
                message.map_or_else(|| "0".to_owned(), |message| message.id.clone())
            };
            let items = page.iter().map(|message| listed_message(&conversation.id, message));
            let body = object! {
                "code": 0_i64, "msg": "", "data": Node::List(items.collect()),
                "first_id": end(page.first()), "last_id": end(page.last()), "has_more": more,
                "detail": detail(&visit.logid),
            };
            Ok(json(body.to_string()))
        })
    });
    listed.map_err(|fault| Refused::new(fault, &visit.logid))
}

fn page<'a>(conversation: &'a Conversation, body: &ListBody) -> (Vec<&'a Message>, bool) {
    let asked = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let chat_id = asked(&body.chat_id);
    let mut messages: Vec<&Message> = conversation
        .messages
        .iter()
        .filter(|message| chat_id.is_none() || message.chat_id == chat_id)
        .collect();
    if body.order.as_deref() != Some("asc") {
        messages.reverse();
    }
    let place = |id: &str| messages.iter().position(|message| message.id == id);
    let first = asked(&body.after_id).and_then(|id| place(&id)).map_or(0, |place| place + 1);
    let end = asked(&body.before_id).and_then(|id| place(&id)).unwrap_or(messages.len());
    let limit = body.limit.unwrap_or(PAGE_SIZE_DEFAULT).clamp(1, PAGE_SIZE_DEFAULT);
    let between = messages.get(first..end).unwrap_or_default();
    (between.iter().take(limit).copied().collect(), between.len() > limit)
}

pub(super) async fn retrieve(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
) -> Result<Response, Refused> {
    upstream
        .read(|world| {
            let conversation = find(world, named.conversation_id.as_deref(), &visit.session)?;
            let place = place(conversation, &named)?;
            let data = listed_message(&conversation.id, &conversation.messages[place]);
            Ok(json(success(data, &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

/// The changed message comes back under `message`, not under `data`.
pub(super) async fn modify(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
    body: Bytes,
) -> Result<Response, Refused> {
    let modified = parse::<EnterMessage>(&body).and_then(|change| {
        upstream.change(|world| {
            let conversation = find_mut(world, named.conversation_id.as_deref(), &visit.session)?;
            let place = place(conversation, &named)?;
            let message = &mut conversation.messages[place];
            if let Some(content) = &change.content {
                message.content = text_of(content);
            }
            if let Some(content_type) = change.content_type {
                message.content_type = content_type;
            }
            let changed = listed_message(&conversation.id, &conversation.messages[place]);
            let body = object! {
                "code": 0_i64, "msg": "", "message": changed, "detail": detail(&visit.logid),
            };
            Ok(json(body.to_string()))
        })
    });
    modified.map_err(|fault| Refused::new(fault, &visit.logid))
}

pub(super) async fn delete(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
) -> Result<Response, Refused> {
    upstream
        .change(|world| {
            let conversation = find_mut(world, named.conversation_id.as_deref(), &visit.session)?;
            let place = place(conversation, &named)?;
            let data = listed_message(&conversation.id, &conversation.messages[place]);
            conversation.messages.remove(place);
            Ok(json(success(data, &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

pub(super) async fn feedback(visit: Visit) -> Response {
    done(&visit.logid)
}

fn place(conversation: &Conversation, named: &Named) -> Result<usize, Fault> {
    let id = named.message_id.as_deref().unwrap_or_default();
    let mut messages = conversation.messages.iter();
    messages.position(|message| message.id == id).ok_or(Fault::UNKNOWN_MESSAGE)
}

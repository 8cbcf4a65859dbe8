//! Conversations: made, found, listed, renamed, cleared, deleted.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json as value};

use super::messages::EnterMessage;
use super::{find, find_mut};
use crate::coze::envelope::{done, json, parse, success};
use crate::coze::fault::{Fault, Refused};
use crate::visit::Visit;
use crate::wire::node::{Node, object};
use crate::world::Upstream;
use crate::world::chats::Conversation;

/// How many conversations one page lists unless asked otherwise, and at most.
const PAGE_SIZE_DEFAULT: usize = 50;

#[derive(Debug, Deserialize)]
struct CreateBody {
    messages: Option<Vec<EnterMessage>>,
    meta_data: Option<Value>,
    bot_id: Option<String>,
    name: Option<String>,
}

pub(super) async fn create(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Result<Response, Refused> {
    let body: CreateBody = parse(&body).map_err(|fault| Refused::new(fault, &visit.logid))?;
    let now = upstream.now_seconds();
    let conversation = upstream.change(|world| {
        let mut conversation = Conversation {
            id: world.ids.draw(),
            name: body.name.unwrap_or_default(),
            created_at: now,
            session: visit.session.clone(),
            bot_id: body.bot_id,
            meta_data: body.meta_data.unwrap_or_else(|| value!({})),
            ..Conversation::default()
        };
        for message in body.messages.unwrap_or_default() {
            conversation.say(message.into_message(world.ids.draw(), now));
        }
        world.conversations.insert(conversation.clone());
        conversation
    });
    Ok(json(success(object(&conversation), &visit.logid).to_string()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    conversation_id: Option<String>,
}

pub(super) async fn retrieve(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(named): Query<Named>,
) -> Result<Response, Refused> {
    upstream
        .read(|world| {
            let conversation = find(world, named.conversation_id.as_deref(), &visit.session)?;
            Ok(json(success(object(conversation), &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    bot_id: Option<String>,
    page_num: Option<usize>,
    page_size: Option<usize>,
}

pub(super) async fn list(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(query): Query<PageQuery>,
) -> Response {
    let size = query.page_size.unwrap_or(PAGE_SIZE_DEFAULT).clamp(1, PAGE_SIZE_DEFAULT);
    let skipped = query.page_num.unwrap_or(1).saturating_sub(1).saturating_mul(size);
    let (items, more) = upstream.read(|world| {
        let mut found = world
            .conversations
            .of(&visit.session)
            .filter(|conversation| query.bot_id.is_none() || conversation.bot_id == query.bot_id)
            .skip(skipped);
        let items: Vec<Node> = found.by_ref().take(size).map(object).collect();
        (items, found.next().is_some())
    });
    let data = object! { "has_more": more, "conversations": Node::List(items) };
    json(success(data, &visit.logid).to_string())
}

#[derive(Debug, Deserialize)]
struct RenameBody {
    name: Option<String>,
}

pub(super) async fn rename(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let renamed = parse::<RenameBody>(&body).and_then(|body| {
        upstream.change(|world| {
            let conversation = find_mut(world, Some(&id), &visit.session)?;
            conversation.name = body.name.unwrap_or_default();
            Ok(json(success(object(conversation), &visit.logid).to_string()))
        })
    });
    renamed.map_err(|fault| Refused::new(fault, &visit.logid))
}

pub(super) async fn delete(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    upstream
        .change(|world| {
            find(world, Some(&id), &visit.session)?;
            world.conversations.remove(&id);
            Ok::<_, Fault>(done(&visit.logid))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

pub(super) async fn clear(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    upstream
        .change(|world| {
            let section_id = world.ids.draw();
            let conversation = find_mut(world, Some(&id), &visit.session)?;
            conversation.messages.clear();
            let data = object! { "id": section_id, "conversation_id": id };
            Ok::<_, Fault>(json(success(data, &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

fn object(conversation: &Conversation) -> Node {
    let Conversation { id, name, created_at, meta_data, .. } = conversation;
    let meta_data = if meta_data.is_object() { meta_data.clone() } else { value!({}) };
    object! {
        "id": id, "created_at": *created_at, "updated_at": *created_at, "meta_data": meta_data,
        "creator_id": "2230000000000000001", "connector_id": "1024", "last_section_id": id,
        "name": name,
    }
}

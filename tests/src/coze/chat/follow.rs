//! What follows a chat: retrieve, cancel, and the list of its messages. Nothing here starts work.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::coze::chat::object::{
    GENERATE_ANSWER_FINISH, Place, Standing, chat as chat_object, listed_message,
};
use crate::coze::deviation;
use crate::coze::envelope::{json, parse, success};
use crate::coze::fault::{Fault, Refused};
use crate::visit::Visit;
use crate::wire::node::Node;
use crate::world::chats::{Chat, Message, Session};
use crate::world::subjects::Refusable;
use crate::world::works::{Ending, Status};
use crate::world::{Upstream, World};

/// How follow-ups name a chat, in the query or in the body.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatName {
    pub(crate) conversation_id: Option<String>,
    pub(crate) chat_id: Option<String>,
}

/// GET or POST `/v3/chat/retrieve`: documentation and one library use GET, two libraries POST.
pub(crate) async fn retrieve(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(name): Query<ChatName>,
) -> Response {
    upstream.change(|world| {
        let chat = match find(world, &name, &visit.session) {
            Ok(chat) => chat,
            Err(fault) => return Refused::new(fault, &visit.logid).into_response(),
        };
        if let Some(refusal) = world.subjects.refusal(&chat.bot_id, Refusable::Poll) {
            return Refused::ordered(&refusal, &visit.logid).into_response();
        }
        let Some(work) = world.poll(chat.work) else {
            return Refused::new(Fault::UNKNOWN_CHAT, &visit.logid).into_response();
        };
        let standing = Standing::of(&chat, &work);
        let body = success(chat_object(&chat, Place::Reply, standing), &visit.logid);
        json(deviation::reply(&chat.behaviour, body).to_string())
    })
}

/// POST `/v3/chat/cancel`: flips the status only. A running stream goes on, and the whole reply is
/// charged.
pub(crate) async fn cancel(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let name: ChatName = parse(&body).map_err(refused)?;
    upstream
        .change(|world| {
            let chat = find(world, &name, &visit.session)?;
            let status = world.works.get(chat.work).map(|job| job.work.status);
            if status != Some(Status::Running) {
                return Err(Fault::NOT_CANCELABLE);
            }
            world.end(chat.work, Ending::CANCELED);
            let job = world.works.get(chat.work).ok_or(Fault::UNKNOWN_CHAT)?;
            let standing = Standing::of(&chat, &job.work);
            let data = chat_object(&chat, Place::Reply, standing);
            Ok(json(success(data, &visit.logid).to_string()))
        })
        .map_err(refused)
}

/// GET `/v3/chat/message/list`.
pub(crate) async fn messages(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(name): Query<ChatName>,
) -> Result<Response, Refused> {
    upstream
        .read(|world| {
            let chat = find(world, &name, &visit.session)?;
            let status = world.works.get(chat.work).map(|job| job.work.status);
            let said = if status == Some(Status::Completed) { said(&chat) } else { Vec::new() };
            let list = said.iter().map(|said| listed_message(&chat.conversation_id, said));
            let data = Node::List(list.collect());
            Ok(json(success(data, &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

fn said(chat: &Chat) -> Vec<Message> {
    let answer = chat.answer_message();
    let verbose = Message {
        id: chat.verbose_id.clone(),
        kind: "verbose".to_owned(),
        content: GENERATE_ANSWER_FINISH.to_owned(),
        ..answer.clone()
    };
    vec![answer, verbose]
}

/// The chat that is meant, if it is this session's.
pub(crate) fn find(world: &World, name: &ChatName, session: &Session) -> Result<Chat, Fault> {
    let id = name.chat_id.as_deref().unwrap_or_default();
    let chat = world.chats.get(id, session).ok_or(Fault::UNKNOWN_CHAT)?;
    match name.conversation_id.as_deref() {
        Some(conversation_id) if conversation_id == chat.conversation_id => Ok(chat.clone()),
        _ => Err(Fault::UNKNOWN_CONVERSATION),
    }
}

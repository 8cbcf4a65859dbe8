//! Conversations and their messages: free of charge, and the memory of whoever keeps none.

// Conversations themselves.
mod conversations;
// Their messages.
mod messages;

use axum::Router;
use axum::routing::{get, post, put};

use crate::coze::fault::Fault;
use crate::world::chats::{Conversation, Session};
use crate::world::{Upstream, World};

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v1/conversation/create", post(conversations::create))
        .route("/v1/conversation/retrieve", get(conversations::retrieve))
        .route("/v1/conversations", get(conversations::list))
        .route(
            "/v1/conversations/{conversation_id}",
            put(conversations::rename).delete(conversations::delete),
        )
        .route("/v1/conversations/{conversation_id}/clear", post(conversations::clear))
        .route("/v1/conversation/message/create", post(messages::create))
        .route("/v1/conversation/message/list", post(messages::list))
        .route("/v1/conversation/message/retrieve", get(messages::retrieve))
        .route("/v1/conversation/message/modify", post(messages::modify))
        .route("/v1/conversation/message/delete", post(messages::delete))
        .route(
            "/v1/conversations/{conversation_id}/messages/{message_id}/feedback",
            post(messages::feedback).delete(messages::feedback),
        )
}

fn find<'a>(
    world: &'a World,
    id: Option<&str>,
    session: &Session,
) -> Result<&'a Conversation, Fault> {
    world.conversations.get(id.unwrap_or_default(), session).ok_or(Fault::UNKNOWN_CONVERSATION)
}

fn find_mut<'a>(
    world: &'a mut World,
    id: Option<&str>,
    session: &Session,
) -> Result<&'a mut Conversation, Fault> {
    world.conversations.get_mut(id.unwrap_or_default(), session).ok_or(Fault::UNKNOWN_CONVERSATION)
}

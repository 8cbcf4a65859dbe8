//! `/v3/chat` and its follow-ups.

// What is written down when a chat begins, of bots and of chatflows.
pub(crate) mod open;
// Chat and message objects.
pub(crate) mod object;
// Which events a chat streams.
pub(crate) mod script;
// POST `/v3/chat`.
pub(crate) mod create;
// Retrieve, cancel, message list.
pub(crate) mod follow;
// POST `/v3/chat/submit_tool_outputs`.
pub(crate) mod tools;

use axum::Router;
use axum::routing::{get, post};

use crate::world::Upstream;

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v3/chat", post(create::create))
        .route("/v3/chat/submit_tool_outputs", post(tools::submit))
        .route("/v3/chat/retrieve", get(follow::retrieve).post(follow::retrieve))
        .route("/v3/chat/cancel", post(follow::cancel))
        .route("/v3/chat/message/list", get(follow::messages))
}

//! The upstream's own paths, in the order of the contract's tables.

// Business errors and how they look.
pub(crate) mod fault;
// Envelopes, bodies, and the counting of characters.
pub(crate) mod envelope;
// What usage looks like on the wire.
mod usage;
// The open-source server, and ids as numbers.
mod deviation;
// How a reply comes: paced, held, cut; while the work goes on regardless.
pub(crate) mod perform;
// `/v3/chat` and its follow-ups.
mod chat;
// `/v1/workflow…` and its follow-ups.
mod workflow;
// Audio, rooms, plugin tools: billed in units other than tokens.
mod units;
// The websockets: voice chats, speech, transcriptions, interpretation.
mod websocket;
// Conversations and their messages.
mod conversation;
// Users, bots and files.
mod account;
// Paths that are only passed through.
mod free;
// The OAuth token endpoint.
mod oauth;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

pub(crate) use self::units::fields;
use crate::coze::fault::{Fault, Refused};
use crate::visit::{self, Arrival};
use crate::world::Upstream;

/// All of the upstream's paths; whatever else is asked for is its 404.
pub(crate) fn routes(upstream: &Upstream) -> Router<Upstream> {
    Router::new()
        .merge(chat::routes())
        .merge(workflow::routes())
        .merge(units::routes())
        .merge(websocket::routes())
        .merge(conversation::routes())
        .merge(account::routes())
        .merge(free::routes())
        .merge(oauth::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        // The size was looked at when the request was noted.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(upstream.clone(), visit::note))
}

async fn no_route(arrival: Arrival) -> Refused {
    Refused::new(Fault::NO_ROUTE, &arrival.logid)
}

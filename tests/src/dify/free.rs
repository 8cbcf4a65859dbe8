//! What costs nothing: conversations, messages, what an app says of itself, files.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use serde::Deserialize;

use crate::coze::envelope::{json, typed};
use crate::dify::fault::Fault;
use crate::dify::guest::Guest;
use crate::wire::node::{Node, object};
use crate::world::Upstream;

/// How every PNG begins.
const PICTURE: &[u8] = &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/conversations", get(conversations))
        .route("/conversations/{id}", delete(done))
        .route("/conversations/{id}/name", post(done))
        .route("/conversations/{id}/variables", get(variables))
        .route("/conversations/{id}/variables/{variable}", put(set))
        .route("/messages", get(messages))
        .route("/messages/{id}/feedbacks", post(done))
        .route("/parameters", get(empty))
        .route("/info", get(empty))
        .route("/meta", get(empty))
        .route("/site", get(empty))
        .route("/files/upload", post(upload))
        .route("/files/{id}/preview", get(preview))
}

#[derive(Debug, Deserialize)]
struct Of {
    user: Option<String>,
    conversation_id: Option<String>,
}

/// A user's own conversations, newest first.
async fn conversations(State(upstream): State<Upstream>, guest: Guest, of: Query<Of>) -> Response {
    let Some(user) = &of.user else { return Fault::parameter("user").into_response() };
    let data: Vec<Node> = upstream.read(|world| {
        let talks = world.runs.talks(&guest.app, user).rev();
        talks.map(|talk| object! { "id": &talk.id, "created_at": talk.created_at }).collect()
    });
    list(data)
}

/// Messages of a conversation, which only its own user finds.
async fn messages(State(upstream): State<Upstream>, guest: Guest, of: Query<Of>) -> Response {
    let Some(user) = &of.user else { return Fault::parameter("user").into_response() };
    let wanted = of.conversation_id.as_deref().unwrap_or_default();
    let known =
        upstream.read(|world| world.runs.talks(&guest.app, user).any(|talk| talk.id == wanted));
    if known { list(Vec::new()) } else { Fault::NOT_FOUND.into_response() }
}

fn list(data: Vec<Node>) -> Response {
    json(object! { "limit": 20_i64, "has_more": false, "data": data }.to_string())
}

async fn empty(_guest: Guest) -> Response {
    json("{}")
}

async fn done(_guest: Guest, Path(_id): Path<String>, _body: Bytes) -> Response {
    json(object! { "result": "success" }.to_string())
}

async fn variables(_guest: Guest, Path(_id): Path<String>) -> Response {
    list(Vec::new())
}

async fn set(
    _guest: Guest,
    Path((_id, variable)): Path<(String, String)>,
    _body: Bytes,
) -> Response {
    json(object! { "id": &variable }.to_string())
}

async fn preview(_guest: Guest, Path(_id): Path<String>) -> Response {
    typed("image/png", Bytes::from_static(PICTURE).into())
}

/// A file belongs to the user in its form, which the reply gives back as upstream's does not, so that
/// a story can see it.
async fn upload(_guest: Guest, form: axum::extract::Multipart) -> Response {
    let Ok(fields) = crate::coze::fields(form).await else {
        return Fault::parameter("file").into_response();
    };
    let user = fields.iter().find(|field| field.name == "user");
    let user = user.map(|field| String::from_utf8_lossy(&field.bytes).into_owned());
    let file = fields.iter().find(|field| field.name == "file");
    let size = file.and_then(|file| i64::try_from(file.bytes.len()).ok());
    match (user, size) {
        (Some(user), Some(size)) => {
            json(object! { "id": "f-1", "size": size, "created_by": user }.to_string())
        }
        _ => Fault::parameter("user").into_response(),
    }
}

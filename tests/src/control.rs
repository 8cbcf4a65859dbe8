//! The control paths, `/_standin/…`: what a story tells the stand-in and asks of it.
//!
//! | method, path | does |
//! |---|---|
//! | GET `/_standin/health` | `{"ok":true}` |
//! | PUT `/_standin/subjects/{id}` | gives a bot, a workflow or a Dify app a [`Behaviour`], and lets go what its former one held |
//! | GET `/_standin/subjects/{id}` | its behaviour |
//! | DELETE `/_standin/subjects/{id}` | back to the default behaviour |
//! | POST `/_standin/subjects/{id}/release` | opens the next gate of its replies: `{"releases":n}` |
//! | GET `/_standin/subjects/{id}/held?at_least=1&within_ms=10000` | waits until so many replies are held: `{"held":n}`, 408 if it does not come to that |
//! | PUT `/_standin/oauth/apps/{app_id}` | registers `{"kid","public_key_pem"}` for the token endpoint; `token_seconds_max` cuts its tokens short, `answer_bytes_min` fills its answers up, `held` keeps requests for them waiting |
//! | POST `/_standin/oauth/apps/{app_id}/release` | lets requests for tokens go that were held |
//! | POST `/_standin/oauth/revoke` | makes every token given out so far invalid |
//! | PUT, DELETE `/_standin/callbacks` | has each charge told as a `benefit.usage` callback ([`Subscription`]), or ends that |
//! | GET `/_standin/callbacks?within_ms=10000` | waits until every charge was told: `{"owed","taken","failed"}`, 408 if it does not come to that |
//! | POST `/_standin/reset` | forgets everything but the ids already given out |
//! | GET `/_standin/works?final_at_least=0&within_ms=10000` | the record of work; waits until so many works have come to their end, 408 with the record as it is if they do not |
//! | GET `/_standin/requests?after=0&at_least=0&within_ms=10000` | the requests after that number; waits as above |
//!
//! No credential is asked for: this is not an upstream path, and it listens on the loopback.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put as put_method};
use axum::{Json, Router};
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::behaviour::Behaviour;
use crate::world::callbacks::Subscription;
use crate::world::tokens::{App, Gate};
use crate::world::{Upstream, WAIT_MS_MAX, World};

/// How long a waiting question waits by itself.
const WAIT_MS_DEFAULT: u64 = 10_000;

/// All control paths.
pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/_standin/health", get(async || Json(json!({ "ok": true }))))
        .route("/_standin/subjects/{id}", get(behaviour).put(put).delete(delete))
        .route("/_standin/subjects/{id}/release", post(release))
        .route("/_standin/subjects/{id}/held", get(held))
        .route("/_standin/oauth/apps/{app_id}", put_method(register))
        .route("/_standin/callbacks", get(told).put(subscribe).delete(unsubscribe))
        .route("/_standin/oauth/apps/{app_id}/release", post(release_app))
        .route("/_standin/oauth/revoke", post(revoke))
        .route("/_standin/reset", post(reset))
        .route("/_standin/works", get(works))
        .route("/_standin/requests", get(requests))
}

async fn behaviour(State(upstream): State<Upstream>, Path(id): Path<String>) -> Json<Behaviour> {
    let engaged = upstream.read(|world| world.subjects.engage(&id));
    Json(engaged.behaviour.as_ref().clone())
}

async fn put(
    State(upstream): State<Upstream>,
    Path(id): Path<String>,
    Json(behaviour): Json<Behaviour>,
) -> Response {
    if let Err(error) = behaviour.check() {
        return refused(StatusCode::BAD_REQUEST, &error.to_string());
    }
    if upstream.change(|world| world.subjects.put(id, behaviour)) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refused(StatusCode::INSUFFICIENT_STORAGE, "too many subjects")
    }
}

async fn delete(State(upstream): State<Upstream>, Path(id): Path<String>) -> StatusCode {
    upstream.change(|world| world.subjects.remove(&id));
    StatusCode::NO_CONTENT
}

async fn release(State(upstream): State<Upstream>, Path(id): Path<String>) -> Response {
    match upstream.change(|world| world.subjects.release(&id)) {
        Some(releases) => Json(json!({ "releases": releases })).into_response(),
        None => refused(StatusCode::NOT_FOUND, "this subject has no behaviour to hold it"),
    }
}

async fn reset(State(upstream): State<Upstream>) -> StatusCode {
    upstream.change(World::reset);
    StatusCode::NO_CONTENT
}

async fn subscribe(
    State(upstream): State<Upstream>,
    Json(subscription): Json<Subscription>,
) -> Response {
    if let Err(problem) = subscription.check() {
        return refused(StatusCode::BAD_REQUEST, problem);
    }
    upstream.change(|world| world.subscribe(Some(subscription)));
    StatusCode::NO_CONTENT.into_response()
}

async fn unsubscribe(State(upstream): State<Upstream>) -> StatusCode {
    upstream.change(|world| world.subscribe(None));
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
struct ToldQuery {
    #[serde(default = "wait_ms")]
    within_ms: u64,
}

async fn told(State(upstream): State<Upstream>, Query(query): Query<ToldQuery>) -> Response {
    let all_told = |world: &World| world.callbacks.count().owed == 0;
    let came = upstream.until(query.within_ms, all_told).await;
    (status(came), Json(upstream.read(|world| world.callbacks.count()))).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    kid: String,
    public_key_pem: String,
    token_seconds_max: Option<i64>,
    #[serde(default)]
    answer_bytes_min: usize,
    #[serde(default)]
    held: bool,
}

async fn register(
    State(upstream): State<Upstream>,
    Path(app_id): Path<String>,
    Json(registration): Json<Registration>,
) -> Response {
    let Ok(key) = RsaPublicKey::from_public_key_pem(&registration.public_key_pem) else {
        return refused(StatusCode::BAD_REQUEST, "public_key_pem is not an RSA key in PEM");
    };
    let Registration { kid: key_id, token_seconds_max, answer_bytes_min, held, .. } = registration;
    let gate = watch::Sender::new(if held { Gate::Shut } else { Gate::Open });
    let app = App { key_id, key, token_seconds_max, answer_bytes_min, gate };
    if upstream.change(|world| world.tokens.register(app_id, app)) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refused(StatusCode::INSUFFICIENT_STORAGE, "too many apps")
    }
}

async fn release_app(State(upstream): State<Upstream>, Path(app_id): Path<String>) -> Response {
    let gate = upstream.read(|world| world.tokens.app(&app_id).map(|app| app.gate.clone()));
    match gate {
        Some(gate) => {
            gate.send_replace(Gate::Open);
            StatusCode::NO_CONTENT.into_response()
        }
        None => refused(StatusCode::NOT_FOUND, "this app is not registered"),
    }
}

async fn revoke(State(upstream): State<Upstream>) -> StatusCode {
    upstream.change(|world| world.tokens.revoke_all());
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
struct HeldQuery {
    #[serde(default = "one")]
    at_least: u32,
    #[serde(default = "wait_ms")]
    within_ms: u64,
}

async fn held(
    State(upstream): State<Upstream>,
    Path(id): Path<String>,
    Query(query): Query<HeldQuery>,
) -> Response {
    let Some(mut held) = upstream.read(|world| world.subjects.held(&id)) else {
        return refused(StatusCode::NOT_FOUND, "this subject has no behaviour to hold it");
    };
    let longest = std::time::Duration::from_millis(query.within_ms.min(WAIT_MS_MAX));
    let came = held.wait_for(|count| *count >= query.at_least);
    let status = match tokio::time::timeout(longest, came).await {
        Ok(Ok(_)) => StatusCode::OK,
        Ok(Err(_)) | Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    let count = *held.borrow();
    (status, Json(json!({ "held": count }))).into_response()
}

#[derive(Debug, Deserialize)]
struct WorksQuery {
    #[serde(default)]
    final_at_least: usize,
    #[serde(default = "wait_ms")]
    within_ms: u64,
}

async fn works(State(upstream): State<Upstream>, Query(query): Query<WorksQuery>) -> Response {
    let came = upstream
        .until(query.within_ms, |world| {
            let ended = world.works.all().filter(|job| job.work.status.is_final());
            ended.take(query.final_at_least).count() >= query.final_at_least
        })
        .await;
    (status(came), Json(upstream.read(|world| world.works.page()))).into_response()
}

#[derive(Debug, Deserialize)]
struct RequestsQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    at_least: u64,
    #[serde(default = "wait_ms")]
    within_ms: u64,
}

async fn requests(
    State(upstream): State<Upstream>,
    Query(query): Query<RequestsQuery>,
) -> Response {
    let came = upstream
        .until(query.within_ms, |world| world.seen.count_after(query.after) >= query.at_least)
        .await;
    let page = upstream.read(|world| world.seen.page_after(query.after));
    (status(came), Json(page)).into_response()
}

fn status(came: bool) -> StatusCode {
    if came { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT }
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

fn one() -> u32 {
    1
}

fn wait_ms() -> u64 {
    WAIT_MS_DEFAULT
}

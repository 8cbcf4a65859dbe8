//! POST `/chat-messages`, `/completion-messages`, `/workflows/run` and `/workflows/{id}/run`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::behaviour::DifyUsage;
use crate::coze::envelope::{characters, text_of};
use crate::coze::perform;
use crate::dify::fault::Fault;
use crate::dify::guest::Guest;
use crate::dify::script::{App, Call};
use crate::wire::sse::Dialect;
use crate::world::runs::{Run, Talk};
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::{Counts, Kind, Plan};
use crate::world::{Upstream, World};

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/chat-messages", post(chat))
        .route("/completion-messages", post(completion))
        .route("/workflows/run", post(workflow))
        .route("/workflows/{workflow_id}/run", post(pinned))
}

#[derive(Debug, Deserialize)]
struct Body {
    query: Option<String>,
    inputs: Option<Map<String, Value>>,
    user: Option<String>,
    response_mode: Option<String>,
    conversation_id: Option<String>,
}

/// What was asked for, with everything required there.
struct Asked {
    text: String,
    user: String,
    conversation_id: Option<String>,
    streams: bool,
}

fn read(body: &Bytes, needs_query: bool) -> Result<Asked, Fault> {
    let body: Body = serde_json::from_slice(body).map_err(|_| Fault::parameter("body"))?;
    let inputs = body.inputs.ok_or_else(|| Fault::parameter("inputs"))?;
    let user = body.user.filter(|user| !user.is_empty());
    let query = body.query.or_else(|| inputs.get("query").map(text_of));
    let streams = match body.response_mode.as_deref() {
        Some("streaming") => true,
        // Absent means blocking.
        Some("blocking") | None => false,
        Some(_) => return Err(Fault::parameter("response_mode")),
    };
    if needs_query && query.is_none() {
        return Err(Fault::parameter("query"));
    }
    Ok(Asked {
        text: query.unwrap_or_else(|| Value::Object(inputs).to_string()),
        user: user.ok_or_else(|| Fault::parameter("user"))?,
        conversation_id: body.conversation_id.filter(|id| !id.is_empty()),
        streams,
    })
}

async fn chat(State(upstream): State<Upstream>, guest: Guest, body: Bytes) -> Response {
    answer(&upstream, guest, read(&body, true), Kind::DifyChat).await
}

async fn completion(State(upstream): State<Upstream>, guest: Guest, body: Bytes) -> Response {
    answer(&upstream, guest, read(&body, true), Kind::DifyCompletion).await
}

async fn workflow(State(upstream): State<Upstream>, guest: Guest, body: Bytes) -> Response {
    answer(&upstream, guest, read(&body, false), Kind::DifyWorkflow).await
}

async fn pinned(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(_version): Path<String>,
    body: Bytes,
) -> Response {
    answer(&upstream, guest, read(&body, false), Kind::DifyWorkflow).await
}

async fn answer(
    upstream: &Upstream,
    guest: Guest,
    asked: Result<Asked, Fault>,
    kind: Kind,
) -> Response {
    let streams = asked.as_ref().is_ok_and(|asked| asked.streams);
    let now = upstream.now_seconds();
    let begun =
        asked.and_then(|asked| upstream.change(|world| begin(world, &guest, &asked, kind, now)));
    let (engaged, call) = match begun {
        Ok(begun) => begun,
        Err(fault) => return fault.into_response(),
    };
    if streams {
        let events = call.events();
        return perform::stream(upstream, engaged, call.work, Dialect::Dify, events).await;
    }
    let failed = call.reply().err();
    let reply = perform::reply(upstream, engaged, move |world| {
        world.end(call.work, call.ending());
        call.reply().unwrap_or_else(|fault| fault.node())
    });
    let mut reply = reply.await;
    if let Some(fault) = failed {
        *reply.status_mut() = fault.http_status();
    }
    reply
}

fn begin(
    world: &mut World,
    guest: &Guest,
    asked: &Asked,
    kind: Kind,
    now: i64,
) -> Result<(Engaged, Call), Fault> {
    let Guest { app: name, visit } = guest;
    if let Some(refusal) = world.subjects.refusal(name, Refusable::Call) {
        return Err(Fault::ordered(&refusal));
    }
    let engaged = world.subjects.engage(name);
    let behaviour = engaged.behaviour.clone();
    let app = match kind {
        Kind::DifyCompletion => App::Completion,
        Kind::DifyWorkflow => App::Workflow,
        _ => App::of_chat(behaviour.dify.app),
    };
    let conversation_id = match (app, &asked.conversation_id) {
        (App::Completion | App::Workflow, _) => None,
        (_, None) => Some(begin_talk(world, name, &asked.user, now)),
        // A conversation is found by its own user only.
        (_, Some(id)) => match world.runs.talks(name, &asked.user).find(|talk| talk.id == *id) {
            Some(talk) => Some(talk.id.clone()),
            None => return Err(Fault::NOT_FOUND),
        },
    };
    let text = behaviour.answer.clone().unwrap_or_else(|| format!("You said: {}", asked.text));
    let counts =
        Counts::planned(&behaviour.usage, characters(&asked.text).max(1), characters(&text));
    // A model was not asked where no usage is told.
    let counts = if behaviour.dify.usage == DifyUsage::Absent { Counts::default() } else { counts };
    let mut call = Call {
        app,
        work: 0,
        task_id: uuid(world),
        message_id: uuid(world),
        conversation_id,
        run_id: uuid(world),
        form_token: uuid(world),
        answer: text,
        counts,
        created_at: now,
        behaviour,
    };
    let mut work = visit.work(world.ids.draw(), kind, name, now);
    work.user_id = Some(asked.user.clone());
    work.chat_id = (app != App::Workflow).then(|| call.message_id.clone());
    work.execute_id = app.runs().then(|| call.run_id.clone());
    let plan = Plan { counts, polls_left: 0, ending: None };
    call.work = world.accept(work, plan);
    if app.runs() {
        world.runs.insert(Run {
            work: call.work,
            id: call.run_id.clone(),
            app: name.clone(),
            task_id: call.task_id.clone(),
            form_token: call.form_token.clone(),
            answer: call.answer.clone(),
            created_at: now,
        });
    }
    Ok((engaged, call))
}

fn begin_talk(world: &mut World, app: &str, user: &str, now: i64) -> String {
    let id = uuid(world);
    let talk = Talk { id: id.clone(), app: app.to_owned(), user: user.to_owned(), created_at: now };
    world.runs.talk(talk);
    id
}

/// A fresh id in the shape of Dify's.
fn uuid(world: &mut World) -> String {
    let id = world.ids.draw().parse::<u64>().unwrap_or_default();
    format!("{:08x}-{:04x}-4000-8000-{:012x}", id >> 48, (id >> 32) & 0xffff, id & 0xffff_ffff)
}

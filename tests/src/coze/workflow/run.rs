//! POST `/v1/workflow/run`, waited for or not, and `/v1/workflow/stream_run`.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::coze::envelope::{characters, parse, required, text_of};
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::coze::workflow::leg::{Leg, begin};
use crate::coze::workflow::told;
use crate::visit::Visit;
use crate::wire::sse::Dialect;
use crate::world::Upstream;
use crate::world::executions::{Execution, RunMode};
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::Kind;

#[derive(Debug, Deserialize)]
struct Body {
    workflow_id: Option<String>,
    parameters: Option<Value>,
    bot_id: Option<String>,
    app_id: Option<String>,
    is_async: Option<bool>,
}

pub(crate) async fn run(State(upstream): State<Upstream>, visit: Visit, body: Bytes) -> Response {
    match start(&upstream, &visit, &body, RunMode::Sync) {
        Err(refused) => refused.into_response(),
        Ok((engaged, leg)) => answer(&upstream, engaged, leg, visit.logid).await,
    }
}

pub(crate) async fn stream_run(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Response {
    match start(&upstream, &visit, &body, RunMode::Stream) {
        Err(refused) => refused.into_response(),
        Ok((engaged, leg)) => stream(&upstream, engaged, &leg).await,
    }
}

/// Answers a leg with JSON: at its end, or at once if it is to be polled.
pub(crate) async fn answer(
    upstream: &Upstream,
    engaged: Engaged,
    leg: Leg,
    logid: String,
) -> Response {
    let (work, ending) = (leg.execution.work, leg.course.ending());
    if leg.execution.is_polled() {
        perform::unattended(upstream, &engaged, work, ending);
        return perform::reply(upstream, engaged, move |_| told::async_reply(&leg.execution)).await;
    }
    perform::reply(upstream, engaged, move |world| {
        world.end(work, ending);
        told::reply(&leg, &logid)
    })
    .await
}

/// Answers a leg with its events.
pub(crate) async fn stream(upstream: &Upstream, engaged: Engaged, leg: &Leg) -> Response {
    let events = told::events(leg);
    perform::stream(upstream, engaged, leg.execution.work, Dialect::Workflow, events).await
}

fn start(
    upstream: &Upstream,
    visit: &Visit,
    body: &Bytes,
    run_mode: RunMode,
) -> Result<(Engaged, Leg), Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let body: Body = parse(body).map_err(refused)?;
    let workflow_id = required(body.workflow_id, "workflow_id").map_err(refused)?;
    if body.bot_id.is_some() && body.app_id.is_some() {
        return Err(refused(Fault::parameter("bot_id and app_id exclude each other")));
    }
    let run_mode = match run_mode {
        RunMode::Sync if body.is_async == Some(true) => RunMode::Async,
        run_mode => run_mode,
    };
    let kind = match run_mode {
        RunMode::Sync => Kind::Run,
        RunMode::Async => Kind::RunAsync,
        RunMode::Stream => Kind::RunStream,
    };
    let parameters = body.parameters.as_ref();
    let now = upstream.now_seconds();
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(&workflow_id, Refusable::Call) {
            return Err(Refused::ordered(&refusal, &visit.logid));
        }
        let engaged = world.subjects.engage(&workflow_id);
        let execution = Execution {
            work: 0,
            id: world.ids.draw(),
            workflow_id,
            created_at: now,
            session: visit.session.clone(),
            run_mode,
            answer: engaged.behaviour.answer.clone().unwrap_or_else(|| {
                format!("Ran with {}", parameters.map(text_of).unwrap_or_default())
            }),
            input_count: parameters.map_or(0, |sent| characters(&sent.to_string())).max(1),
            behaviour: engaged.behaviour.clone(),
            waits_for: None,
            interruptions: 0,
        };
        let leg = begin(world, visit, kind, execution, now);
        Ok((engaged, leg))
    })
}

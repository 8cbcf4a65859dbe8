//! A run again: its detail, its events, the form that resumes it, and stopping.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use serde_json::Value;

use crate::coze::envelope::{json, typed};
use crate::dify::fault::Fault;
use crate::dify::guest::Guest;
use crate::wire::node::{Node, object};
use crate::world::runs::Run;
use crate::world::subjects::Refusable;
use crate::world::works::{Ending, Job, Status};
use crate::world::{Upstream, World};

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/workflows/run/{run_id}", get(detail))
        .route("/workflow/{run_id}/events", get(events))
        .route("/form/human_input/{form_token}", get(form).post(submit))
        .route("/chat-messages/{task_id}/stop", post(stop))
        .route("/completion-messages/{task_id}/stop", post(stop))
        .route("/workflows/tasks/{task_id}/stop", post(stop))
}

fn status(work: Status) -> &'static str {
    match work {
        Status::Running => "running",
        Status::RequiresAction | Status::Interrupted => "paused",
        Status::Completed => "succeeded",
        Status::Failed => "failed",
        Status::Canceled => "stopped",
    }
}

/// A run's detail: an object of its own, or the `data` of its last event.
fn told(run: &Run, job: &Job) -> Node {
    let tokens = match job.work.status {
        Status::Failed if !job.work.billable => 0,
        _ => job.plan.counts.token,
    };
    object! {
        "id": &run.id, "workflow_id": "w-1", "status": status(job.work.status), "inputs": "{}",
        "outputs": object! { "answer": &run.answer }, "error": Value::Null, "total_steps": 3_i64,
        "total_tokens": tokens, "created_at": run.created_at, "finished_at": run.created_at,
        "elapsed_time": Value::from(1.6),
    }
}

fn find(world: &World, app: &str, run_id: &str) -> Result<(Run, Job), Fault> {
    let run = world.runs.get(app, run_id).ok_or(Fault::NOT_FOUND)?;
    let job = world.works.get(run.work).ok_or(Fault::NOT_FOUND)?;
    Ok((run.clone(), job.clone()))
}

async fn detail(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(id): Path<String>,
) -> Response {
    let refused = upstream.change(|world| world.subjects.refusal(&guest.app, Refusable::Poll));
    if let Some(refusal) = refused {
        return Fault::ordered(&refusal).into_response();
    }
    match upstream.read(|world| find(world, &guest.app, &id)) {
        Ok((run, job)) => json(told(&run, &job).to_string()),
        Err(fault) => fault.into_response(),
    }
}

/// The events of a run that is over are its last one.
async fn events(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(id): Path<String>,
) -> Response {
    match upstream.read(|world| find(world, &guest.app, &id)) {
        Err(fault) => fault.into_response(),
        Ok((run, job)) if job.work.status.is_final() => {
            let event = object! {
                "event": "workflow_finished", "task_id": &run.task_id,
                "workflow_run_id": &run.id, "data": told(&run, &job),
            };
            typed("text/event-stream", format!("data: {event}\n\n").into())
        }
        Ok(_) => typed("text/event-stream", "event: ping\n\n".into()),
    }
}

async fn form(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(token): Path<String>,
) -> Response {
    match upstream.read(|world| world.runs.by_form(&guest.app, &token).cloned()) {
        Some(_) => {
            json(object! { "form_content": "Yes or no?", "inputs": Vec::<Node>::new() }.to_string())
        }
        None => Fault::NOT_FOUND.into_response(),
    }
}

/// Whoever submits the form resumes the run, which then comes to its end.
async fn submit(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(token): Path<String>,
    _body: Bytes,
) -> Response {
    let resumed = upstream.change(|world| {
        let work = world.runs.by_form(&guest.app, &token).map(|run| run.work)?;
        world.end(work, Ending::COMPLETED);
        Some(())
    });
    match resumed {
        Some(()) => json("{}"),
        None => Fault::NOT_FOUND.into_response(),
    }
}

/// Success whatever is asked: upstream says nothing when the task is not the user's (contract §7.1).
async fn stop(_guest: Guest, Path(_task): Path<String>) -> Response {
    json(object! { "result": "success" }.to_string())
}

//! POST `/v1/workflow/stream_resume` and `/v1/workflows/resume`: an interrupted execution goes on.
//!
//! A resume is a unit of work of its own, under the execution it continues.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::coze::envelope::{parse, required};
use crate::coze::fault::{Fault, Refused};
use crate::coze::workflow::leg::{Leg, begin};
use crate::coze::workflow::run::{answer, stream};
use crate::visit::Visit;
use crate::world::Upstream;
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::Kind;

#[derive(Debug, Deserialize)]
struct Body {
    workflow_id: Option<String>,
    event_id: Option<String>,
}

pub(crate) async fn stream_resume(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Response {
    match go_on(&upstream, &visit, &body, Kind::ResumeStream) {
        Err(refused) => refused.into_response(),
        Ok((engaged, leg)) => stream(&upstream, engaged, &leg).await,
    }
}

pub(crate) async fn resume(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Response {
    match go_on(&upstream, &visit, &body, Kind::Resume) {
        Err(refused) => refused.into_response(),
        Ok((engaged, leg)) => answer(&upstream, engaged, leg, visit.logid).await,
    }
}

fn go_on(
    upstream: &Upstream,
    visit: &Visit,
    body: &Bytes,
    kind: Kind,
) -> Result<(Engaged, Leg), Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let body: Body = parse(body).map_err(refused)?;
    let workflow_id = required(body.workflow_id, "workflow_id").map_err(refused)?;
    let event_id = required(body.event_id, "event_id").map_err(refused)?;
    let now = upstream.now_seconds();
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(&workflow_id, Refusable::Call) {
            return Err(Refused::ordered(&refusal, &visit.logid));
        }
        let execute_id = event_id.split('/').next().unwrap_or_default();
        let execution = world
            .executions
            .get_mut(execute_id, &visit.session)
            .filter(|execution| execution.workflow_id == workflow_id)
            .ok_or_else(|| refused(Fault::UNKNOWN_EXECUTION))?;
        if execution.waits_for.as_ref() != Some(&event_id) {
            return Err(refused(Fault::ALREADY_FINISHED));
        }
        let execution = execution.clone();
        let engaged = world.subjects.engage(&workflow_id);
        let leg = begin(world, visit, kind, execution, now);
        Ok((engaged, leg))
    })
}

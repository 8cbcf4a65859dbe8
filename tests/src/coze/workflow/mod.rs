//! `/v1/workflow…`: runs, streams, resumes, chatflows, run histories.

// What is written down when a leg of an execution begins.
mod leg;
// What a run returns, and the events that stream it.
mod told;
// POST `run` and `stream_run`.
mod run;
// POST `stream_resume` and `resume`.
mod resume;
// POST `/v1/workflows/chat`.
mod chatflow;
// GET `run_histories`.
mod history;

use axum::Router;
use axum::routing::{get, post};

use crate::world::Upstream;

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v1/workflow/run", post(run::run))
        .route("/v1/workflow/stream_run", post(run::stream_run))
        .route("/v1/workflow/stream_resume", post(resume::stream_resume))
        .route("/v1/workflows/resume", post(resume::resume))
        .route("/v1/workflows/chat", post(chatflow::chat))
        .route("/v1/workflows/{workflow_id}/run_histories/{execute_id}", get(history::history))
        .route(
            "/v1/workflows/{workflow_id}/run_histories/{execute_id}/execute_nodes/{node_uuid}",
            get(history::node),
        )
}

//! Dify's paths (contract §7), under `/dify/v1` of the same port.
//!
//! A key is `app-<name>`, and `<name>` is the subject that can be told how to behave.

// Errors in Dify's shape.
mod fault;
// Which app is asked.
mod guest;
// What a chat, a completion or a workflow is asked for.
mod call;
// The events of a stream, and the JSON of a blocking reply.
mod script;
// Tokens and prices.
mod usage;
// Runs, again: their detail, their events, their forms.
mod run;
// Calls that state no usage.
mod units;
// What costs nothing.
mod free;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::any;

use crate::dify::fault::Fault;
use crate::visit;
use crate::world::Upstream;

/// All of Dify's paths; whatever else is asked for under them is its 404.
pub(crate) fn routes(upstream: &Upstream) -> Router<Upstream> {
    let served = Router::new()
        .merge(call::routes())
        .merge(run::routes())
        .merge(units::routes())
        .merge(free::routes())
        .route("/{*path}", any(async || Fault::NOT_FOUND));
    Router::new()
        .nest("/dify/v1", served)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(upstream.clone(), visit::note))
}

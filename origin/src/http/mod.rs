//! The way in over HTTP.
//!
//! Every path is listed in [`router`]; each handler reads who asks and what for, asks `read`, and
//! answers JSON. Nothing is written here.

mod authenticate;
mod calls;
mod parameters;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;
use crate::read::balance::{self, Balance};
use crate::read::days::Days;
use crate::read::health::{self, Process};
use crate::read::summary::{self, Summary};
use crate::signing::Signer;

pub use authenticate::Admin;
use authenticate::Viewer;
use parameters::Parameters;

/// What every request needs.
pub struct Site {
    /// The database.
    pub pool: PgPool,
    /// Recognises callers' keys.
    pub signer: Arc<Signer>,
    /// Who sees everything; nobody when it is not configured.
    pub admin: Option<Admin>,
    /// What the process knows of itself.
    pub process: Process,
}

/// Everything that is served.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/token-usage/balance", get(balance))
        .route("/api/v1/token-usage/summary", get(summary))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/open", get(calls::open))
        .route("/api/v1/calls/{call}", get(calls::one))
        .route("/api/v1/calls/{call}/explain", get(calls::explain))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .with_state(site)
}

/// The query string, as it came.
type Pairs = Query<Vec<(String, String)>>;

async fn no_route() -> Error {
    Error::NoRoute
}

async fn health(State(site): State<Arc<Site>>) -> Response {
    let health = health::read(&site.pool, site.process, clock::now()).await;
    let status = if health.is_down() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}

async fn balance(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Balance>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(balance::read(&site.pool, account.as_deref()).await?))
}

async fn summary(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Summary>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let (from, to) = (parameters.text("from")?, parameters.text("to")?);
    let zone = parameters.text("tz")?;
    parameters.end()?;
    let now = clock::timestamp(clock::now())?;
    let days = Days::read(from.as_deref(), to.as_deref(), zone.as_deref(), now)?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(summary::read(&site.pool, account.as_deref(), &days).await?))
}

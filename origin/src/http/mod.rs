//! The way in over HTTP.
//!
//! One file per resource: its handlers, each with its own description, and a `routes` that lists them.
//! [`router`] puts them together, and what they say of themselves becomes `/openapi.json`. A handler
//! says who may ask by what it takes (see [`authenticate`]), reads what was asked, has it done by the
//! module that knows how, and answers JSON.

mod accounts;
mod audit;
mod authenticate;
mod bill;
mod body;
mod bootstrap;
mod callbacks;
mod calls;
mod console;
mod credits;
mod document;
mod findings;
mod groups;
mod health;
mod history;
mod journals;
mod keys;
mod metrics;
mod orders;
mod origin;
mod parameters;
mod path;
mod prices;
pub(crate) mod reconcile;
mod reports;
mod session;
mod usage;

use std::sync::Arc;

use axum::extract::Query;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::person::attempts::Attempts;
use crate::pull::edge::Edge;
use crate::read::health::Process;
use crate::signing::Signer;

pub use bootstrap::Admin;
pub use callbacks::Callbacks;
pub use metrics::MetricsToken;

/// What every request needs.
pub struct Site {
    /// The database.
    pub pool: PgPool,
    /// Recognises callers' keys.
    pub signer: Arc<Signer>,
    /// The administrator that the environment names; nobody when it names none.
    pub admin: Option<Admin>,
    /// What the process knows of itself.
    pub process: Process,
    /// Where the journals are.
    pub edge: Arc<Edge>,
    callbacks: Option<Callbacks>,
    /// What this process has done.
    pub metrics: Arc<Metrics>,
    metrics_token: Option<MetricsToken>,
    attempts: Attempts,
    logins: Semaphore,
    reconciling: Semaphore,
    reporting: Semaphore,
}

impl Site {
    /// A site where nobody has tried to sign in yet.
    pub fn new(
        pool: PgPool,
        signer: Arc<Signer>,
        admin: Option<Admin>,
        process: Process,
        edge: Arc<Edge>,
    ) -> Self {
        let logins = Semaphore::new(session::LOGINS_AT_ONCE_MAX);
        let (attempts, reconciling) = (Attempts::default(), Semaphore::new(1));
        Self {
            pool,
            signer,
            admin,
            process,
            edge,
            callbacks: None,
            metrics: Arc::default(),
            metrics_token: None,
            attempts,
            logins,
            reconciling,
            reporting: Semaphore::new(1),
        }
    }

    /// The same, where a token opens the numbers for Prometheus.
    #[must_use]
    pub fn with_metrics_token(self, metrics_token: Option<MetricsToken>) -> Self {
        Self { metrics_token, ..self }
    }

    /// The same, where upstream's callbacks are taken.
    #[must_use]
    pub fn with_callbacks(self, callbacks: Option<Callbacks>) -> Self {
        Self { callbacks, ..self }
    }
}

/// Everything that is served.
pub fn router(site: Arc<Site>) -> Router {
    let (router, document) = resources().split_for_parts();
    let document = Arc::new(document);
    router
        .merge(console::routes())
        .route("/openapi.json", get(async move || Json(document)))
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::NoMethod)
        .layer(body::limit())
        .layer(map_response(with_headers))
        .layer(from_fn_with_state(Arc::clone(&site), metrics::count))
        .with_state(site)
}

/// What is served, described.
pub fn document() -> Document {
    resources().into_openapi()
}

fn resources() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::with_openapi(document::Common::openapi())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(session::routes())
        .merge(usage::routes())
        .merge(calls::routes())
        .merge(history::routes())
        .merge(reports::routes())
        .merge(orders::routes())
        .merge(accounts::routes())
        .merge(keys::routes())
        .merge(credits::routes())
        .merge(prices::routes())
        .merge(groups::routes())
        .merge(findings::routes())
        .merge(journals::routes())
        .merge(reconcile::routes())
        .merge(audit::routes())
        .merge(callbacks::routes())
        .merge(bill::routes())
}

/// What is told to whoever asks is nobody else's, and is what it says it is.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The query string, as it came.
type Pairs = Query<Vec<(String, String)>>;

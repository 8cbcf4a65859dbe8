//! How it all is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::read::health::{self, Health};

use super::Site;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(read))
}

/// How the process, the database and the money are
#[utoipa::path(
    get, path = "/health", tag = "health", security(()),
    responses(
        (status = 200, description = "The database answers.", body = Health),
        (status = 503, description = "The database is away.", body = Health)
    )
)]
async fn read(State(site): State<Arc<Site>>) -> Response {
    let health = health::read(&site.pool, site.process, clock::now()).await;
    let status = if health.is_down() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}

//! What administrators did.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::{self, AuditRow, Filter};
use crate::error::Error;
use crate::page::Page;

use super::authenticate::Reader;
use super::document::ReadErrors;
use super::parameters::{Paged, Parameters};
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List what administrators did
///
/// Newest first. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit",
    params(
        ("actor" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only what this one did."),
        ("act" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only this act, such as `account.create`."),
        ("subject" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only what was done to this."),
        Paged
    ),
    responses((status = 200, description = "A page.", body = Page<AuditRow>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Page<AuditRow>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let filter = Filter {
        actor: parameters.text("actor")?,
        act: parameters.text("act")?,
        subject: parameters.text("subject")?,
    };
    let span = parameters.span()?;
    parameters.end()?;
    Ok(Json(audit::list(&site.pool, &filter, &span).await?))
}

//! History: what another program had logged before accounts were brought over from it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::Error;
use crate::import::history::{self, OldCall};
use crate::page::Page;

use super::authenticate::Viewer;
use super::document::ReadErrors;
use super::parameters::{Paged, Parameters};
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List what was logged before
///
/// Calls and top-ups of the program that accounts were brought over from, newest first. They are told and
/// never counted: the balance that was brought over has them taken off already. A caller sees those of its
/// own account.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "calls",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."), Paged),
    responses((status = 200, description = "A page.", body = Page<OldCall>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Page<OldCall>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let span = parameters.span()?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(history::list(&site.pool, account.as_deref(), &span).await?))
}

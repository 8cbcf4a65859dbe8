//! Balances and summaries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::read::balance::{self, Balance};
use crate::read::days::Days;
use crate::read::summary::{self, Summary};

use super::authenticate::Viewer;
use super::document::ReadErrors;
use super::parameters::Parameters;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(balance)).routes(routes!(summary))
}

/// The balance
///
/// A caller's own account's; for others the one that they name, or of all accounts together.
#[utoipa::path(
    get, path = "/api/v1/token-usage/balance", tag = "usage",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name.")),
    responses((status = 200, description = "The balance.", body = Balance), ReadErrors)
)]
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

/// What was used and what it cost, by day and by subject
#[utoipa::path(
    get, path = "/api/v1/token-usage/summary", tag = "usage",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "The first day, such as 2025-11-21."),
        ("to" = Option<String>, Query, min_length = 1, max_length = 200, description = "The last day; today unless named."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The zone of the days, such as Asia/Shanghai.")
    ),
    responses((status = 200, description = "The summary.", body = Summary), ReadErrors)
)]
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

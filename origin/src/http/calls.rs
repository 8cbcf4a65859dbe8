//! Calls: a page of them, those that are open, one, and why it stands as it does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::ids::CallId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::read::calls::{self, Call, Calls, Filter, PAGE_CALLS_DEFAULT, PAGE_CALLS_MAX, Place};
use crate::read::explain::{self, Explanation};
use crate::read::open::{self, OpenCalls};

use super::authenticate::Viewer;
use super::document::ReadErrors;
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(open))
        .routes(routes!(one))
        .routes(routes!(explain))
}

/// The call that a path names. What cannot be a call's id is nobody's call.
pub(super) fn call_id(text: String) -> Result<CallId, Error> {
    text.parse().map_err(|_| Error::CallUnknown(text))
}

/// List calls
///
/// Newest first. A caller sees those of its own account.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."),
        ("workflow" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only calls of this workflow."),
        ("bot" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only calls of this bot."),
        ("operation" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only this operation."),
        ("key" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only with this key, by id."),
        ("ending" = Option<String>, Query, min_length = 1, max_length = 200, description = "`settled`, `released` or `expired`."),
        Paged
    ),
    responses((status = 200, description = "A page.", body = Calls), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Calls>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let limit = parameters.number("limit", 1, PAGE_CALLS_MAX)?.unwrap_or(PAGE_CALLS_DEFAULT);
    let behind = parameters.text("cursor")?.as_deref().map(Place::parse).transpose()?;
    let filter = Filter {
        account: None,
        workflow: parameters.text("workflow")?,
        bot: parameters.text("bot")?,
        operation: parameters.text("operation")?,
        key: parameters.text("key")?,
        ending: parameters.text("ending")?,
    };
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    let filter = Filter { account, ..filter };
    Ok(Json(calls::read(&site.pool, &filter, behind, limit).await?))
}

/// List the calls that are still open
///
/// Oldest first, as their journals told them last.
#[utoipa::path(
    get, path = "/api/v1/calls/open", tag = "calls",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name.")),
    responses((status = 200, description = "The open calls.", body = OpenCalls), ReadErrors)
)]
async fn open(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<OpenCalls>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(open::read(&site.pool, account.as_deref(), clock::now()).await?))
}

/// One call
#[utoipa::path(
    get, path = "/api/v1/calls/{call}", tag = "calls",
    params(("call" = String, Path, description = "The call's id.")),
    responses((status = 200, description = "The call.", body = Call), ReadErrors)
)]
async fn one(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Named(call): Named,
    Query(pairs): Pairs,
) -> Result<Json<Call>, Error> {
    Parameters::new(pairs)?.end()?;
    let call = call_id(call)?;
    let account = viewer.account(&site.pool, None).await?;
    let found = calls::one(&site.pool, account.as_deref(), call.as_str()).await?;
    found.map(Json).ok_or_else(|| Error::CallUnknown(call.to_string()))
}

/// Why a call stands as it does
#[utoipa::path(
    get, path = "/api/v1/calls/{call}/explain", tag = "calls",
    params(("call" = String, Path, description = "The call's id.")),
    responses((status = 200, description = "The explanation.", body = Explanation), ReadErrors)
)]
async fn explain(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Named(call): Named,
    Query(pairs): Pairs,
) -> Result<Json<Explanation>, Error> {
    Parameters::new(pairs)?.end()?;
    let call = call_id(call)?;
    let account = viewer.account(&site.pool, None).await?;
    Ok(Json(explain::read(&site.pool, account.as_deref(), &call, clock::now()).await?))
}

//! Calls: a page of them, a sheet, those that are open, one, and why it stands as it does.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use meter::ids::CallId;
use tracing::warn;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::read::calls::sheet::Sheet;
use crate::read::calls::{
    self, Call, Calls, Filter, PAGE_CALLS_DEFAULT, PAGE_CALLS_MAX, Place, Words,
};
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
        .routes(routes!(sheet))
        .routes(routes!(open))
        .routes(routes!(one))
        .routes(routes!(explain))
}

/// The call that a path names. What cannot be a call's id is nobody's call.
pub(super) fn call_id(text: String) -> Result<CallId, Error> {
    text.parse().map_err(|_| Error::CallUnknown(text))
}

/// What narrows a list of calls, as it is documented.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `words` takes")]
struct Narrowed {
    /// An account, by id or name.
    #[param(min_length = 1, max_length = 200)]
    account: Option<String>,
    /// Only calls of this workflow.
    #[param(min_length = 1, max_length = 200)]
    workflow: Option<String>,
    /// Only calls of this bot.
    #[param(min_length = 1, max_length = 200)]
    bot: Option<String>,
    /// Only calls of this subject, of whichever kind.
    #[param(min_length = 1, max_length = 200)]
    subject: Option<String>,
    /// Only with this key, by id.
    #[param(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// Only this operation, such as `workflow_run`.
    #[param(min_length = 1, max_length = 200)]
    operation: Option<String>,
    /// `settled`, `released` or `expired`.
    #[param(min_length = 1, max_length = 200, pattern = "^(settled|released|expired)$")]
    ending: Option<String>,
    /// Where the usage is known from.
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = "^(reported|retrieved|missing|operator|bill)$"
    )]
    source: Option<String>,
    /// Only calls that finished on this day or later, such as 2025-11-21; or since a point in time, such
    /// as 2025-11-21T16:00:00Z.
    #[param(min_length = 1, max_length = 200)]
    from: Option<String>,
    /// Only calls that finished on this day or earlier; or before a point in time.
    #[param(min_length = 1, max_length = 200)]
    to: Option<String>,
    /// The zone of the days, such as Asia/Shanghai; UTC unless named.
    #[param(min_length = 1, max_length = 200)]
    tz: Option<String>,
    /// Only calls that cost at least so much.
    amount_min_nanos: Option<i64>,
}

/// Takes what narrows a list of calls, besides the account.
pub(super) fn words(parameters: &mut Parameters) -> Result<Words, Error> {
    Ok(Words {
        workflow: parameters.text("workflow")?,
        bot: parameters.text("bot")?,
        subject: parameters.text("subject")?,
        operation: parameters.text("operation")?,
        key: parameters.text("key")?,
        ending: parameters.text("ending")?,
        source: parameters.text("source")?,
        from: parameters.text("from")?,
        to: parameters.text("to")?,
        tz: parameters.text("tz")?,
        amount_min_nanos: parameters.number("amount_min_nanos", i64::MIN, i64::MAX)?,
    })
}

/// List calls
///
/// Newest first. A caller sees those of its own account.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls", params(Narrowed, Paged),
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
    let words = words(&mut parameters)?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    let filter = Filter::read(account, words)?;
    Ok(Json(calls::read(&site.pool, &filter, behind, limit).await?))
}

/// Calls as a sheet
///
/// Comma-separated values (RFC 4180) in UTF-8, oldest first, with a heading; of as many calls as there
/// are. Where a text would be taken for a formula, an apostrophe stands before it. A sheet that could not
/// be read to its end breaks off without the end of its transfer, so that a client notices.
#[utoipa::path(
    get, path = "/api/v1/calls.csv", tag = "calls", params(Narrowed),
    responses(
        (status = 200, description = "The sheet.", body = String, content_type = "text/csv"),
        ReadErrors
    )
)]
async fn sheet(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Response, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let words = words(&mut parameters)?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    let mut sheet = Sheet::begin(site.pool.clone(), Filter::read(account, words)?).await?;
    // The first piece is read before the reply begins: what goes wrong with it can still be said.
    let first = sheet.piece().await?;
    let pieces = try_unfold((first, sheet), async |(ready, mut sheet)| {
        let piece = match ready {
            Some(piece) => Some(piece),
            None => sheet.piece().await.inspect_err(|error| {
                warn!(%error, "a sheet of calls breaks off");
            })?,
        };
        Ok::<_, Error>(piece.map(|piece| (piece, (None, sheet))))
    });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"weir-calls.csv\""),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
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

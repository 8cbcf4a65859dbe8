//! Reports: a day, what is worth a look, and whether the books agree.
//!
//! # Bounds
//! Those that go through every entry are made one at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account;
use crate::clock;
use crate::error::{Error, ErrorBody};
use crate::read::anomalies::{self, Anomalies, TIMES_DEFAULT};
use crate::read::daily::{self, Daily};
use crate::read::days::Days;
use crate::read::drift::{self, Drift};
use crate::read::summary::{TOP_DEFAULT, TOP_MAX};

use super::authenticate::Reader;
use super::document::ReadErrors;
use super::parameters::Parameters;
use super::{Pairs, Site};

/// The turn of a report that goes through every entry.
static TURN: Semaphore = Semaphore::const_new(1);
/// What may be given for how many times the usual is unusual.
const TIMES_MAX: i64 = 1_000_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(daily)).routes(routes!(anomalies)).routes(routes!(drift))
}

/// Waits for nobody: somebody else's is the only one.
pub(super) fn turn() -> Result<SemaphorePermit<'static>, Error> {
    let problem = "is being made already, for somebody else";
    TURN.try_acquire().map_err(|_| Error::Conflict { field: "report", problem: problem.to_owned() })
}

/// The account that somebody names.
async fn account(site: &Site, named: Option<String>) -> Result<Option<String>, Error> {
    match named {
        Some(named) => Ok(Some(account::find(&site.pool, &named).await?.account_id)),
        None => Ok(None),
    }
}

/// A day of the books
///
/// What all had when it began, what was credited, what calls cost, what is left; by account, subject and
/// operation. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/reports/daily", tag = "reports",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."),
        ("date" = Option<String>, Query, min_length = 1, max_length = 200, description = "The day, such as 2025-11-21; yesterday unless named."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The zone of the day, such as Asia/Shanghai."),
        ("top" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "At most so many groups of a kind; 100 unless named.")
    ),
    responses((status = 200, description = "The report.", body = Daily), ReadErrors)
)]
async fn daily(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Daily>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let named = parameters.text("account")?;
    let (date, tz) = (parameters.text("date")?, parameters.text("tz")?);
    let top = parameters.number("top", 1, TOP_MAX)?.unwrap_or(TOP_DEFAULT);
    parameters.end()?;
    let days = Days::one(date.as_deref(), tz.as_deref(), clock::timestamp(clock::now())?)?;
    let account = account(&site, named).await?;
    Ok(Json(daily::read(&site.pool, account.as_deref(), &days, top).await?))
}

/// Calls worth a look
///
/// Charged nothing, of unknown usage, with a usage that fell or does not add up, much dearer than usual; and
/// the subjects that have no price of their own. Goes through every entry of the days, at most 31. For admin
/// and finance.
#[utoipa::path(
    get, path = "/api/v1/reports/anomalies", tag = "reports",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "The first day, such as 2025-11-21; yesterday unless one is named."),
        ("to" = Option<String>, Query, min_length = 1, max_length = 200, description = "The last day."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The zone of the days, such as Asia/Shanghai."),
        ("times" = Option<i64>, Query, minimum = 2, maximum = 1_000_000, description = "How many times the usual amount is unusual; 10 unless named.")
    ),
    responses(
        (status = 200, description = "The report.", body = Anomalies),
        (status = 409, description = "Another such report is being made.", body = ErrorBody),
        ReadErrors
    )
)]
async fn anomalies(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Anomalies>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let named = parameters.text("account")?;
    let (from, to) = (parameters.text("from")?, parameters.text("to")?);
    let tz = parameters.text("tz")?;
    let times = parameters.number("times", 2, TIMES_MAX)?.unwrap_or(TIMES_DEFAULT);
    parameters.end()?;
    let now = clock::timestamp(clock::now())?;
    let days = Days::read_or_yesterday(from.as_deref(), to.as_deref(), tz.as_deref(), now)?;
    let account = account(&site, named).await?;
    let _turn = turn()?;
    Ok(Json(anomalies::read(&site.pool, account.as_deref(), &days, times).await?))
}

/// Whether the books agree
///
/// Adds up every table over all accounts, holds the sums against each other, and lists the open findings.
/// Goes through all entries there are. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/reports/drift", tag = "reports",
    responses(
        (status = 200, description = "The report; `agrees` says it in a word.", body = Drift),
        (status = 409, description = "Another such report is being made.", body = ErrorBody),
        ReadErrors
    )
)]
async fn drift(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Drift>, Error> {
    Parameters::new(pairs)?.end()?;
    let _turn = turn()?;
    Ok(Json(drift::read(&site.pool, &mut |_| {}).await?))
}

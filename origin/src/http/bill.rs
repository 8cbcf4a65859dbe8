//! Upstream's own bill, held against the books.
//!
//! # Bounds
//! At most [`DAYS_MAX`] days, and one report at a time; the command line takes more.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bill::report::{self, BillReport};
use crate::clock;
use crate::error::Error;
use crate::read::days::Days;

use super::authenticate::Reader;
use super::document::ReadErrors;
use super::parameters::Parameters;
use super::{Pairs, Site};

/// Most days in one report.
const DAYS_MAX: usize = 31;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(report))
}

/// Hold upstream's bill against the books
///
/// Which calls both have, which only one has, and how far tokens differ, by bot and workflow. The last
/// thirty days unless named. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/bill/report", tag = "bill",
    params(
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "The first day, such as 2025-11-21."),
        ("to" = Option<String>, Query, min_length = 1, max_length = 200, description = "The last day; today unless named."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The zone of the days, such as Asia/Shanghai.")
    ),
    responses(
        (status = 200, description = "The report.", body = BillReport),
        (status = 409, description = "A report is under way for somebody else.", body = crate::error::ErrorBody),
        ReadErrors
    )
)]
async fn report(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<BillReport>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let (from, to) = (parameters.text("from")?, parameters.text("to")?);
    let zone = parameters.text("tz")?;
    parameters.end()?;
    let now = clock::timestamp(clock::now())?;
    let days = Days::read(from.as_deref(), to.as_deref(), zone.as_deref(), now)?;
    if days.dates().count() > DAYS_MAX {
        let problem = format!("is more than {DAYS_MAX} days before `to`");
        return Err(Error::invalid("from", problem));
    }
    let busy = || Error::Conflict {
        field: "report",
        problem: "is under way already, for somebody else".to_owned(),
    };
    let _turn = site.reporting.try_acquire().map_err(|_| busy())?;
    Ok(Json(report::read(&site.pool, &days).await?))
}

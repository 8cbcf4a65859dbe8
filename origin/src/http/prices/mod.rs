//! Prices: the books, what people change in them, and the lists that they keep them in.

mod change;
mod list;
mod look;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use meter::price_list::LIST_BYTES_MAX;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::ledger::rerate::trial::{Trial, TrialTold, days};
use crate::price::propose::Proposed;
use crate::price::{Changed, Made, When, start};

use super::Site;
use super::parameters::Parameters;

/// Most calls that are charged again in one request; for more there is the command line.
const TRIAL_CALLS_MAX: i64 = 100_000;
/// The highest number of a book.
const VERSION_MAX: i64 = i32::MAX as i64;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    let lists = OpenApiRouter::new()
        .routes(routes!(list::import))
        .routes(routes!(list::try_import))
        .layer(DefaultBodyLimit::max(LIST_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(look::in_force, change::set, change::unset))
        .routes(routes!(change::try_set))
        .routes(routes!(look::books))
        .routes(routes!(look::book, change::cancel))
        .routes(routes!(look::difference))
        .routes(routes!(list::export))
        .merge(lists)
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
pub(super) struct BookChanged {
    /// The book that says so.
    version: u32,
    /// Whether it is a new one; there was one that said so already when it is not.
    changed: bool,
    /// From when it is in force, if it is new.
    #[serde(serialize_with = "clock::serialize")]
    starts_at: DateTime<Utc>,
    /// The books that were made of those planned for later, since the change holds in them, too.
    carried: Vec<u32>,
}

impl From<Made> for BookChanged {
    fn from(made: Made) -> Self {
        let Made { changed, starts_at, carried } = made;
        let (version, changed) = match changed {
            Changed::To(book) => (book.version, true),
            Changed::Nothing(book) => (book.version, false),
        };
        let carried = carried.into_iter().map(|(version, _)| version).collect();
        Self { version, changed, starts_at, carried }
    }
}

/// From when, if what, and why, out of their names.
pub(super) fn when(
    from: Option<&str>,
    tz: Option<&str>,
    if_version: Option<u32>,
    reason: Option<String>,
) -> Result<When, Error> {
    let zone = zone(tz)?;
    let starts_at = from.map(|from| start::read(from, zone)).transpose()?;
    Ok(When { starts_at, if_version, reason })
}

fn zone(tz: Option<&str>) -> Result<Tz, Error> {
    tz.map_or(Ok(Tz::UTC), start::zone)
}

/// The same out of a query.
fn when_of(parameters: &mut Parameters) -> Result<When, Error> {
    let (from, tz) = (parameters.text("from")?, parameters.text("tz")?);
    let if_version = parameters.number("if_version", 0, VERSION_MAX)?;
    let if_version = if_version.map(u32::try_from).transpose()?;
    when(from.as_deref(), tz.as_deref(), if_version, parameters.text("reason")?)
}

/// Refuses to charge more calls again than one request should wait for.
fn check_trial(calls: i64) -> Result<(), Error> {
    if calls <= TRIAL_CALLS_MAX {
        return Ok(());
    }
    let problem = format!(
        "and `to` have {calls} calls between them, {TRIAL_CALLS_MAX} are allowed here: use the \
         command line"
    );
    Err(Error::invalid("from", problem))
}

/// Charges the calls of some days again, by a book that was not made.
async fn tried(
    site: &Site,
    from: Option<&str>,
    to: Option<&str>,
    tz: Option<&str>,
    proposed: Proposed,
) -> Result<TrialTold, Error> {
    let days = days(from, to, zone(tz)?, Utc::now())?;
    let mut trial = Trial::begin(&site.pool, days, proposed).await?;
    check_trial(trial.total)?;
    while trial.step(&site.pool).await? {}
    trial.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_calls_are_tried_in_one_request_and_no_more() {
        assert!(check_trial(TRIAL_CALLS_MAX).is_ok());
        assert!(check_trial(TRIAL_CALLS_MAX + 1).is_err());
    }
}

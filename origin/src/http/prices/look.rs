//! The books, looked at.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::wire::book::BookDoc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::http::authenticate::Reader;
use crate::http::document::ReadErrors;
use crate::http::parameters::{Paged, Parameters};
use crate::http::path::Named;
use crate::http::{Pairs, Site};
use crate::ledger::rerate::trial::{ChangeTold, changes};
use crate::page::Page;
use crate::price::history::{self, BookRow, PlannedRow};
use crate::price::schema::BookSchema;
use crate::price::{self, plan};

use super::VERSION_MAX;

/// The prices in force, and what is planned.
#[derive(Serialize, ToSchema)]
pub(super) struct PricesTold {
    #[serde(flatten)]
    #[schema(value_type = BookSchema)]
    book: BookDoc,
    /// The books to come, by their start.
    planned: Vec<PlannedRow>,
}

/// What differs between two books.
#[derive(Serialize, ToSchema)]
pub(super) struct DifferenceTold {
    /// The number of the first.
    before: i32,
    /// The number of the second.
    after: i32,
    /// Prices, then ratios, then the rest.
    changes: Vec<ChangeTold>,
}

/// A book's number.
pub(super) fn number(text: &str) -> Result<i32, Error> {
    let number = text.parse::<i32>().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| Error::invalid("version", "is not a book's number"))
}

/// The prices in force
///
/// And which books are planned. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices", tag = "prices",
    responses((status = 200, description = "The book.", body = PricesTold), ReadErrors)
)]
pub(super) async fn in_force(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<PricesTold>, Error> {
    Parameters::new(pairs)?.end()?;
    let mut connection = site.pool.acquire().await?;
    let plan::Now { plan, .. } = plan::load(&mut connection).await?;
    let planned = history::planned(&plan)?;
    Ok(Json(PricesTold { book: BookDoc::from(plan.in_force()), planned }))
}

/// List the price books
///
/// Newest first, without their prices: who made each, when and why, and how it stands. For admin and
/// finance.
#[utoipa::path(
    get, path = "/api/v1/prices/books", tag = "prices", params(Paged),
    responses((status = 200, description = "A page.", body = Page<BookRow>), ReadErrors)
)]
pub(super) async fn books(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Page<BookRow>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let span = parameters.span()?;
    parameters.end()?;
    Ok(Json(history::list(&site.pool, &span).await?))
}

/// One price book
///
/// For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices/books/{version}", tag = "prices",
    params(("version" = i32, Path, description = "Its number.", minimum = 0)),
    responses((status = 200, description = "The book.", body = BookSchema), ReadErrors)
)]
pub(super) async fn book(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Named(version): Named,
    Query(pairs): Pairs,
) -> Result<Json<BookDoc>, Error> {
    Parameters::new(pairs)?.end()?;
    let number = number(&version)?;
    let mut connection = site.pool.acquire().await?;
    Ok(Json(price::document(&mut connection, number).await?))
}

/// What differs between two books
///
/// For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices/difference", tag = "prices",
    params(
        ("before" = i32, Query, minimum = 0, description = "The number of one."),
        ("after" = i32, Query, minimum = 0, description = "The number of another.")
    ),
    responses((status = 200, description = "What differs.", body = DifferenceTold), ReadErrors)
)]
pub(super) async fn difference(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<DifferenceTold>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let before = parameters.number("before", 0, VERSION_MAX)?;
    let after = parameters.number("after", 0, VERSION_MAX)?;
    parameters.end()?;
    let needed = |name, number: Option<i64>| -> Result<i32, Error> {
        Ok(i32::try_from(number.ok_or_else(|| Error::invalid(name, "is missing"))?)?)
    };
    let (before, after) = (needed("before", before)?, needed("after", after)?);
    let mut connection = site.pool.acquire().await?;
    let first = price::one(&mut connection, before).await?;
    let second = price::one(&mut connection, after).await?;
    Ok(Json(DifferenceTold { before, after, changes: changes(&first, &second) }))
}

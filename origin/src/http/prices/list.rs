//! Price lists: brought in and given out.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use meter::price_list::{self, Format, LIST_BYTES_MAX, Mode, PriceList};

use crate::error::Error;
use crate::http::authenticate::{Administrator, Reader};
use crate::http::document::{ActErrors, ReadErrors};
use crate::http::parameters::Parameters;
use crate::http::{Pairs, Site};
use crate::ledger::rerate::trial::TrialTold;
use crate::price::file::{import as import_list, propose_import};
use crate::price::{self, When};

use super::{BookChanged, VERSION_MAX, tried, when_of};

const CSV: &str = "text/csv";
const JSON: &str = "application/json";

/// A body that is a price list.
pub(super) struct ListBody(PriceList);

impl<S: Send + Sync> FromRequest<S> for ListBody {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        // Neither is what a form of another site can send.
        let format = if kind.eq_ignore_ascii_case(CSV) {
            Format::Csv
        } else if kind.eq_ignore_ascii_case(JSON) {
            Format::Json
        } else {
            return Err(Error::ListKind);
        };
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|_| Error::BodyTooLarge(LIST_BYTES_MAX))?;
        PriceList::read(&bytes, format).map(Self).map_err(Error::PriceList)
    }
}

fn mode(parameters: &mut Parameters) -> Result<Mode, Error> {
    match parameters.text("replace")?.as_deref() {
        None | Some("false") => Ok(Mode::Merge),
        Some("true") => Ok(Mode::Replace),
        Some(_) => Err(Error::invalid("replace", "is neither true nor false")),
    }
}

/// Bring in a price list
///
/// All of it or nothing: CSV with amounts in quota, or the document of a price book. Makes a new book.
/// What is wrong is told by line and field.
#[utoipa::path(
    post, path = "/api/v1/prices/import", tag = "prices",
    params(
        ("replace" = Option<bool>, Query, description = "Clear every price and ratio that the list does not name, too."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "From when on, in `tz` or with an offset; at once unless named."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The time zone of `from`; UTC unless named."),
        ("if_version" = Option<i32>, Query, minimum = 0, description = "Only if this is still the book whose prices hold then."),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 200, description = "Why, for the history.")
    ),
    request_body(
        description = "The list.",
        content((Object = "application/json"), (String = "text/csv"))
    ),
    responses((status = 200, description = "The book.", body = BookChanged), ActErrors)
)]
pub(super) async fn import(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Query(pairs): Pairs,
    ListBody(list): ListBody,
) -> Result<Json<BookChanged>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let mode = mode(&mut parameters)?;
    let when = when_of(&mut parameters)?;
    parameters.end()?;
    Ok(Json(import_list(&site.pool, &list, mode, &when, &actor).await?.into()))
}

/// Try a price list out
///
/// Changes nothing: charges the calls of some days again, as if the list had been brought in, and tells
/// the difference by account and by bot or workflow. For admin and finance.
#[utoipa::path(
    post, path = "/api/v1/prices/import/trial", tag = "prices",
    params(
        ("replace" = Option<bool>, Query, description = "As if every price and ratio that the list does not name were cleared, too."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "The first day, such as `2026-10-01`; with neither day it is the whole of last month."),
        ("to" = Option<String>, Query, min_length = 1, max_length = 200, description = "The last day."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The time zone that the days are of; UTC unless named.")
    ),
    request_body(
        description = "The list.",
        content((Object = "application/json"), (String = "text/csv"))
    ),
    responses((status = 200, description = "What was found.", body = TrialTold), ActErrors)
)]
pub(super) async fn try_import(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
    ListBody(list): ListBody,
) -> Result<Json<TrialTold>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let mode = mode(&mut parameters)?;
    let (from, to, tz) = (parameters.text("from")?, parameters.text("to")?, parameters.text("tz")?);
    parameters.end()?;
    let proposed = propose_import(&site.pool, &list, mode, &When::default()).await?;
    Ok(Json(tried(&site, from.as_deref(), to.as_deref(), tz.as_deref(), proposed).await?))
}

/// Give out a price list
///
/// A book as a list that can be brought in again. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices/export", tag = "prices",
    params(
        ("format" = Option<String>, Query, pattern = "^(csv|json)$", description = "CSV unless named."),
        ("version" = Option<i32>, Query, minimum = 0, description = "This book, instead of the one in force.")
    ),
    responses(
        (status = 200, description = "The list.", content((String = "text/csv"), (Object = "application/json"))),
        ReadErrors
    )
)]
pub(super) async fn export(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Response, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let (format, kind, name) = match parameters.text("format")?.as_deref() {
        None | Some("csv") => {
            (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"price-book.csv\"")
        }
        Some("json") => (Format::Json, JSON, "attachment; filename=\"price-book.json\""),
        Some(_) => return Err(Error::invalid("format", "is neither csv nor json")),
    };
    let version = parameters.number("version", 0, VERSION_MAX)?;
    parameters.end()?;
    let mut connection = site.pool.acquire().await?;
    let book = match version {
        Some(version) => price::one(&mut connection, i32::try_from(version)?).await?,
        None => price::in_force(&mut connection).await?,
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static(name)),
    ];
    Ok((headers, price_list::write(&book, format)).into_response())
}

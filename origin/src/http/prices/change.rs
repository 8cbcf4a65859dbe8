//! What people change in the prices.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::ids::UpstreamId;
use meter::price::Price;
use meter::route::{Operation, Provider};
use meter::wire::book::PriceDoc;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::account::NAME_CHARS_MAX;
use crate::error::Error;
use crate::http::authenticate::{Administrator, Reader};
use crate::http::body::Body;
use crate::http::document::ActErrors;
use crate::http::parameters::Parameters;
use crate::http::path::Named;
use crate::http::{Pairs, Site};
use crate::ledger::rerate::trial::TrialTold;
use crate::price::When;
use crate::price::act::{self, Named as Of};
use crate::price::schema::PriceSchema;
use crate::text;

use super::look::number;
use super::{BookChanged, tried, when, when_of};

/// A price to be set, and for what. With nothing named it is for everything else at Coze.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPriceBody {
    /// Only for this account, by id or name.
    #[schema(min_length = 1, max_length = 200)]
    account: Option<String>,
    /// A workflow, bot, voice or plugin by its id at Coze, or a Dify app by its name here.
    #[schema(min_length = 1, max_length = 128)]
    subject: Option<String>,
    /// An operation, by its name in `weir routes`.
    operation: Option<String>,
    /// Everything else at this provider.
    #[schema(pattern = "^(coze|dify)$")]
    provider: Option<String>,
    /// The price.
    #[schema(value_type = PriceSchema)]
    price: PriceDoc,
    /// From when on, such as `2026-12-01T00:00` in `tz` or with an offset; at once unless named.
    #[schema(example = "2026-12-01T00:00")]
    from: Option<String>,
    /// The time zone of `from`; UTC unless named.
    #[schema(example = "Asia/Shanghai")]
    tz: Option<String>,
    /// Only if this is still the book whose prices hold then.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    if_version: Option<u32>,
    /// Why, for the history.
    #[schema(min_length = 1, max_length = 1_000)]
    reason: Option<String>,
}

/// A price to be tried out, and on which days.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TryPriceBody {
    /// Only for this account, by id or name.
    #[schema(min_length = 1, max_length = 200)]
    account: Option<String>,
    /// A workflow, bot, voice or plugin by its id at Coze, or a Dify app by its name here.
    #[schema(min_length = 1, max_length = 128)]
    subject: Option<String>,
    /// An operation, by its name in `weir routes`.
    operation: Option<String>,
    /// Everything else at this provider.
    #[schema(pattern = "^(coze|dify)$")]
    provider: Option<String>,
    /// The price.
    #[schema(value_type = PriceSchema)]
    price: PriceDoc,
    /// The first day, such as `2026-10-01`; with neither day it is the whole of last month.
    #[schema(example = "2026-10-01")]
    from: Option<String>,
    /// The last day.
    #[schema(example = "2026-10-31")]
    to: Option<String>,
    /// The time zone that the days are of; UTC unless named.
    #[schema(example = "Asia/Shanghai")]
    tz: Option<String>,
}

/// What a price applies to, out of its names.
fn of(
    account: Option<String>,
    subject: Option<&str>,
    operation: Option<&str>,
    provider: Option<&str>,
) -> Result<Of, Error> {
    let subject = subject.map(str::parse::<UpstreamId>).transpose();
    let operation = operation.map(|name| {
        Operation::from_name(name).ok_or_else(|| Error::invalid("operation", "is not an operation"))
    });
    let provider = provider.map(|name| {
        let problem = "is neither `coze` nor `dify`";
        Provider::from_name(name).ok_or_else(|| Error::invalid("provider", problem))
    });
    if let Some(account) = &account {
        text::check("account", account, NAME_CHARS_MAX)?;
    }
    Ok(Of {
        subject: subject.map_err(|error| Error::invalid("subject", error))?,
        operation: operation.transpose()?,
        account,
        provider: provider.transpose()?,
    })
}

/// Set a price
///
/// Makes a new book; calls admitted before keep their price. What is planned for later takes the change
/// over, except where it decides about the same thing itself.
#[utoipa::path(
    put, path = "/api/v1/prices", tag = "prices", request_body = SetPriceBody,
    responses((status = 200, description = "The book.", body = BookChanged), ActErrors)
)]
pub(super) async fn set(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Body(body): Body<SetPriceBody>,
) -> Result<Json<BookChanged>, Error> {
    let SetPriceBody { account, subject, operation, provider, price, from, tz, if_version, reason } =
        body;
    let of = of(account, subject.as_deref(), operation.as_deref(), provider.as_deref())?;
    let when = when(from.as_deref(), tz.as_deref(), if_version, reason)?;
    Ok(Json(act::set(&site.pool, of, Price::from(&price), &when, &actor).await?.into()))
}

/// Try a price out
///
/// Changes nothing: charges the calls of some days again, as if the price held, and tells the difference by
/// account and by bot or workflow. For admin and finance.
#[utoipa::path(
    post, path = "/api/v1/prices/trial", tag = "prices", request_body = TryPriceBody,
    responses((status = 200, description = "What was found.", body = TrialTold), ActErrors)
)]
pub(super) async fn try_set(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Body(body): Body<TryPriceBody>,
) -> Result<Json<TrialTold>, Error> {
    let TryPriceBody { account, subject, operation, provider, price, from, to, tz } = body;
    let of = of(account, subject.as_deref(), operation.as_deref(), provider.as_deref())?;
    let when = When::default();
    let proposed = act::propose_set(&site.pool, of, Price::from(&price), &when).await?;
    Ok(Json(tried(&site, from.as_deref(), to.as_deref(), tz.as_deref(), proposed).await?))
}

/// Clear a price
///
/// What it covered is priced by the next less specific one.
#[utoipa::path(
    delete, path = "/api/v1/prices", tag = "prices",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only for this account, by id or name."),
        ("subject" = Option<String>, Query, min_length = 1, max_length = 200, description = "A workflow, bot, voice, plugin or app."),
        ("operation" = Option<String>, Query, min_length = 1, max_length = 200, description = "An operation."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "From when on, in `tz` or with an offset; at once unless named."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The time zone of `from`; UTC unless named."),
        ("if_version" = Option<i32>, Query, minimum = 0, description = "Only if this is still the book whose prices hold then."),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 200, description = "Why, for the history.")
    ),
    responses((status = 200, description = "The book.", body = BookChanged), ActErrors)
)]
pub(super) async fn unset(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Query(pairs): Pairs,
) -> Result<Json<BookChanged>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let (subject, operation) = (parameters.text("subject")?, parameters.text("operation")?);
    let when = when_of(&mut parameters)?;
    parameters.end()?;
    let of = of(account, subject.as_deref(), operation.as_deref(), None)?;
    Ok(Json(act::unset(&site.pool, of, &when, &actor).await?.into()))
}

/// Take back a planned book
///
/// From its start on the prices stay those before it.
#[utoipa::path(
    delete, path = "/api/v1/prices/books/{version}", tag = "prices",
    params(
        ("version" = i32, Path, description = "Its number.", minimum = 0),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 200, description = "Why, for the history.")
    ),
    responses((status = 200, description = "The book in its place.", body = BookChanged), ActErrors)
)]
pub(super) async fn cancel(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(version): Named,
    Query(pairs): Pairs,
) -> Result<Json<BookChanged>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let reason = parameters.text("reason")?;
    parameters.end()?;
    Ok(Json(act::cancel(&site.pool, number(&version)?, reason, &actor).await?.into()))
}

//! Prices: the books, and what people change in the newest.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::ids::UpstreamId;
use meter::price::Price;
use meter::route::{Operation, Provider};
use meter::wire::book::{BookDoc, PriceDoc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::NAME_CHARS_MAX;
use crate::error::Error;
use crate::page::Page;
use crate::price::act::{self, Named as Of};
use crate::price::history::{self, BookRow};
use crate::price::schema::{BookSchema, PriceSchema};
use crate::price::{self, Changed};
use crate::text;

use super::authenticate::{Administrator, Reader};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(newest, set, unset))
        .routes(routes!(books))
        .routes(routes!(book))
}

/// A price to be set, and for what. With nothing named it is for everything else at Coze.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetPriceBody {
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
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
pub(super) struct BookChanged {
    /// The newest book.
    version: u32,
    /// Whether it is a new one; the newest said so already when it is not.
    changed: bool,
}

impl From<Changed> for BookChanged {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::To(book) => Self { version: book.version, changed: true },
            Changed::Nothing(book) => Self { version: book.version, changed: false },
        }
    }
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

/// The newest price book
///
/// For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices", tag = "prices",
    responses((status = 200, description = "The book.", body = BookSchema), ReadErrors)
)]
async fn newest(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<BookDoc>, Error> {
    Parameters::new(pairs)?.end()?;
    let mut connection = site.pool.acquire().await?;
    Ok(Json(BookDoc::from(&price::newest(&mut connection).await?)))
}

/// Set a price
///
/// Makes a new book, in force at once; calls admitted before keep their price.
#[utoipa::path(
    put, path = "/api/v1/prices", tag = "prices", request_body = SetPriceBody,
    responses((status = 200, description = "The newest book.", body = BookChanged), ActErrors)
)]
async fn set(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Body(body): Body<SetPriceBody>,
) -> Result<Json<BookChanged>, Error> {
    let SetPriceBody { account, subject, operation, provider, price } = body;
    let of = of(account, subject.as_deref(), operation.as_deref(), provider.as_deref())?;
    Ok(Json(act::set(&site.pool, of, Price::from(&price), &actor).await?.into()))
}

/// Clear a price
///
/// What it covered is priced by the next less specific one.
#[utoipa::path(
    delete, path = "/api/v1/prices", tag = "prices",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only for this account, by id or name."),
        ("subject" = Option<String>, Query, min_length = 1, max_length = 200, description = "A workflow, bot, voice, plugin or app."),
        ("operation" = Option<String>, Query, min_length = 1, max_length = 200, description = "An operation.")
    ),
    responses((status = 200, description = "The newest book.", body = BookChanged), ActErrors)
)]
async fn unset(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Query(pairs): Pairs,
) -> Result<Json<BookChanged>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let (subject, operation) = (parameters.text("subject")?, parameters.text("operation")?);
    parameters.end()?;
    let of = of(account, subject.as_deref(), operation.as_deref(), None)?;
    Ok(Json(act::unset(&site.pool, of, &actor).await?.into()))
}

/// List the price books
///
/// Newest first, without their prices: who made each, when and why. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/prices/books", tag = "prices", params(Paged),
    responses((status = 200, description = "A page.", body = Page<BookRow>), ReadErrors)
)]
async fn books(
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
async fn book(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Named(version): Named,
    Query(pairs): Pairs,
) -> Result<Json<BookDoc>, Error> {
    Parameters::new(pairs)?.end()?;
    let number = version.parse::<i32>().ok().filter(|number| *number >= 0);
    let number = number.ok_or_else(|| Error::invalid("version", "is not a book's number"))?;
    let mut connection = site.pool.acquire().await?;
    Ok(Json(price::document(&mut connection, number).await?))
}

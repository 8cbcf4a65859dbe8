//! Credits: money given to accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use meter::money::Nanos;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::{self, NAME_CHARS_MAX};
use crate::error::Error;
use crate::ledger::credit::{self, CreditKind, CreditRow, CreditTold, NewCredit};
use crate::page::Page;
use crate::text;

use super::authenticate::{Administrator, Viewer};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list, give))
}

/// A credit to be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCreditBody {
    /// To whom, by id or name.
    #[schema(min_length = 1, max_length = 200)]
    account: String,
    /// Why, in a word: `grant`, `top_up`, `refund` or `adjustment`.
    #[schema(pattern = "^(grant|top_up|refund|adjustment)$")]
    kind: String,
    /// How much; negative only for an adjustment.
    #[schema(minimum = -10_000_000_000_000_000_i64, maximum = 10_000_000_000_000_000_i64)]
    amount_nanos: i64,
    /// Why, in a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// The payment, as its provider calls it; the same one is credited once.
    #[schema(min_length = 1, max_length = 200)]
    reference: Option<String>,
}

/// List credits
///
/// Newest first. A caller sees those of its own account.
#[utoipa::path(
    get, path = "/api/v1/credits", tag = "credits",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."), Paged),
    responses((status = 200, description = "A page.", body = Page<CreditTold>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Page<CreditTold>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let span = parameters.span()?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(credit::list(&site.pool, account.as_deref(), &span).await?))
}

/// Give a credit
///
/// A reference that was used for the very same credit answers 200 with that one, and nothing is done;
/// used for another, it is refused.
#[utoipa::path(
    post, path = "/api/v1/credits", tag = "credits", request_body = NewCreditBody,
    responses(
        (status = 201, description = "The credit.", body = CreditRow),
        (status = 200, description = "The credit that was there already.", body = CreditRow),
        ActErrors
    )
)]
async fn give(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Body(body): Body<NewCreditBody>,
) -> Result<(StatusCode, Json<CreditRow>), Error> {
    text::check("account", &body.account, NAME_CHARS_MAX)?;
    let kind = CreditKind::from_name(&body.kind).ok_or_else(|| {
        Error::invalid("kind", "is none of `grant`, `top_up`, `refund` and `adjustment`")
    })?;
    let new = NewCredit {
        account: account::find(&site.pool, &body.account).await?.account_id,
        kind,
        amount: Nanos::new(body.amount_nanos),
        reason: body.reason,
        actor,
        reference: body.reference,
    };
    let row = credit::give(&site.pool, &new).await?;
    let status = if row.was_there { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(row)))
}

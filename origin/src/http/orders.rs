//! Decisions by hand about calls that are still open.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meter::ids::JournalName;
use meter::usage::{TOKENS_MAX, Usage};
use meter::wire::pull::ActionDoc;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Actor;
use crate::error::Error;
use crate::order::{self, Given, NewOrder};

use super::Site;
use super::authenticate::Administrator;
use super::body::Body;
use super::calls::call_id;
use super::document::ActErrors;
use super::path::Named;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(settle)).routes(routes!(release))
}

/// That an open call is to be charged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettleBody {
    /// Why, in a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// The journal that has the call; needed when none lists it as open.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    journal: Option<String>,
    /// Tokens in, with `output_tokens`.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    input_tokens: Option<u64>,
    /// Tokens out, with `input_tokens`.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    output_tokens: Option<u64>,
    /// Tokens in all, where in and out are not known apart.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    tokens: Option<u64>,
}

/// That an open call is to go for nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    /// Why, in a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// The journal that has the call; needed when none lists it as open.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    journal: Option<String>,
}

/// Have an open call charged
///
/// By its price, and by tokens where that counts them. The call's journal carries it out with the pull
/// that this wakes; the same order a second time changes nothing.
#[utoipa::path(
    post, path = "/api/v1/calls/{call}/settle", tag = "calls", request_body = SettleBody,
    params(("call" = String, Path, description = "The call's id.")),
    responses((status = 200, description = "The order that stands.", body = Given), ActErrors)
)]
async fn settle(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(call): Named,
    Body(body): Body<SettleBody>,
) -> Result<Json<Given>, Error> {
    let SettleBody { reason, journal, input_tokens, output_tokens, tokens } = body;
    let counts =
        [("input_tokens", input_tokens), ("output_tokens", output_tokens), ("tokens", tokens)];
    for (field, count) in counts {
        if count.is_some_and(|count| count > TOKENS_MAX) {
            return Err(Error::invalid(field, format!("is more than {TOKENS_MAX}")));
        }
    }
    match (input_tokens, output_tokens, tokens) {
        (None, None, _) | (Some(_), Some(_), None) => {}
        (Some(_), Some(_), Some(_)) => {
            return Err(Error::invalid("tokens", "excludes `input_tokens` and `output_tokens`"));
        }
        (Some(_), None, _) => return Err(Error::invalid("output_tokens", "is missing")),
        (None, Some(_), _) => return Err(Error::invalid("input_tokens", "is missing")),
    }
    let usage = Usage::from_counts(input_tokens, output_tokens, tokens).map(Into::into);
    give(&site, call, ActionDoc::Settle { usage }, journal, reason, actor).await
}

/// Let an open call go for nothing
///
/// The call's journal carries it out with the pull that this wakes; the same order a second time
/// changes nothing.
#[utoipa::path(
    post, path = "/api/v1/calls/{call}/release", tag = "calls", request_body = ReleaseBody,
    params(("call" = String, Path, description = "The call's id.")),
    responses((status = 200, description = "The order that stands.", body = Given), ActErrors)
)]
async fn release(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(call): Named,
    Body(ReleaseBody { reason, journal }): Body<ReleaseBody>,
) -> Result<Json<Given>, Error> {
    give(&site, call, ActionDoc::Release, journal, reason, actor).await
}

async fn give(
    site: &Site,
    call: String,
    action: ActionDoc,
    journal: Option<String>,
    reason: String,
    actor: Actor,
) -> Result<Json<Given>, Error> {
    let journal = journal.as_deref().map(str::parse::<JournalName>).transpose();
    let journal = journal.map_err(|error| Error::invalid("journal", error))?;
    let new = NewOrder { call: call_id(call)?, action, journal, reason, actor };
    Ok(Json(order::give(&site.pool, &new).await?))
}

//! Findings: what reconciling noticed, and what became of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::Error;
use crate::ledger::finding::{self, Filter, FindingRow, State as FindingState};
use crate::page::Page;

use super::authenticate::{Administrator, Reader};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, change))
}

/// What became of a finding.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FindingChangeBody {
    /// `open`, `explained` or `resolved`.
    #[schema(pattern = "^(open|explained|resolved)$")]
    state: String,
    /// Why, in a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

fn state(text: &str) -> Result<FindingState, Error> {
    let problem = "is none of `open`, `explained` and `resolved`";
    FindingState::from_name(text).ok_or_else(|| Error::invalid("state", problem))
}

fn number(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::invalid("finding", "is not a finding's number"))
}

/// List findings
///
/// Newest first. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/findings", tag = "findings",
    params(
        ("state" = Option<String>, Query, min_length = 1, max_length = 200, description = "`open`, `explained` or `resolved`."),
        ("journal" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only in this journal."),
        ("code" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only of this code."),
        Paged
    ),
    responses((status = 200, description = "A page.", body = Page<FindingRow>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Page<FindingRow>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let filter = Filter {
        state: parameters.text("state")?.as_deref().map(state).transpose()?,
        journal: parameters.text("journal")?,
        code: parameters.text("code")?,
    };
    let span = parameters.span()?;
    parameters.end()?;
    Ok(Json(finding::list(&site.pool, &filter, &span).await?))
}

/// One finding
///
/// For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/findings/{finding}", tag = "findings",
    params(("finding" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The finding.", body = FindingRow), ReadErrors)
)]
async fn one(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Named(finding): Named,
    Query(pairs): Pairs,
) -> Result<Json<FindingRow>, Error> {
    Parameters::new(pairs)?.end()?;
    Ok(Json(finding::find(&site.pool, number(&finding)?).await?))
}

/// Say what became of a finding
///
/// It changes no money: that is done by a credit or by an order about the call.
#[utoipa::path(
    patch, path = "/api/v1/findings/{finding}", tag = "findings", request_body = FindingChangeBody,
    params(("finding" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The finding.", body = FindingRow), ActErrors)
)]
async fn change(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(finding): Named,
    Body(body): Body<FindingChangeBody>,
) -> Result<Json<FindingRow>, Error> {
    let (finding, state) = (number(&finding)?, state(&body.state)?);
    Ok(Json(finding::set_state(&site.pool, finding, state, &body.reason, &actor).await?))
}

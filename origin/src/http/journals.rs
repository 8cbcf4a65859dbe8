//! Journals: how each stands, and going on with one whose store was lost or put back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::ids::{Epoch, JournalName};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::Error;
use crate::page::Page;
use crate::pull::accept::{self, Accepted, Decision};
use crate::read::journals::{self, JournalTold};

use super::authenticate::{Administrator, Reader};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(accept_one))
}

/// That a journal is to be gone on with as it is now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    /// The epoch that the edge names.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    epoch: String,
    /// Why, in a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// List journals
///
/// In the order of their names. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/journals", tag = "findings",
    params(Paged),
    responses((status = 200, description = "A page.", body = Page<JournalTold>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Page<JournalTold>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let span = parameters.span()?;
    parameters.end()?;
    Ok(Json(journals::list(&site.pool, &span).await?))
}

/// Go on with a journal as it is now
///
/// For a journal that is stopped because its store was lost, or was put back from an old copy. What was
/// posted stands; what the journal has behind the last common entry is posted by the pulls that follow.
#[utoipa::path(
    post, path = "/api/v1/journals/{journal}/accept", tag = "findings", request_body = AcceptBody,
    params(("journal" = String, Path, description = "Its name.")),
    responses((status = 200, description = "What it came to.", body = Accepted), ActErrors)
)]
async fn accept_one(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(journal): Named,
    Body(AcceptBody { epoch, reason }): Body<AcceptBody>,
) -> Result<Json<Accepted>, Error> {
    let journal: JournalName =
        journal.parse().map_err(|_| Error::NotFound { what: "journal", name: journal.clone() })?;
    let epoch: Epoch = epoch.parse().map_err(|error| Error::invalid("epoch", error))?;
    let decision = Decision { journal: &journal, epoch: &epoch, reason: &reason, actor: &actor };
    Ok(Json(accept::accept(&site.pool, &site.edge, &decision).await?))
}

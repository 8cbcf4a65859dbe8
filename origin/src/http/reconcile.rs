//! How the journals stand, and pulling them now.
//!
//! # Bounds
//! At most [`PAGES_MAX`] pages of each journal, and one such request at a time: what is left is brought
//! by the pulls that go on anyway.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::{self, Act};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::pull::to_end;
use crate::read::reconciled::Reconciled;

use super::authenticate::{Administrator, Reader};
use super::document::{ActErrors, ReadErrors};
use super::parameters::Parameters;
use super::{Pairs, Site};

/// Most pages of one journal that a request pulls: ten thousand calls.
pub(crate) const PAGES_MAX: usize = 10;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(read, run))
}

/// How the journals stand, and which findings are open
///
/// For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/reconcile", tag = "findings",
    responses((status = 200, description = "As it is.", body = Reconciled), ReadErrors)
)]
async fn read(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Reconciled>, Error> {
    Parameters::new(pairs)?.end()?;
    Ok(Json(Reconciled::read(&site.pool, clock::now(), Vec::new()).await?))
}

/// Pull every journal now
///
/// Answers when it is done; a journal that could not be pulled is named in `failures`.
#[utoipa::path(
    post, path = "/api/v1/reconcile", tag = "findings",
    responses((status = 200, description = "As it is then.", body = Reconciled), ActErrors)
)]
async fn run(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
) -> Result<Json<Reconciled>, Error> {
    let busy = || Error::Conflict {
        field: "reconcile",
        problem: "is under way already, for somebody else".to_owned(),
    };
    let _turn = site.reconciling.try_acquire().map_err(|_| busy())?;
    let mut tx = Tx::begin(&site.pool, "reconcile_now").await?;
    audit::record(&mut tx, &actor, Act::ReconcileRun, "all", &json!({})).await?;
    tx.commit().await?;
    let failures = to_end::pull_all(&site.pool, &site.edge, PAGES_MAX).await?;
    Ok(Json(Reconciled::read(&site.pool, clock::now(), failures).await?))
}

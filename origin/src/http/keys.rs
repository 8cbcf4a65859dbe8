//! Keys: issued, listed, revoked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use meter::account::Limits;
use meter::money::Nanos;
use meter::time::DAY_MS;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::{self, NAME_CHARS_MAX};
use crate::clock;
use crate::error::Error;
use crate::key::rotate;
use crate::key::scope::Scope;
use crate::key::{self, IssuedKey, KeyRow, NewKey};
use crate::page::Page;
use crate::text;

use super::authenticate::{Administrator, Viewer};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(list, issue))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
}

/// A key to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// Whose it is to be, by id or name.
    #[schema(min_length = 1, max_length = 200)]
    account: String,
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Days until it stops being good; never unless named.
    #[schema(minimum = 1, maximum = 36500)]
    expires_in_days: Option<u64>,
    /// Operations and rights that it is limited to, by their names in `weir routes`.
    #[schema(max_items = 50)]
    operations: Option<Vec<String>>,
    /// Bots, workflows or other subjects that it is limited to, by id.
    #[schema(max_items = 50)]
    subjects: Option<Vec<String>>,
    /// Addresses and networks that it may be used from, such as 203.0.113.0/24.
    networks: Option<Vec<String>>,
    /// Billable calls that may begin with it in any one minute.
    #[schema(minimum = 1)]
    requests_per_minute: Option<u32>,
    /// Billable calls that may run with it at once.
    #[schema(minimum = 1)]
    concurrent_calls: Option<u32>,
    /// What may be charged to it in one day.
    #[schema(minimum = 0)]
    daily_budget_nanos: Option<i64>,
}

/// How long the key and its successor are both good.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    /// In seconds, at most 90 days; a day unless named.
    #[schema(minimum = 0, maximum = 7_776_000)]
    overlap_s: Option<u64>,
}

/// Milliseconds in a second.
const SECOND_MS: u64 = 1_000;

/// List keys
///
/// Oldest first, without the keys, which are stored nowhere. A caller sees those of its own account.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."), Paged),
    responses((status = 200, description = "A page.", body = Page<KeyRow>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Page<KeyRow>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let span = parameters.span()?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(key::list(&site.pool, account.as_deref(), &span).await?))
}

/// Issue a key
///
/// The reply is the only place where the key is ever shown.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, description = "The key.", body = IssuedKey), ActErrors)
)]
async fn issue(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Body(body): Body<NewKeyBody>,
) -> Result<(StatusCode, Json<IssuedKey>), Error> {
    text::check("account", &body.account, NAME_CHARS_MAX)?;
    let now = clock::now();
    let expires_at = key::expiry(now, body.expires_in_days)?;
    let account = account::find(&site.pool, &body.account).await?;
    let scope = Scope {
        operations: body.operations,
        subjects: body.subjects,
        networks: body.networks,
        limits: Limits {
            requests_per_minute: body.requests_per_minute,
            concurrent_calls: body.concurrent_calls,
            daily_budget: body.daily_budget_nanos.map(Nanos::new),
        },
    };
    let new = NewKey { account: &account, name: &body.name, expires_at, scope };
    let issued = key::issue(&site.pool, &site.signer, &new, now, &actor).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Revoke a key
///
/// The edge refuses it from the pull that this wakes. A second time changes nothing.
#[utoipa::path(
    post, path = "/api/v1/keys/{key}/revoke", tag = "keys",
    params(("key" = String, Path, description = "The key's id.")),
    responses((status = 200, description = "The key, revoked.", body = KeyRow), ReadErrors)
)]
async fn revoke(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(key): Named,
) -> Result<Json<KeyRow>, Error> {
    Ok(Json(key::revoke(&site.pool, &key, clock::now(), &actor).await?))
}

/// Issue a key that takes this one's place
///
/// It has the name, the scope and the limits of the old one, which is revoked when the overlap is over.
/// The reply is the only place where the new key is ever shown.
#[utoipa::path(
    post, path = "/api/v1/keys/{key}/rotate", tag = "keys", request_body = RotateBody,
    params(("key" = String, Path, description = "The id of the key whose place is taken.")),
    responses((status = 201, description = "The new key.", body = IssuedKey), ActErrors)
)]
async fn rotate(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(key): Named,
    Body(body): Body<RotateBody>,
) -> Result<(StatusCode, Json<IssuedKey>), Error> {
    let overlap_ms = body.overlap_s.map_or(DAY_MS, |seconds| seconds.saturating_mul(SECOND_MS));
    let (pool, signer) = (&site.pool, &site.signer);
    let issued = rotate::rotate(pool, signer, &key, overlap_ms, clock::now(), &actor).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

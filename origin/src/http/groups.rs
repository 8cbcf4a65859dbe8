//! Groups of accounts, and the ratios that multiply their prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use meter::ids::Group;
use meter::money::Ratio;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account;
use crate::error::Error;
use crate::price::{self, act};

use super::authenticate::{Administrator, Reader};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::Parameters;
use super::path::Named;
use super::prices::{BookChanged, when};
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set))
}

/// A group.
#[derive(Serialize, ToSchema)]
struct GroupTold {
    /// Its name.
    group: String,
    /// What multiplies its prices, in parts per million.
    ratio_ppm: u32,
    /// The same as a decimal.
    ratio: String,
    /// How many accounts are in it.
    accounts: i64,
}

/// Every group.
#[derive(Serialize, ToSchema)]
struct Groups {
    /// By name: those with accounts, and those with a ratio.
    items: Vec<GroupTold>,
}

/// A ratio to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RatioBody {
    /// What multiplies the group's prices, in parts per million: 1,200,000 is 1.2.
    #[schema(format = "int64", minimum = 0, maximum = 4_294_967_295_u32)]
    ratio_ppm: u32,
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

/// List groups
///
/// A group is a name: its ratio stands in the price book in force, and one that is not named there has
/// ratio 1. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/groups", tag = "groups",
    responses((status = 200, description = "The groups.", body = Groups), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Groups>, Error> {
    Parameters::new(pairs)?.end()?;
    let accounts: BTreeMap<String, i64> = account::groups(&site.pool).await?;
    let mut connection = site.pool.acquire().await?;
    let ratios = price::in_force(&mut connection).await?.groups;
    let priced = ratios.keys().map(ToString::to_string);
    let names: BTreeSet<String> = accounts.keys().cloned().chain(priced).collect();
    let told = |group: String| {
        let ratio = group.parse::<Group>().ok().and_then(|name| ratios.get(&name).copied());
        let ratio = ratio.unwrap_or(Ratio::ONE);
        GroupTold {
            accounts: accounts.get(&group).copied().unwrap_or_default(),
            ratio_ppm: ratio.ppm(),
            ratio: ratio.to_string(),
            group,
        }
    };
    Ok(Json(Groups { items: names.into_iter().map(told).collect() }))
}

/// Set a group's ratio
///
/// Makes a new price book.
#[utoipa::path(
    put, path = "/api/v1/groups/{group}", tag = "groups", request_body = RatioBody,
    params(("group" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The book.", body = BookChanged), ActErrors)
)]
async fn set(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(group): Named,
    Body(body): Body<RatioBody>,
) -> Result<Json<BookChanged>, Error> {
    let group: Group = group.parse().map_err(|error| Error::invalid("group", error))?;
    let RatioBody { ratio_ppm, from, tz, if_version, reason } = body;
    let when = when(from.as_deref(), tz.as_deref(), if_version, reason)?;
    let ratio = Ratio::from_ppm(ratio_ppm);
    Ok(Json(act::set_group(&site.pool, &group, ratio, &when, &actor).await?.into()))
}

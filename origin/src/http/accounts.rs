//! Accounts: made, changed, listed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use meter::account::{Overdraft, Status};
use meter::ids::{CredentialName, Group};
use meter::money::Nanos;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::settings::{SettingsChange, To};
use crate::account::{self, AccountChange, GRANT_DEFAULT, NewAccount};
use crate::error::Error;
use crate::page::Page;
use crate::read::account::AccountTold;

use super::authenticate::{Administrator, Reader, Viewer};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::parameters::{Paged, Parameters};
use super::path::Named;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, change))
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccountBody {
    /// Its name, for people; unique.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The group whose ratio multiplies its prices; `default` unless named.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    group: Option<String>,
    /// How far below zero it may go; as far as it happens to when null or missing.
    #[schema(minimum = 0)]
    overdraft_nanos: Option<i64>,
    /// What it starts with; a million tokens unless named.
    #[schema(minimum = 0)]
    grant_nanos: Option<i64>,
    /// The journal that keeps its calls; the one with the fewest accounts unless named.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    journal: Option<String>,
    /// What else is set for it.
    settings: Option<SettingsBody>,
}

/// Changes to an account; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "null and missing mean different things here")]
struct AccountChangeBody {
    /// `active` or `suspended`.
    #[schema(pattern = "^(active|suspended)$")]
    status: Option<String>,
    /// The group whose ratio multiplies its prices.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    group: Option<String>,
    /// How far below zero it may go; null for as far as it happens to.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "given")]
    overdraft_nanos: Option<Option<i64>>,
    /// What else is set for it.
    settings: Option<SettingsBody>,
}

/// What may be set for an account; what is missing stays, and null lifts a limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "null and missing mean different things here")]
struct SettingsBody {
    /// Billable calls that may begin in any one minute.
    #[schema(minimum = 1, maximum = 1_000_000)]
    #[serde(default, deserialize_with = "given")]
    requests_per_minute: Option<Option<u32>>,
    /// Billable calls that may run at once.
    #[schema(minimum = 1, maximum = 20_000)]
    #[serde(default, deserialize_with = "given")]
    concurrent_calls: Option<Option<u32>>,
    /// What may be charged in one day.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "given")]
    daily_budget_nanos: Option<Option<i64>>,
    /// Where its day begins, such as `Asia/Shanghai`.
    time_zone: Option<String>,
    /// The upstream credential its calls are sent with, as the edge calls it; null for the default.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    #[serde(default, deserialize_with = "given")]
    credential: Option<Option<String>>,
    /// Whether `user_id` goes upstream as the caller wrote it.
    keeps_user_ids: Option<bool>,
    /// Whether every stream ends with a `balance_updated` event.
    balance_events: Option<bool>,
    /// Below which balance an alarm is raised; null for never.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "given")]
    low_balance_nanos: Option<Option<i64>>,
}

impl TryFrom<SettingsBody> for SettingsChange {
    type Error = Error;

    fn try_from(body: SettingsBody) -> Result<Self, Error> {
        let zone = |text: String| {
            let problem = "is not a time zone such as Asia/Shanghai";
            text.parse().map_err(|_| Error::invalid("time_zone", problem))
        };
        let credential = |text: Option<String>| {
            let name = text.as_deref().map(str::parse::<CredentialName>).transpose();
            name.map(To).map_err(|error| Error::invalid("credential", error))
        };
        Ok(Self {
            requests_per_minute: body.requests_per_minute.map(To),
            concurrent_calls: body.concurrent_calls.map(To),
            daily_budget: body.daily_budget_nanos.map(|to| To(to.map(Nanos::new))),
            time_zone: body.time_zone.map(zone).transpose()?,
            credential: body.credential.map(credential).transpose()?,
            keeps_user_ids: body.keeps_user_ids,
            balance_events: body.balance_events,
            low_balance: body.low_balance_nanos.map(|to| To(to.map(Nanos::new))),
        })
    }
}

fn settings(body: Option<SettingsBody>) -> Result<SettingsChange, Error> {
    body.map_or_else(|| Ok(SettingsChange::default()), TryInto::try_into)
}

/// Tells a field that is null from one that is missing.
#[expect(clippy::option_option, reason = "null and missing mean different things here")]
fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

fn overdraft(nanos: Option<i64>) -> Result<Overdraft, Error> {
    match nanos {
        None => Ok(Overdraft::Unlimited),
        Some(nanos) => not_negative("overdraft_nanos", nanos).map(Overdraft::Limit),
    }
}

fn not_negative(field: &'static str, nanos: i64) -> Result<Nanos, Error> {
    if nanos < 0 {
        return Err(Error::invalid(field, "is negative"));
    }
    Ok(Nanos::new(nanos))
}

fn group(text: &str) -> Result<Group, Error> {
    text.parse().map_err(|error| Error::invalid("group", error))
}

/// List accounts
///
/// Oldest first, with their balances. For admin and finance.
#[utoipa::path(
    get, path = "/api/v1/accounts", tag = "accounts", params(Paged),
    responses((status = 200, description = "A page.", body = Page<AccountTold>), ReadErrors)
)]
async fn list(
    State(site): State<Arc<Site>>,
    Reader: Reader,
    Query(pairs): Pairs,
) -> Result<Json<Page<AccountTold>>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let span = parameters.span()?;
    parameters.end()?;
    let page = account::list(&site.pool, &span).await?;
    Ok(Json(page.try_map(AccountTold::of)?))
}

/// Make an account
#[utoipa::path(
    post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccountBody,
    responses((status = 201, description = "The account.", body = AccountTold), ActErrors)
)]
async fn create(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Body(body): Body<NewAccountBody>,
) -> Result<(StatusCode, Json<AccountTold>), Error> {
    let grant = body.grant_nanos.map(|nanos| not_negative("grant_nanos", nanos)).transpose()?;
    let new = NewAccount {
        name: body.name,
        group: body.group.as_deref().map_or_else(|| Ok(Group::standard()), group)?,
        overdraft: overdraft(body.overdraft_nanos)?,
        grant: grant.unwrap_or(GRANT_DEFAULT),
        journal: body.journal,
        settings: settings(body.settings)?,
        actor,
    };
    let account = account::create(&site.pool, new).await?;
    Ok((StatusCode::CREATED, Json(AccountTold::of(account)?)))
}

/// One account
///
/// By id or name. A caller sees its own.
#[utoipa::path(
    get, path = "/api/v1/accounts/{account}", tag = "accounts",
    params(("account" = String, Path, description = "Its id or name.")),
    responses((status = 200, description = "The account.", body = AccountTold), ReadErrors)
)]
async fn one(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Named(named): Named,
    Query(pairs): Pairs,
) -> Result<Json<AccountTold>, Error> {
    Parameters::new(pairs)?.end()?;
    // A caller's own, or an error; whoever sees everything sees the one that is named.
    let account = viewer.account(&site.pool, Some(named.clone())).await?.unwrap_or(named);
    Ok(Json(AccountTold::of(account::find(&site.pool, &account).await?)?))
}

/// Change an account
///
/// The edge learns of it with the pull that this wakes.
#[utoipa::path(
    patch, path = "/api/v1/accounts/{account}", tag = "accounts", request_body = AccountChangeBody,
    params(("account" = String, Path, description = "Its id or name.")),
    responses((status = 200, description = "The account.", body = AccountTold), ActErrors)
)]
async fn change(
    State(site): State<Arc<Site>>,
    Administrator(actor): Administrator,
    Named(named): Named,
    Body(body): Body<AccountChangeBody>,
) -> Result<Json<AccountTold>, Error> {
    let status = body.status.as_deref().map(|text| {
        let problem = "is neither `active` nor `suspended`";
        Status::from_name(text).ok_or_else(|| Error::invalid("status", problem))
    });
    let change = AccountChange {
        status: status.transpose()?,
        group: body.group.as_deref().map(group).transpose()?,
        overdraft: body.overdraft_nanos.map(overdraft).transpose()?,
        settings: settings(body.settings)?,
    };
    let before = account::find(&site.pool, &named).await?;
    let account = account::change(&site.pool, &before, &change, &actor).await?;
    Ok(Json(AccountTold::of(account)?))
}

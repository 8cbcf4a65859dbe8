//! Calls: a page of them, those that are open, one, and why it stands as it does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use meter::ids::CallId;

use crate::clock;
use crate::error::Error;
use crate::read::calls::{self, Call, Calls, Filter, PAGE_CALLS_DEFAULT, PAGE_CALLS_MAX, Place};
use crate::read::explain::{self, Explanation};
use crate::read::open::{self, OpenCalls};

use super::authenticate::Viewer;
use super::parameters::Parameters;
use super::{Pairs, Site};

/// The call that a path names. What cannot be a call's id is nobody's call.
pub(super) struct Named(CallId);

impl FromRequestParts<Arc<Site>> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, site).await else {
            return Err(Error::NoRoute);
        };
        text.parse().map(Self).map_err(|_| Error::CallUnknown(text))
    }
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Calls>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let limit = parameters.number("limit", 1, PAGE_CALLS_MAX)?.unwrap_or(PAGE_CALLS_DEFAULT);
    let behind = parameters.text("cursor")?.as_deref().map(Place::parse).transpose()?;
    let filter = Filter {
        account: None,
        workflow: parameters.text("workflow")?,
        bot: parameters.text("bot")?,
        operation: parameters.text("operation")?,
        key: parameters.text("key")?,
        ending: parameters.text("ending")?,
    };
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    let filter = Filter { account, ..filter };
    Ok(Json(calls::read(&site.pool, &filter, behind, limit).await?))
}

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<OpenCalls>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(open::read(&site.pool, account.as_deref(), clock::now()).await?))
}

pub(super) async fn one(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Named(call): Named,
    Query(pairs): Pairs,
) -> Result<Json<Call>, Error> {
    Parameters::new(pairs)?.end()?;
    let account = viewer.account(&site.pool, None).await?;
    let found = calls::one(&site.pool, account.as_deref(), call.as_str()).await?;
    found.map(Json).ok_or_else(|| Error::CallUnknown(call.to_string()))
}

pub(super) async fn explain(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Named(call): Named,
    Query(pairs): Pairs,
) -> Result<Json<Explanation>, Error> {
    Parameters::new(pairs)?.end()?;
    let account = viewer.account(&site.pool, None).await?;
    Ok(Json(explain::read(&site.pool, account.as_deref(), &call, clock::now()).await?))
}

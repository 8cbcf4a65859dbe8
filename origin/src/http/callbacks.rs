//! `POST /callbacks/coze`: upstream tells what it charged.
//!
//! The record is stored and answered; what follows from it happens later. Upstream wants 200 within 3
//! seconds (contract §1.7) and may tell the same charge again, which changes nothing.
//!
//! Whoever may write here could charge an account, so a callback proves where it comes from: by a secret
//! that is part of the configured URL, as a last segment or as `?secret=`, and where the callback app's
//! token is configured, too, by upstream's signature over the body.
//!
//! # Bounds
//! A body is bounded like any other; an answer takes at most [`STORE_MS_MAX`].

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use meter::bill::read::{Callback, callback};
use meter::refusal::{Reason, Refusal};
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bill::record::{Source, keep};
use crate::clock;
use crate::error::Error;

use super::body::BODY_BYTES_MAX;
use super::document::ActErrors;
use super::parameters::Parameters;
use super::{Pairs, Site};

/// Longest time for storing a record, so that upstream has its answer within three seconds.
const STORE_MS_MAX: u64 = 2_500;

/// How callbacks prove where they come from.
pub struct Callbacks {
    /// The secret's hash: comparing those takes the same time for any guess.
    secret: [u8; 32],
    /// What upstream signs with.
    token: Option<String>,
}

impl Callbacks {
    /// Callbacks to URLs with this secret, signed with this token of the callback app where there is one.
    pub fn new(secret: &str, token: Option<String>) -> Self {
        Self { secret: Sha256::digest(secret).into(), token }
    }

    fn check(&self, secret: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let given: [u8; 32] = Sha256::digest(secret).into();
        if !bool::from(given.ct_eq(&self.secret)) {
            return Err(Refusal::with_detail(Reason::KeyInvalid, "the callback's secret is wrong"));
        }
        let Some(token) = &self.token else { return Ok(()) };
        let header = |name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let signed = Sha1::new()
            .chain_update(header("x-coze-timestamp"))
            .chain_update(header("x-coze-nonce"))
            .chain_update(token)
            .chain_update(body)
            .finalize();
        let signed = format!("{signed:x}");
        if bool::from(header("x-coze-signature").ct_eq(signed.as_bytes())) {
            return Ok(());
        }
        Err(Refusal::with_detail(Reason::KeyInvalid, "the callback's signature is wrong"))
    }
}

/// What became of a callback.
#[derive(Serialize, ToSchema)]
struct Taken {
    /// A charge that is kept now; false for one that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
    /// An event that is none of the bill's.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(by_query)).routes(routes!(by_path))
}

type BodyRead = Result<Bytes, BytesRejection>;

/// Takes a callback of Coze, its secret in the query
#[utoipa::path(
    post, path = "/callbacks/coze", tag = "bill", security(()),
    params(("secret" = String, Query, description = "The secret of the configured URL.")),
    request_body = Object,
    responses((status = 200, description = "It was taken.", body = Taken), ActErrors)
)]
async fn by_query(
    State(site): State<Arc<Site>>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    body: BodyRead,
) -> Result<Json<Taken>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let secret = parameters.text("secret")?;
    parameters.end()?;
    take(&site, &secret.unwrap_or_default(), &headers, body).await
}

/// Takes a callback of Coze, its secret in the path
///
/// An event is a charge by `benefit.usage`; others are answered and ignored.
#[utoipa::path(
    post, path = "/callbacks/coze/{secret}", tag = "bill", security(()),
    params(("secret" = String, Path, description = "The secret of the configured URL.")),
    request_body = Object,
    responses((status = 200, description = "It was taken.", body = Taken), ActErrors)
)]
async fn by_path(
    State(site): State<Arc<Site>>,
    secret: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: BodyRead,
) -> Result<Json<Taken>, Error> {
    // What is not even text is a wrong secret like any other.
    let secret = secret.map(|Path(secret)| secret).unwrap_or_default();
    take(&site, &secret, &headers, body).await
}

async fn take(
    site: &Site,
    secret: &str,
    headers: &HeaderMap,
    body: BodyRead,
) -> Result<Json<Taken>, Error> {
    // Without a secret nobody could tell upstream from anybody else, so nothing is served.
    let callbacks = site.callbacks.as_ref().ok_or(Error::NoRoute)?;
    let body = body.map_err(|_| Error::BodyTooLarge(BODY_BYTES_MAX))?;
    callbacks.check(secret, headers, &body)?;
    let record =
        match callback(&body).map_err(|error| Error::invalid(error.field, error.problem))? {
            Callback::Usage(record) => record,
            Callback::Other(event) => {
                info!(event, "a callback about something else");
                return Ok(Json(Taken { stored: None, ignored: Some(event) }));
            }
        };
    let storing = async {
        let mut connection = site.pool.acquire().await?;
        keep(&mut connection, &[*record], Source::Callback, clock::now()).await
    };
    let stored = tokio::time::timeout(Duration::from_millis(STORE_MS_MAX), storing).await;
    let new = stored.unwrap_or(Err(Error::Database(sqlx::Error::PoolTimedOut)))?;
    Ok(Json(Taken { stored: Some(new == 1), ignored: None }))
}

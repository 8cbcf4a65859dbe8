//! Numbers for Prometheus, and the counting of answers.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::read::metrics;

use super::Site;
use super::authenticate::Reader;
use super::document::ReadErrors;

/// The type of what is answered.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What every name begins with.
const PREFIX: &str = "weir";

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// A token that opens the numbers and nothing else, hashed: comparing hashes takes the same time for
/// any guess.
pub struct MetricsToken([u8; 32]);

impl MetricsToken {
    /// The token that the environment names.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn is(&self, token: &str) -> bool {
        <[u8; 32]>::from(Sha256::digest(token.as_bytes())).ct_eq(&self.0).into()
    }
}

/// Whoever has the token, or may read everything.
struct Scraper;

impl FromRequestParts<Arc<Site>> for Scraper {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer "));
        if let (Some(token), Some(expected)) = (token, &site.metrics_token)
            && expected.is(token)
        {
            return Ok(Self);
        }
        Reader::from_request_parts(parts, site).await.map(|Reader| Self)
    }
}

/// Numbers for Prometheus
///
/// In the format of `OpenMetrics`. For admin and finance, and for whoever has the token in
/// `WEIR_METRICS_TOKEN`.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses(
        (status = 200, description = "The numbers.", body = String,
         content_type = "application/openmetrics-text"),
        ReadErrors
    )
)]
async fn show(State(site): State<Arc<Site>>, _: Scraper) -> Result<Response, Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    site.metrics.register(&mut registry);
    metrics::register(&mut registry, &site.pool, clock::now()).await?;
    let uptime = prometheus_client::metrics::gauge::ConstGauge::new(i64::try_from(
        site.process.began.elapsed().as_secs(),
    )?);
    registry.register_with_unit("uptime", "How long the process runs", Unit::Seconds, uptime);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Error::Unprintable(error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// Counts an answer by its route as it is written, never by the path that was asked for.
pub(super) async fn count(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    site.metrics.answered(method, route, response.status().as_u16(), began.elapsed());
    response
}

/// The method's name, as far as it is one that could be served.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

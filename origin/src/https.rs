//! Requests over HTTP or HTTPS, to the edge and to webhooks: each sent once, and bounded in time and size.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::response::Parts;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::error::Error;

/// Longest time for the connection alone.
const CONNECT_MS_MAX: u64 = 5_000;
/// How long an idle connection is kept for the next request; longer than the usual interval of pulls.
const IDLE_MS_MAX: u64 = 30_000;
/// Where the edge is named.
const FIELD: &str = "WEIR_EDGE_URL";

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The edge did not answer.
    #[error("the edge could not be reached: {0}")]
    Unreachable(String),
    /// The edge took too long.
    #[error("the edge did not answer within {0} ms")]
    TooSlow(u64),
    /// The edge answered with more than was asked for.
    #[error("the edge's answer has more than {0} bytes")]
    TooLarge(usize),
}

/// How much of an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time, from connecting to the last byte.
    pub ms_max: u64,
    /// Largest body of the answer.
    pub bytes_max: usize,
}

/// An address.
pub struct Https {
    client: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
}

impl Https {
    /// The edge at this URL.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::named(url, FIELD)
    }

    /// What a setting names.
    pub fn named(url: &str, setting: &'static str) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(|error| Error::invalid(setting, error))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(Error::invalid(setting, "is not an http or https URL"));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| {
                Error::invalid(setting, format_args!("needs root certificates: {error}"))
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
            .build(connector);
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// The URL of this path there.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a request and reads its answer.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let (parts, body) = self.exchange(request, limits).await?;
        Ok((parts.status, body))
    }

    /// The same, with the answer's headers.
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<(Parts, Bytes), Failure> {
        let Limits { ms_max, bytes_max } = limits;
        let sent = self.send_unhurried(request, bytes_max);
        let answer = tokio::time::timeout(Duration::from_millis(ms_max), sent).await;
        answer.map_err(|_| Failure::TooSlow(ms_max))?
    }

    async fn send_unhurried(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<(Parts, Bytes), Failure> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| Failure::Unreachable(innermost(&error)))?;
        let (parts, body) = response.into_parts();
        match Limited::new(body, bytes_max).collect().await {
            Ok(body) => Ok((parts, body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Failure::TooLarge(bytes_max))
            }
            Err(error) => Err(Failure::Unreachable(innermost(error.as_ref()))),
        }
    }
}

/// What really went wrong: the outer errors only say that something did.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

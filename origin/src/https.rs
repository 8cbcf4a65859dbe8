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

#[cfg(test)]
mod tests {
    use axum::Router;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::pull::edge::PULL_MS_MAX;
    use crate::{alarm, cli, pull};

    /// Answers every request with so many bytes, or never.
    async fn server(bytes: Option<usize>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = async move || match bytes {
            Some(bytes) => "x".repeat(bytes),
            None => std::future::pending().await,
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        url
    }

    async fn ask(url: &str, limits: Limits) -> Result<usize, Failure> {
        let request = Request::get(url).body(Full::new(Bytes::new())).unwrap();
        let answer = Https::new(url).unwrap().send(request, limits).await;
        answer.map(|(_, body)| body.len())
    }

    /// What each answer may have.
    const BYTES: [usize; 4] = [
        pull::edge::CLOCK_BYTES_MAX,
        meter::wire::pull::PULL_BYTES_MAX,
        alarm::send::ANSWER_BYTES_MAX,
        cli::explain::EDGE_BYTES_MAX,
    ];
    /// How long each may take.
    const MS: [u64; 3] = [PULL_MS_MAX, alarm::send::SEND_MS_MAX, cli::explain::EDGE_MS_MAX];

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_bound() {
        for bytes_max in BYTES {
            let limits = Limits { ms_max: PULL_MS_MAX, bytes_max };
            let fits = ask(&server(Some(bytes_max)).await, limits).await;
            assert_eq!(fits.unwrap(), bytes_max);
            let beyond = ask(&server(Some(bytes_max + 1)).await, limits).await;
            assert!(matches!(beyond, Err(Failure::TooLarge(max)) if max == bytes_max));
        }
    }

    /// The clock stands, and goes on to what is waited for next: nobody waits here.
    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_up_to_its_bound() {
        let url = server(None).await;
        for ms_max in MS {
            let began = Instant::now();
            let answer = ask(&url, Limits { ms_max, bytes_max: 1 }).await;
            assert!(matches!(answer, Err(Failure::TooSlow(max)) if max == ms_max), "{answer:?}");
            let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
            assert!((ms_max..=ms_max + 1).contains(&waited), "{waited}");
        }
    }

    /// A listener that has as many connections waiting as it lets wait: the next one is never made.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_waited_for_up_to_its_bound() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let mut connect = std::pin::pin!(TcpStream::connect(address));
        while let Ok(made) = timeout(Duration::from_millis(CONNECT_MS_MAX), connect.as_mut()).await
        {
            waiting.push(made.unwrap());
            assert!(waiting.len() < 8, "as many as are let wait, and no more");
            connect.set(TcpStream::connect(address));
        }
        let began = Instant::now();
        let limits = Limits { ms_max: 2 * CONNECT_MS_MAX, bytes_max: 1 };
        let answer = ask(&format!("http://{address}"), limits).await;
        assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!((CONNECT_MS_MAX..=CONNECT_MS_MAX + 1).contains(&waited), "{waited}");
    }
}

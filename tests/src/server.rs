//! Listening and stopping.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::world::Upstream;
use crate::{callback, control, coze, dify};

/// How long [`StandIn::stop`] waits for replies under way.
const STOP_MS_MAX: u64 = 2_000;

/// A stand-in that listens. It stops when it is dropped, as far as new connections go.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    telling: JoinHandle<()>,
}

impl StandIn {
    /// Listens and serves in the background.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listen = config.listen;
        let upstream = Upstream::new(config)?;
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        let address = listener.local_addr().context("asking for the port")?;
        // Small chunks must leave as they are written, not gathered by the kernel.
        let listener = listener.tap_io(|connection| {
            let _only_slower_without = connection.set_nodelay(true);
        });
        let telling = tokio::spawn(callback::tell(upstream.clone()));
        let routes: Router = control::routes()
            .merge(dify::routes(&upstream))
            .merge(coze::routes(&upstream))
            .with_state(upstream);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                let _stopped_or_dropped = stopped.await;
            };
            // Serving only ends by the signal; accept errors are retried inside.
            let _ended = axum::serve(listener, routes).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { address, stop: Some(stop), serving, telling })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops telling and listening, gives replies under way a moment to end, and frees the port.
    pub async fn stop(mut self) {
        self.telling.abort();
        if let Some(stop) = self.stop.take() {
            let _stopped_already = stop.send(());
        }
        let ended = tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), &mut self.serving);
        if ended.await.is_err() {
            self.serving.abort();
        }
    }
}

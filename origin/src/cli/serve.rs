//! `weir serve`: pulls and answers until it is told to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::alarm;
use crate::bill;
use crate::config::{
    BillSettings, DatabaseSettings, EdgeSettings, ServeSettings, SigningSettings, WebhookSettings,
};
use crate::database;
use crate::error::Error;
use crate::http::{self, Admin, Callbacks, MetricsToken, Site};
use crate::ledger::self_test;
use crate::pull;
use crate::pull::edge::Edge;
use crate::read::health::Process;

use super::Answer;

/// Longest wait for requests and pulls that are under way when it is time to stop.
const SHUTDOWN_MS_MAX: u64 = 10_000;

/// `weir serve`
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) settings: ServeSettings,
    #[command(flatten)]
    bill: BillSettings,
    #[command(flatten)]
    webhooks: WebhookSettings,
    #[command(flatten)]
    edge: EdgeSettings,
    #[command(flatten)]
    signing: SigningSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let began = Instant::now();
        let signer = Arc::new(self.signing.signer()?);
        let edge = Arc::new(Edge::new(&self.edge.edge_url, Arc::clone(&signer))?);
        let hooks = alarm::hook::parse(self.webhooks.webhooks.as_deref())?;
        let pool = database::pool(&self.database.database_url)?;
        let ServeSettings { listen, pull_interval_ms: interval_ms, admin_user, .. } = self.settings;
        let admin = self.settings.admin_password.map(|secret| Admin::new(&admin_user, &secret));
        let process = Process { began, interval_ms };
        let BillSettings { callback_secret, callback_token, bill_quiet_ms } = self.bill;
        let callbacks = callback_secret.map(|secret| Callbacks::new(&secret, callback_token));
        let site = Site::new(pool.clone(), signer, admin, process, Arc::clone(&edge));
        let token = self.settings.metrics_token.as_deref().map(MetricsToken::new);
        let site = Arc::new(site.with_callbacks(callbacks).with_metrics_token(token));
        let metrics = Arc::clone(&site.metrics);

        let (stop, stopped) = watch::channel(false);
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Error::Listen { on: format!("on {listen}"), error })?;
        let address = listener.local_addr().unwrap_or(listen);
        info!(%address, edge = self.edge.edge_url, interval_ms, "serving");
        let pulls = pull::run::run(pool.clone(), edge, interval_ms, metrics, stopped.clone());
        let pulls = tokio::spawn(pulls);
        let looks = tokio::spawn(bill::run::run(pool.clone(), bill_quiet_ms, stopped.clone()));
        let tests = tokio::spawn(self_test::run(pool.clone(), stopped.clone()));
        let alarms = tokio::spawn(alarm::run::run(pool.clone(), hooks, stopped.clone()));
        let mut asked = stopped;
        let serving =
            axum::serve(listener, http::router(site)).with_graceful_shutdown(async move {
                // An error means that the sender is gone, which is a reason to stop too.
                let _ = asked.wait_for(|stop| *stop).await;
            });
        let serving = tokio::spawn(serving.into_future());

        wait_for_signal().await?;
        info!("stopping");
        // Both ends are gone already if this fails.
        let _ = stop.send(true);
        let ended = async { tokio::join!(pulls, looks, tests, alarms, serving) };
        let patience = Duration::from_millis(SHUTDOWN_MS_MAX);
        if tokio::time::timeout(patience, ended).await.is_ok() {
            info!("stopped");
        } else {
            warn!("stopped with work under way; it will be done again");
        }
        Answer::new(&json!({ "stopped": true }), "")
    }
}

/// SIGTERM from whoever runs it, SIGINT from a terminal.
async fn wait_for_signal() -> Result<(), Error> {
    let listen =
        |kind| signal(kind).map_err(|error| Error::Listen { on: "for signals".to_owned(), error });
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

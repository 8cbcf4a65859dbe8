//! The origin's HTTP side over the seeded books, with somebody who may read everything.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use origin::database;
use origin::http::{Admin, Site, router};
use origin::pull::edge::Edge;
use origin::read::health::Process;
use origin::signing::Signer;
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// The password of a database that nobody else can reach.
const PASSWORD: &str = "bench";
/// What has Postgres tell how it carried out each statement. Timing every row would be most of the time.
const EXPLAIN: [(&str, &str); 6] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_buffers", "on"),
    ("auto_explain.log_timing", "off"),
    ("client_min_messages", "log"),
];
/// The same without plans: how long each statement took.
const TIME: [(&str, &str); 3] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("client_min_messages", "log"),
];

/// An origin that answers.
pub(crate) struct Served {
    url: String,
    client: Client,
}

/// The database's address, with statements explained.
pub(crate) fn explained(url: &str) -> String {
    with(url, &EXPLAIN)
}

/// The database's address, with statements timed.
pub(crate) fn timed(url: &str) -> String {
    with(url, &TIME)
}

fn with(url: &str, settings: &[(&str, &str)]) -> String {
    let settings = settings.iter().map(|(name, value)| format!("options[{name}]={value}"));
    format!("{url}?{}", settings.collect::<Vec<_>>().join("&"))
}

/// Serves the books, with a pool like everybody's.
pub(crate) async fn serve(database_url: &str, is_explained: bool) -> Result<Served> {
    let url = if is_explained { explained(database_url) } else { database_url.to_owned() };
    let signer = Arc::new(Signer::generate()?);
    let edge = Arc::new(Edge::new("http://127.0.0.1:9", Arc::clone(&signer))?);
    let process = Process { began: Instant::now(), interval_ms: 10_000 };
    let admin = Some(Admin::new("bench", PASSWORD));
    let site = Site::new(database::pool(&url)?, signer, admin, process, edge);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, router(Arc::new(site))).into_future());
    Ok(Served { url, client: Client::new() })
}

impl Served {
    /// The reply to a question, before its body is read.
    pub(crate) async fn reply(&self, path: &str) -> Result<Response> {
        let request = self.client.get(format!("{}{path}", self.url));
        let reply = request.basic_auth("bench", Some(PASSWORD)).send().await?;
        ensure!(reply.status().is_success(), "{path}: {} {}", reply.status(), reply.text().await?);
        Ok(reply)
    }

    /// The answer to a question.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value> {
        let answer = self.reply(path).await?.bytes().await?;
        serde_json::from_slice(&answer).with_context(|| path.to_owned())
    }
}

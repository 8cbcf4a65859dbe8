//! What is wrong with an installation, and what to do about it.
//!
//! Shape: a list of [`Check`]s, in the order in which things have to work: settings, database, edge, and
//! what passes between the two. One that cannot be made because an earlier one failed says so.
//!
//! It changes nothing. The edge is asked for one entry, acknowledging nothing and telling nothing, which is
//! enough to see whether it knows our key.
//!
//! # Bounds
//! The database and the edge are each waited for as long as they always are.

mod database;
mod edge;

use serde::Serialize;

use crate::alarm::hook;
use crate::config::SigningSettings;
use crate::pull::edge::Edge;
use crate::signing::Signer;

/// How it is with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Wrong,
    /// It could not be looked at, or there is nothing to look at.
    Skipped,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which thing.
    pub of: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, in a few words.
    pub found: String,
    /// What to do, where something is to be done.
    pub todo: Option<String>,
}

impl Check {
    fn ok(of: &'static str, found: impl Into<String>) -> Self {
        Self { of, state: State::Ok, found: found.into(), todo: None }
    }

    fn wrong(of: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { of, state: State::Wrong, found: found.into(), todo: Some(todo.into()) }
    }

    fn skipped(of: &'static str, found: impl Into<String>) -> Self {
        Self { of, state: State::Skipped, found: found.into(), todo: None }
    }
}

/// The settings that are looked at, as far as they are set.
pub struct Settings {
    /// `DATABASE_URL`
    pub database_url: Option<String>,
    /// `WEIR_EDGE_URL`
    pub edge_url: Option<String>,
    /// `WEIR_SIGNING_KEY`
    pub signing_key: Option<String>,
    /// `WEIR_PUBLIC_KEYS`
    pub public_keys: Option<String>,
    /// `WEIR_WEBHOOKS`
    pub webhooks: Option<String>,
    /// `WEIR_PULL_INTERVAL_MS`
    pub pull_interval_ms: u64,
}

/// Looks at everything.
pub async fn examine(settings: &Settings) -> Vec<Check> {
    let (signer, signing) = signing(settings);
    let webhooks = webhooks(settings);
    let mut checks = vec![signing, webhooks];
    let database = database::examine(settings).await;
    checks.extend(database.checks);
    checks.extend(edge::examine(settings, signer, database.journal).await);
    checks.extend(database.books);
    checks
}

fn signing(settings: &Settings) -> (Option<Signer>, Check) {
    const OF: &str = "signing key";
    let Some(key) = settings.signing_key.clone() else {
        let todo = "make one with `weir signing-key`; set WEIR_SIGNING_KEY here, and its public half at \
                    the edge";
        return (None, Check::wrong(OF, "WEIR_SIGNING_KEY is not set", todo));
    };
    let settings = SigningSettings { signing_key: key, public_keys: settings.public_keys.clone() };
    match settings.signer() {
        Ok(signer) => {
            let found = format!("{} signs", signer.public().kid);
            (Some(signer), Check::ok(OF, found))
        }
        Err(error) => {
            let todo = "set it to what `weir signing-key` printed, whole and in quotes";
            (None, Check::wrong(OF, error.to_string(), todo))
        }
    }
}

fn webhooks(settings: &Settings) -> Check {
    const OF: &str = "webhooks";
    match hook::parse(settings.webhooks.as_deref()) {
        Ok(hooks) if hooks.is_empty() => {
            Check::skipped(OF, "none is set, so nobody is told of findings and low balances")
        }
        Ok(hooks) => {
            let hosts: Vec<_> = hooks.iter().map(hook::Hook::host).collect();
            Check::ok(OF, format!("{}; try them with `weir webhook test`", hosts.join(", ")))
        }
        Err(error) => Check::wrong(OF, error.to_string(), "see docs/webhooks.md for its form"),
    }
}

/// The edge that the settings name.
fn edge_of(settings: &Settings, signer: Signer) -> Result<Edge, Check> {
    let Some(url) = &settings.edge_url else {
        let todo = "set WEIR_EDGE_URL to the Worker's address";
        return Err(Check::wrong("edge", "WEIR_EDGE_URL is not set", todo));
    };
    Edge::new(url, std::sync::Arc::new(signer)).map_err(|error| {
        Check::wrong("edge", error.to_string(), "set WEIR_EDGE_URL to the Worker's address")
    })
}

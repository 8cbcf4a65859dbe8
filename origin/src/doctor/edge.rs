//! The edge: whether it is there, knows our key, and has our time.

use axum::http::StatusCode;
use meter::ids::JournalName;
use meter::key::CLOCK_SKEW_MS;
use meter::wire::pull::{PULL_VERSION, PullRequest};

use crate::clock;
use crate::pull::edge::PullError;
use crate::signing::Signer;

use super::{Check, Settings, edge_of};

/// What is asked for when the database names no journal.
const JOURNAL: &str = "j0";

pub(super) async fn examine(
    settings: &Settings,
    signer: Option<Signer>,
    journal: Option<JournalName>,
) -> Vec<Check> {
    let Some(signer) = signer else {
        return vec![Check::skipped("edge", "without a signing key it cannot be asked")];
    };
    let edge = match edge_of(settings, signer) {
        Ok(edge) => edge,
        Err(check) => return vec![check],
    };
    let Some(journal) = journal.or_else(|| JOURNAL.parse().ok()) else { return Vec::new() };
    let mut checks = Vec::new();
    match edge.clock().await {
        Ok(Some(theirs)) => checks.push(skew(theirs.get())),
        Ok(None) => checks.push(Check::skipped("edge clock", "its answers tell no time")),
        Err(error) => {
            let todo = "see that WEIR_EDGE_URL is the Worker's address, and that it is deployed";
            return vec![Check::wrong("edge", error.to_string(), todo)];
        }
    }
    let request = PullRequest {
        v: PULL_VERSION,
        epoch: None,
        ack: 0,
        limit: 1,
        changes: None,
        billed: Vec::new(),
    };
    checks.push(match edge.pull_page(&journal, &request, clock::now()).await {
        Ok(pulled) => {
            let found = format!(
                "it knows our key; journal {journal} is in epoch {} at entry {}",
                pulled.page.epoch, pulled.page.head.seq
            );
            Check::ok("edge", found)
        }
        Err(PullError::Refused { status, detail }) if is_about_the_key(status) => {
            let todo = "set WEIR_PUBLIC_KEYS at the edge to the `kid` and `x` of this signing key, and see \
                        that both clocks are right";
            Check::wrong("edge", format!("it refuses our key, with {status}: {detail}"), todo)
        }
        Err(error) => {
            let todo = "see that WEIR_EDGE_URL is the Worker's address, and that its version is this \
                        program's";
            Check::wrong("edge", error.to_string(), todo)
        }
    });
    checks
}

fn is_about_the_key(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// How far its clock is from ours. It tells whole seconds.
fn skew(theirs_ms: u64) -> Check {
    const OF: &str = "edge clock";
    let apart = clock::now().get().abs_diff(theirs_ms);
    let found = format!("{} s apart from ours", apart / 1_000);
    if apart <= CLOCK_SKEW_MS {
        return Check::ok(OF, found);
    }
    Check::wrong(OF, found, "synchronise this machine's clock, by NTP: keys and pulls end by it")
}

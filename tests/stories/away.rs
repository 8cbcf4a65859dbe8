//! The origin is away for 72 hours of a hundred calls a second, in scaled time: one call stands for
//! [`SCALE`]. Meanwhile calls are served and refused as ever; afterwards all of them are in the books.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use xtask::report;

use crate::tester::{Tester, own_stack, until, until_within};

/// The calls of 72 hours at a hundred a second.
const CALLS: u64 = 72 * 60 * 60 * 100;
/// How many of them one call stands for, unless `WEIR_AWAY_SCALE` says otherwise.
const SCALE: u64 = 10_000;
/// How many callers make them.
const CALLERS: u64 = 16;
/// How many calls the balance of the other account covers.
const COVERED: usize = 10;
/// How long catching up may take, for the story to end at all.
const CATCH_UP_MAX: Duration = Duration::from_mins(10);

fn run(workflow: &str) -> Value {
    json!({"workflow_id": workflow, "parameters": {}})
}

/// The bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .map(|file| match file.metadata().unwrap() {
            metadata if metadata.is_dir() => bytes_in(&file.path()),
            metadata => metadata.len(),
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_origin_away_for_days_calls_are_served_and_refused_and_then_posted() {
    let scale = std::env::var("WEIR_AWAY_SCALE").ok().and_then(|text| text.parse().ok());
    let calls = CALLS / scale.unwrap_or(SCALE);
    let mut stack = own_stack();
    let tester = Arc::new(Tester::on(&stack, "away"));
    let poor = Tester::on(&stack, "away, with little");
    let (workflow, dear) = (tester.subject(1), poor.subject(1));
    stack.weir(&["price", "set", "--workflow", &workflow, "--per-call", "1"]).unwrap();
    // A new account has a million, which is ten times this.
    stack.weir(&["price", "set", "--workflow", &dear, "--per-call", "100000"]).unwrap();
    stack.weir(&["account", "set", &poor.account, "--overdraft", "0", "--wait", "30"]).unwrap();
    until("the prices to reach the edge", async || {
        let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
        (reply.headers()["weir-charge"] == "1").then_some(())
    })
    .await;
    let before = tester.balance_at_edge().await["spent_nanos"].as_i64().unwrap();
    let probes = tester.works(&workflow).await.len();
    let journals = stack.folder().join("journals");
    let bytes_before = bytes_in(&journals);
    stack.origin.kill().unwrap();

    let made = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (tester, workflow, made) = (tester.clone(), workflow.clone(), made.clone());
            tokio::spawn(async move {
                while made.fetch_add(1, Ordering::Relaxed) < calls {
                    let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
                    assert_eq!(reply.status(), StatusCode::OK);
                    assert_eq!(reply.headers()["weir-charge"], "1");
                    reply.bytes().await.unwrap();
                }
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for _ in 0..2 * COVERED {
        statuses.push(poor.call("/v1/workflow/run", &run(&dear)).await.status().as_u16());
    }
    assert_eq!(statuses[..COVERED], [200; COVERED]);
    assert_eq!(statuses[COVERED..], [402; COVERED]);
    for caller in callers {
        caller.await.unwrap();
    }
    let spent = tester.balance_at_edge().await["spent_nanos"].as_i64().unwrap() - before;
    assert_eq!(spent, self::spent(calls));
    let bytes = bytes_in(&journals) - bytes_before;

    stack.origin.start().unwrap();
    let began = Instant::now();
    until_within(CATCH_UP_MAX, "the origin to catch up", async || {
        let health = tester.origin_as_admin("/health").await;
        let journals = health["journals"].as_array().unwrap();
        // A journal that was not pulled yet since does not know how far behind it is.
        let spent = tester.origin("/api/v1/token-usage/balance").await["spent_nanos"].as_i64();
        let behind = journals.iter().filter_map(|journal| journal["behind"].as_u64());
        (behind.sum::<u64>() == 0 && spent == Some(before + self::spent(calls))).then_some(())
    })
    .await;
    let took = began.elapsed();
    assert_eq!(tester.every_call().await.len() as u64, calls + probes as u64);
    assert_eq!(poor.calls(COVERED).await.len(), COVERED);
    tester.check_balance().await;
    let health = tester.origin_as_admin("/health").await;
    assert_eq!(health["findings_open"], 0, "{health:#}");
    report::line(&format!(
        "the origin was away for {calls} calls, served and refused rightly: {} bytes of journal a call, \
         caught up in {:.1} s; 72 h at 100 calls/s are {} MB in one journal and {} min at this rate",
        bytes / calls,
        took.as_secs_f32(),
        (bytes * (CALLS / calls)) >> 20,
        (took * u32::try_from(CALLS / calls).unwrap()).as_secs() / 60,
    ));
}

/// What these calls cost, in nano: a quota each, which is 2,000.
fn spent(calls: u64) -> i64 {
    i64::try_from(calls).unwrap() * 2_000
}

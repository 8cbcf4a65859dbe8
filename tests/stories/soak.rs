//! Two thousand mixed calls, with callers who leave, an upstream that misbehaves and an edge that is
//! killed every few seconds: what upstream charged is billed, each once and to the token.
//!
//! One thing no gateway can know by the wire (contract §3, §9 no. 16): the work of a call that was cut
//! off before upstream had named it. Such a call's hold stays open, is listed, and expires; it is never
//! billed by guess. The story counts them and holds them against the holds that are still open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::tester::{Tester, chat, own_stack, until_within};

/// How many calls are made, unless `WEIR_SOAK_CALLS` says otherwise.
const CALLS: u32 = 2_000;
/// How many callers make them.
const CALLERS: u32 = 12;
/// How long the edge lives between two deaths.
const EDGE_LIVES: Duration = Duration::from_secs(2);

/// How long the last questions to upstream may take: they are asked up to a minute apart.
const QUIET: Duration = Duration::from_secs(150);

/// What the subjects of the story do.
fn behaviours() -> Vec<Value> {
    vec![
        json!({}),
        json!({"pace": {"delay_ms": 3}}),
        json!({"pace": {"cut_after_bytes": 900}}),
        json!({"outcome": {"fail": {"code": 4028}}}),
        json!({"outcome": {"error": {"after_events": 2}}}),
        json!({"refuse": {"http_status": 200, "code": 4200}}),
        json!({"refuse": {"http_status": 500, "body": "html"}}),
        json!({"polls": {"before_done": 2}}),
        json!({"stream": {"chunk_bytes": 7, "ping": "braces"}}),
        json!({"usage": {"form": "strings"}}),
    ]
}

/// One call, of a kind and with a patience drawn from the seed. Whatever happens to it is fine.
async fn one_call(tester: &Tester, subjects: &[String], draw: &mut fastrand::Rng) {
    let subject = &subjects[draw.usize(..subjects.len())];
    let workflow = json!({"workflow_id": subject, "parameters": {"n": draw.u32(..1_000)}});
    let text = "x".repeat(draw.usize(1..40));
    let (path, body) = match draw.u8(..5) {
        0 => ("/v3/chat", chat(subject, true, &text)),
        1 => ("/v3/chat", chat(subject, false, &text)),
        2 => ("/v1/workflow/run", workflow),
        3 => ("/v1/workflow/stream_run", workflow),
        _ => {
            let mut body = workflow;
            body["is_async"] = json!(true);
            ("/v1/workflow/run", body)
        }
    };
    let patience = if draw.u8(..4) == 0 { draw.usize(1..1_500) } else { usize::MAX };
    let Ok(mut reply) = tester.ask(Method::POST, path).json(&body).send().await else { return };
    let mut seen = 0;
    while let Ok(Some(chunk)) = reply.chunk().await {
        seen += chunk.len();
        if seen >= patience {
            return;
        }
    }
}

fn ids(list: &[Value], of: impl Fn(&Value) -> bool) -> Vec<(String, u64)> {
    let told = list.iter().filter(|one| of(one)).map(|one| {
        let id = one["chat_id"].as_str().or_else(|| one["execute_id"].as_str()).unwrap_or_default();
        let tokens = one["token_count"].as_u64().or_else(|| one["usage"]["total"].as_u64());
        (id.to_owned(), tokens.unwrap_or_default())
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_charged_is_billed_each_once_and_to_the_token() {
    let mut stack = own_stack();
    let tester = Arc::new(Tester::on(&stack, "soak"));
    let mut subjects = Vec::new();
    for (number, behaviour) in (0..).zip(behaviours()) {
        let subject = tester.subject(number);
        tester.behave(&subject, behaviour).await;
        subjects.push(subject);
    }
    let subjects = Arc::new(subjects);
    let count = std::env::var("WEIR_SOAK_CALLS").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(CALLS);
    let made = Arc::new(AtomicU32::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (tester, subjects, made) = (tester.clone(), subjects.clone(), made.clone());
            tokio::spawn(async move {
                let mut draw = fastrand::Rng::with_seed(u64::from(caller) + 7);
                while made.fetch_add(1, Ordering::Relaxed) < count {
                    one_call(&tester, &subjects, &mut draw).await;
                    tokio::time::sleep(Duration::from_millis(draw.u64(..120))).await;
                }
            })
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let killer = {
        let done = done.clone();
        tokio::task::spawn_blocking(move || {
            let mut deaths = 0;
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(EDGE_LIVES);
                stack.edge.kill().unwrap();
                stack.edge.start().unwrap();
                deaths += 1;
            }
            (stack, deaths)
        })
    };
    for caller in callers {
        caller.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let (_stack, deaths) = killer.await.unwrap();

    // Quiet: until only those calls are open whose work nobody can name.
    let open = until_within(QUIET, "what can be settled to be settled", async || {
        let health = tester.origin_as_admin("/health").await;
        let journals = health["journals"].as_array().unwrap();
        let behind: u64 = journals.iter().filter_map(|journal| journal["behind"].as_u64()).sum();
        let open = tester.origin("/api/v1/calls/open").await;
        let open = open["calls"].as_array().unwrap().clone();
        let is_named = |call: &Value| call["chat_id"].is_string() || call["execute_id"].is_string();
        (behind == 0 && !open.iter().any(is_named)).then_some(open.len())
    })
    .await;
    let (works, calls) = (works_of(&tester, &subjects).await, tester.every_call().await);
    let billed = ids(&calls, |call| call["ending"] == "settled" && call["usage"]["total"] != 0);
    let charged: BTreeSet<_> = ids(&works, |work| work["billable"] == true).into_iter().collect();
    let distinct: BTreeSet<_> = billed.iter().cloned().collect();
    assert_eq!(distinct.len(), billed.len(), "a piece of work was billed twice");
    let invented: Vec<_> = distinct.difference(&charged).collect();
    assert!(invented.is_empty(), "billed and not charged: {invented:?}");
    let missing = missing(&works, &calls);
    assert!(missing.len() <= open, "{} missing, {open} held: {missing:?}", missing.len());
    tester.check_balance().await;
    println!(
        "{count} calls, the edge died {deaths} times: {} charged upstream, {} billed, {} cut off before \
         they had a name ({open} holds open), 0 doubled",
        charged.len(),
        billed.len(),
        missing.len(),
    );
}

async fn works_of(tester: &Tester, subjects: &[String]) -> Vec<Value> {
    let mut works = Vec::new();
    for subject in subjects {
        works.extend(tester.works(subject).await);
    }
    works
}

/// What was charged and stands in no settled entry.
fn missing(works: &[Value], calls: &[Value]) -> Vec<(String, u64)> {
    let billed: BTreeSet<_> = ids(calls, |call| call["ending"] == "settled").into_iter().collect();
    let charged = ids(works, |work| work["billable"] == true);
    charged.into_iter().filter(|work| !billed.contains(work)).collect()
}

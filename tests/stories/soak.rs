//! Two thousand mixed calls, with callers who leave, an upstream that misbehaves and an edge that is
//! killed every few seconds: what upstream charged is billed, each once and to the token.
//!
//! A call that is cut off before upstream named its work cannot be found again by the wire (contract §3,
//! §9 no. 16). Its request was stamped, so upstream's bill names it; no call is left out here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::bill::{all_told, billed_stack, subscribe};
use crate::tester::{Tester, chat, until_within};

/// How many calls are made, unless `WEIR_SOAK_CALLS` says otherwise.
const CALLS: u32 = 2_000;
/// How many callers make them.
const CALLERS: u32 = 12;
/// How long the edge lives between two deaths.
const EDGE_LIVES: Duration = Duration::from_secs(2);

/// How long the last questions to upstream may take: they are asked up to a minute apart.
const QUIET: Duration = Duration::from_secs(150);
/// How long a call without a name may stay open: the longest wait there is for one.
const UNNAMED_LIFE_MS: u64 = 20 * 60 * 1_000;

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

/// What was charged or billed: the call, and its tokens.
type Charge = (String, u64);

/// The works that upstream charged, by the call that their requests were stamped with.
fn charged(works: &[Value]) -> Vec<Charge> {
    let charged = works.iter().filter(|work| work["billable"] == true);
    let told = charged.map(|work| {
        let stamp = work["account_hint"].as_str().expect("a stamp");
        let (_, call) = stamp.split_once('.').expect("account and call");
        (call.to_owned(), work["token_count"].as_u64().unwrap())
    });
    told.collect()
}

/// The calls that were billed.
fn billed(calls: &[Value]) -> Vec<Charge> {
    let billed = calls.iter().filter(|call| call["ending"] == "settled");
    let told = billed.map(|call| {
        let tokens = call["usage"]["total"].as_u64().unwrap_or_default();
        (call["call_id"].as_str().unwrap().to_owned(), tokens)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_charged_is_billed_each_once_and_to_the_token() {
    let mut stack = billed_stack();
    let tester = Arc::new(Tester::on(&stack, "soak"));
    subscribe(&tester, json!({"times": 2, "records": 2})).await;
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

    all_told(&tester).await;
    // Quiet: until only those calls are open of which upstream knows nothing, or charged nothing. Work
    // that ends when it is asked about is charged in the meantime.
    let (open, charged) = until_within(QUIET, "what upstream charged to be settled", async || {
        let charged = charged(&works_of(&tester, &subjects).await);
        let owed: BTreeSet<&str> = charged.iter().map(|(call, _)| call.as_str()).collect();
        let health = tester.origin_as_admin("/health").await;
        let journals = health["journals"].as_array().unwrap();
        let behind: u64 = journals.iter().filter_map(|journal| journal["behind"].as_u64()).sum();
        let open = tester.origin("/api/v1/calls/open").await;
        let calls = open["calls"].as_array().unwrap().clone();
        let is_owed = |call: &Value| {
            let is_named = call["chat_id"].is_string() || call["execute_id"].is_string();
            is_named || owed.contains(call["call_id"].as_str().unwrap())
        };
        let is_quiet = behind == 0 && open["complete"] == true && !calls.iter().any(is_owed);
        is_quiet.then_some((calls, charged))
    })
    .await;
    let oldest = open.iter().filter_map(|call| call["age_ms"].as_u64()).max().unwrap_or_default();
    assert!(oldest < UNNAMED_LIFE_MS, "a call is open for {oldest} ms");

    let calls = tester.every_call().await;
    let billed = billed(&calls);
    let sorted = |mut charges: Vec<Charge>| {
        charges.sort();
        charges
    };
    assert_eq!(sorted(billed.clone()), sorted(charged.clone()), "billed, and charged upstream");
    let distinct: BTreeSet<_> = billed.iter().map(|(call, _)| call).collect();
    assert_eq!(distinct.len(), billed.len(), "a call was billed twice");
    tester.check_balance().await;
    let by_bill = calls.iter().filter(|call| call["source"] == "bill").count();
    let retrieved = calls.iter().filter(|call| call["source"] == "retrieved").count();
    println!(
        "{count} calls, the edge died {deaths} times: {} charged upstream, {} billed ({by_bill} by \
         upstream's bill, {retrieved} by asking), 0 doubled, 0 missing; {} open of which upstream charged \
         nothing, the oldest for {} s",
        charged.len(),
        billed.len(),
        open.len(),
        oldest / 1_000,
    );
}

async fn works_of(tester: &Tester, subjects: &[String]) -> Vec<Value> {
    let mut works = Vec::new();
    for subject in subjects {
        works.extend(tester.works(subject).await);
    }
    works
}

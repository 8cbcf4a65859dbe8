//! How soon a revoked key and a suspended account are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use xtask::stack::{Key, Plan, Stack};

use crate::tester::{Tester, chat};

/// How many keys are revoked one after the other, unless `WEIR_REVOCATIONS` says otherwise.
const REVOCATIONS: usize = 100;
/// How many others call all the time.
const CALLERS: usize = 4;
/// How often the origin pulls by itself here: as in production, so that only a notice can be fast.
const PULL_INTERVAL_MS: u64 = 10_000;

/// Calls until a key is refused; answers when that was, and how many calls were let in before.
async fn until_refused(tester: &Tester, key: &str, bot: &str) -> (Instant, u32) {
    let mut let_in = 0;
    loop {
        let request = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(key);
        let reply = request.json(&chat(bot, true, "hello")).send().await.unwrap();
        match reply.status().as_u16() {
            200 => {
                reply.text().await.unwrap();
                let_in += 1;
            }
            401 | 403 => return (Instant::now(), let_in),
            other => panic!("{other}: {}", reply.text().await.unwrap()),
        }
    }
}

async fn code(tester: &Tester, key: &str, bot: &str) -> Value {
    let request = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(key);
    let body: Value =
        request.json(&chat(bot, false, "hi")).send().await.unwrap().json().await.unwrap();
    body["error"]["code"].clone()
}

/// Each key is used without pause while it is revoked, others call meanwhile, and the origin pulls by
/// itself only every ten seconds. What is asserted is an order: no call that begins after the command
/// has said "the edge refuses it" is let in. The times are printed.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_and_a_suspended_account_are_refused_at_once() {
    let mut plan = Plan::for_test().expect("a free port");
    plan.pull_interval_ms = PULL_INTERVAL_MS;
    let stack = Stack::start(plan).expect("a running stack");
    let tester = Arc::new(Tester::on(&stack, "revocation"));
    let stack = Arc::new(Mutex::new(stack));
    let bot = tester.subject(1);
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (tester, bot, over) = (tester.clone(), bot.clone(), over.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
                }
            })
        })
        .collect();

    let weir = |arguments: Vec<String>| {
        let stack = stack.clone();
        async move {
            let stack = stack.lock_owned().await;
            let run = move || {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                stack.weir(&[&["--json"], &arguments[..]].concat()).unwrap()
            };
            tokio::task::spawn_blocking(run).await.unwrap()
        }
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();

    let count = std::env::var("WEIR_REVOCATIONS").ok().and_then(|count| count.parse().ok());
    let mut waits: Vec<Duration> = Vec::new();
    for _ in 0..count.unwrap_or(REVOCATIONS) {
        let issued = weir(words(&["key", "issue", &tester.account, "--name", "doomed"])).await;
        let key: Key = serde_json::from_str(&issued).unwrap();
        assert_eq!(code(&tester, &key.key, &bot).await, Value::Null, "it is good at first");
        let watcher = {
            let (tester, bot, key) = (tester.clone(), bot.clone(), key.key.clone());
            tokio::spawn(async move { until_refused(&tester, &key, &bot).await })
        };
        let asked_at = Instant::now();
        weir(words(&["key", "revoke", &key.key_id, "--wait", "30"])).await;
        assert_eq!(code(&tester, &key.key, &bot).await, json!("key_revoked"), "after the answer");
        let (refused_at, _) = watcher.await.unwrap();
        waits.push(refused_at.duration_since(asked_at));
    }
    let suspended = stack.lock().await.create_account("suspended").unwrap();
    let key = stack.lock().await.issue_key(&suspended.account_id, "k").unwrap().key;
    while code(&tester, &key, &bot).await != Value::Null {}
    let watcher = {
        let (tester, bot) = (tester.clone(), bot.clone());
        tokio::spawn(async move { until_refused(&tester, &key, &bot).await })
    };
    let asked_at = Instant::now();
    weir(words(&["account", "set", &suspended.account_id, "--status", "suspended"])).await;
    let (refused_at, _) = watcher.await.unwrap();
    let suspension = refused_at.duration_since(asked_at);

    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    waits.sort();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!(
        "{} revocations, from the command's start to the first refusal, {CALLERS} others calling: \
         p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}; a suspension {suspension:?}",
        waits.len(),
        at(50),
        at(90),
        at(99),
        at(100),
    );
}

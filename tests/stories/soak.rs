//! Two thousand mixed calls, with callers who leave, an upstream that misbehaves and an edge that is
//! killed every few seconds: what upstream charged is billed, each once and to the token.
//!
//! A call that is cut off before upstream named its work cannot be found again by the wire (contract §3,
//! §9 no. 16). Its request was stamped, so upstream's bill names it; no call is left out here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::bill::{all_told, billed_stack, subscribe};
use crate::counting::count;
use crate::load::Load;
use crate::tester::Tester;

/// How many calls are made, unless `WEIR_SOAK_CALLS` says otherwise.
const CALLS: u32 = 2_000;
/// How long the edge lives between two deaths.
const EDGE_LIVES: Duration = Duration::from_secs(2);
/// The longest pause of a caller.
const PAUSE_MS_MAX: u64 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_charged_is_billed_each_once_and_to_the_token() {
    let mut stack = billed_stack();
    let load = Load::new(Tester::on(&stack, "soak"), PAUSE_MS_MAX).await;
    subscribe(&load.tester, json!({"times": 2, "records": 2})).await;
    let calls = std::env::var("WEIR_SOAK_CALLS").ok().and_then(|calls| calls.parse().ok());
    let calls = calls.unwrap_or(CALLS);
    let done = Arc::new(AtomicBool::new(false));
    let killer = {
        let done = Arc::clone(&done);
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
    let made = Arc::new(AtomicU32::new(0));
    load.run(move || made.fetch_add(1, Ordering::Relaxed) < calls).await;
    done.store(true, Ordering::Relaxed);
    let (_stack, deaths) = killer.await.unwrap();

    all_told(&load.tester).await;
    let count = count(&load.tester, &load.subjects).await;
    println!(
        "{calls} calls, the edge died {deaths} times: {} charged upstream and billed ({} by upstream's \
         bill, {} by asking), 0 doubled, 0 missing; {} open of which upstream charged nothing, the \
         oldest for {} s",
        count.charged,
        count.by_bill,
        count.by_asking,
        count.open,
        count.oldest_ms / 1_000,
    );
}

//! What upstream charged, held against what was billed, call by call and to the token.
//!
//! Each request that goes up is stamped with its call, so that a charge that no reply told of has a name,
//! too.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::tester::Tester;

/// How long the last questions to upstream may take: they are asked up to a minute apart.
const QUIET: Duration = Duration::from_secs(150);
/// How often it is looked whether all is quiet.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a call without a name is waited for, from its last sign of life on.
const UNNAMED_LIFE_MS: u64 = 20 * 60 * 1_000;
/// How long after its admission the last sign of life of such a call may come here: no caller stays for
/// longer, and nothing is broken for longer.
const IN_HAND_MS: u64 = 90 * 1_000;

/// What was charged or billed: the call, and its tokens.
type Charge = (String, u64);

/// How both sides stand when all is quiet.
pub(crate) struct Count {
    /// Calls that upstream charged, as many as were billed.
    pub(crate) charged: usize,
    /// Of them, those whose usage upstream's bill told.
    pub(crate) by_bill: usize,
    /// And those whose usage was asked for.
    pub(crate) by_asking: usize,
    /// Calls that are still open, as far as they are listed, and of which upstream charged nothing.
    pub(crate) open: usize,
    /// The age of the oldest of them.
    pub(crate) oldest_ms: u64,
}

/// Waits until upstream's work is over and what it charged is posted, and checks that the two are the
/// same, each once and to the token.
pub(crate) async fn count(tester: &Tester, subjects: &[String]) -> Count {
    let deadline = Instant::now() + QUIET;
    let calls = loop {
        match quiet(tester, subjects).await {
            Ok(calls) => break calls,
            Err(why) => assert!(Instant::now() < deadline, "never quiet: {why}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let charged = charged(&tester.works_of(subjects).await);
    let billed = billed(&calls);
    let distinct: BTreeSet<&str> = billed.iter().map(|(call, _)| call.as_str()).collect();
    assert_eq!(distinct.len(), billed.len(), "a call was billed twice");
    check_same(&billed, &charged);
    tester.check_balance().await;

    let open = tester.origin("/api/v1/calls/open").await;
    let ages = open["calls"].as_array().unwrap().iter().map(|call| call["age_ms"].as_u64());
    let oldest_ms = ages.flatten().max().unwrap_or_default();
    open["calls"].as_array().unwrap().iter().for_each(check_wait);
    let told_by = |source: &str| calls.iter().filter(|call| call["source"] == source).count();
    Count {
        charged: charged.len(),
        by_bill: told_by("bill"),
        by_asking: told_by("retrieved"),
        open: open["calls"].as_array().unwrap().len(),
        oldest_ms,
    }
}

/// That nothing is waited for longer than it may: neither until now, nor as it is planned. An edge that was
/// killed after the call had been let in is no reason to wait for it from the beginning.
fn check_wait(call: &Value) {
    let longest_ms = UNNAMED_LIFE_MS + IN_HAND_MS;
    let at = |field: &str| call[field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let planned_ms = (at("due_at") - at("admitted_at")).num_milliseconds();
    let is_short = call["age_ms"].as_u64().unwrap() < longest_ms
        && u64::try_from(planned_ms).unwrap_or_default() < longest_ms;
    assert!(is_short, "waited for too long: {call:#}");
}

fn check_same(billed: &[Charge], charged: &[Charge]) {
    let (left, right): (BTreeSet<_>, BTreeSet<_>) =
        (billed.iter().collect(), charged.iter().collect());
    let too_many: Vec<_> = left.difference(&right).collect();
    let too_few: Vec<_> = right.difference(&left).collect();
    let same = too_many.is_empty() && too_few.is_empty();
    assert!(same, "billed and not charged: {too_many:?}; charged and not billed: {too_few:?}");
    assert_eq!(billed.len(), charged.len());
}

/// Every finished call when all is quiet; what is still going on when it is not.
async fn quiet(tester: &Tester, subjects: &[String]) -> Result<Vec<Value>, String> {
    let works = tester.works_of(subjects).await;
    let goes_on = |work: &&Value| work["status"] == "running";
    if let Some(work) = works.iter().find(goes_on) {
        return Err(format!("{work:#} goes on"));
    }
    let health = tester.origin_as_admin("/health").await;
    let journals = health["journals"].as_array().unwrap();
    let behind: u64 = journals.iter().filter_map(|journal| journal["behind"].as_u64()).sum();
    if behind > 0 {
        return Err(format!("the origin is behind: {health:#}"));
    }
    let calls = tester.every_call().await;
    let billed = billed(&calls);
    let billed: BTreeSet<&str> = billed.iter().map(|(call, _)| call.as_str()).collect();
    let charged = charged(&works);
    let owed = charged.iter().find(|(call, _)| !billed.contains(call.as_str()));
    match owed {
        Some((call, _)) => Err(format!("{call} was charged upstream and is not billed")),
        None => Ok(calls),
    }
}

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

//! What upstream accepted as billable = what was billed, each once, to the unit.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tester::{Tester, until};

/// How one piece of work is told on either side.
type Told = (String, u64);

/// The works of these subjects that upstream charged for, by chat or execution, with their tokens.
async fn charged(tester: &Tester, subjects: &[String]) -> BTreeMap<Told, usize> {
    let mut charged = BTreeMap::new();
    for subject in subjects {
        for work in tester.works(subject).await {
            if work["billable"] == true {
                let tokens = work["token_count"].as_u64().unwrap();
                *charged.entry((name(&work), tokens)).or_default() += 1;
            }
        }
    }
    charged
}

/// The account's calls to these subjects that were billed.
async fn billed(tester: &Tester, subjects: &[String]) -> BTreeMap<Told, usize> {
    let mut billed = BTreeMap::new();
    for call in tester.every_call().await {
        let is_ours = subjects.iter().any(|subject| call["subject"] == *subject);
        let tokens = call["usage"]["total"].as_u64().unwrap_or_default();
        if is_ours && call["ending"] == "settled" && tokens > 0 {
            *billed.entry((name(&call), tokens)).or_default() += 1;
        }
    }
    billed
}

/// A chat by its chat, anything else by its execution.
fn name(told: &Value) -> String {
    let id = told["chat_id"].as_str().or_else(|| told["execute_id"].as_str());
    id.unwrap_or_default().to_owned()
}

/// Waits until nothing is open any more and both sides tell the same.
pub(crate) async fn agree(tester: &Tester, subjects: &[String]) {
    until("every hold to end", async || {
        (tester.balance_at_edge().await["held_nanos"] == 0).then_some(())
    })
    .await;
    let expected = charged(tester, subjects).await;
    until("both sides to agree", async || {
        let billed = billed(tester, subjects).await;
        let excess =
            billed.iter().find(|(told, count)| expected.get(*told).is_none_or(|e| e < *count));
        assert!(excess.is_none(), "billed {excess:?} of {billed:#?}, charged were {expected:#?}");
        (billed == expected).then_some(())
    })
    .await;
    tester.check_balance().await;
}

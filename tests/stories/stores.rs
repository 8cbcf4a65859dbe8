//! The journals' store is lost, or put back from an old copy, and an operator decides.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::stack::Stack;

use crate::tester::{Tester, own_stack, until};

/// Where the edge keeps its journals.
fn journals(stack: &Stack) -> PathBuf {
    stack.folder().join("journals")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &to);
        } else {
            fs::copy(file.path(), to).unwrap();
        }
    }
}

async fn runs(tester: &Tester, workflow: &str, count: usize) {
    for _ in 0..count {
        let body = json!({"workflow_id": workflow, "parameters": {}});
        assert_eq!(tester.call("/v1/workflow/run", &body).await.status(), 200);
    }
}

/// The account's journal, once it is stopped.
async fn stopped(tester: &Tester) -> Value {
    until("the journal to be stopped", async || {
        let journals = tester.origin_as_admin("/api/v1/journals").await;
        let journals = journals["items"].as_array().unwrap().clone();
        journals.into_iter().find(|journal| journal["stopped_by"].is_string())
    })
    .await
}

/// Goes on with each journal that is stopped, until none is: a disk holds all of them, and each is noticed
/// when it is pulled next.
async fn accept_all(stack: &Stack) -> Vec<Value> {
    let mut accepted = Vec::new();
    until("no journal to be stopped, and no finding to be open", async || {
        let list: Value = stack.weir_json(&["journal", "list"]).unwrap();
        for journal in list.as_array().unwrap() {
            if journal["stopped_by"].is_string() {
                let (name, epoch) = (&journal["journal"], &journal["seen_epoch"]);
                let (name, epoch) = (name.as_str().unwrap(), epoch.as_str().unwrap());
                let reason = ["--epoch", epoch, "--reason", "the disk was lost"];
                let arguments = [&["journal", "accept", name][..], &reason].concat();
                accepted.push(stack.weir_json(&arguments).unwrap());
            }
        }
        let open: Value = stack.weir_json(&["finding", "list", "--state", "open"]).unwrap();
        (open == json!([])).then_some(())
    })
    .await;
    accepted
}

/// The account's calls, once there are this many. What the edge counts itself is less than that.
async fn listed(tester: &Tester, count: usize) -> Vec<Value> {
    until("the calls to be listed", async || {
        let page = tester.origin("/api/v1/calls?limit=500").await;
        let calls = page["calls"].as_array().unwrap().clone();
        assert!(calls.len() <= count, "{} calls, {count} were made", calls.len());
        (calls.len() == count).then_some(calls)
    })
    .await
}

/// The balance at the edge, once it is what the origin says.
async fn agreed_balance(tester: &Tester) -> i64 {
    until("both sides to agree", async || {
        let origin = tester.origin("/api/v1/token-usage/balance").await;
        let reply = tester.ask(reqwest::Method::GET, "/api/v1/token-usage/balance").send().await;
        let edge: Value = reply.unwrap().json().await.unwrap();
        let balance = edge["balance_nanos"].as_i64();
        (balance == origin["balance_nanos"].as_i64()).then_some(balance)?
    })
    .await
}

/// A copy of the store is put back: calls that were made since stand, calls that the copy makes are posted,
/// and nothing is spent twice. Then the store is lost, and the same is true of a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_put_back_and_a_store_lost_are_gone_on_with() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "stores");
    let workflow = tester.subject(1);
    let backup = stack.folder().join("edge-backup");
    runs(&tester, &workflow, 3).await;
    tester.calls(3).await;
    stack.edge.kill().unwrap();
    copy(&journals(&stack), &backup);
    stack.edge.start().unwrap();
    runs(&tester, &workflow, 4).await;
    tester.calls(7).await;
    let spent = agreed_balance(&tester).await;

    stack.edge.kill().unwrap();
    fs::remove_dir_all(journals(&stack)).unwrap();
    copy(&backup, &journals(&stack));
    stack.edge.start().unwrap();
    // As many calls as were lost with the copy, and one more: the numbers alone would not tell.
    runs(&tester, &workflow, 5).await;
    stopped(&tester).await;
    let accepted = accept_all(&stack).await;
    assert_eq!(accepted[0]["common_seq"], 3, "{accepted:#?}");
    let calls = listed(&tester, 12).await;
    let per_call = calls[0]["amount_nanos"].as_i64().unwrap();
    assert_eq!(agreed_balance(&tester).await, spent - 5 * per_call);

    stack.edge.kill().unwrap();
    fs::remove_dir_all(journals(&stack)).unwrap();
    fs::create_dir_all(journals(&stack)).unwrap();
    stack.edge.start().unwrap();
    let stopped = stopped(&tester).await;
    assert_eq!(stopped["stopped_by"], "epoch_changed");
    // A store that nobody has decided about lets nobody in.
    let body = json!({"workflow_id": workflow, "parameters": {}});
    assert!(tester.call("/v1/workflow/run", &body).await.status().is_client_error());
    let accepted = accept_all(&stack).await;
    assert!(accepted.iter().all(|journal| journal["common_seq"] == 0), "{accepted:#?}");
    assert_eq!(agreed_balance(&tester).await, spent - 5 * per_call);
    runs(&tester, &workflow, 2).await;
    listed(&tester, 14).await;
    assert_eq!(agreed_balance(&tester).await, spent - 7 * per_call);

    let books: Value = stack.weir_json(&["backfill", "--check"]).unwrap();
    assert_eq!(books["differing"], 0, "{books:#}");
    let drift: Value = stack.weir_json(&["report", "drift"]).unwrap();
    assert_eq!(drift["agrees"], true, "{drift:#}");
}

/// On a running installation the doctor finds nothing wrong, and the self-test passes.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_nothing_wrong_with_a_stack_that_runs() {
    // Of its own: what other stories break on purpose is a finding, and a finding is wrong.
    let stack = own_stack();
    let tester = Tester::on(&stack, "doctor");
    until("every journal to be pulled", async || {
        let health = tester.origin_as_admin("/health").await;
        health["last_pull_age_ms"].is_u64().then_some(())
    })
    .await;
    let checks: Value = stack.weir_json(&["reconcile", "--self-test"]).unwrap();
    assert_eq!(checks["self_test"]["passed"], true, "{checks:#}");
    let checks: Value = stack.weir_json(&["doctor"]).unwrap();
    for check in checks.as_array().unwrap() {
        assert_ne!(check["state"], "wrong", "{checks:#}");
    }
}

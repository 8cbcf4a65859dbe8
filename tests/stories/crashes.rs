//! Processes that die: no call is lost, and none is doubled.

use serde_json::json;
use xtask::stack::Stack;

use crate::tester::{Tester, chat, own_stack, until};

async fn some_calls(tester: &Tester, workflow: &str, count: usize) {
    for _ in 0..count {
        let body = json!({"workflow_id": workflow, "parameters": {}});
        assert_eq!(tester.call("/v1/workflow/run", &body).await.status(), 200);
    }
}

/// Kills a part, starts it again, and lets the story go on.
fn kill_and_start(stack: &mut Stack, part: Part) {
    let process = match part {
        Part::Edge => &mut stack.edge,
        Part::Origin => &mut stack.origin,
        Part::Postgres => &mut stack.postgres.as_mut().expect("a server of our own").process,
    };
    process.kill().unwrap();
    process.start().unwrap();
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Edge,
    Origin,
    Postgres,
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_origin_and_postgres_die_in_turn_and_nothing_is_lost_or_doubled() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "deaths");
    let workflow = tester.subject(1);
    let mut made = 0;
    for part in [Part::Edge, Part::Origin, Part::Postgres, Part::Edge] {
        some_calls(&tester, &workflow, 5).await;
        kill_and_start(&mut stack, part);
        some_calls(&tester, &workflow, 5).await;
        made += 10;
        let calls = tester.calls(made).await;
        let works = tester.works(&workflow).await;
        let executions = |list: &[serde_json::Value]| {
            let mut ids: Vec<String> =
                list.iter().map(|one| one["execute_id"].to_string()).collect();
            ids.sort();
            ids
        };
        assert_eq!(executions(&calls), executions(&works), "after {part:?}");
    }
    let health = tester.origin_as_admin("/health").await;
    assert_eq!(health["findings_open"], 0, "{health:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_edge_died_is_settled_from_its_noted_ids() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "orphan");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [3]}})).await;
    let reply = tester.call("/v3/chat", &chat(&bot, true, "hello")).await;
    let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    until("the ids to be noted", async || {
        let explained = tester.explain_at_edge(&call).await;
        explained["hold"]["chat_id"].is_string().then_some(())
    })
    .await;
    stack.edge.kill().unwrap();
    stack.edge.start().unwrap();
    tester.release(&bot).await;
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["ending"], "settled", "{:#}", calls[0]);
    assert_eq!(calls[0]["source"], "retrieved");
    assert_eq!(calls[0]["usage"]["total"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_origin_away_calls_are_served_and_caught_up_later() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "origin away");
    let workflow = tester.subject(1);
    stack.origin.kill().unwrap();
    some_calls(&tester, &workflow, 20).await;
    stack.origin.start().unwrap();
    tester.calls(20).await;
}

//! Streams that end with what they cost.

use serde_json::{Value, json};

use crate::clients::Library;
use crate::tester::{Tester, chat, shared, until};

/// A story whose account has `--balance-events` set.
async fn told_always(story: &str) -> Tester {
    let tester = Tester::new(story);
    shared().weir(&["account", "set", &tester.account, "--balance-events", "true"]).unwrap();
    let bot = tester.subject(900);
    until("the setting to reach the edge", async || {
        let reply = tester.call("/v3/chat", &chat(&bot, true, "are we there?")).await;
        reply.text().await.unwrap().contains("balance_updated").then_some(())
    })
    .await;
    tester
}

/// A stream of a caller who asks for notices.
async fn asked(tester: &Tester, path: &str, body: &Value) -> String {
    let request = tester.ask(reqwest::Method::POST, path).header("weir-events", "balance");
    request.json(body).send().await.unwrap().text().await.unwrap()
}

/// The notice at the end of a stream, in whose text it stands once, behind a blank line.
fn notice(stream: &str, before: &str) -> Value {
    assert_eq!(stream.matches("balance_updated").count(), 1, "{stream}");
    let (upstream, last) = stream.trim_end_matches('\n').rsplit_once("\n\n").unwrap();
    assert!(upstream.ends_with(before), "{upstream}");
    assert!(stream.ends_with("\n\n"), "{stream}");
    let data = last.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
    serde_json::from_str(data).unwrap()
}

/// What is left in points, to which the notice in a stream has to come down.
async fn balance(tester: &Tester) -> Value {
    let balance = tester.balance_at_edge().await["balance_points"].clone();
    serde_json::from_str(balance.as_str().unwrap()).unwrap()
}

/// Pitfalls 27, 28 and 29: the notice is the last event, in the stream's own dialect, also where
/// upstream leaves its last newlines out, and nothing else is added.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_what_it_cost_for_callers_who_ask() {
    let tester = Tester::new("notices");
    for (number, shape) in (0..).zip([json!({}), json!({"without_last_newline": true})]) {
        let (bot, workflow) = (tester.subject(number * 2), tester.subject(number * 2 + 1));
        for subject in [&bot, &workflow] {
            tester.behave(subject, json!({"stream": shape})).await;
        }
        let stream = asked(&tester, "/v3/chat", &chat(&bot, true, "hello")).await;
        let told = notice(&stream, "event:done\ndata:\"[DONE]\"");
        // 5 tokens in and 15 out, of a fiftieth of a point each.
        assert_eq!((&told["tokens"], &told["pointsDeducted"]), (&json!(20), &json!(0.4)));
        assert_eq!(told["cost"], json!(0.000_04));
        assert_eq!(told["newBalance"], balance(&tester).await);

        let body = json!({"workflow_id": workflow, "parameters": {}});
        let stream = asked(&tester, "/v1/workflow/stream_run", &body).await;
        let (before, last) = stream.rsplit_once("\nid: ").unwrap();
        let id_before = before.rsplit_once("id: ").unwrap().1.split('\n').next().unwrap();
        let id = last.split('\n').next().unwrap();
        assert_eq!(id.parse::<u64>().unwrap(), id_before.parse::<u64>().unwrap() + 1);
        let told = notice(&stream, "}");
        assert_eq!((&told["tokens"], &told["pointsDeducted"]), (&json!(57), &json!(1.14)));
        assert_eq!(told["newBalance"], balance(&tester).await);
    }
    let silent = tester.call("/v3/chat", &chat(&tester.subject(0), true, "hello")).await;
    assert!(!silent.text().await.unwrap().contains("balance_updated"));
}

/// Pitfall 28: nothing comes before the end, and a stream that breaks off ends without a notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_tells_no_balance() {
    let tester = Tester::new("notices of cut streams");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"cut_after_bytes": 900}})).await;
    let request = tester.ask(reqwest::Method::POST, "/v3/chat").header("weir-events", "balance");
    let reply = request.json(&chat(&bot, true, "hello")).send().await.unwrap();
    assert!(!reply.text().await.unwrap_or_default().contains("balance_updated"));
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["ending"], "settled");
}

/// Work that failed is told like any other: it cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn failed_work_is_told_to_have_cost_nothing() {
    let tester = Tester::new("notices of failures");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"outcome": {"fail": {"code": 4028}}})).await;
    let stream = asked(&tester, "/v3/chat", &chat(&bot, true, "hello")).await;
    let told = notice(&stream, "\"[DONE]\"");
    assert_eq!((&told["pointsDeducted"], &told["tokens"]), (&json!(0), &json!(0)));
    assert_eq!(told["newBalance"], balance(&tester).await);
}

/// Pitfall 28: the official libraries bear the notice, in each dialect, and show it last.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_libraries_bear_a_notice() {
    let tester = told_always("notices for libraries").await;
    for (number, shape) in (0..).zip([json!({}), json!({"without_last_newline": true})]) {
        let (bot, workflow) = (tester.subject(number * 2), tester.subject(number * 2 + 1));
        for subject in [&bot, &workflow] {
            tester.behave(subject, json!({"stream": shape})).await;
        }
        for library in [Library::Python, Library::JavaScript] {
            let chatted = ["--do", "chat-stream", "--bot-id", &bot, "--text", "hello"];
            let ran = ["--do", "run-stream", "--workflow-id", &workflow, "--text", "hello"];
            let flow = ["--do", "chatflow", "--workflow-id", &workflow, "--text", "hello"];
            for what in [chatted, ran, flow] {
                let seen = library.does(&tester, &what).await;
                let events: Vec<&str> =
                    seen["events"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert_eq!(events.last(), Some(&"balance_updated"), "{library:?} {events:?}");
                let notices = events.iter().filter(|event| **event == "balance_updated").count();
                assert_eq!(notices, 1, "{library:?} {events:?}");
            }
        }
    }
    tester.check_balance().await;
}

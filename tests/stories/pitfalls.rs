//! The pitfalls of the contract's §9 that no other story walks into.

use reqwest::Method;
use serde_json::{Value, json};

use crate::agreement::agree;
use crate::tester::{Tester, chat};

fn run(workflow: &str) -> Value {
    json!({"workflow_id": workflow, "parameters": {"text": "hello"}})
}

/// Pitfall 13: a chatflow that asked a question goes on as a new chat, which is a charge of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_chatflow_that_goes_on_is_a_second_call() {
    let tester = Tester::new("pitfall 13");
    let workflow = tester.subject(1);
    tester.behave(&workflow, json!({"outcome": {"interrupt": {"charged": true}}})).await;
    let message = json!([{"role": "user", "content": "hello", "content_type": "text"}]);
    let mut body = json!({"workflow_id": workflow, "app_id": "7700", "parameters": {}, "additional_messages": message});
    let first = tester.call("/v1/workflows/chat", &body).await.text().await.unwrap();
    let conversation =
        first.split("\"conversation_id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    body["conversation_id"] = json!(conversation.unwrap());
    tester.call("/v1/workflows/chat", &body).await.text().await.unwrap();
    let calls = tester.calls(2).await;
    assert_ne!(calls[0]["chat_id"], calls[1]["chat_id"]);
    // Neither used anything before it asked, and nothing is left open for the answer.
    assert!(calls.iter().all(|call| call["ending"] == "released"), "{calls:#?}");
    agree(&tester, &[workflow]).await;
}

/// Pitfall 16: a synchronous run whose connection breaks before any answer was charged upstream, and its
/// execution is known to nobody. It is not billed by guess: it ends at no charge, listed and as a finding.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_before_it_has_a_name_costs_nothing_and_is_listed() {
    let tester = Tester::new("pitfall 16");
    let workflow = tester.subject(1);
    tester.behave(&workflow, json!({"pace": {"cut_after_bytes": 0}})).await;
    let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
    assert_eq!(reply.status(), 502);
    assert_eq!(reply.json::<Value>().await.unwrap()["error"]["code"], "upstream_unreachable");
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["ending"], "expired");
    assert_eq!(calls[0]["amount_nanos"], 0);
    assert_eq!(calls[0]["source"], "missing");
}

/// Pitfall 16: a gateway before upstream gives up on a run that may go on. Its page passes unchanged, and
/// what became of the run is not taken for a failure; another 5xx is upstream's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_gives_up_says_nothing_about_the_run() {
    let tester = Tester::new("pitfall 16, gateways");
    let (timed_out, failed) = (tester.subject(1), tester.subject(2));
    for (workflow, status) in [(&timed_out, 504), (&failed, 500)] {
        tester.behave(workflow, json!({"refuse": {"http_status": status, "body": "html"}})).await;
        let reply = tester.call("/v1/workflow/run", &run(workflow)).await;
        assert_eq!(reply.status(), status);
        assert!(reply.text().await.unwrap().contains("<html"));
    }
    let calls = tester.calls(2).await;
    let endings = calls.iter().map(|call| (&call["subject"], &call["ending"]));
    let expected = [(&json!(timed_out), &json!("expired")), (&json!(failed), &json!("released"))];
    assert_eq!(endings.collect::<Vec<_>>(), expected);
}

/// Pitfall 17: an error in the middle of a stream, with and without what was used until then.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_of_a_stream_is_billed_only_by_what_upstream_says() {
    let tester = Tester::new("pitfall 17");
    let (silent, failed) = (tester.subject(1), tester.subject(2));
    tester.behave(&silent, json!({"outcome": {"error": {"after_events": 3}}})).await;
    tester.behave(&failed, json!({"outcome": {"fail": {"code": 4013, "charged": true}}})).await;
    for subject in [&silent, &failed] {
        tester.call("/v3/chat", &chat(subject, true, "hello")).await.text().await.unwrap();
        tester.call("/v1/workflow/stream_run", &run(subject)).await.text().await.unwrap();
    }
    let calls = tester.calls(4).await;
    for call in &calls {
        let charged = call["subject"] == failed && call["usage"]["total"].as_u64() > Some(0);
        assert_eq!(call["amount_nanos"].as_i64() > Some(0), charged, "{call:#}");
    }
}

/// Pitfall 19: nothing is sent upstream twice, whatever it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_is_sent_once() {
    let tester = Tester::new("pitfall 19");
    let workflow = tester.subject(1);
    for http_status in [408, 409, 429, 500, 502, 503] {
        tester
            .behave(&workflow, json!({"refuse": {"http_status": http_status, "code": 5000}}))
            .await;
        let before = tester.requests_upstream().await;
        let marker = format!("{}-{http_status}", tester.account);
        let request = tester.ask(Method::POST, "/v1/workflow/run").header("x-marker", &marker);
        assert_eq!(request.json(&run(&workflow)).send().await.unwrap().status(), http_status);
        let seen = tester.requests_after(before).await;
        let ours = seen.iter().filter(|seen| seen["headers"]["x-marker"] == json!(marker)).count();
        assert_eq!(ours, 1, "{http_status}");
    }
    tester.calls(6).await;
}

/// Pitfall 21: whether a call streams is told by its body and its reply, and not by `Accept`.
#[tokio::test(flavor = "multi_thread")]
async fn the_accept_header_says_nothing() {
    let tester = Tester::new("pitfall 21");
    let bot = tester.subject(1);
    for (accept, stream) in [("application/json", true), ("text/event-stream", false)] {
        let request = tester.ask(Method::POST, "/v3/chat").header("accept", accept);
        let reply = request.json(&chat(&bot, stream, "hello")).send().await.unwrap();
        let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind.starts_with("text/event-stream"), stream);
        reply.text().await.unwrap();
    }
    tester.calls(2).await;
    agree(&tester, &[bot]).await;
}

/// Pitfalls 30 and 32: a total that is not the sum is stored as it is and billed by its parts; what no
/// call can use is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_contradict_are_billed_by_their_parts_and_absurd_ones_not_at_all() {
    let tester = Tester::new("pitfalls 30 and 32");
    let (contradicts, absurd, negative) = (tester.subject(1), tester.subject(2), tester.subject(3));
    let usage = |input: i64, output: i64, total: i64| json!({"usage": {"input_count": input, "output_count": output, "token_count": total}});
    tester.behave(&contradicts, usage(100, 40, 80)).await;
    tester.behave(&absurd, usage(1, 4_000_000_000, 4_000_000_001)).await;
    tester.behave(&negative, usage(10, -3, 7)).await;
    for subject in [&contradicts, &absurd, &negative] {
        tester.call("/v1/workflow/run", &run(subject)).await;
    }
    let calls = tester.calls(3).await;
    let of = |subject: &str| calls.iter().find(|call| call["subject"] == subject).unwrap();
    assert_eq!(of(&contradicts)["amount_quota"], "140");
    assert_eq!(of(&contradicts)["usage"]["total"], 80);
    assert_eq!(of(&absurd)["amount_nanos"], 0);
    // The output is rejected, the rest is upstream's word.
    assert_eq!(of(&negative)["amount_quota"], "7");
}

/// Pitfall 37: a caller who goes past Weir gets nowhere, since its key means nothing upstream.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_ours_opens_nothing_upstream() {
    let tester = Tester::new("pitfall 37");
    let url = format!("{}/v3/chat", tester.upstream);
    let request = reqwest::Client::new().post(url).bearer_auth(&tester.key);
    let reply = request.json(&chat("7490", true, "hello")).send().await.unwrap();
    assert_eq!(reply.status(), 401);
}

/// Pitfall 43: a chat whose history is not saved can only be read from its stream, and is.
#[tokio::test(flavor = "multi_thread")]
async fn a_chat_without_history_is_billed_from_its_stream() {
    let tester = Tester::new("pitfall 43");
    let bot = tester.subject(1);
    let mut body = chat(&bot, true, "hello");
    body["auto_save_history"] = json!(false);
    tester.call("/v3/chat", &body).await.text().await.unwrap();
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["source"], "reported");
    agree(&tester, &[bot]).await;
}

/// Pitfall 36: a bot that runs workflows inside is billed as the bot, once.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_root_of_a_call_is_billed() {
    let tester = Tester::new("pitfall 36");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let mut body = chat(&bot, true, "hello");
    body["parameters"] = json!({"workflow_id": workflow});
    tester.call("/v3/chat", &body).await.text().await.unwrap();
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["subject"], bot);
    agree(&tester, &[bot, workflow]).await;
}

/// Pitfall 3, and the open-source server (contract §2.4): it ends a chat in other words, counts its output
/// twice in the total, tells a run's tokens as one number, fails as plain text, and with a code that is
/// text. What it says is billed by its parts, and a total that contradicts them is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn the_open_source_server_is_read_by_its_own_words() {
    let tester = Tester::new("open source");
    let (good, bad) = (tester.subject(1), tester.subject(2));
    tester.behave(&good, json!({"server": "open_source"})).await;
    let error = json!({"error": {"after_events": 2, "code": 720_702_011}});
    tester.behave(&bad, json!({"server": "open_source", "outcome": error})).await;
    let message = json!([{"role": "user", "content": "hello", "content_type": "text"}]);
    let flow = |workflow: &str| {
        json!({"workflow_id": workflow, "app_id": "7700", "parameters": {},
               "additional_messages": message.clone()})
    };
    let asked = [
        ("/v3/chat", chat(&good, true, "hello")),
        ("/v1/workflow/run", run(&good)),
        ("/v1/workflow/stream_run", run(&good)),
        ("/v1/workflows/chat", flow(&good)),
        ("/v1/workflow/stream_run", run(&bad)),
        ("/v1/workflows/chat", flow(&bad)),
    ];
    let mut replies = Vec::new();
    for (path, body) in &asked {
        replies.push(tester.call(path, body).await.text().await.unwrap());
    }
    assert!(replies[0].contains("event:conversation.stream.done"), "{}", replies[0]);
    assert!(replies[2].contains("\"token\":"), "{}", replies[2]);
    assert!(replies[4].ends_with("event: error\ndata: internal error\n\n"), "{}", replies[4]);
    assert!(replies[5].contains("\"code\":\"720702011\""), "{}", replies[5]);
    let calls = tester.calls(asked.len()).await;
    let works = [tester.works(&good).await, tester.works(&bad).await].concat();
    for (call, work) in calls.iter().zip(&works) {
        let is_good = call["subject"] == good;
        assert_eq!(call["ending"] == "settled", is_good, "{call:#}");
        assert_eq!(call["operation"] == "chatflow", work["kind"] == "chatflow");
        let tokens = if is_good { work["token_count"].to_string() } else { "0".to_owned() };
        assert_eq!(call["amount_quota"], tokens, "{call:#}");
    }
    assert_eq!(calls[5]["code"], 720_702_011, "{:#}", calls[5]);
    // A total of 30 beside 5 tokens in and 15 out: the parts are billed.
    assert_eq!(
        (&calls[0]["usage"]["total"], &calls[0]["amount_quota"]),
        (&json!(30), &json!("20"))
    );
}

/// Pitfall 44: ids that come as numbers beyond 2^53 are the ids all the same, to the digit; work is found
/// by them again.
#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_numbers_are_read_to_the_digit() {
    let tester = Tester::new("pitfall 44");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    for subject in [&bot, &workflow] {
        let polled = json!({"numeric_ids": true, "polls": {"before_done": 1}});
        tester.behave(subject, polled).await;
    }
    let mut asynchronous = run(&workflow);
    asynchronous["is_async"] = json!(true);
    let asked = [
        ("/v3/chat", chat(&bot, true, "hello")),
        ("/v3/chat", chat(&bot, false, "hello")),
        ("/v1/workflow/run", asynchronous),
    ];
    for (path, body) in &asked {
        let reply = tester.call(path, body).await.text().await.unwrap();
        assert!(reply.contains("id\":75"), "{reply}");
    }
    let calls = tester.calls(asked.len()).await;
    assert!(calls.iter().all(|call| call["ending"] == "settled"), "{calls:#?}");
    agree(&tester, &[bot, workflow]).await;
}

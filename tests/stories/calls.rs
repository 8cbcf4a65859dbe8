//! Each billable call of the contract's table 1.1, and what follows up on it (table 1.2).

use reqwest::Method;
use serde_json::{Value, json};

use crate::agreement::agree;
use crate::clients::Library;
use crate::tester::{Tester, chat};

fn run(workflow: &str) -> Value {
    json!({"workflow_id": workflow, "parameters": {"text": "hello"}})
}

/// Row 3, pitfall 11: tool outputs carry no bot and continue the chat, which is one charge.
#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_waits_for_its_tools_is_one_call() {
    for library in [Library::Python, Library::JavaScript] {
        let tester = Tester::new(&format!("tools, {library:?}"));
        let bot = tester.subject(1);
        tester.behave(&bot, json!({"outcome": {"requires_action": {}}})).await;
        let result = library
            .does(&tester, &["--do", "chat-tools", "--bot-id", &bot, "--text", "hello"])
            .await;
        let calls = tester.calls(1).await;
        assert_eq!(calls[0]["chat_id"], result["chat_id"]);
        agree(&tester, &[bot]).await;
    }
}

/// Row 3: a chat that is not waiting here, because it is somebody else's or none, goes nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn tool_outputs_for_an_unknown_chat_are_refused() {
    let tester = Tester::new("tools for nobody");
    let path = "/v3/chat/submit_tool_outputs?conversation_id=1&chat_id=7501";
    let reply = tester.call(path, &json!({"stream": true, "tool_outputs": []})).await;
    assert_eq!(reply.status(), 404);
    assert_eq!(reply.json::<Value>().await.unwrap()["error"]["code"], "id_unknown");
    tester.calls(0).await;
}

/// Row 5, pitfalls 2, 9 and 10: an asynchronous run answers without code and without usage; polled by
/// the caller and by us, or by nobody, it is settled once.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_run_is_settled_once_whoever_polls() {
    let tester = Tester::new("async");
    let (polled, left_alone) = (tester.subject(1), tester.subject(2));
    for workflow in [&polled, &left_alone] {
        tester
            .behave(workflow, json!({"run_without_code": true, "polls": {"before_done": 2}}))
            .await;
    }
    for library in [Library::Python, Library::JavaScript] {
        library
            .does(&tester, &["--do", "run-async", "--workflow-id", &polled, "--text", "hello"])
            .await;
    }
    let body = json!({"workflow_id": left_alone, "parameters": {}, "is_async": true});
    assert_eq!(tester.call("/v1/workflow/run", &body).await.status(), 200);
    let calls = tester.calls(3).await;
    assert!(calls.iter().all(|call| call["source"] == "retrieved"), "{calls:#?}");
    agree(&tester, &[polled, left_alone]).await;
}

/// Row 7, pitfalls 12 and 18: an interrupt ends a leg, and its resume is work of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_its_resume_are_billed_once_each() {
    for (number, charged) in [(1, true), (2, false)] {
        for library in [Library::Python, Library::JavaScript] {
            let tester = Tester::new(&format!("resume {charged}, {library:?}"));
            let workflow = tester.subject(number);
            tester.behave(&workflow, json!({"outcome": {"interrupt": {"charged": charged}}})).await;
            library
                .does(
                    &tester,
                    &["--do", "run-resume", "--workflow-id", &workflow, "--text", "hello"],
                )
                .await;
            tester.calls(2).await;
            agree(&tester, &[workflow]).await;
        }
    }
}

/// Row 8: the resume without a stream, which no library has.
#[tokio::test(flavor = "multi_thread")]
async fn a_resume_without_a_stream_is_billed() {
    let tester = Tester::new("resume, plain");
    let workflow = tester.subject(1);
    tester.behave(&workflow, json!({"outcome": {"interrupt": {"charged": true}}})).await;
    let reply: Value = tester.call("/v1/workflow/run", &run(&workflow)).await.json().await.unwrap();
    let event = reply["interrupt_data"]["event_id"].as_str().unwrap();
    let body = json!({"workflow_id": workflow, "event_id": event, "interrupt_type": 2, "resume_data": "x"});
    let reply = tester.call("/v1/workflows/resume", &body).await;
    assert_eq!(reply.json::<Value>().await.unwrap()["code"], 0);
    // The same answer again finds the run finished (4315) and costs nothing.
    let reply = tester.call("/v1/workflows/resume", &body).await;
    assert_eq!(reply.headers()["weir-charge"], "0");
    let calls = tester.calls(3).await;
    assert_eq!(calls[1]["operation"], "workflow_resume");
    assert_eq!(calls[2]["ending"], "released");
    agree(&tester, &[workflow]).await;
}

/// Row 9, pitfalls 13 and 35: a chatflow is priced by its workflow, and each of its chats is a charge.
#[tokio::test(flavor = "multi_thread")]
async fn a_chatflow_is_billed_by_its_workflow() {
    for library in [Library::Python, Library::JavaScript] {
        let tester = Tester::new(&format!("chatflow, {library:?}"));
        let workflow = tester.subject(1);
        let arguments =
            ["--do", "chatflow", "--workflow-id", &workflow, "--bot-id", "7490", "--text", "hello"];
        library.does(&tester, &arguments).await;
        let calls = tester.calls(1).await;
        assert_eq!(calls[0]["subject"], workflow);
        assert_eq!(calls[0]["operation"], "chatflow");
        assert!(calls[0]["execute_id"].is_string() && calls[0]["chat_id"].is_string());
        agree(&tester, &[workflow]).await;
    }
}

/// Table 1.2 C, pitfall 14: a cancelled chat is charged in full.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_chat_is_not_free() {
    for library in [Library::Python, Library::JavaScript] {
        let tester = Tester::new(&format!("cancel, {library:?}"));
        let bot = tester.subject(1);
        tester.behave(&bot, json!({"polls": {"before_done": 100}})).await;
        library.run(&tester, &["--do", "chat-cancel", "--bot-id", &bot, "--text", "hello"]).await;
        let calls = tester.calls(1).await;
        assert_eq!(calls[0]["ending"], "settled", "{calls:#?}");
        agree(&tester, &[bot]).await;
    }
}

/// Table 1.2 A and D, pitfalls 8, 33 and 42: a library that polls ten times a second asks upstream once
/// a second, by whichever method, and the chat is one charge.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_polls_is_answered_from_memory() {
    let tester = Tester::new("polls");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"polls": {"until_released": true}})).await;
    let chat: Value =
        tester.call("/v3/chat", &chat(&bot, false, "hello")).await.json().await.unwrap();
    let (id, conversation) =
        (chat["data"]["id"].as_str().unwrap(), chat["data"]["conversation_id"].as_str().unwrap());
    let path = format!("/v3/chat/retrieve?conversation_id={conversation}&chat_id={id}");
    let before = tester.requests_upstream().await;
    for number in 0..40 {
        let method = if number % 2 == 0 { Method::GET } else { Method::POST };
        let reply: Value = tester.ask(method, &path).send().await.unwrap().json().await.unwrap();
        assert_eq!(reply["data"]["status"], "in_progress");
    }
    let seen = tester.requests_after(before).await;
    let asked = seen
        .iter()
        .filter(|seen| seen["query"].as_str().is_some_and(|query| query.contains(id)))
        .count();
    // Forty polls took a moment; one a second reaches upstream, and our own questions besides.
    assert!(asked < 20, "{asked} of 40 polls went upstream");
    tester.release(&bot).await;
    tester.calls(1).await;
    agree(&tester, &[bot]).await;
}

/// Rows 10 to 13 and 16: what counts no tokens is refused while nothing prices it, and billed by the
/// call or by its own unit once something does.
#[tokio::test(flavor = "multi_thread")]
async fn audio_rooms_voices_and_plugins_are_billed_by_their_prices() {
    let tester = Tester::new("units");
    let (voice, plugin, bot) = (tester.subject(1), tester.subject(2), tester.subject(3));
    let speech = json!({"voice_id": voice, "input": "你好 weir", "response_format": "mp3"});
    let reply = tester.call("/v1/audio/speech", &speech).await;
    assert_eq!(reply.status(), 403);
    assert_eq!(reply.json::<Value>().await.unwrap()["error"]["code"], "unpriced");
    {
        let stack = crate::tester::shared();
        let account = tester.account.as_str();
        for subject in [&plugin, &bot, "audio_transcription", "voice_clone"] {
            stack
                .weir(&[
                    "price",
                    "set",
                    "--account",
                    account,
                    "--subject",
                    subject,
                    "--per-call",
                    "100",
                ])
                .unwrap();
        }
        // The last to be set, so that all of them are there when this one is.
        stack
            .weir(&["price", "set", "--account", account, "--subject", &voice, "--per-unit", "3"])
            .unwrap();
    }
    let reply = crate::tester::until("the prices to reach the edge", async || {
        let reply = tester.call("/v1/audio/speech", &speech).await;
        (reply.status() == 200).then_some(reply)
    })
    .await;
    assert_eq!(reply.headers()["weir-charge"], "21");
    assert_eq!(reply.headers()["content-type"], "audio/mpeg");
    assert!(!reply.bytes().await.unwrap().is_empty());
    let form = |field: &'static str| {
        reqwest::multipart::Form::new()
            .part(field, reqwest::multipart::Part::bytes(vec![1; 64]).file_name("a.mp3"))
            .text("voice_name", "v")
            .text("audio_format", "mp3")
    };
    let replies = [
        tester
            .ask(Method::POST, "/v1/audio/transcriptions")
            .multipart(form("file"))
            .send()
            .await
            .unwrap(),
        tester
            .ask(Method::POST, "/v1/audio/voices/clone")
            .multipart(form("file"))
            .send()
            .await
            .unwrap(),
        tester.call("/v1/audio/rooms", &json!({"bot_id": bot})).await,
        tester
            .call(
                &format!("/v1/plugins/{plugin}/tools/call"),
                &json!({"tool_name": "t", "arguments": {}}),
            )
            .await,
    ];
    for reply in replies {
        let charge = reply.headers().get("weir-charge").cloned();
        let (url, said) = (reply.url().to_string(), reply.text().await.unwrap());
        assert!(charge.is_some_and(|charge| charge == "100"), "{url}: {said}");
    }
    let calls = tester.calls(5).await;
    assert_eq!(calls[0]["price"]["kind"], "per_unit");
    assert_eq!(calls[0]["units"], 7);
}

/// Idempotency-Key: done once, answered twice, and not to be mixed up.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_is_done_once_and_answered_twice() {
    let tester = Tester::new("idempotency");
    let (workflow, bot) = (tester.subject(1), tester.subject(2));
    let send = async |body: &Value| {
        let request =
            tester.ask(Method::POST, "/v1/workflow/run").header("idempotency-key", "order-1");
        request.json(body).send().await.unwrap()
    };
    let first = send(&run(&workflow)).await;
    let call = first.headers()["weir-call-id"].clone();
    let first = first.text().await.unwrap();
    let second = send(&run(&workflow)).await;
    assert_eq!(second.headers()["weir-call-id"], call);
    assert_eq!(second.headers()["weir-replayed"], "true");
    assert_eq!(second.text().await.unwrap(), first);
    let other = send(&json!({"workflow_id": workflow, "parameters": {"text": "other"}})).await;
    assert_eq!(other.status(), 409);
    assert_eq!(other.json::<Value>().await.unwrap()["error"]["code"], "idempotency_conflict");
    // A stream cannot be replayed, and is not run a second time either.
    for status in [200, 409] {
        let request = tester.ask(Method::POST, "/v3/chat").header("idempotency-key", "order-2");
        let reply = request.json(&chat(&bot, true, "hello")).send().await.unwrap();
        assert_eq!(reply.status(), status);
        reply.text().await.unwrap();
    }
    tester.calls(2).await;
    agree(&tester, &[workflow, bot]).await;
}

/// `explain` tells a call that runs, one that ended and one that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_explained_while_it_runs_and_when_it_was_refused() {
    let tester = Tester::new("explain");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [2]}})).await;
    let reply = tester.call("/v3/chat", &chat(&bot, true, "hello")).await;
    let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    let open = tester.explain_at_edge(&call).await;
    assert_eq!(open["state"], "open");
    assert_eq!(open["hold"]["subject"], bot);
    assert_eq!(open["hold"]["price"]["kind"], "per_token");
    tester.release(&bot).await;
    reply.text().await.unwrap();
    tester.calls(1).await;
    assert_eq!(tester.explain_at_edge(&call).await["state"], "finished");
    let speech = json!({"voice_id": "7", "input": "x"});
    let refused = tester.call("/v1/audio/speech", &speech).await;
    let call = refused.headers()["weir-call-id"].to_str().unwrap().to_owned();
    let refused = tester.explain_at_edge(&call).await;
    assert_eq!(refused["state"], "refused");
    assert_eq!(refused["reason"], "unpriced");
    let unknown = tester.explain_at_edge("c0").await;
    assert_eq!(unknown["error"]["code"], "work_unknown");
}

/// Table 1.2 D and E: what only looks at earlier work passes for a good key and is no call.
#[tokio::test(flavor = "multi_thread")]
async fn looking_at_messages_and_nodes_is_free() {
    let tester = Tester::new("looks");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let chat: Value =
        tester.call("/v3/chat", &chat(&bot, false, "hello")).await.json().await.unwrap();
    let (id, conversation) = (&chat["data"]["id"], &chat["data"]["conversation_id"]);
    let (id, conversation) = (id.as_str().unwrap(), conversation.as_str().unwrap());
    let query = format!("conversation_id={conversation}&chat_id={id}");
    let path = format!("/v3/chat/message/list?{query}");
    let messages: Value =
        tester.ask(Method::GET, &path).send().await.unwrap().json().await.unwrap();
    assert_eq!(messages["code"], 0, "{messages:#}");
    assert!(messages["data"].is_array(), "{messages:#}");
    let body = json!({"workflow_id": workflow, "parameters": {}, "is_async": true});
    let run: Value = tester.call("/v1/workflow/run", &body).await.json().await.unwrap();
    let run = run["execute_id"].as_str().unwrap();
    let path = format!("/v1/workflows/{workflow}/run_histories/{run}/execute_nodes/7503");
    let node = tester.ask(Method::GET, &path).send().await.unwrap();
    assert_ne!(node.status(), 404);
    assert!(node.headers().get("weir-charge").is_none());
    let calls = tester.calls(2).await;
    assert_eq!(calls[0]["operation"], "chat");
}

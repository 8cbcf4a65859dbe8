//! The door of `OpenAI`'s libraries: openai-python unchanged, and a plain HTTP client.
//!
//! The library sends a request again twice by itself, so wherever something fails the stand-in is asked
//! how often it was called.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::agreement::agree;
use crate::clients::Library;
use crate::tester::{Tester, until};

async fn completes(tester: &Tester, arguments: &[&str]) -> Value {
    Library::OpenAi.does(tester, arguments).await
}

/// The error that the library raises.
async fn raises(tester: &Tester, arguments: &[&str]) -> Value {
    let (code, said) = Library::OpenAi.run(tester, arguments).await;
    assert_eq!(code, 3, "{said:#}");
    said["error"].clone()
}

async fn post(tester: &Tester, body: &Value) -> reqwest::Response {
    tester.call("/v1/chat/completions", body).await
}

fn request(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_answers_whole_and_bit_by_bit() {
    let tester = Tester::new("openai bot");
    let bot = tester.subject(1);
    let whole = completes(&tester, &["--do", "complete", "--model", &bot]).await;
    assert_eq!(whole["text"], "You said: hello");
    assert_eq!(whole["finish_reason"], "stop");
    assert_eq!(whole["model"], bot);
    assert_eq!(whole["charge"], "20");
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 15, "total_tokens": 20});
    assert_eq!(whole["usage"], usage);
    let call = whole["call"].as_str().unwrap();
    assert_eq!(whole["id"], format!("chatcmpl-{call}"));

    let named = format!("coze-bot:{bot}");
    let plain = completes(&tester, &["--do", "stream", "--model", &named]).await;
    assert_eq!(plain["text"], "You said: hello");
    assert_eq!((&plain["finish_reason"], &plain["usage"]), (&json!("stop"), &Value::Null));
    assert_eq!(plain["roles"], json!(["assistant"]));
    assert!(plain["chunks"].as_u64().unwrap() >= 5, "{plain:#}");

    let extra = json!({"bot_id": bot}).to_string();
    let arguments = ["--do", "stream", "--include-usage", "--extra-body", &extra];
    let counted = completes(&tester, &arguments).await;
    assert_eq!((&counted["text"], &counted["usage"]), (&json!("You said: hello"), &usage));

    let calls = tester.calls(3).await;
    assert!(calls.iter().all(|call| call["operation"] == "chat" && call["amount_quota"] == "20"));
    assert_eq!(calls[0]["call_id"], call);
    agree(&tester, &[bot]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_history_goes_up_and_nothing_of_the_caller() {
    let tester = Tester::new("openai history");
    let bot = tester.subject(1);
    let before = tester.requests_upstream().await;
    let messages = json!([
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    ])
    .to_string();
    let arguments = ["--do", "complete", "--model", &bot, "--messages", &messages];
    let said = completes(&tester, &arguments).await;
    assert_eq!(said["text"], "You said: three");
    let key = tester.calls(1).await[0]["key"].as_str().unwrap().to_owned();
    let user = format!("{}.{key}", tester.account);
    let message = |role: &str, kind: &str, text: &str| {
        format!(r#"{{"role":"{role}","type":"{kind}","content":"{text}","content_type":"text"}}"#)
    };
    let messages = [
        message("user", "question", "be kind"),
        message("user", "question", "one"),
        message("assistant", "answer", "two"),
        message("user", "question", "three"),
    ]
    .join(",");
    let body = format!(
        r#"{{"bot_id":"{bot}","user_id":"{user}","stream":true,"auto_save_history":true,"additional_messages":[{messages}]}}"#
    );
    let wanted = format!("{:x}", Sha256::digest(&body));
    let requests = tester.requests_after(before).await;
    let chat = requests.iter().find(|one| one["body_sha256"] == wanted).unwrap();
    assert_eq!(chat["path"], "/v3/chat");
    let headers = chat["headers"].as_object().unwrap();
    assert!(headers.keys().all(|name| !name.starts_with("x-stainless")), "{headers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_answers_and_stops_with_its_question() {
    let tester = Tester::new("openai workflow");
    let (workflow, asks) = (tester.subject(1), tester.subject(2));
    let named = format!("coze-workflow:{workflow}");
    let whole = completes(&tester, &["--do", "complete", "--model", &named]).await;
    let streamed =
        completes(&tester, &["--do", "stream", "--include-usage", "--model", &named]).await;
    assert!(whole["text"].as_str().unwrap().contains("hello"), "{whole:#}");
    assert_eq!(streamed["text"], whole["text"]);
    assert_eq!(streamed["usage"], whole["usage"]);
    assert_eq!(whole["usage"]["completion_tokens"], 55);
    let works = tester.works(&workflow).await;
    let input = json!({"BOT_USER_INPUT": "hello"}).to_string().len();
    assert_eq!(works[0]["input_count"], input);

    tester.behave(&asks, json!({"outcome": {"interrupt": {}}})).await;
    let extra = json!({"workflow_id": asks, "workflow_parameters": {"a": 1}}).to_string();
    let arguments = ["--do", "complete", "--model", "coze-workflow", "--extra-body", &extra];
    let asked = completes(&tester, &arguments).await;
    let event = asked["extra"]["interrupt"]["event_id"].as_str().unwrap();
    assert!(event.contains('/'), "{asked:#}");
    let answer =
        json!({"workflow_id": asks, "event_id": event, "resume_data": "x", "interrupt_type": 2});
    let resumed = tester.call("/v1/workflow/stream_resume", &answer).await;
    assert_eq!(resumed.status(), 200);
    resumed.text().await.unwrap();
    agree(&tester, &[workflow, asks]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_read_until_it_ends_and_only_by_its_account() {
    let tester = Tester::new("openai task");
    let workflow = tester.subject(1);
    tester.behave(&workflow, json!({"polls": {"until_released": true}})).await;
    let named = format!("coze-workflow-async:{workflow}");
    let started = completes(&tester, &["--do", "complete", "--model", &named]).await;
    let task = started["text"].as_str().unwrap();
    let execution = &started["extra"]["execution"];
    assert_eq!(execution["url"], format!("/v1/workflows/executions/{task}"));
    assert_eq!((&execution["id"], &execution["status"]), (&json!(task), &json!("running")));
    let read = async || {
        let arguments = ["--do", "execution", "--execution", task];
        completes(&tester, &arguments).await["execution"].clone()
    };
    assert_eq!(read().await["status"], "running");

    let other = Tester::new("openai task, another account");
    let error = raises(&other, &["--do", "execution", "--execution", task]).await;
    assert_eq!((&error["status"], &error["code"]), (&json!(404), &json!("work_unknown")));
    let error = raises(&tester, &["--do", "execution", "--execution", "c0"]).await;
    assert_eq!(error["status"], 404);

    tester.release(&workflow).await;
    let ended = until("the task to end", async || {
        let execution = read().await;
        (execution["status"] != "running").then_some(execution)
    })
    .await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    assert_eq!(ended["workflow_id"], workflow);
    assert_eq!(ended["usage"]["completion_tokens"], 55);
    assert!(ended["output"].as_str().unwrap().contains("hello"), "{ended:#}");
    tester.calls(1).await;
    agree(&tester, &[workflow]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_its_models() {
    let tester = Tester::new("openai models");
    let models = completes(&tester, &["--do", "models"]).await;
    assert_eq!(models["models"], json!(["coze-bot", "coze-workflow", "coze-workflow-async"]));
    let model = completes(&tester, &["--do", "model", "--model", "coze-bot"]).await;
    assert_eq!(model["model"], "coze-bot");
    let error = raises(&tester, &["--do", "model", "--model", "gpt-4o"]).await;
    assert_eq!((&error["status"], &error["code"]), (&json!(404), &json!("model_not_found")));
}

/// Pitfalls 19 and 20: what fails is told once, in the library's words, and is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_refuses_is_told_and_never_sent_again() {
    let tester = Tester::new("openai refused upstream");
    let cases = [
        (json!({"refuse": {"code": 4013}}), 502, "upstream_4013", "InternalServerError"),
        (json!({"refuse": {"code": 4020}}), 429, "upstream_4020", "RateLimitError"),
        (json!({"refuse": {"code": 4016}}), 409, "upstream_4016", "ConflictError"),
        (json!({"refuse": {"code": 4200}}), 404, "upstream_4200", "NotFoundError"),
        (json!({"refuse": {"code": 4028}}), 502, "upstream_4028", "InternalServerError"),
        (
            json!({"refuse": {"http_status": 500, "body": "html"}}),
            502,
            "upstream_http_500",
            "InternalServerError",
        ),
        (json!({"outcome": {"fail": {"code": 4012}}}), 502, "upstream_4012", "InternalServerError"),
    ];
    for (number, (behaviour, status, code, class)) in (1..).zip(cases) {
        let bot = tester.subject(number);
        tester.behave(&bot, behaviour.clone()).await;
        let error = raises(&tester, &["--do", "complete", "--model", &bot]).await;
        let told = (&error["status"], &error["code"], &error["class"]);
        assert_eq!(told, (&json!(status), &json!(code), &json!(class)), "{behaviour}");
        let error = raises(&tester, &["--do", "stream", "--model", &bot]).await;
        assert_eq!(error["code"], code, "{behaviour}");
    }
    // A request that was sent again would be a call of its own.
    let calls = tester.calls(14).await;
    assert!(calls.iter().all(|call| call["amount_nanos"] == 0), "{calls:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_an_error_and_is_billed_as_upstream_says() {
    let tester = Tester::new("openai broken stream");
    let (cut, fails) = (tester.subject(1), tester.subject(2));
    tester.behave(&cut, json!({"pace": {"cut_after_bytes": 700}})).await;
    tester
        .behave(&fails, json!({"outcome": {"error": {"after_events": 4, "charged": true}}}))
        .await;
    for bot in [&cut, &fails] {
        for what in ["stream", "complete"] {
            let error = raises(&tester, &["--do", what, "--model", bot]).await;
            assert!(error["code"].as_str().unwrap().starts_with("upstream_"), "{error:#}");
        }
    }
    for bot in [&cut, &fails] {
        assert_eq!(tester.works(bot).await.len(), 2, "no call was sent twice");
    }
    tester.calls(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_weir_refuses_never_goes_up() {
    let mut tester = Tester::new("openai refusals");
    let bot = tester.subject(1);
    let refused = async |body: Value, status: u16, code: &str, detail: &str| {
        let reply = post(&tester, &body).await;
        assert_eq!(reply.status(), status, "{body}");
        let retried = reply.headers().get("x-should-retry").map(|value| value.to_str().unwrap());
        assert_eq!(retried, Some("false"));
        assert!(reply.headers().contains_key("weir-call-id"));
        let said: Value = reply.json().await.unwrap();
        assert_eq!(said["error"]["code"], code, "{said:#}");
        assert!(said["error"]["message"].as_str().unwrap().contains(detail), "{said:#}");
    };
    refused(request("gpt-4o", "x"), 404, "model_not_found", "`model` is none of").await;
    refused(request("coze-bot", "x"), 400, "body_invalid", "`bot_id` is missing").await;
    refused(request("coze-workflow", "x"), 400, "body_invalid", "`workflow_id` is missing").await;
    for (field, value) in [("n", json!(2)), ("tools", json!([{"type": "function"}]))] {
        let mut body = request(&bot, "x");
        body[field] = value;
        refused(body, 400, "body_invalid", &format!("`{field}` is not supported")).await;
    }
    let key = std::mem::replace(&mut tester.key, "sk-bad".to_owned());
    let error = raises(&tester, &["--do", "complete", "--model", &bot]).await;
    assert_eq!((&error["status"], &error["class"]), (&json!(401), &json!("AuthenticationError")));
    tester.key = key;
    assert!(tester.works(&bot).await.is_empty());
    {
        let stack = crate::tester::shared();
        let account = tester.account.as_str();
        stack.weir(&["account", "set", account, "--overdraft", "0"]).unwrap();
        let price = ["--account", account, "--subject", &bot, "--per-call", "900000000"];
        stack.weir(&[&["price", "set"], price.as_slice()].concat()).unwrap();
    }
    until("the balance not to cover the call", async || {
        let reply = post(&tester, &request(&bot, "x")).await;
        (reply.status() == 402 && reply.headers()["x-should-retry"] == "false").then_some(())
    })
    .await;
    let went_up = tester.works(&bot).await.len();
    let error = raises(&tester, &["--do", "complete", "--model", &bot]).await;
    assert_eq!((&error["status"], &error["code"]), (&json!(402), &json!("balance_exhausted")));
    assert_eq!(tester.works(&bot).await.len(), went_up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_of_its_own_is_done_once() {
    let tester = Tester::new("openai idempotency");
    let bot = tester.subject(1);
    let send = async |body: &Value| {
        let ask = tester.ask(Method::POST, "/v1/chat/completions").header("idempotency-key", "o-1");
        ask.json(body).send().await.unwrap()
    };
    let first = send(&request(&bot, "hello")).await;
    assert_eq!(first.headers()["weir-charge"], "20");
    let first = first.text().await.unwrap();
    let again = send(&request(&bot, "hello")).await;
    assert_eq!(again.headers()["weir-replayed"], "true");
    assert_eq!(again.text().await.unwrap(), first);
    // The same call asked for in another way is another request.
    let mut streamed = request(&bot, "hello");
    streamed["stream"] = json!(true);
    let other = send(&streamed).await;
    assert_eq!(other.status(), 409);
    assert_eq!(other.headers()["x-should-retry"], "false");
    tester.calls(1).await;
    assert_eq!(tester.works(&bot).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_a_stream_is_billed_all_the_same() {
    let tester = Tester::new("openai left");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [3]}})).await;
    let mut body = request(&bot, "hello");
    body["stream"] = json!(true);
    let reply = post(&tester, &body).await;
    assert_eq!(reply.headers()["content-type"], "text/event-stream; charset=utf-8");
    tester.until_held(&bot).await;
    drop(reply);
    tester.release(&bot).await;
    let calls = tester.calls(1).await;
    assert_eq!((&calls[0]["ending"], &calls[0]["amount_quota"]), (&json!("settled"), &json!("20")));
}

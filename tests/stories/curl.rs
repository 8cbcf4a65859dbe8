//! A plain `curl`, as the documents write it: whoever has a key and a shell needs nothing else.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::agreement::agree;
use crate::tester::Tester;

/// What `curl` printed: the status, the headers and the body.
struct Printed {
    head: String,
    body: String,
}

impl Printed {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case(header))
    }
}

/// `curl URL -H … -d …`, and nothing that a caller would not type.
async fn curl(tester: &Tester, path: &str, key: &str, body: &Value) -> Printed {
    let mut curl = Command::new("curl");
    curl.arg("-siN").arg(format!("{}{path}", tester.edge));
    curl.arg("-H").arg(format!("Authorization: Bearer {key}"));
    curl.args(["--noproxy", "*", "-d", &body.to_string()]).stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || curl.output());
    let output = run.await.unwrap().expect("the stories need curl");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    // Some versions ask first whether a body is welcome, and print the answer to that, too.
    let printed = printed.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
    let (head, body) = printed.split_once("\r\n\r\n").unwrap();
    Printed { head: head.to_owned(), body: body.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_curl_reaches_every_door() {
    let tester = Tester::new("curl");
    let [bot, workflow] = [1, 2].map(|number| tester.subject(number));
    let app = Tester::app();
    let messages = json!([{"role": "user", "content": "hello", "content_type": "text"}]);
    let chat =
        json!({"bot_id": bot, "user_id": "u1", "stream": true, "additional_messages": messages});
    let run = json!({"workflow_id": workflow, "parameters": {"city": "Hangzhou"}});
    let completion = json!({"model": bot, "messages": [{"role": "user", "content": "hello"}]});
    let asks = json!({"query": "hello", "inputs": {}, "user": "u1", "response_mode": "blocking"});
    let says = json!({"userId": "u1", "shopId": "shop-1", "botId": bot, "message": "hello"});
    let dify = format!("/dify/{app}/v1/chat-messages");
    for (path, body, expected) in [
        ("/v3/chat", &chat, "event:conversation.chat.completed"),
        ("/v1/workflow/run", &run, r#""token_count":74"#),
        ("/v1/chat/completions", &completion, r#""object":"chat.completion""#),
        (dify.as_str(), &asks, r#""message_id":"#),
        ("/api/coze/chat", &says, r#""reply":"You said: hello""#),
    ] {
        let printed = curl(&tester, path, &tester.key, body).await;
        assert!(printed.has("HTTP/1.1 200 OK"), "{path}: {}", printed.head);
        assert!(printed.head.to_ascii_lowercase().contains("weir-call-id: "), "{path}");
        assert!(printed.body.contains(expected), "{path}: {}", printed.body);
    }
    let calls = tester.calls(5).await;
    assert!(calls.iter().all(|call| call["ending"] == "settled"), "{calls:#?}");
    agree(&tester, &[bot, workflow, app]).await;
}

/// A refusal is a line of JSON that says what is wrong, at every door.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_curl_with_a_wrong_key_is_told_so_at_every_door() {
    let tester = Tester::new("curl refused");
    for path in [
        "/v3/chat",
        "/v1/workflow/run",
        "/v1/chat/completions",
        "/dify/v1/chat-messages",
        "/api/coze/chat",
    ] {
        let printed = curl(&tester, path, "sk-wrong", &json!({})).await;
        assert!(printed.has("HTTP/1.1 401 Unauthorized"), "{path}: {}", printed.head);
        assert!(printed.json().is_object(), "{path}");
    }
    assert!(tester.origin("/api/v1/calls").await["calls"].as_array().unwrap().is_empty());
}

//! The Dify door: whose what is, which apps a key opens, and what is refused before anything goes up.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::tester::{Tester, own_stack, shared, until};

fn says(user: &str) -> Value {
    json!({"query": "hello", "inputs": {}, "user": user, "response_mode": "streaming"})
}

/// What Dify would say is wrong, and what Weir calls it.
async fn refused(reply: Response) -> (u16, String, String) {
    let status = reply.status().as_u16();
    assert!(reply.headers().contains_key("weir-call-id"));
    assert_eq!(reply.headers()["content-type"], "application/json");
    let body: Value = reply.json().await.unwrap();
    assert_eq!(body["status"], status, "{body:#}");
    assert!(body["message"].is_string(), "{body:#}");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("weir_code"))
}

/// The first event of a call's stream, which is read to its end.
async fn first_event(tester: &Tester, app: &str, path: &str, user: &str) -> Value {
    let reply = tester.call(&format!("/dify/{app}/v1/{path}"), &says(user)).await;
    let stream = reply.text().await.unwrap();
    let first = stream.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    serde_json::from_str(first).unwrap()
}

/// A row of the table, as `weir routes` tells it.
#[derive(Deserialize)]
struct Route {
    methods: Vec<String>,
    path: String,
    class: String,
}

/// Where Dify looks for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UserIn {
    Json,
    Query,
    Form,
    Nowhere,
}

impl Route {
    /// The path behind `/v1`, with an id in it.
    fn path(&self) -> Option<String> {
        Some(self.path.strip_prefix("/dify/v1")?.replace("{}", "x-1"))
    }

    fn user(&self) -> UserIn {
        match self.path.trim_start_matches("/dify/v1") {
            "/audio-to-text" | "/files/upload" => UserIn::Form,
            "/parameters" | "/info" | "/meta" | "/site" => UserIn::Nowhere,
            _ if self.methods[0] == "GET" => UserIn::Query,
            _ => UserIn::Json,
        }
    }

    /// A request in the name of `u1`, and its body in the name of the account's.
    fn ask(&self, tester: &Tester, door: &str) -> (RequestBuilder, Option<String>) {
        let method = Method::from_bytes(self.methods[0].as_bytes()).unwrap();
        let path = format!("{door}{}", self.path().unwrap());
        match self.user() {
            UserIn::Query => (tester.ask(method, &format!("{path}?user=u1&limit=1")), None),
            UserIn::Nowhere => (tester.ask(method, &path), None),
            UserIn::Json => {
                let body =
                    |user: &str| format!(r#"{{"inputs":{{}},"query":"x", "user": "{user}" }}"#);
                let request = tester.ask(method, &path).header("content-type", "application/json");
                (request.body(body("u1")), Some(body(&format!("{}.u1", tester.account))))
            }
            UserIn::Form => {
                let form = "multipart/form-data; boundary=b";
                let request = tester.ask(method, &path).header("content-type", form);
                (request.body(form_of("u1")), Some(form_of(&format!("{}.u1", tester.account))))
            }
        }
    }
}

fn form_of(user: &str) -> String {
    let part = |head: &str, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
    };
    let file = part("name=\"file\"; filename=\"user\"", "hello");
    format!("{file}{}--b--\r\n", part("name=\"user\"", user))
}

/// Every row of the table: the account is in front of the user, and nothing else is changed.
#[tokio::test(flavor = "multi_thread")]
async fn every_path_goes_up_in_the_accounts_own_name() {
    let tester = Tester::new("dify users");
    let app = Tester::app();
    shared().weir(&["price", "set", "--app", &app, "--per-call", "1"]).unwrap();
    until("the price to reach the edge", async || {
        let body = json!({"text": "x", "user": "u1"});
        let reply = tester.call(&format!("/dify/{app}/v1/text-to-audio"), &body).await;
        (reply.status() == StatusCode::OK).then_some(())
    })
    .await;
    let routes: Vec<Route> = shared().weir_json(&["routes"]).unwrap();
    let door = format!("/dify/{app}/v1");
    let mut served = 0;
    for route in &routes {
        let Some(path) = route.path() else { continue };
        served += 1;
        let before = tester.requests_upstream().await;
        let marker = format!("{}{}{path}", tester.account, route.methods[0]);
        let (request, body) = route.ask(&tester, &door);
        let reply = request.header("x-marker", &marker).send().await.unwrap();
        let seen = tester.requests_after(before).await;
        let seen = seen.iter().find(|seen| seen["headers"]["x-marker"] == json!(marker));
        if route.class == "follow_up" {
            // Nobody has such a run or task.
            assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(seen, None, "{path}");
            continue;
        }
        let seen = seen.unwrap_or_else(|| panic!("{path} did not go up"));
        assert_eq!(seen["path"], format!("/dify/v1{path}"));
        assert_eq!(seen["method"], route.methods[0]);
        assert_eq!(seen["headers"]["authorization"], "Bearer app");
        let is_asked = route.user() == UserIn::Query;
        let query = is_asked.then(|| format!("user={}.u1&limit=1", tester.account));
        assert_eq!(seen["query"].as_str(), query.as_deref(), "{path}");
        if let Some(body) = body {
            let hash = Sha256::digest(body.as_bytes());
            let hash = hash.iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
            assert_eq!(seen["body_sha256"], hash, "{path}");
        }
        assert!(reply.headers().contains_key("weir-call-id"), "{path}");
        reply.bytes().await.unwrap();
    }
    assert!(served > 20, "{served}");
}

/// Two accounts whose users have the same name are two users.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_found_by_their_own_account_only() {
    let (one, other) = (Tester::new("dify apart 1"), Tester::new("dify apart 2"));
    let app = Tester::app();
    let conversation =
        first_event(&one, &app, "chat-messages", "u1").await["conversation_id"].clone();
    let listed = async |tester: &Tester, user: &str| {
        let path = format!("/dify/{app}/v1/conversations?user={user}");
        let reply = tester.ask(Method::GET, &path).send().await.unwrap();
        reply.json::<Value>().await.unwrap()["data"].as_array().unwrap().clone()
    };
    assert_eq!(listed(&one, "u1").await.len(), 1);
    for user in ["u1", &format!("{}.u1", one.account), ""] {
        assert_eq!(listed(&other, user).await.len(), 0, "{user}");
    }
    let mut body = says("u1");
    body["conversation_id"] = conversation;
    let path = format!("/dify/{app}/v1/chat-messages");
    assert_eq!(other.call(&path, &body).await.status(), StatusCode::NOT_FOUND);
    let own = one.call(&path, &body).await;
    assert_eq!(own.status(), StatusCode::OK);
    own.text().await.unwrap();
    one.calls(2).await;
    assert!(other.calls(1).await.iter().all(|call| call["amount_nanos"] == 0));
}

/// Dify itself tells a run, and stops a task, for whoever has the app's key.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_or_a_task_of_another_account_is_not_there() {
    let (one, other) = (Tester::new("dify runs 1"), Tester::new("dify runs 2"));
    let (app, second) = (Tester::app(), Tester::app());
    let first = first_event(&one, &app, "workflows/run", "u1").await;
    let (run, task) =
        (first["workflow_run_id"].as_str().unwrap(), first["task_id"].as_str().unwrap());
    let mut body = says("u1");
    body["response_mode"] = json!("blocking");
    let reply = one.call(&format!("/dify/{app}/v1/workflows/run"), &body).await;
    let blocking: Value = reply.json().await.unwrap();
    let asked = |app: &str, run: &str, task: &str| {
        let door = format!("/dify/{app}/v1");
        [
            (Method::GET, format!("{door}/workflows/run/{run}")),
            (Method::GET, format!("{door}/workflow/{run}/events?user=u1")),
            (Method::POST, format!("{door}/workflows/tasks/{task}/stop")),
            (Method::POST, format!("{door}/chat-messages/{task}/stop")),
        ]
    };
    let ask = async |tester: &Tester, method: &Method, path: &str| {
        let request = tester.ask(method.clone(), path);
        let request =
            if *method == Method::POST { request.json(&json!({"user": "u1"})) } else { request };
        request.send().await.unwrap()
    };
    for (method, path) in asked(&app, run, task) {
        assert_eq!(ask(&one, &method, &path).await.status(), StatusCode::OK, "{path}");
    }
    let run_again = blocking["workflow_run_id"].as_str().unwrap();
    let path = format!("/dify/{app}/v1/workflows/run/{run_again}");
    let detail = ask(&one, &Method::GET, &path).await;
    assert_eq!(detail.json::<Value>().await.unwrap()["status"], "succeeded");

    let before = one.requests_upstream().await;
    let nowhere = "6f000000-0000-4000-8000-000000000000";
    for (tester, asked) in [
        (&other, asked(&app, run, task)),
        (&one, asked(&app, nowhere, nowhere)),
        // The same account, but the run is another app's.
        (&one, asked(&second, run, task)),
    ] {
        for (method, path) in asked {
            let said = refused(ask(tester, &method, &path).await).await;
            assert_eq!(said, (404, "not_found".into(), "work_unknown".into()), "{path}");
        }
    }
    let seen = one.requests_after(before).await;
    let paths: Vec<_> = seen.iter().filter_map(|seen| seen["path"].as_str()).collect();
    assert!(paths.iter().all(|path| !path.contains(run) && !path.contains(nowhere)), "{paths:?}");
    one.calls(2).await;
    other.calls(0).await;
}

fn issue(tester: &Tester, arguments: &[&str]) -> String {
    let issue = ["key", "issue", &tester.account, "--name", "scoped"];
    let key: Value = shared().weir_json(&[&issue[..], arguments].concat()).unwrap();
    key["key"].as_str().unwrap().to_owned()
}

/// A key opens the apps that it names; where it is one, its name need not be said.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_the_apps_that_it_names() {
    let tester = Tester::new("dify scopes");
    let (app, second) = (Tester::app(), Tester::app());
    let only = issue(&tester, &["--allow-app", &app, "--allow-bot", "7490"]);
    let both = issue(&tester, &["--allow-app", &app, "--allow-app", &second]);
    let chats = issue(&tester, &["--allow-app", &app, "--allow-operation", "dify_chat"]);
    let of_coze = issue(&tester, &["--allow-operation", "chat"]);
    let call = async |key: &str, path: &str| {
        let request = tester.ask_without_key(Method::POST, path).bearer_auth(key);
        request.json(&says("u1")).send().await.unwrap()
    };
    let named = |app: &str, path: &str| format!("/dify/{app}/v1/{path}");
    let mut made = 0;
    for (key, path) in [
        (&only, "/dify/v1/chat-messages".to_owned()),
        (&only, named(&app, "chat-messages")),
        (&both, named(&second, "chat-messages")),
        (&tester.key, named(&app, "workflows/run")),
        (&chats, "/dify/v1/chat-messages".to_owned()),
    ] {
        let reply = call(key, &path).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        reply.text().await.unwrap();
        made += 1;
    }
    let before = tester.requests_upstream().await;
    for (key, path, want) in [
        (&only, named(&second, "chat-messages"), (403, "forbidden", "key_scope")),
        (&only, named("no-such-app", "chat-messages"), (403, "forbidden", "key_scope")),
        (&both, "/dify/v1/chat-messages".to_owned(), (400, "invalid_param", "body_invalid")),
        (&chats, named(&app, "workflows/run"), (403, "forbidden", "key_scope")),
        (&of_coze, named(&app, "chat-messages"), (403, "forbidden", "key_scope")),
    ] {
        let (status, code, weir_code) = refused(call(key, &path).await).await;
        assert_eq!((status, code.as_str(), weir_code.as_str()), want, "{path}");
    }
    // Nor does it open what costs nothing.
    let path = format!("/dify/{app}/v1/conversations?user=u1");
    let reply =
        tester.ask_without_key(Method::GET, &path).bearer_auth(&of_coze).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
    let ours = tester.requests_after(before).await;
    assert!(ours.iter().all(|seen| seen["path"] != "/dify/v1/no-such-app"), "{ours:#?}");
    assert_eq!(tester.works(&second).await.len(), 1);
    tester.calls(made).await;
}

/// Bodies, queries and paths that are not what they should be: a clear no in Dify's shape, nothing goes
/// up, nothing is held, nothing is written down.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_in_difys_words_and_never_goes_up() {
    let tester = Tester::new("dify bad input");
    let app = Tester::app();
    let door = format!("/dify/{app}/v1");
    let marker = tester.account.clone();
    let before = tester.requests_upstream().await;
    let send = async |method: Method, path: &str, content_type: &str, body: Vec<u8>| {
        let request = tester.ask(method, path).header("x-marker", &marker);
        request.header("content-type", content_type).body(body).send().await.unwrap()
    };
    let json = "application/json";
    let chat = format!("{door}/chat-messages");
    for body in [
        "",
        "hello",
        "[]",
        r#"["u1"]"#,
        "{",
        "{}",
        r#"{"user":7}"#,
        r#"{"user":""}"#,
        r#"{"user":null}"#,
        r#"{"inputs":{"user":"u1"}}"#,
        r#"{"user":"u1","user":"u2"}"#,
        r#"{"user":"u1","us\u0065r":"u2"}"#,
        r#"{"user":"u1"} {"user":"u2"}"#,
        "\u{feff}{\"user\":\"u1\"}",
    ] {
        for path in
            [&chat, &format!("{door}/workflows/run"), &format!("{door}/messages/m/feedbacks")]
        {
            let reply = send(Method::POST, path, json, body.as_bytes().to_vec()).await;
            let said = refused(reply).await;
            assert_eq!(said, (400, "invalid_param".into(), "body_invalid".into()), "{body}");
        }
    }
    for (body, content_type) in [
        ("", "multipart/form-data; boundary=b"),
        (
            "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--",
            "multipart/form-data; boundary=b",
        ),
        ("{\"user\":\"u1\"}", json),
        ("--b\n--b--", "multipart/form-data"),
    ] {
        for path in [format!("{door}/audio-to-text"), format!("{door}/files/upload")] {
            let reply = send(Method::POST, &path, content_type, body.as_bytes().to_vec()).await;
            assert_eq!(refused(reply).await.0, 400, "{body}");
        }
    }
    let escaped = format!("{door}/conversations?us%65r=u1");
    assert_eq!(refused(send(Method::GET, &escaped, json, vec![]).await).await.0, 400);
    let large = [br#"{"user":"u1","x":""#.as_slice(), &vec![b'x'; 20 << 20], b"\"}"].concat();
    let said = refused(send(Method::POST, &chat, json, large).await).await;
    assert_eq!(said, (413, "file_too_large".into(), "body_too_large".into()));
    for (method, path) in [
        (Method::POST, format!("{door}/datasets")),
        (Method::GET, format!("{door}/workflows/logs")),
        (Method::GET, chat.clone()),
        (Method::POST, format!("{chat}/")),
        (Method::POST, format!("{door}//chat-messages")),
        (Method::POST, format!("{door}/chat%2dmessages")),
        (Method::POST, format!("/dify/{app}/v2/chat-messages")),
        (Method::GET, "/dify/".to_owned()),
        (Method::GET, "/dify/v1".to_owned()),
    ] {
        let said = refused(send(method, &path, json, b"{\"user\":\"u1\"}".to_vec()).await).await;
        assert_eq!(said, (404, "not_found".into(), "route_unknown".into()), "{path}");
    }
    for (key, code) in [(None, "key_missing"), (Some("sk-nonsense"), "key_invalid")] {
        let request = tester.ask_without_key(Method::POST, &chat);
        let request = key.into_iter().fold(request, RequestBuilder::bearer_auth);
        let said = refused(request.json(&says("u1")).send().await.unwrap()).await;
        assert_eq!(said, (401, "unauthorized".into(), code.into()));
    }
    let seen = tester.requests_after(before).await;
    let ours = seen.iter().filter(|seen| seen["headers"]["x-marker"] == json!(marker));
    assert_eq!(ours.count(), 0);
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
    assert_eq!(tester.works(&app).await.len(), 0);
    tester.calls(0).await;
}

/// An empty balance, a revoked key and an upstream that is away are told in Dify's words, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_and_the_network_refuse_is_said_in_difys_words() {
    let mut stack = own_stack();
    let poor = Tester::on(&stack, "dify poor");
    stack.weir(&["account", "set", &poor.account, "--overdraft", "0"]).unwrap();
    let spend = ["--kind", "adjustment", "--reason", "nothing left"];
    stack.weir(&[&["credit", &poor.account, "-1000000"], &spend[..]].concat()).unwrap();
    until("the balance to reach the edge", async || {
        (poor.balance_at_edge().await["balance_nanos"] == 0).then_some(())
    })
    .await;
    let app = Tester::app();
    let path = format!("/dify/{app}/v1/chat-messages");
    let said = until("the overdraft to reach the edge", async || {
        let reply = poor.call(&path, &says("u1")).await;
        if reply.status() == StatusCode::OK {
            reply.text().await.unwrap();
            return None;
        }
        Some(refused(reply).await)
    })
    .await;
    assert_eq!(said, (402, "provider_quota_exceeded".into(), "balance_exhausted".into()));
    let tester = Tester::on(&stack, "dify without dify");
    stack.upstream.as_mut().unwrap().kill().unwrap();
    for path in [path.clone(), format!("/dify/{app}/v1/messages/m/feedbacks")] {
        let said = refused(tester.call(&path, &says("u1")).await).await;
        assert!(matches!(said.0, 500 | 502), "{said:?}");
        assert_eq!(said.1, "internal_server_error");
    }
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
    // Apps that cannot be read open nothing, and no app at all is no door.
    stack
        .change_secrets(|secrets| drop(secrets.insert("DIFY_APPS", "nonsense".to_owned())))
        .unwrap();
    let said = refused(tester.call(&path, &says("u1")).await).await;
    assert_eq!(said, (503, "internal_server_error".into(), "credential_unavailable".into()));
    stack.change_secrets(|secrets| drop(secrets.remove("DIFY_APPS"))).unwrap();
    let said = refused(tester.call(&path, &says("u1")).await).await;
    assert_eq!(said, (404, "not_found".into(), "route_unknown".into()));
}

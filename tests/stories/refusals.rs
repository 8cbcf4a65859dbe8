//! Who is not let in, and what is not let through.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::tester::{Tester, chat};

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The three parts of a key.
fn parts(key: &str) -> (Value, Value, String) {
    let mut parts = key.trim_start_matches("sk-").split('.');
    let (header, claims) = (read(parts.next().unwrap()), read(parts.next().unwrap()));
    (header, claims, parts.next().unwrap().to_owned())
}

async fn check(tester: &Tester, key: Option<&str>, status: u16, code: &str) {
    let mut request = tester.ask_without_key(Method::POST, "/v3/chat");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let reply = request.json(&chat("7490", true, "hello")).send().await.unwrap();
    assert_eq!(reply.status(), status, "{code}");
    let body: Value = reply.json().await.unwrap();
    assert_eq!(body["error"]["code"], code, "{body:#}");
    assert!(body["code"].as_i64().is_some_and(|code| code != 0), "{body:#}");
    assert_eq!(body["msg"], body["error"]["message"]);
    assert!(body["detail"]["logid"].is_string(), "{body:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_is_refused_and_upstream_sees_nothing() {
    let tester = Tester::new("bad keys");
    let before = tester.requests_upstream().await;
    let (header, claims, signature) = parts(&tester.key);

    check(&tester, None, 401, "key_missing").await;
    check(&tester, Some("sk-nonsense"), 401, "key_invalid").await;
    let mut forged_claims = claims.clone();
    forged_claims["sub"] = json!("acc_somebody_else");
    let forged = format!("sk-{}.{}.{signature}", part(&header), part(&forged_claims));
    check(&tester, Some(&forged), 401, "key_invalid").await;
    let mut none = header.clone();
    none["alg"] = json!("none");
    check(&tester, Some(&format!("{}.{}.", part(&none), part(&claims))), 401, "key_invalid").await;
    check(
        &tester,
        Some(&format!("{}.{}.{signature}", part(&none), part(&claims))),
        401,
        "key_invalid",
    )
    .await;
    let mut hmac = header;
    hmac["alg"] = json!("HS256");
    check(
        &tester,
        Some(&format!("{}.{}.{signature}", part(&hmac), part(&claims))),
        401,
        "key_invalid",
    )
    .await;

    let after = tester.requests_after(before).await;
    let key_ids: Vec<&Value> =
        after.iter().filter(|seen| seen["path"] == "/v3/chat" && seen["body_bytes"] == 0).collect();
    assert!(key_ids.is_empty(), "{after:#?}");
    tester.calls(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_route_reaches_nobody() {
    let tester = Tester::new("no route");
    for (method, path) in [
        (Method::POST, "/v3/chat/"),
        (Method::POST, "//v3/chat"),
        (Method::POST, "/V3/CHAT"),
        (Method::POST, "/v3/%63hat"),
        (Method::GET, "/v3/chat"),
        (Method::POST, "/v1/workflow/run2"),
        (Method::POST, "/api/permission/oauth2/token"),
        (Method::GET, "/_weir/journals/j0"),
    ] {
        let reply = tester.ask(method.clone(), path).body("{}").send().await.unwrap();
        assert_eq!(reply.status(), 404, "{method} {path}");
        let body: Value = reply.json().await.unwrap();
        assert_eq!(body["error"]["code"], "route_unknown", "{method} {path}");
    }
    tester.calls(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_billed_is_refused_by_the_name_of_its_field() {
    let tester = Tester::new("bad bodies");
    for (path, body, detail) in [
        ("/v3/chat", "", "not a JSON object"),
        ("/v3/chat", "{\"bot_id\":", "not a JSON object"),
        ("/v3/chat", "{}", "`bot_id` is missing"),
        ("/v3/chat", r#"{"bot_id":7490}"#, "`bot_id` is not a string"),
        ("/v3/chat", r#"{"bot_id":"1","bot_id":"2"}"#, "duplicate field `bot_id`"),
        ("/v1/workflow/run", r#"{"bot_id":"1"}"#, "`workflow_id` is missing"),
        ("/v1/workflow/stream_run", r#"{"workflow_id":""}"#, "`workflow_id` is empty"),
    ] {
        let reply = tester.ask(Method::POST, path).body(body).send().await.unwrap();
        assert_eq!(reply.status(), 400, "{body}");
        let said: Value = reply.json().await.unwrap();
        assert!(said["msg"].as_str().unwrap().contains(detail), "{said:#}");
    }
    let large = vec![b' '; (20 << 20) + 1];
    let reply = tester.ask(Method::POST, "/v3/chat").body(large).send().await.unwrap();
    assert_eq!(reply.status(), 413);
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
    tester.calls(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_key_and_address_stay_behind_and_ours_goes_up() {
    let tester = Tester::new("headers");
    let before = tester.requests_upstream().await;
    let reply = tester
        .ask(Method::GET, "/v1/users/me")
        .header("cf-connecting-ip", "203.0.113.9")
        .header("x-forwarded-for", "203.0.113.9")
        .header("cookie", "session=1")
        .header("x-marker", &tester.account)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
    let seen = tester.requests_after(before).await;
    let ours = seen.iter().find(|seen| seen["headers"]["x-marker"] == json!(tester.account));
    let headers = ours.expect("the request")["headers"].as_object().unwrap();
    for name in ["cf-connecting-ip", "x-forwarded-for", "cookie"] {
        assert!(!headers.contains_key(name), "{headers:#?}");
    }
    assert_eq!(headers["accept-encoding"], "identity");
}

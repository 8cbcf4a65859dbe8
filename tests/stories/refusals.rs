//! Who is not let in, and what is not let through.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::tester::{Tester, chat, shared, until};

/// The bot of calls that are refused. What they say is the account, so that each story knows its own.
const REFUSED_BOT: &str = "7490000000000000401";

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The three parts of a key.
pub(crate) fn parts(key: &str) -> (Value, Value, String) {
    let mut parts = key.trim_start_matches("sk-").split('.');
    let (header, claims) = (read(parts.next().unwrap()), read(parts.next().unwrap()));
    (header, claims, parts.next().unwrap().to_owned())
}

async fn check(tester: &Tester, key: Option<&str>, status: u16, code: &str) {
    let mut request = tester.ask_without_key(Method::POST, "/v3/chat");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let reply = request.json(&chat(REFUSED_BOT, true, &tester.account)).send().await.unwrap();
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

    assert_eq!(calls_upstream(&tester, before).await, 0);
    tester.calls(0).await;
}

/// How many calls to the bot of refused calls upstream saw behind this request: as they were sent, and with
/// the account in front of the user.
async fn calls_upstream(tester: &Tester, before: u64) -> usize {
    use sha2::{Digest as _, Sha256};
    let sent = chat(REFUSED_BOT, true, &tester.account).to_string();
    let user = |name: &str| format!(r#""user_id":"{name}""#);
    let gone_up = sent.replace(&user("u1"), &user(&format!("{}.u1", tester.account)));
    assert_ne!(sent, gone_up);
    let hashes = [sent, gone_up].map(|body| json!(format!("{:x}", Sha256::digest(body))));
    let seen = tester.requests_after(before).await;
    seen.iter().filter(|seen| hashes.contains(&seen["body_sha256"])).count()
}

/// A token signed by the origin's own key, whatever it claims.
pub(crate) fn signed(claims: &Value) -> String {
    let pair = shared().folder().join("signing-key.json");
    let pair: Value = serde_json::from_slice(&std::fs::read(pair).unwrap()).unwrap();
    let secret = URL_SAFE_NO_PAD.decode(pair["d"].as_str().unwrap()).unwrap();
    let key = SigningKey::from_bytes(&secret.try_into().unwrap());
    let message =
        format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": pair["kid"]})), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).to_bytes());
    format!("{message}.{signature}")
}

/// Keys that are signed well and yet are not good: expired, of another journal, for another purpose.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_signed_well_has_to_be_meant_for_this() {
    let tester = Tester::new("well signed");
    let before = tester.requests_upstream().await;
    let (_, claims, _) = parts(&tester.key);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&claims)
    };
    check(&tester, Some(&with("exp", json!(1_700_000_000))), 401, "key_expired").await;
    let other = if claims["jnl"] == "j7" { "j6" } else { "j7" };
    check(&tester, Some(&with("jnl", json!(other))), 401, "account_unknown").await;
    check(&tester, Some(&with("aud", json!("weir-edge"))), 401, "key_invalid").await;
    check(&tester, Some(&with("scp", json!(["workflow_run"]))), 403, "key_scope").await;
    check(&tester, Some(&with("sub_allow", json!(["7491"]))), 403, "key_scope").await;
    assert_eq!(calls_upstream(&tester, before).await, 0);
    // The same token, unchanged, is let in: it was the claims that were refused.
    let reply = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(signed(&claims));
    let reply = reply.json(&chat(REFUSED_BOT, true, &tester.account)).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    reply.text().await.unwrap();
    assert_eq!(calls_upstream(&tester, before).await, 1);
    tester.calls(1).await;
}

/// A key that was revoked is refused at its next use.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused() {
    let tester = Tester::new("revoked");
    let (_, claims, _) = parts(&tester.key);
    shared().weir(&["key", "revoke", claims["jti"].as_str().unwrap()]).unwrap();
    until("the revocation to reach the edge", async || {
        let reply = tester.ask(Method::GET, "/v1/users/me").send().await.unwrap();
        (reply.status() == 401).then_some(())
    })
    .await;
    check(&tester, Some(&tester.key), 401, "key_revoked").await;
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
        (Method::POST, "/api/permission/oauth2"),
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

/// A pull that fails half-way has done nothing: neither in storage nor in the journal's memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_fails_changes_nothing() {
    let tester = Tester::new("half a pull");
    let (_, claims, _) = parts(&tester.key);
    let in_a_minute = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    let in_a_minute = in_a_minute.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let pull = signed(&json!({"aud": "weir-edge", "jnl": claims["jnl"], "exp": in_a_minute}));
    let path = format!("/_weir/journals/{}/pull", claims["jnl"].as_str().unwrap());
    // The revocation is sound and comes first; the order names no call.
    let orders = json!([{"call": "no call!", "action": "release"}]);
    let changes = json!({"upto": 1_000_000_000, "revoked_keys": [claims["jti"]], "orders": orders});
    let body = json!({"v": 1, "ack": 0, "limit": 1, "changes": changes});
    let request = tester.ask_without_key(Method::POST, &path).bearer_auth(pull).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 503);
    assert_eq!(tester.balance_at_edge().await["account"], tester.account);
}

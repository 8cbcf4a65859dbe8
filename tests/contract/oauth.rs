//! The OAuth token endpoint.

use std::sync::OnceLock;

use jwt_compact::alg::Rsa;
use jwt_compact::{AlgorithmExt, Claims, Header};
use reqwest::Method;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

use crate::bench::{Bench, NOW, Reply, chat_body, chat_query, read, run_body};

/// A short key, since a long one takes an unoptimised build too long to make.
fn key() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| RsaPrivateKey::new(&mut OsRng, 1024).unwrap())
}

async fn registered() -> Bench {
    let bench = Bench::start().await;
    let pem = RsaPublicKey::from(key()).to_public_key_pem(LineEnding::LF).unwrap();
    let body = json!({ "kid": "kid-1", "public_key_pem": pem });
    let request = bench.request(Method::PUT, "/_standin/oauth/apps/app-1").json(&body);
    assert_eq!(read(request).await.status, 204);
    bench
}

/// Valid claims with these changes.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "app-1", "aud": "api.coze.cn", "iat": NOW, "exp": NOW + 3600, "jti": "j1",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn sign(claims: &Value, kid: &str) -> String {
    let claims: Claims<Value> = serde_json::from_value(claims.clone()).unwrap();
    Rsa::rs256().token(&Header::empty().with_key_id(kid), &claims, key()).unwrap()
}

async fn redeem(bench: &Bench, jwt: &str, body: Value) -> Reply {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = bench.url("/api/permission/oauth2/token");
    read(client.post(url).bearer_auth(jwt).json(&body)).await
}

fn grant() -> Value {
    json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "duration_seconds": 900,
        "scope": null,
    })
}

#[tokio::test]
async fn a_jwt_is_redeemed_once_for_a_token_that_says_when_it_expires() {
    let bench = registered().await;
    let jwt = sign(&claims(&json!({})), "kid-1");
    let body = redeem(&bench, &jwt, grant()).await.json();
    assert_eq!(body["expires_in"], NOW + 900, "a point in time, not a duration");
    assert_eq!(body["token_type"], "Bearer");
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with("czs_"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let run = client.post(bench.url("/v1/workflow/run")).bearer_auth(token).json(&run_body("wf"));
    assert_eq!(read(run).await.code(), Some(0));
    let again = redeem(&bench, &jwt, grant()).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["error_code"]),
        (400, &json!("invalid_request"))
    );
}

#[tokio::test]
async fn a_jwt_that_is_not_right_is_not_redeemed() {
    let bench = registered().await;
    let right = claims(&json!({}));
    let cases = [
        sign(&claims(&json!({ "aud": "127.0.0.1:18080" })), "kid-1"),
        sign(&claims(&json!({ "iss": "app-2" })), "kid-1"),
        sign(&claims(&json!({ "exp": NOW - 1 })), "kid-1"),
        sign(&claims(&json!({ "jti": "" })), "kid-1"),
        sign(&right, "kid-2"),
        format!("{}x", sign(&right, "kid-1")),
        "pat_standin".to_owned(),
    ];
    for jwt in cases {
        let reply = redeem(&bench, &jwt, grant()).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error_code"]),
            (401, &json!("invalid_client"))
        );
    }
    let jwt = sign(&right, "kid-1");
    let long = json!({ "grant_type": grant()["grant_type"], "duration_seconds": 86_400 });
    assert_eq!(redeem(&bench, &jwt, long).await.json()["error_code"], "invalid_request");
    let other = json!({ "grant_type": "password" });
    assert_eq!(redeem(&bench, &jwt, other).await.json()["error_code"], "unsupported_grant_type");
    assert_eq!(redeem(&bench, &jwt, grant()).await.status, 200, "the right one still is");
}

#[tokio::test]
async fn sessions_do_not_see_each_others_chats_and_carry_their_consumer() {
    let bench = registered().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut tokens = Vec::new();
    for name in ["alice", "bob"] {
        let context = json!({ "device_info": { "custom_consumer": name } });
        let jwt = claims(&json!({ "jti": name, "session_name": name, "session_context": context }));
        let body = redeem(&bench, &sign(&jwt, "kid-1"), grant()).await.json();
        tokens.push(body["access_token"].as_str().unwrap().to_owned());
    }
    let chat = client.post(bench.url("/v3/chat")).bearer_auth(&tokens[0]);
    let chat = read(chat.json(&chat_body("bot", false))).await.json();
    let retrieve = |token: &str| {
        let path = format!("/v3/chat/retrieve?{}", chat_query(&chat["data"]));
        read(client.get(bench.url(&path)).bearer_auth(token))
    };
    assert_eq!(retrieve(&tokens[0]).await.code(), Some(0));
    assert_eq!(retrieve(&tokens[1]).await.code(), Some(4001));
    assert_eq!(bench.works().await[0].account_hint.as_deref(), Some("alice"));
}

#[tokio::test]
async fn the_device_flow_is_pending_for_ever() {
    let bench = Bench::start().await;
    let code = bench.post("/api/permission/oauth2/device/code", json!({ "client_id": "c" })).await;
    assert!(code.json()["device_code"].is_string());
    let body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": code.json()["device_code"],
    });
    let reply = redeem(&bench, "x", body).await;
    assert_eq!(reply.json()["error_code"], "authorization_pending");
}

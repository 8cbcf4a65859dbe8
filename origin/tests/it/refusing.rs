//! Who and what is refused over HTTP, and in which words.

use meter::time::UnixMs;
use meter::wire::claims::KeyClaims;
use origin::clock;
use origin::key;
use origin::page::Span;
use origin::signing::Signer;
use serde_json::json;

use crate::tester::{J0, Served, Tester, actor};

const BALANCE: &str = "/api/v1/token-usage/balance";

#[track_caller]
fn check(got: &(u16, serde_json::Value), status: u16, code: &str) {
    let (got_status, body) = got;
    assert_eq!((*got_status, &body["error"]["code"]), (status, &json!(code)), "{body}");
    // Both families of client libraries find what they look for.
    assert!(body["code"].as_i64().unwrap() > 0);
    assert!(!body["msg"].as_str().unwrap().is_empty());
    assert!(!body["detail"]["logid"].as_str().unwrap().is_empty());
    assert!(body["error"]["type"].is_string());
}

async fn refuses(origin: &Served, key: &str, code: &str) {
    check(&origin.as_caller(BALANCE, key).await, 401, code);
}

#[tokio::test]
async fn only_a_good_key_opens() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let origin = tester.serve().await;
    check(&origin.as_nobody(BALANCE).await, 401, "key_missing");
    refuses(&origin, "x", "key_invalid").await;

    let now = clock::now();
    let claims = || KeyClaims::unlimited(&account.account_id, "key_1", J0);
    let forged = Signer::generate().unwrap().issue(claims(), now, None).unwrap();
    refuses(&origin, &forged, "key_invalid").await;
    let long_ago = Some(UnixMs::new(1_000));
    let expired = tester.signer.issue(claims(), now, long_ago).unwrap();
    refuses(&origin, &expired, "key_expired").await;
    let never_issued = tester.signer.issue(claims(), now, None).unwrap();
    refuses(&origin, &never_issued, "key_invalid").await;
    let pull = tester.signer.pull_token(&J0.parse().unwrap(), now).unwrap();
    refuses(&origin, &pull, "key_invalid").await;

    let issued = tester.key(&account, None).await;
    assert_eq!(origin.as_caller(BALANCE, &issued.key).await.0, 200);
    let bare = issued.key.strip_prefix("sk-").unwrap();
    assert_eq!(origin.as_caller(BALANCE, bare).await.0, 200);
}

#[tokio::test]
async fn a_key_is_listed_without_the_key_and_refused_once_revoked() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let origin = tester.serve().await;
    let now = clock::now();
    let expires_at = Some(now.plus_ms(86_400_000));
    let issued = tester.key(&account, expires_at).await;
    let ten = Span::first(10);
    let listed = key::list(&tester.pool, Some(&account.account_id), &ten).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].api_key_id, issued.key_id);
    assert_eq!(listed[0].expires_at.map(clock::unix_ms), expires_at);
    let printed = serde_json::to_string(&listed).unwrap();
    assert!(!printed.contains(issued.key.split('.').nth(2).unwrap()));

    assert_eq!(origin.as_caller(BALANCE, &issued.key).await.0, 200);
    key::revoke(&tester.pool, &issued.key_id, now, &actor()).await.unwrap();
    refuses(&origin, &issued.key, "key_revoked").await;
    let first = key::find(&tester.pool, &issued.key_id).await.unwrap().revoked_at;
    let again =
        key::revoke(&tester.pool, &issued.key_id, now.plus_ms(5_000), &actor()).await.unwrap();
    assert_eq!(again.revoked_at, first, "revoked twice is revoked once");
    assert!(key::revoke(&tester.pool, "key_nobody", now, &actor()).await.is_err());
}

#[tokio::test]
async fn a_caller_cannot_name_another_account() {
    let tester = Tester::new().await;
    let (one, two) = (tester.account("one").await, tester.account("two").await);
    let origin = tester.serve().await;
    let key = tester.key(&one, None).await.key;
    for path in [BALANCE, "/api/v1/calls", "/api/v1/token-usage/summary"] {
        let other = format!("{path}?account={}", two.account_id);
        check(&origin.as_caller(&other, &key).await, 403, "key_scope");
        let own = format!("{path}?account={}", one.account_id);
        assert_eq!(origin.as_caller(&own, &key).await.0, 200);
    }
}

#[tokio::test]
async fn only_the_right_password_is_the_administrators() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    for authorization in ["Basic", "Basic ", "Basic !", "Basic YWRtaW46", "Basic YWRtaW46d3Jvbmc="]
    {
        let (status, body) = origin.ask(BALANCE, authorization).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (401, &json!("key_invalid")),
            "{authorization}"
        );
    }
    assert_eq!(origin.as_admin(BALANCE).await.0, 200);
    check(&origin.as_admin(&format!("{BALANCE}?account=nobody")).await, 404, "not_found");
}

#[tokio::test]
async fn a_bad_parameter_is_refused_by_its_name() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let summary = "/api/v1/token-usage/summary";
    for (path, field) in [
        ("/api/v1/calls?limit=0".to_owned(), "limit"),
        ("/api/v1/calls?limit=501".to_owned(), "limit"),
        ("/api/v1/calls?limit=1&limit=2".to_owned(), "limit"),
        ("/api/v1/calls?cursor=AAAA".to_owned(), "cursor"),
        ("/api/v1/calls?workflow=".to_owned(), "workflow"),
        ("/api/v1/calls?workflow=a%00b".to_owned(), "workflow"),
        ("/api/v1/calls?wrkflow=1".to_owned(), "wrkflow"),
        (format!("{summary}?from=2025-02-30"), "from"),
        (format!("{summary}?to=soon"), "to"),
        (format!("{summary}?tz=Mars"), "tz"),
        (format!("{BALANCE}?account="), "account"),
    ] {
        let answer = origin.as_admin(&path).await;
        check(&answer, 400, "parameter_invalid");
        assert!(answer.1["msg"].as_str().unwrap().contains(field), "{path}: {}", answer.1);
    }
    let injected = "/api/v1/calls?workflow='%20OR%20true--";
    let (status, page) = origin.as_admin(injected).await;
    assert_eq!((status, &page["calls"]), (200, &json!([])));
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_the_same_words() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    check(&origin.as_nobody("/api/v1/nothing").await, 404, "route_unknown");
    let post = origin.client.post(format!("{}/health", origin.url)).send().await.unwrap();
    assert_eq!(post.status(), 405);
    let allowed = post.headers().get("allow").unwrap().clone();
    assert_eq!(allowed, "GET,HEAD");
    check(&(405, post.json().await.unwrap()), 405, "method_unknown");
}

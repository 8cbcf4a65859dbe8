//! Who may sign in, how, and for how long.

use origin::audit;
use origin::page::Span;
use origin::person::attempts::ATTEMPTS_MAX;
use origin::person::password::Hashed;
use origin::person::role::Role;
use origin::person::session::{SESSION_MS, SESSIONS_MAX, TokenHash, Whose};
use origin::person::{self, session};
use origin::{clock, http};
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};

use crate::tester::{PASSWORD, Served, Tester, actor, read};

const SECRET: &str = "a long enough password";

async fn add(tester: &Tester, name: &str, role: Role) {
    let hashed = Hashed::of(SECRET).unwrap();
    person::add(&tester.pool, name, role, &hashed, &actor()).await.unwrap();
}

/// Signs in with these headers: status, body and the cookie.
async fn log_in(
    origin: &Served,
    user: &str,
    password: &str,
    headers: &[(&'static str, &str)],
) -> (u16, Value, Option<String>) {
    let url = format!("{}/api/auth/login", origin.url);
    let body = json!({ "user": user, "password": password });
    let mut request = origin.client.post(url).json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = request.send().await.unwrap();
    let cookie = reply.headers().get(SET_COOKIE).map(|value| value.to_str().unwrap().to_owned());
    let (status, body) = read(reply).await;
    (status, body, cookie)
}

async fn token(origin: &Served, user: &str, password: &str) -> String {
    let (status, body, _) = log_in(origin, user, password, &[]).await;
    assert_eq!(status, 200, "{body}");
    body["token"].as_str().unwrap().to_owned()
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_session_opens_with_the_password_and_ends_when_it_is_logged_out() {
    let tester = Tester::new().await;
    add(&tester, "li", Role::Admin).await;
    let origin = tester.serve().await;
    for (user, password) in [("li", "a wrong password"), ("nobody", SECRET), ("li", "x")] {
        let (status, body, cookie) = log_in(&origin, user, password, &[]).await;
        assert_eq!((status, code(&body), cookie), (401, "login_wrong", None), "{user}");
    }
    let (status, body, cookie) = log_in(&origin, "li", SECRET, &[]).await;
    assert_eq!((status, &body["name"], &body["role"]), (200, &json!("li"), &json!("admin")));
    let cookie = cookie.unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "over plain http it would never come back");
    let token = body["token"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let (status, who) = origin.ask("/api/auth/session", &bearer).await;
    assert_eq!((status, &who["kind"], &who["name"]), (200, &json!("person"), &json!("li")));
    assert_eq!(origin.ask("/api/v1/audit", &bearer).await.0, 200);
    assert_eq!(origin.ask("/api/v1/audit", &format!("bearer  {token}")).await.0, 200);

    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT session_hash FROM session")
        .fetch_all(&tester.pool)
        .await
        .unwrap();
    assert!(stored.iter().all(|hash| !token.as_bytes().ends_with(hash)));

    let url = format!("{}/api/auth/logout", origin.url);
    let out = origin.client.post(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(out.status(), 204);
    let (status, body) = origin.ask("/api/auth/session", &bearer).await;
    assert_eq!((status, code(&body)), (401, "session_ended"));
}

#[tokio::test]
async fn a_session_ends_by_time_by_a_new_password_and_with_the_person() {
    let tester = Tester::new().await;
    add(&tester, "li", Role::Admin).await;
    let pool = &tester.pool;
    let now = clock::now();
    let begun = session::begin(pool, Whose::Person("li"), &actor(), now).await.unwrap();
    let hash = TokenHash::of(&begun.token).unwrap();
    assert!(session::find(pool, hash, now.plus_ms(SESSION_MS - 1)).await.unwrap().is_some());
    assert!(session::find(pool, hash, now.plus_ms(SESSION_MS)).await.unwrap().is_none());

    let hashed = Hashed::of("another long password").unwrap();
    person::set_password(pool, "li", &hashed, &actor()).await.unwrap();
    assert!(session::find(pool, hash, now).await.unwrap().is_none());

    let begun = session::begin(pool, Whose::Person("li"), &actor(), now).await.unwrap();
    let hash = TokenHash::of(&begun.token).unwrap();
    person::remove(pool, "li", &actor()).await.unwrap();
    assert!(session::find(pool, hash, now).await.unwrap().is_none());
    assert!(person::remove(pool, "li", &actor()).await.is_err());
}

#[tokio::test]
async fn the_oldest_sessions_give_way() {
    let tester = Tester::new().await;
    add(&tester, "li", Role::Finance).await;
    let start = clock::now();
    let mut tokens = Vec::new();
    for number in 0..=SESSIONS_MAX.unsigned_abs() {
        let now = start.plus_ms(number);
        let begun = session::begin(&tester.pool, Whose::Person("li"), &actor(), now).await.unwrap();
        tokens.push(TokenHash::of(&begun.token).unwrap());
    }
    let open = async |hash| session::find(&tester.pool, hash, start).await.unwrap().is_some();
    assert!(!open(tokens[0]).await);
    assert!(open(tokens[1]).await && open(*tokens.last().unwrap()).await);
}

#[tokio::test]
async fn the_environments_administrator_signs_in_until_the_password_changes() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let bearer = format!("Bearer {}", token(&origin, "admin", PASSWORD).await);
    assert_eq!(origin.ask("/api/v1/audit", &bearer).await.0, 200);
    let restarted = tester.serve().await;
    assert_eq!(restarted.ask("/api/v1/audit", &bearer).await.0, 200, "sessions outlive a restart");
    let changed = tester.serve_with(Some(http::Admin::new("admin", "another password"))).await;
    assert_eq!(changed.ask("/api/v1/audit", &bearer).await.0, 401);
    let gone = tester.serve_with(None).await;
    assert_eq!(gone.ask("/api/v1/audit", &bearer).await.0, 401);
    assert_eq!(log_in(&gone, "admin", PASSWORD, &[]).await.0, 401);
}

#[tokio::test]
async fn attempts_are_bounded_by_name_and_even_the_right_password_waits_then() {
    let tester = Tester::new().await;
    add(&tester, "li", Role::Admin).await;
    let origin = tester.serve().await;
    for _ in 0..ATTEMPTS_MAX {
        // Refused before it costs a hash: too long to be a password.
        let (status, ..) = log_in(&origin, "li", &"x".repeat(201), &[]).await;
        assert_eq!(status, 401);
    }
    let (status, body, _) = log_in(&origin, "li", SECRET, &[]).await;
    assert_eq!((status, code(&body)), (429, "too_many_attempts"));
    token(&origin, "admin", PASSWORD).await;

    for _ in 0..ATTEMPTS_MAX {
        assert_eq!(origin.ask("/api/v1/audit", "Basic YTpi").await.0, 401);
    }
    assert_eq!(origin.as_admin("/api/v1/audit").await.0, 429);
}

#[tokio::test]
async fn a_cookie_changes_nothing_for_another_sites_page() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let elsewhere = [("sec-fetch-site", "cross-site")];
    let (status, body, cookie) = log_in(&origin, "admin", PASSWORD, &elsewhere).await;
    assert_eq!((status, code(&body), cookie), (403, "cross_site", None));
    let (_, _, cookie) = log_in(&origin, "admin", PASSWORD, &[]).await;
    let cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    let create = async |headers: &[(&'static str, &str)], name: &str| {
        let url = format!("{}/api/v1/accounts", origin.url);
        let body = json!({ "name": name });
        let mut request = origin.client.post(url).header("cookie", &cookie).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.unwrap()).await
    };
    let site = origin.url.as_str();
    for refused in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", site)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let (status, body) = create(refused, "stolen").await;
        assert_eq!((status, code(&body)), (403, "cross_site"), "{refused:?}");
    }
    assert_eq!(create(&[("origin", site)], "one").await.0, 201);
    assert_eq!(create(&[("sec-fetch-site", "same-origin")], "two").await.0, 201);
    // Reading needs no word of the browser's: another site cannot see the answer.
    let url = format!("{}/api/v1/accounts", origin.url);
    let list = origin.client.get(url).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(read(list).await.1["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn https_gets_a_cookie_that_is_never_sent_without() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let host = origin.url.strip_prefix("http://").unwrap();
    let page = format!("https://{host}");
    for headers in [[("origin", page.as_str())], [("x-forwarded-proto", "https")]] {
        let (status, body, cookie) = log_in(&origin, "admin", PASSWORD, &headers).await;
        assert_eq!(status, 200, "{body}");
        assert!(cookie.unwrap().ends_with("; Secure"));
    }
}

#[tokio::test]
async fn finance_reads_everything_and_changes_nothing_and_a_caller_sees_its_own() {
    let tester = Tester::new().await;
    add(&tester, "wu", Role::Finance).await;
    let account = tester.account("acme").await;
    let other = tester.account("other").await;
    let origin = tester.serve().await;
    let finance = format!("Bearer {}", token(&origin, "wu", SECRET).await);
    let caller = format!("Bearer {}", tester.key(&account, None).await.key);
    let one = |id: &str| format!("/api/v1/accounts/{id}");
    for path in ["/api/v1/audit", "/api/v1/accounts", &one(&account.account_id)] {
        assert_eq!(origin.ask(path, &finance).await.0, 200, "{path}");
    }
    for path in ["/api/v1/audit", "/api/v1/accounts"] {
        let (status, body) = origin.ask(path, &caller).await;
        assert_eq!((status, code(&body)), (403, "role_missing"), "{path}");
    }
    assert_eq!(origin.ask(&one(&account.account_id), &caller).await.0, 200);
    assert_eq!(origin.ask(&one(&other.account_id), &caller).await.0, 403);
    assert_eq!(origin.ask(&one("no such account"), &caller).await.0, 403);
    for (method, path) in [("POST", "/api/v1/accounts"), ("PATCH", &one(&account.account_id))] {
        for who in [&finance, &caller] {
            let (status, body) = origin.act(method, path, who, &json!({})).await;
            assert_eq!((status, code(&body)), (403, "role_missing"), "{method} {path}");
        }
    }
    let before = audit::Filter { actor: Some("wu".to_owned()), ..audit::Filter::default() };
    let lines = audit::list(&tester.pool, &before, &Span::first(10)).await.unwrap().items;
    assert_eq!(lines.iter().map(|line| line.act.as_str()).collect::<Vec<_>>(), ["session.begin"]);
}

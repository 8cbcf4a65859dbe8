//! Browsers: preflights, whose pages may read replies, and what replies of Weir's own say of themselves.

use reqwest::{Method, Response};
use xtask::stack::{Plan, Stack};

use crate::tester::{Tester, chat};

const SHOP: &str = "https://shop.example";

/// What one kind of header says.
fn said<'a>(reply: &'a Response, name: &str) -> Option<&'a str> {
    reply.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn preflight(tester: &Tester, path: &str, origin: &str) -> Response {
    let ask = tester.ask_without_key(Method::OPTIONS, path).header("origin", origin);
    let ask = ask.header("access-control-request-method", "POST");
    ask.header("access-control-request-headers", "authorization,x-other").send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_listed_origins_may_ask_and_read() {
    let mut plan = Plan::for_test().unwrap();
    plan.edge_variables.push(("CORS_ORIGINS", format!("http://localhost:3000, {SHOP}")));
    let mut stack = Stack::start(plan).unwrap();
    let tester = Tester::on(&stack, "browsers");
    let bot = tester.subject(1);
    let before = tester.requests_upstream().await;

    for path in ["/v3/chat", "/v1/chat/completions", "/api/v1/token-usage/balance"] {
        let allowed = preflight(&tester, path, SHOP).await;
        assert_eq!(allowed.status(), 204, "{path}");
        assert_eq!(said(&allowed, "access-control-allow-origin"), Some(SHOP));
        assert_eq!(said(&allowed, "access-control-allow-methods"), Some("GET, POST, PUT, DELETE"));
        let headers = said(&allowed, "access-control-allow-headers").unwrap();
        assert!(headers.contains("authorization") && !headers.contains("x-other"), "{headers}");
        assert_eq!(said(&allowed, "access-control-max-age"), Some("7200"));
        assert_eq!(said(&allowed, "vary"), Some("Origin"));
        assert_eq!(said(&allowed, "access-control-allow-credentials"), None);
    }
    for other in ["https://evil.example", "http://shop.example", "null"] {
        let refused = preflight(&tester, "/v3/chat", other).await;
        assert_eq!(refused.status(), 403, "{other}");
        assert_eq!(said(&refused, "access-control-allow-origin"), None);
        let body: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(body["error"]["code"], "origin_not_allowed", "{body:#}");
    }
    // Nothing that was asked beforehand became a call, or went to a journal that is not there.
    assert_eq!(tester.requests_upstream().await, before);

    let ask = |origin: &str, stream: bool| {
        let ask = tester.ask(Method::POST, "/v3/chat").header("origin", origin);
        ask.json(&chat(&bot, stream, "hello"))
    };
    for stream in [false, true] {
        let reply = ask(SHOP, stream).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(said(&reply, "access-control-allow-origin"), Some(SHOP));
        let exposed = said(&reply, "access-control-expose-headers").unwrap();
        for name in ["weir-call-id", "weir-charge", "x-tt-logid", "ratelimit-limit", "retry-after"]
        {
            assert!(exposed.contains(name), "{exposed}");
        }
        // What upstream said goes on as it came.
        assert_eq!(said(&reply, "content-security-policy"), None);
        reply.text().await.unwrap();
        let reply = ask("https://evil.example", stream).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(said(&reply, "access-control-allow-origin"), None);
        assert_eq!(said(&reply, "access-control-expose-headers"), None);
        assert_eq!(said(&reply, "vary"), Some("Origin"));
        reply.text().await.unwrap();
    }
    // A page has to be able to read why it was refused.
    let ask = tester.ask_without_key(Method::POST, "/v3/chat").header("origin", SHOP);
    let refused = ask.json(&chat(&bot, false, "hello")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(said(&refused, "access-control-allow-origin"), Some(SHOP));
    tester.calls(4).await;
    stack.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_may_ask_unless_its_origin_was_listed() {
    let tester = Tester::new("browsers, none listed");
    let refused = preflight(&tester, "/v3/chat", SHOP).await;
    assert_eq!(refused.status(), 403);
    let ask = tester.ask(Method::GET, "/api/v1/token-usage/balance").header("origin", SHOP);
    let balance = ask.send().await.unwrap();
    assert_eq!(balance.status(), 200);
    assert_eq!(said(&balance, "access-control-allow-origin"), None);
    assert_eq!(said(&balance, "vary"), None);
    // A request by this method that asks for nothing of the kind has no route.
    let plain = tester.ask(Method::OPTIONS, "/v3/chat").send().await.unwrap();
    assert_eq!(plain.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_weirs_own_are_kept_from_frames_caches_and_guesses() {
    let tester = Tester::new("security headers");
    for (path, status) in [
        ("/health", 200),
        ("/api/v1/token-usage/balance", 200),
        ("/v1/models", 200),
        ("/nothing/here", 404),
    ] {
        let reply = tester.ask(Method::GET, path).send().await.unwrap();
        assert_eq!(reply.status(), status, "{path}");
        assert_eq!(said(&reply, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(said(&reply, "cache-control"), Some("no-store"), "{path}");
        assert_eq!(said(&reply, "referrer-policy"), Some("no-referrer"), "{path}");
        let policy = said(&reply, "content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"), "{path}");
    }
}

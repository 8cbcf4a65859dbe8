//! What goes upstream in place of the caller's key.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use xtask::stack::{Plan, Stack};

use crate::rsa_pair::RsaPair;
use crate::tester::{Tester, until};

/// What a run costs here, so that what is held tells how many run.
const PRICE_NANOS: i64 = 1_000_000;
const WORKFLOW: &str = "7480000000000000901";

/// The largest answer with a token that the edge reads, and how long it waits for one.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A stack whose upstream credential is an OAuth app.
struct Story {
    stack: Stack,
    keys: [RsaPair; 3],
}

impl Story {
    /// `app-1` is the default credential. By name there are `second`, an app as well, `shared`, a token,
    /// and `stranger`, an app that upstream does not know.
    fn begin() -> Self {
        let keys = [RsaPair::draw(), RsaPair::draw(), RsaPair::draw()];
        let mut plan = Plan::for_test().unwrap();
        let named = json!({
            "second": {"client_id": "app-2", "kid": "kid-2", "private_key": keys[1].pkcs1},
            "shared": {"pat": "pat_standin"},
            "stranger": {"client_id": "app-9", "kid": "kid-9", "private_key": keys[2].pkcs8},
        });
        plan.secrets.extend([
            ("COZE_CLIENT_ID", "app-1".to_owned()),
            ("COZE_PUBLIC_KEY", "kid-1".to_owned()),
            ("COZE_PRIVATE_KEY", keys[0].pkcs8.clone()),
            ("COZE_CREDENTIALS", named.to_string()),
        ]);
        Self { stack: Stack::start(plan).unwrap(), keys }
    }

    /// Tells the stand-in of an app.
    async fn register(&self, app: &str, kid: &str, key: &RsaPair, more: Value) {
        let mut body = json!({"kid": kid, "public_key_pem": key.public});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.stand_in(Method::PUT, &format!("oauth/apps/{app}"), &body).await;
    }

    async fn stand_in(&self, method: Method, path: &str, body: &Value) {
        let url = format!("{}/_standin/{path}", self.stack.upstream_url());
        let reply = Client::new().request(method, url).json(body).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT, "{}", reply.text().await.unwrap());
    }

    /// Has the account's calls sent with another credential, and waits until they are.
    async fn use_credential(&self, tester: &Tester, name: &str, session: Option<&str>) {
        self.stack.weir(&["account", "set", &tester.account, "--credential", name]).unwrap();
        until("the edge to know of it", async || {
            let before = tester.requests_upstream().await;
            whoami(tester).await;
            let seen = tester.requests_after(before).await;
            let seen = seen.iter().find(|seen| seen["path"] == "/v1/users/me")?;
            (seen["session"].as_str() == session).then_some(())
        })
        .await;
    }
}

async fn whoami(tester: &Tester) -> StatusCode {
    tester.ask(Method::GET, "/v1/users/me").send().await.unwrap().status()
}

/// Runs a workflow and gives the HTTP status, Coze's code and Weir's.
async fn run(tester: &Tester, workflow: &str) -> (u16, i64, Option<String>) {
    let body = json!({"workflow_id": workflow, "parameters": {}});
    let reply = tester.call("/v1/workflow/run", &body).await;
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap();
    let weir = body["error"]["code"].as_str().map(str::to_owned);
    (status, body["code"].as_i64().unwrap(), weir)
}

/// The requests for tokens behind this one.
async fn mints(tester: &Tester, before: u64) -> usize {
    let seen = tester.requests_after(before).await;
    seen.iter().filter(|seen| seen["path"] == "/api/permission/oauth2/token").count()
}

const DONE: (u16, i64, Option<String>) = (200, 0, None);

#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_a_token_of_its_own_however_many_calls_want_it() {
    let story = Story::begin();
    story.register("app-1", "kid-1", &story.keys[0], json!({"held": true})).await;
    let workflow = WORKFLOW;
    // Made before the accounts are, so that a journal that knows an account knows it.
    story.stack.weir(&["price", "set", "--workflow", workflow, "--per-call", "500"]).unwrap();
    let (tester, other) = (Tester::on(&story.stack, "first"), Tester::on(&story.stack, "other"));

    let before = tester.requests_upstream().await;
    let running = join_all((0..20).map(|_| run(&tester, workflow)));
    let watching = async {
        until("all of them to be held", async || {
            let held = tester.balance_at_edge().await["held_nanos"].as_i64()?;
            (held == 20 * PRICE_NANOS).then_some(())
        })
        .await;
        story.stand_in(Method::POST, "oauth/apps/app-1/release", &json!({})).await;
    };
    let (done, ()) = tokio::join!(running, watching);
    assert_eq!(done, vec![DONE; 20]);
    assert_eq!(mints(&tester, before).await, 1);
    assert_eq!(run(&other, workflow).await, DONE);
    assert_eq!(mints(&tester, before).await, 2);
    let seen = tester.requests_after(before).await;
    let by = |account: &str| {
        let runs = seen.iter().filter(|seen| seen["path"] == "/v1/workflow/run");
        runs.filter(|run| run["session"] == account).count()
    };
    assert_eq!((by(&tester.account), by(&other.account)), (20, 1));
    tester.calls(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_or_is_refused_is_replaced_and_no_call_is_sent_twice() {
    let story = Story::begin();
    story.register("app-1", "kid-1", &story.keys[0], json!({})).await;
    let tester = Tester::on(&story.stack, "renewal");
    let before = tester.requests_upstream().await;
    assert_eq!(run(&tester, WORKFLOW).await, DONE);
    assert_eq!(run(&tester, WORKFLOW).await, DONE);
    assert_eq!(mints(&tester, before).await, 1);

    // Refused in the middle of its life: the caller sees it once, and the next call goes well.
    let nothing = json!({});
    story.stand_in(Method::POST, "oauth/revoke", &nothing).await;
    assert_eq!(run(&tester, WORKFLOW).await.1, 700_012_006);
    assert_eq!(run(&tester, WORKFLOW).await, DONE);
    assert_eq!(mints(&tester, before).await, 2);
    // The same on a path that is not read.
    story.stand_in(Method::POST, "oauth/revoke", &nothing).await;
    assert_eq!(whoami(&tester).await, StatusCode::UNAUTHORIZED);
    assert_eq!(whoami(&tester).await, StatusCode::OK);
    assert_eq!(mints(&tester, before).await, 3);

    // A token that is near its end serves the call it was minted for, and not the next one.
    let brief = json!({"token_seconds_max": 30});
    story.register("app-1", "kid-1", &story.keys[0], brief).await;
    story.stand_in(Method::POST, "oauth/revoke", &nothing).await;
    assert_eq!(run(&tester, WORKFLOW).await.1, 700_012_006);
    assert_eq!(run(&tester, WORKFLOW).await, DONE);
    assert_eq!(run(&tester, WORKFLOW).await, DONE);
    assert_eq!(mints(&tester, before).await, 5);

    let sent = tester.requests_after(before).await;
    let sent = sent.iter().filter(|seen| seen["path"] == "/v1/workflow/run").count();
    assert_eq!(sent, 7, "each run was sent once");
    tester.calls(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_names_its_credential_and_is_asked_about_under_it() {
    let mut story = Story::begin();
    story.register("app-1", "kid-1", &story.keys[0], json!({})).await;
    story.register("app-2", "kid-2", &story.keys[1], json!({})).await;
    let tester = Tester::on(&story.stack, "named");
    let account = tester.account.clone();
    story.use_credential(&tester, "shared", None).await;

    // What began under one credential is asked about under it, although the account has another by now.
    let workflow = tester.subject(1);
    let before = tester.requests_upstream().await;
    let body = json!({"workflow_id": workflow, "parameters": {}, "is_async": true});
    assert_eq!(tester.call("/v1/workflow/run", &body).await.status(), StatusCode::OK);
    story.use_credential(&tester, "second", Some(&account)).await;
    tester.calls(1).await;
    let seen = tester.requests_after(before).await;
    let asked = |seen: &&Value| seen["path"].as_str().unwrap().contains("/run_histories/");
    let asked: Vec<_> = seen.iter().filter(asked).collect();
    assert!(!asked.is_empty() && asked.iter().all(|one| one["session"].is_null()), "{asked:#?}");

    // One that is not configured, and one that upstream does not know: nothing is sent.
    for name in ["missing", "stranger"] {
        story.stack.weir(&["account", "set", &account, "--credential", name]).unwrap();
        until("the edge to know of it", async || {
            (whoami(&tester).await == StatusCode::SERVICE_UNAVAILABLE).then_some(())
        })
        .await;
        let before = tester.requests_upstream().await;
        let refused = (503, 5000, Some("credential_unavailable".to_owned()));
        assert_eq!(run(&tester, WORKFLOW).await, refused);
        let seen = tester.requests_after(before).await;
        assert!(seen.iter().all(|seen| seen["path"] != "/v1/workflow/run"), "{seen:#?}");
    }
    let calls = tester.calls(3).await;
    assert!(calls[1..].iter().all(|call| call["ending"] == "released"), "{calls:#?}");
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);

    // Another key: the old one is no longer used.
    story.stack.weir(&["account", "set", &account, "--credential", "default"]).unwrap();
    story.register("app-1", "kid-3", &story.keys[2], json!({})).await;
    let key = story.keys[2].pkcs8.clone();
    story
        .stack
        .change_secrets(|secrets| {
            secrets.insert("COZE_PUBLIC_KEY", "kid-3".to_owned());
            secrets.insert("COZE_PRIVATE_KEY", key);
        })
        .unwrap();
    until("the edge to know of it", async || {
        (whoami(&tester).await == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(run(&tester, WORKFLOW).await, DONE);

    // No line of the edge's holds a key, a token or a signed request.
    let log = std::fs::read_to_string(story.stack.edge.log()).unwrap();
    assert!(log.contains("credential_unavailable"), "{log}");
    for secret in ["czs_", "pat_standin", "PRIVATE KEY", "eyJhbGciOiJSUzI1NiI"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// An answer that is larger than any token's is none, and a token that does not come is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_and_waited_for_up_to_its_bounds() {
    let story = Story::begin();
    let unavailable = (503, 5000, Some("credential_unavailable".to_owned()));
    let tester = Tester::on(&story.stack, "bounds");
    let large = json!({"answer_bytes_min": ANSWER_BYTES_MAX + 1});
    story.register("app-1", "kid-1", &story.keys[0], large).await;
    assert_eq!(run(&tester, WORKFLOW).await, unavailable);
    story.register("app-1", "kid-1", &story.keys[0], json!({"held": true})).await;
    // The failure stands for a second.
    let waited = until("upstream to be asked again", async || {
        let began = Instant::now();
        assert_eq!(run(&tester, WORKFLOW).await, unavailable);
        Some(began.elapsed()).filter(|waited| *waited > Duration::from_secs(1))
    });
    let waited = waited.await;
    assert!((WAIT_MAX..2 * WAIT_MAX).contains(&waited), "{waited:?}");
    let fits = json!({"answer_bytes_min": ANSWER_BYTES_MAX});
    story.register("app-1", "kid-1", &story.keys[0], fits).await;
    until("upstream to be asked again", async || {
        (run(&tester, WORKFLOW).await == DONE).then_some(())
    })
    .await;
}

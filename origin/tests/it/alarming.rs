//! Alarms, told to a real HTTP receiver that fails, hangs, and takes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac as _};
use meter::entry::Facts;
use meter::money::Nanos;
use meter::time::UnixMs;
use origin::account::settings::{SettingsChange, To};
use origin::account::{self, AccountChange};
use origin::alarm::hook::{Hook, parse};
use origin::alarm::run::{self, Looked, RETRY_MS_MAX, WAIT_MS_MIN, look};
use origin::clock;
use origin::ledger::credit::{self, CreditKind, NewCredit};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::commands::{answer, weir_with};
use crate::edge::Fault;
use crate::facts::{cost, run as call};
use crate::tester::{J0, Tester, actor};

const SECRET: &str = "a secret of the tests";
const PATIENCE: Duration = Duration::from_secs(30);

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Fails,
    /// It says 200 and does not take it, as chats do.
    Refuses,
    /// It takes the request and never answers.
    Hangs,
}

/// A request, as it came.
#[derive(Debug, Clone)]
struct Got {
    query: String,
    headers: Vec<(String, String)>,
    body: Value,
    text: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value).unwrap()
    }
}

struct Inner {
    mood: Mutex<Mood>,
    got: Mutex<Vec<Got>>,
    count: watch::Sender<usize>,
}

struct Receiver {
    url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    async fn start() -> Self {
        let inner = Arc::new(Inner {
            mood: Mutex::new(Mood::Takes),
            got: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, inner }
    }

    fn is(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    fn got(&self) -> Vec<Got> {
        self.inner.got.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) {
        let mut counts = self.inner.count.subscribe();
        tokio::time::timeout(PATIENCE, counts.wait_for(|got| *got >= count))
            .await
            .unwrap()
            .unwrap();
    }

    fn setting(&self, format: &str, path: &str) -> String {
        let hook =
            json!([{"url": format!("{}{path}", self.url), "format": format, "secret": SECRET}]);
        hook.to_string()
    }

    fn hooks(&self) -> Vec<Hook> {
        parse(Some(&self.setting("weir", "/hook"))).unwrap()
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
    inner.got.lock().unwrap().push(Got {
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: serde_json::from_str(&text).unwrap(),
        text,
    });
    let mood = *inner.mood.lock().unwrap();
    inner.count.send_modify(|count| *count += 1);
    match mood {
        Mood::Takes => axum::Json(json!({"code": 0, "errcode": 0})).into_response(),
        Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Refuses => axum::Json(json!({"code": 19_021, "errcode": 310_000})).into_response(),
        Mood::Hangs => std::future::pending().await,
    }
}

async fn deliver(tester: &Tester, hooks: &[Hook], now: UnixMs) -> Looked {
    look(&tester.pool, hooks, now).await.unwrap()
}

/// What a look comes to.
fn came_to(sent: u64, failed: u64, given_up: u64) -> Looked {
    Looked { sent, failed, given_up }
}

/// A journal with a call that costs one nano too much, and one whose usage is missing.
async fn two_findings(tester: &Tester) -> String {
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        journal.finish(Facts { amount: Nanos::new(cost(1).get() + 1), ..call(1, &account, 1) });
        journal.finish(Facts { usage_fell: true, ..call(2, &account, 2) });
    });
    tester.pull_all().await;
    account
}

async fn set_low(tester: &Tester, account: &str, low: Option<Nanos>) {
    let row = account::find(&tester.pool, account).await.unwrap();
    let settings = SettingsChange { low_balance: Some(To(low)), ..SettingsChange::default() };
    let change = AccountChange { settings, ..AccountChange::default() };
    account::change(&tester.pool, &row, &change, &actor()).await.unwrap();
}

async fn pay(tester: &Tester, account: &str, amount: Nanos) {
    let new = NewCredit {
        account: account.to_owned(),
        kind: CreditKind::Adjustment,
        amount,
        reason: "a test".to_owned(),
        actor: actor(),
        reference: None,
    };
    credit::give(&tester.pool, &new).await.unwrap();
}

#[tokio::test]
async fn findings_are_told_once_signed_over_time_and_body() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let hooks = receiver.hooks();
    two_findings(&tester).await;
    let now = clock::now();
    assert_eq!(deliver(&tester, &hooks, now).await, came_to(1, 0, 0));
    assert_eq!(deliver(&tester, &hooks, now.plus_ms(RETRY_MS_MAX)).await, came_to(0, 0, 0));
    let [got] = &receiver.got()[..] else { panic!("it came {} times", receiver.got().len()) };
    assert_eq!((&got.body["kind"], &got.body["subject"]), (&json!("finding"), &json!("j0")));
    assert_eq!(got.body["detail"]["count"], 2);
    let codes: Vec<_> = (0..2).map(|n| got.body["detail"]["findings"][n]["code"].clone()).collect();
    assert_eq!(codes, [json!("charge_differs"), json!("usage_fell")]);
    let timestamp = got.header("weir-timestamp");
    assert_eq!(timestamp, (now.get() / 1_000).to_string());
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{timestamp}.{}", got.text)).finalize().into_bytes();
    assert_eq!(got.header("weir-signature"), format!("v1={}", origin::draw::hex(&mac)));
    assert_eq!(got.header("weir-alarm"), got.body["alarm"].to_string());
    assert_eq!(got.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_difference_that_is_met_again_is_told_once() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        (0..4).for_each(|number| journal.finish(call(number, &account, 1)));
        journal.fault = Some(Fault::LeavesOut(2));
    });
    for _ in 0..3 {
        tester.pull().await.unwrap();
    }
    assert_eq!(tester.findings().await, [("gap".to_owned(), 3, 3)]);
    assert_eq!(deliver(&tester, &receiver.hooks(), clock::now()).await, came_to(1, 0, 0));
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_longer_and_longer_pauses_within_a_bound() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let hooks = receiver.hooks();
    two_findings(&tester).await;
    receiver.is(Mood::Fails);
    let now = clock::now();
    let after = async |ms: u64| deliver(&tester, &hooks, now.plus_ms(ms)).await;
    assert_eq!(after(0).await, came_to(0, 1, 0));
    assert_eq!(after(WAIT_MS_MIN - 1).await, came_to(0, 0, 0));
    assert_eq!(after(WAIT_MS_MIN).await, came_to(0, 1, 0));
    assert_eq!(after(3 * WAIT_MS_MIN - 1).await, came_to(0, 0, 0));
    receiver.is(Mood::Takes);
    assert_eq!(after(3 * WAIT_MS_MIN).await, came_to(1, 0, 0));
    assert_eq!(after(RETRY_MS_MAX).await, came_to(0, 0, 0));
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|one| one.body["alarm"] == got[0].body["alarm"]));

    // One that never takes it is given up after a day, and that is counted.
    pay(&tester, &account::find(&tester.pool, "a").await.unwrap().account_id, cost(1)).await;
    set_low(&tester, "a", Some(cost(1_000))).await;
    receiver.is(Mood::Fails);
    let mut ms = 0;
    loop {
        let looked = after(ms).await;
        if looked.given_up > 0 {
            break;
        }
        assert!(ms <= RETRY_MS_MAX, "it goes on for ever");
        ms += run::WAIT_MS_MAX / 2;
    }
    assert!(ms > RETRY_MS_MAX / 2, "given up after {ms} ms");
    assert_eq!(after(2 * RETRY_MS_MAX).await, came_to(0, 0, 0));
    let counts = origin::alarm::list::counts(&tester.pool).await.unwrap();
    assert_eq!(counts, (0, 1));
    let listed = answer(&tester, &["webhook", "list"]).await;
    assert_eq!(
        (&listed[0]["kind"], &listed[0]["state"]),
        (&json!("low_balance"), &json!("given_up"))
    );
    assert!(listed[0]["last_error"].as_str().unwrap().contains("answered 500"));
    assert_eq!((&listed[1]["state"], &listed[1]["attempts"]), (&json!("sent"), &json!(3)));
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_nobody_else_waiting_for_long() {
    let tester = Tester::new().await;
    let (hangs, takes) = (Receiver::start().await, Receiver::start().await);
    hangs.is(Mood::Hangs);
    let hooks = [hangs.hooks(), takes.hooks()].concat();
    for name in ["a", "b", "c"] {
        tester.account(name).await;
        set_low(&tester, name, Some(cost(1))).await;
    }
    let began = std::time::Instant::now();
    assert_eq!(deliver(&tester, &hooks, clock::now()).await, came_to(3, 1, 0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!((hangs.got().len(), takes.got().len()), (1, 3));
}

#[tokio::test]
async fn a_crash_loses_none_and_what_was_taken_is_not_sent_again() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let hooks = receiver.hooks();
    tester.account("a").await;
    set_low(&tester, "a", Some(cost(1))).await;
    receiver.is(Mood::Hangs);
    // It is cut off while it waits for the answer.
    let (pool, sent_to) = (tester.pool.clone(), hooks.clone());
    let cut = tokio::spawn(async move { look(&pool, &sent_to, clock::now()).await });
    receiver.wait_for(1).await;
    cut.abort();
    assert!(cut.await.unwrap_err().is_cancelled());
    receiver.is(Mood::Takes);
    // Two origins at once: one of them sends it.
    let sent = async {
        loop {
            let looks = tokio::join!(
                deliver(&tester, &hooks, clock::now()),
                deliver(&tester, &hooks, clock::now())
            );
            if looks.0.sent + looks.1.sent > 0 {
                return looks.0.sent + looks.1.sent;
            }
            tokio::task::yield_now().await;
        }
    };
    // The lock of the one that was cut off goes with its connection.
    assert_eq!(tokio::time::timeout(PATIENCE, sent).await.unwrap(), 1);
    assert_eq!(
        deliver(&tester, &hooks, clock::now().plus_ms(RETRY_MS_MAX / 2)).await,
        came_to(0, 0, 0)
    );
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test]
async fn a_low_balance_is_told_once_for_each_fall() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let hooks = receiver.hooks();
    let account = tester.account_in(J0, "shop", cost(100)).await.account_id;
    set_low(&tester, &account, Some(cost(50))).await;
    let mut number = 0;
    let mut spend = async |tokens| {
        number += 1;
        tester.edge.journal(J0, |journal| journal.finish(call(number, &account, tokens)));
        tester.pull_all().await;
        deliver(&tester, &hooks, clock::now()).await.sent
    };
    assert_eq!(spend(50).await, 0, "at the threshold there is enough");
    assert_eq!(spend(1).await, 1);
    assert_eq!(spend(1).await, 0, "it was told");
    pay(&tester, &account, cost(10)).await;
    assert_eq!(spend(20).await, 1, "it came up and fell again");
    let told = receiver.got().pop().unwrap().body;
    assert_eq!((&told["kind"], &told["subject"]), (&json!("low_balance"), &json!(account)));
    let detail = &told["detail"];
    assert_eq!((&detail["name"], &detail["balance_quota"]), (&json!("shop"), &json!("38")));
    assert_eq!(detail["threshold_nanos"], cost(50).get());
    // Lifted and set again, it is a new crossing; taken away by a credit, too.
    set_low(&tester, &account, None).await;
    assert_eq!(spend(1).await, 0);
    set_low(&tester, &account, Some(cost(10))).await;
    pay(&tester, &account, Nanos::new(-cost(30).get())).await;
    assert_eq!(deliver(&tester, &hooks, clock::now()).await.sent, 1);
    let set = ["account", "set", "shop", "--low-balance", "12.5"];
    assert_eq!(answer(&tester, &set).await["low_balance_nanos"], 25_000);
    let served = tester.serve().await;
    let body = json!({"settings": {"low_balance_nanos": -1}});
    let path = format!("/api/v1/accounts/{account}");
    let (status, told) = served.admin_acts("PATCH", &path, &body).await;
    assert_eq!((status, &told["error"]["param"]), (400, &json!("low_balance")), "{told}");
}

#[tokio::test]
async fn a_webhook_gets_what_is_raised_from_its_beginning_on() {
    let tester = Tester::new().await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    two_findings(&tester).await;
    // Nobody is told, and nobody will be.
    assert_eq!(deliver(&tester, &[], clock::now()).await, came_to(0, 0, 0));
    assert_eq!(deliver(&tester, &first.hooks(), clock::now()).await, came_to(0, 0, 0));
    set_low(&tester, "a", Some(cost(1))).await;
    assert_eq!(deliver(&tester, &first.hooks(), clock::now()).await, came_to(1, 0, 0));
    let both = [first.hooks(), second.hooks()].concat();
    assert_eq!(deliver(&tester, &both, clock::now()).await, came_to(0, 0, 0));
}

#[tokio::test]
async fn webhooks_are_tried_at_the_command_line_in_every_form() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    let test = async |setting: &str| {
        weir_with(&tester, &["webhook", "test"], &[("WEIR_WEBHOOKS", setting)]).await
    };
    for (form, path) in [("weir", "/"), ("feishu", "/hook/t"), ("dingtalk", "/r?access_token=t")] {
        let (code, out, err) = test(&receiver.setting(form, path)).await;
        assert_eq!(code, 0, "{form}: {out}{err}");
        assert!(out.contains("taken") && !out.contains("access_token"), "{out}");
    }
    let [weir, feishu, dingtalk] = &receiver.got()[..] else { panic!("{:?}", receiver.got()) };
    assert_eq!((&weir.body["kind"], &weir.body["alarm"]), (&json!("test"), &json!(0)));
    assert!(feishu.body["sign"].is_string() && feishu.body["content"]["text"].is_string());
    assert!(dingtalk.query.starts_with("access_token=t&timestamp="), "{}", dingtalk.query);
    assert!(dingtalk.body["text"]["content"].as_str().unwrap().contains("[Weir]"));

    receiver.is(Mood::Refuses);
    let (code, out, _) = test(&receiver.setting("feishu", "/")).await;
    assert_eq!(code, 1);
    assert!(out.contains("did not take it"), "{out}");
    receiver.is(Mood::Fails);
    assert_eq!(test(&receiver.setting("weir", "/")).await.0, 1);
    let (code, _, err) = test("").await;
    assert_eq!((code, err.contains("names no webhook")), (2, true), "{err}");
    let (code, _, err) = test("[{}]").await;
    assert_eq!((code, err.contains("WEIR_WEBHOOKS")), (2, true), "{err}");
}

#[tokio::test]
async fn whoever_serves_tells() {
    let tester = Tester::new().await;
    let receiver = Receiver::start().await;
    two_findings(&tester).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(run::run(tester.pool.clone(), receiver.hooks(), stopped));
    receiver.wait_for(1).await;
    stop.send(true).unwrap();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(receiver.got().len(), 1);
}

//! Who tells a story: an account with a key, and what is asked of both sides.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use xtask::stack::{Plan, Stack};

/// How long anything may take that is waited for. The origin pulls every 200 ms here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often we look again at what we wait for.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// The stack that stories share. It ends with this process.
static SHARED: LazyLock<Mutex<Stack>> = LazyLock::new(|| Mutex::new(own_stack()));

/// How many Dify apps the edge knows.
const APPS: usize = 120;
/// How many of them the stories have taken.
static APPS_TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A stack of a story's own.
pub(crate) fn own_stack() -> Stack {
    let mut plan = Plan::for_test().expect("a free port");
    let apps: BTreeMap<_, _> =
        (0..APPS).map(|number| (app_name(number), format!("app-{}", app_name(number)))).collect();
    plan.secrets.insert("DIFY_APPS", serde_json::to_string(&apps).expect("names are text"));
    Stack::start(plan).expect("a running stack")
}

fn app_name(number: usize) -> String {
    format!("story-{number}")
}

/// One story's account, key and ways to look.
pub(crate) struct Tester {
    pub(crate) edge: String,
    pub(crate) origin: String,
    pub(crate) upstream: String,
    pub(crate) account: String,
    pub(crate) key: String,
    admin: (String, String),
    http: Client,
}

impl Tester {
    /// A new account on the shared stack.
    pub(crate) fn new(story: &str) -> Self {
        Self::on(&shared(), story)
    }

    /// A new account on this stack.
    pub(crate) fn on(stack: &Stack, story: &str) -> Self {
        let account = stack.create_account(story).expect("an account");
        let key = stack.issue_key(&account.account_id, story).expect("a key");
        assert!(stack.wait_until_let_in(&key.key, PATIENCE), "the key never reached the edge");
        let (user, password) = stack.admin();
        Self {
            edge: stack.edge_url().to_owned(),
            origin: stack.origin_url().to_owned(),
            upstream: stack.upstream_url().to_owned(),
            account: account.account_id,
            key: key.key,
            admin: (user.to_owned(), password.to_owned()),
            http: Client::new(),
        }
    }

    /// An id of a bot or a workflow that no other story uses.
    pub(crate) fn subject(&self, number: u32) -> String {
        let sum = self
            .account
            .bytes()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
        format!("74{:014}{number:03}", sum % 100_000_000_000_000)
    }

    /// A Dify app that no other story uses. The stand-in knows it by the same name.
    pub(crate) fn app() -> String {
        let number = APPS_TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(number < APPS, "the stories need more than {APPS} apps");
        app_name(number)
    }

    /// Tells the stand-in how a bot or a workflow is to behave.
    pub(crate) async fn behave(&self, subject: &str, behaviour: Value) {
        let url = format!("{}/_standin/subjects/{subject}", self.upstream);
        let reply = self.http.put(url).json(&behaviour).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT, "{}", reply.text().await.unwrap());
    }

    /// Waits until a bot or a workflow is held back at a gate.
    pub(crate) async fn until_held(&self, subject: &str) {
        let url = format!("{}/_standin/subjects/{subject}/held", self.upstream);
        assert_eq!(self.http.get(url).send().await.unwrap().status(), StatusCode::OK);
    }

    /// Opens the gate that holds a bot or a workflow back.
    pub(crate) async fn release(&self, subject: &str) {
        let url = format!("{}/_standin/subjects/{subject}/release", self.upstream);
        assert_eq!(self.http.post(url).send().await.unwrap().status(), StatusCode::OK);
    }

    /// The billable works that the stand-in accepted for a bot or a workflow.
    pub(crate) async fn works(&self, subject: &str) -> Vec<Value> {
        self.works_of(&[subject.to_owned()]).await
    }

    /// The same for several of them.
    pub(crate) async fn works_of(&self, subjects: &[String]) -> Vec<Value> {
        let url = format!("{}/_standin/works", self.upstream);
        let page: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let works = page["works"].as_array().unwrap().clone();
        let is_meant = |work: &Value| subjects.iter().any(|subject| work["subject"] == *subject);
        works.into_iter().filter(is_meant).collect()
    }

    /// A request to the edge with the story's key.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.edge)).bearer_auth(&self.key)
    }

    /// A request to the edge with no key at all.
    pub(crate) fn ask_without_key(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.edge))
    }

    /// A billable call with a JSON body.
    pub(crate) async fn call(&self, path: &str, body: &Value) -> Response {
        self.ask(Method::POST, path).json(body).send().await.unwrap()
    }

    /// What the origin answers to the story's key.
    pub(crate) async fn origin(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.origin);
        let reply = self.http.get(url).bearer_auth(&self.key).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.json().await.unwrap()
    }

    /// What the origin answers to the administrator.
    pub(crate) async fn origin_as_admin(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.origin);
        let (user, password) = &self.admin;
        let request = self.http.get(url).basic_auth(user, Some(password));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the origin lists this many calls of the account, oldest first, and checks that
    /// both sides agree about the balance.
    pub(crate) async fn calls(&self, count: usize) -> Vec<Value> {
        let mut calls = until("the calls to be listed", async || {
            let page = self.origin("/api/v1/calls?limit=500").await;
            let calls = page["calls"].as_array().unwrap().clone();
            assert!(calls.len() <= count, "{} calls, {count} were made: {calls:#?}", calls.len());
            (calls.len() == count).then_some(calls)
        })
        .await;
        calls.reverse();
        self.check_balance().await;
        calls
    }

    /// Every call that the origin lists of the account, page by page.
    pub(crate) async fn every_call(&self) -> Vec<Value> {
        let (mut calls, mut from) = (Vec::new(), String::new());
        loop {
            let page = self.origin(&format!("/api/v1/calls?limit=500{from}")).await;
            calls.extend(page["calls"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => from = format!("&cursor={cursor}"),
                None => return calls,
            }
        }
    }

    /// Waits until balance at the edge = balance at the origin = credits − Σ amounts.
    ///
    /// What is looked at in turn may move in between, while calls still end; a difference that stays
    /// is a failure.
    pub(crate) async fn check_balance(&self) {
        until("credits, calls and both balances to agree", async || {
            let calls = self.every_call().await;
            let spent: i64 = calls.iter().map(|call| call["amount_nanos"].as_i64().unwrap()).sum();
            let origin = self.origin("/api/v1/token-usage/balance").await;
            let edge = self.balance_at_edge().await;
            let credits = origin["credits_nanos"].as_i64().unwrap();
            let agreed = [&origin, &edge].into_iter().all(|side| {
                side["credits_nanos"] == credits
                    && side["spent_nanos"] == spent
                    && side["balance_nanos"] == credits - spent
            });
            agreed.then_some(())
        })
        .await;
    }

    /// The live balance.
    pub(crate) async fn balance_at_edge(&self) -> Value {
        let reply = self.ask(Method::GET, "/api/v1/token-usage/balance").send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.json().await.unwrap()
    }

    /// Why a call stands as it does, as the edge tells it.
    pub(crate) async fn explain_at_edge(&self, call: &str) -> Value {
        let path = format!("/api/v1/calls/{call}/explain");
        self.ask(Method::GET, &path).send().await.unwrap().json().await.unwrap()
    }

    /// Requests that the stand-in has seen so far.
    pub(crate) async fn requests_upstream(&self) -> u64 {
        let url = format!("{}/_standin/requests?after=0", self.upstream);
        let page: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        page["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["no"].as_u64().unwrap())
            .max()
            .unwrap_or(0)
    }

    /// The requests that the stand-in has seen behind this number.
    pub(crate) async fn requests_after(&self, number: u64) -> Vec<Value> {
        let url = format!("{}/_standin/requests?after={number}", self.upstream);
        let page: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        page["requests"].as_array().unwrap().clone()
    }
}

/// A chat's body.
pub(crate) fn chat(bot: &str, stream: bool, text: &str) -> Value {
    json!({
        "bot_id": bot, "user_id": "u1", "stream": stream, "auto_save_history": true,
        "additional_messages": [{"role": "user", "content": text, "content_type": "text"}],
    })
}

/// The shared stack, for its command line.
pub(crate) fn shared() -> MutexGuard<'static, Stack> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks again and again until there is an answer, for as long as [`PATIENCE`] lasts.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same, with a patience of one's own.
pub(crate) async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

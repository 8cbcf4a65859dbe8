//! An edge that speaks the pull over HTTP, keeps what it is told, and misbehaves on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jwt_compact::alg::Ed25519;
use jwt_compact::prelude::*;
use meter::entry::{Entry, Facts, Tail};
use meter::wire::claims::{PublicKeyDoc, PullClaims};
use meter::wire::explained::{ExplainedDoc, OpenDoc};
use meter::wire::pull::{AccountDoc, OrderDoc, PULL_VERSION, PullReply, PullRequest, TailDoc};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// One journal, as the edge has it.
pub(crate) struct FakeJournal {
    /// The epoch it says.
    pub(crate) epoch: String,
    /// Its chain.
    pub(crate) entries: Vec<Entry>,
    /// The last changes it applied.
    pub(crate) applied: u64,
    /// Accounts, as it was told.
    pub(crate) accounts: BTreeMap<String, AccountDoc>,
    /// Keys that it was told are revoked.
    pub(crate) revoked: BTreeSet<String>,
    /// The version of the price book that it was told.
    pub(crate) book: Option<u32>,
    /// The orders it was told, in order, however often.
    pub(crate) orders: Vec<OrderDoc>,
    /// The open calls that it lists.
    pub(crate) open: Vec<OpenDoc>,
    /// How many it says are open.
    pub(crate) open_holds: u64,
    /// Every request that came, in order.
    pub(crate) requests: Vec<PullRequest>,
    /// How its next answers go wrong.
    pub(crate) fault: Option<Fault>,
}

/// How answers go wrong until told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails before it did anything.
    FailsBefore,
    /// It does what it should, and then the answer is lost.
    FailsAfter,
    /// It begins so many entries before where it was asked to.
    GoesBack(u64),
    /// It leaves out the entry with this number.
    LeavesOut(u64),
    /// It gives a page's entries in the wrong order.
    Reverses,
    /// The same, and it begins at its first entry whatever was acknowledged.
    GoesBackReversed,
    /// It answers for another journal.
    NamesAnother,
    /// It answers more than any page has.
    Floods,
    /// It answers something that is not JSON.
    Babbles,
}

impl Default for FakeJournal {
    fn default() -> Self {
        Self {
            epoch: "e1".to_owned(),
            entries: Vec::new(),
            applied: 0,
            accounts: BTreeMap::new(),
            revoked: BTreeSet::new(),
            book: None,
            orders: Vec::new(),
            open: Vec::new(),
            open_holds: 2,
            requests: Vec::new(),
            fault: None,
        }
    }
}

impl FakeJournal {
    /// Finishes a call.
    pub(crate) fn finish(&mut self, facts: Facts) {
        let before = self.head();
        self.entries.push(Entry::chain(facts, &before).unwrap());
    }

    pub(crate) fn head(&self) -> Tail {
        self.entries.last().map_or(Tail::START, |entry| entry.tail)
    }

    fn apply(&mut self, request: &PullRequest) {
        let Some(changes) = &request.changes else { return };
        self.orders.extend(changes.orders.iter().cloned());
        // Older ones are ignored.
        if changes.upto <= self.applied {
            return;
        }
        for account in &changes.accounts {
            self.accounts.insert(account.id.clone(), account.clone());
        }
        self.revoked.extend(changes.revoked_keys.iter().cloned());
        self.book = changes.book.as_ref().map(|book| book.version).or(self.book);
        self.applied = changes.upto;
    }

    fn reply(&self, journal: &str, request: &PullRequest) -> PullReply {
        let mut from = request.ack;
        if let Some(Fault::GoesBack(by)) = self.fault {
            from = from.saturating_sub(by);
        }
        if self.fault == Some(Fault::GoesBackReversed) {
            from = 0;
        }
        let is_left_out = |seq| self.fault == Some(Fault::LeavesOut(seq));
        let page = self
            .entries
            .iter()
            .filter(|entry| entry.tail.seq > from && !is_left_out(entry.tail.seq))
            .take(usize::try_from(request.limit).unwrap());
        let mut entries: Vec<_> = page.map(Into::into).collect();
        if matches!(self.fault, Some(Fault::Reverses | Fault::GoesBackReversed)) {
            entries.reverse();
        }
        PullReply {
            v: PULL_VERSION,
            journal: journal.to_owned(),
            epoch: self.epoch.clone(),
            applied: self.applied,
            entries,
            head: TailDoc::from(&self.head()),
            open_holds: self.open_holds,
            open: self.open.clone(),
            oldest_hold_at_ms: Some(crate::facts::BEGAN_MS),
        }
    }
}

/// What it says about calls: by call and key.
type Explained = BTreeMap<(String, String), ExplainedDoc>;

struct Shared {
    explained: Mutex<Explained>,
    journals: Mutex<BTreeMap<String, FakeJournal>>,
    public: PublicKeyDoc,
    answered: watch::Sender<u64>,
}

/// The edge.
pub(crate) struct FakeEdge {
    /// Where it listens.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl FakeEdge {
    /// An edge that is configured with this public key.
    pub(crate) async fn start(public: PublicKeyDoc) -> Self {
        let journals = Mutex::default();
        let (explained, answered) = (Mutex::default(), watch::Sender::new(0));
        let shared = Arc::new(Shared { explained, journals, public, answered });
        let router = Router::new()
            .route("/_weir/journals/{name}/pull", post(pull))
            .route("/api/v1/calls/{call}/explain", get(explain))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, shared }
    }

    /// What it is to say about a call to whoever asks with this key.
    pub(crate) fn explain(&self, call: &str, key: &str, doc: ExplainedDoc) {
        let asked = (call.to_owned(), key.to_owned());
        self.shared.explained.lock().unwrap().insert(asked, doc);
    }

    /// Looks at or changes a journal.
    pub(crate) fn journal<T>(&self, name: &str, look: impl FnOnce(&mut FakeJournal) -> T) -> T {
        look(lock(&self.shared).entry(name.to_owned()).or_default())
    }

    /// Waits until a journal is as it should be, looking each time that a pull was answered.
    pub(crate) async fn wait_for(&self, name: &str, is: impl Fn(&FakeJournal) -> bool) {
        let mut answered = self.shared.answered.subscribe();
        while !self.journal(name, |journal| is(journal)) {
            answered.changed().await.unwrap();
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, BTreeMap<String, FakeJournal>> {
    shared.journals.lock().unwrap()
}

async fn explain(
    State(shared): State<Arc<Shared>>,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
    match shared.explained.lock().unwrap().get(&(call, key.to_owned())) {
        Some(doc) => Json(doc).into_response(),
        None if key == "sk-other" => StatusCode::UNAUTHORIZED.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn pull(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(request): Json<PullRequest>,
) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !is_let_in(&shared.public, header, &name) {
        return (StatusCode::UNAUTHORIZED, "the pull is not signed as it should be")
            .into_response();
    }
    let answer = {
        let mut journals = lock(&shared);
        let journal = journals.entry(name.clone()).or_default();
        journal.requests.push(request.clone());
        answer(journal, &name, &request)
    };
    shared.answered.send_modify(|count| *count += 1);
    answer
}

fn answer(journal: &mut FakeJournal, name: &str, request: &PullRequest) -> Response {
    if journal.fault == Some(Fault::FailsBefore) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    journal.apply(request);
    match journal.fault {
        Some(Fault::FailsAfter) => StatusCode::BAD_GATEWAY.into_response(),
        Some(Fault::Babbles) => "ok".into_response(),
        Some(Fault::Floods) => " ".repeat(meter::wire::pull::PULL_BYTES_MAX + 1).into_response(),
        Some(Fault::NamesAnother) => Json(journal.reply("other", request)).into_response(),
        _ => Json(journal.reply(name, request)).into_response(),
    }
}

/// As the real edge does: signed by the configured key, for this edge and journal, and not expired.
fn is_let_in(public: &PublicKeyDoc, header: Option<&str>, journal: &str) -> bool {
    let Some(token) = header.and_then(|header| header.strip_prefix("Bearer ")) else {
        return false;
    };
    let Ok(token) = UntrustedToken::new(token) else { return false };
    let x: [u8; 32] = Base64UrlUnpadded::decode_vec(&public.x).unwrap().try_into().unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&x).unwrap();
    let Ok(valid) = Ed25519.validator::<PullClaims>(&key).validate(&token) else { return false };
    let claims = valid.claims();
    let now = origin::clock::timestamp(origin::clock::now()).unwrap();
    token.header().key_id.as_deref() == Some(&public.kid)
        && claims.custom.aud == "weir-edge"
        && claims.custom.jnl == journal
        && claims.issued_at.is_some_and(|at| at <= now)
        && claims
            .expiration
            .is_some_and(|end| end > now && end - now <= chrono::TimeDelta::minutes(1))
}

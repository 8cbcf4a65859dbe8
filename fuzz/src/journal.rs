//! Whatever a journal is told, in whatever order, its books are right.
//!
//! The bytes are read as steps that concern a few calls of a few accounts, so that they meet. After
//! each step: entries follow each other without a gap, no call has two, the sums of the accounts are
//! the sums of their entries and of their holds, and a bounded account was never let in beyond its means.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Arbitrary, Unstructured};
use meter::account::Overdraft;
use meter::entry::Tail;
use meter::ids::{AccountId, CallId};
use meter::journal::{
    Admission, Change, Effect, Entrance, HOLD_LIFE_MAX_MS, Journal, Order, Report, Stored,
};
use meter::money::Nanos;
use meter::time::UnixMs;
use meter::usage::{Stage, Usage};
use meter::wire::command::{AdmitDoc, ReportDoc};
use meter::wire::pull::AccountDoc;
use serde_json::json;

/// Most steps that are taken.
const STEPS_MAX: usize = 400;
/// More questions than calls can be open.
const QUESTIONS_MAX: usize = 100;
const ACCOUNTS: u8 = 3;

#[derive(Debug, Arbitrary)]
enum Step {
    Admit { call: u8, resumes: Option<u8> },
    GoOn { call: u8, work: u8 },
    Note { call: u8, work: u8 },
    Settle { call: u8, said: Said },
    Follow { account: u8, said: Said },
    Answer { call: u8, said: Said },
    LookAfter { seconds: u16 },
    Credit { account: u8, thousands: i8, overdraft: Option<u8> },
    Obey { call: u8, tokens: Option<u16> },
}

#[derive(Debug, Arbitrary)]
struct Said {
    status: u8,
    stage: u8,
    tokens: Option<u16>,
    work: u8,
}

/// Takes the bytes for steps.
pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut books = Books::new();
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut bytes) else { break };
        books.take(&step);
        books.check();
    }
    books.take(&Step::LookAfter { seconds: 0 });
    books.run_out_of_time();
}

/// A journal, and its books kept a second time.
struct Books {
    journal: Journal,
    now: UnixMs,
    revision: u64,
    tail: Tail,
    ended: BTreeSet<CallId>,
    spent: BTreeMap<AccountId, i128>,
}

fn account(number: u8) -> String {
    format!("acc_{}", number % ACCOUNTS)
}

fn call(number: u8) -> CallId {
    format!("c{}", number % 16).parse().expect("a plain id")
}

fn work(number: u8) -> String {
    format!("75{}", number % 8)
}

/// The account of a call follows from its number, as it would from its key.
fn asks(number: u8, resumes: Option<u8>) -> Admission {
    let workflow = ["748", "749"][usize::from(number % 2)];
    let mut doc = json!({
        "call": call(number).as_str(), "account": account(number % 16), "key": "key_1",
        "operation": "workflow_run", "subject_kind": "workflow", "subject": workflow,
    });
    if let Some(leg) = resumes {
        doc["resumes"] = json!(format!("{}/1", work(leg)));
    }
    let doc: AdmitDoc = serde_json::from_value(doc).expect("a document");
    Admission::try_from(&doc).expect("an admission")
}

fn report(said: &Said) -> Report {
    let stage = Stage::ALL[usize::from(said.stage) % Stage::ALL.len()];
    let status = [Some(200), Some(200), Some(500), None][usize::from(said.status % 4)];
    let mut doc = json!({"status": status, "stage": stage.name(), "total_tokens": said.tokens});
    match said.work % 4 {
        0 => {}
        1 => doc["chat_id"] = json!(work(said.work / 4)),
        2 => doc["execute_id"] = json!(work(said.work / 4)),
        _ => {
            doc["chat_id"] = json!(work(said.work / 4));
            doc["conversation_id"] = json!("760");
        }
    }
    let doc: ReportDoc = serde_json::from_value(doc).expect("a document");
    Report::try_from(&doc).expect("a report")
}

impl Books {
    fn new() -> Self {
        let now = UnixMs::new(1_764_000_000_000);
        let mut books = Self {
            journal: Journal::load(Stored::nothing(), 1, now),
            now,
            revision: 0,
            tail: Tail::START,
            ended: BTreeSet::new(),
            spent: BTreeMap::new(),
        };
        for number in 0..ACCOUNTS {
            books.take(&Step::Credit { account: number, thousands: 9, overdraft: Some(0) });
        }
        books
    }

    fn take(&mut self, step: &Step) {
        self.now = self.now.plus_ms(1_000);
        let now = self.now;
        let effects = match step {
            Step::Admit { call, resumes } => self.admit(*call, *resumes),
            Step::GoOn { call, work: chat } => {
                let (Admission { account, key, .. }, chat) =
                    (asks(*call, None), work(*chat).parse().expect("an id"));
                let _ = self.journal.go_on(&account, &key, &chat, now);
                Vec::new()
            }
            Step::Note { call: noted, work } => {
                let said = Said { status: 0, stage: 1, tokens: None, work: *work };
                self.journal.note(&call(*noted), report(&said).observed.ids, now).effects
            }
            Step::Settle { call: settled, said } => {
                self.journal.settle(&call(*settled), report(said), None, now).effects
            }
            Step::Follow { account: who, said } => {
                let account = account(*who).parse().expect("an id");
                self.journal.follow(&account, report(said), now).effects
            }
            Step::Answer { call: answered, said } => {
                self.journal.answer(&call(*answered), report(said), now).effects
            }
            Step::LookAfter { seconds } => {
                self.now = now.plus_ms(u64::from(*seconds) * 1_000);
                self.journal.look_after(self.now, QUESTIONS_MAX).effects
            }
            Step::Credit { account: who, thousands, overdraft } => {
                self.credit(*who, *thousands, *overdraft)
            }
            Step::Obey { call: obeyed, tokens } => {
                let usage =
                    tokens.and_then(|total| Usage::from_counts(None, None, Some(total.into())));
                let order = usage.map_or(Order::Release, |usage| Order::Settle(Some(usage)));
                self.journal.obey(&call(*obeyed), order, now).effects
            }
        };
        self.keep(effects);
    }

    fn admit(&mut self, number: u8, resumes: Option<u8>) -> Vec<Effect> {
        let asks = asks(number, resumes);
        if self.ended.contains(&asks.call) {
            // The edge draws a new id for every call.
            return Vec::new();
        }
        let account = asks.account.clone();
        let decision = self.journal.admit(asks, None, self.now);
        if matches!(decision.reply, Entrance::Admitted(_)) && !decision.effects.is_empty() {
            self.check_means(&account);
        }
        decision.effects
    }

    fn check_means(&self, account: &AccountId) {
        let standing = self.journal.standing(account).expect("an admitted account is known");
        let Overdraft::Limit(limit) = standing.account.overdraft else { return };
        let used = i128::from(standing.spent.get()) + i128::from(standing.held.get());
        let means = i128::from(standing.account.credits.get()) + i128::from(limit.get());
        assert!(used <= means, "{standing:?} after an admission");
    }

    fn credit(&mut self, number: u8, thousands: i8, overdraft: Option<u8>) -> Vec<Effect> {
        self.revision += 1;
        let credits = i64::from(thousands) * 1_000_000_000;
        let mut doc = json!({
            "id": account(number), "status": "active", "group": "default", "credits_nanos": credits,
        });
        if let Some(limit) = overdraft {
            doc["overdraft_nanos"] = json!(i64::from(limit) * 1_000);
        }
        let doc: AccountDoc = serde_json::from_value(doc).expect("a document");
        let accounts = vec![(&doc).try_into().expect("an account")];
        let change = Change { upto: self.revision, accounts, ..Change::default() };
        self.journal.apply(change).effects
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Finish(_, entry) = effect else { continue };
            assert!(entry.follows(&self.tail), "{entry:?} does not follow {:?}", self.tail);
            assert_eq!(entry.facts.derived_amount(), Ok(entry.facts.amount));
            self.tail = entry.tail;
            *self.spent.entry(entry.facts.account.clone()).or_default() +=
                i128::from(entry.facts.amount.get());
            let is_new = self.ended.insert(entry.facts.call.clone());
            assert!(is_new, "{} ended twice", entry.facts.call);
        }
    }

    fn check(&self) {
        assert_eq!(*self.journal.tail(), self.tail);
        let mut held: BTreeMap<&AccountId, i128> = BTreeMap::new();
        for hold in self.journal.holds() {
            assert!(hold.amount >= Nanos::ZERO && !self.ended.contains(&hold.call));
            *held.entry(&hold.account).or_default() += i128::from(hold.amount.get());
        }
        for number in 0..ACCOUNTS {
            let account = account(number).parse().expect("an id");
            let standing = self.journal.standing(&account).expect("a known account");
            let spent = self.spent.get(&account).copied().unwrap_or_default();
            assert_eq!(i128::from(standing.spent.get()), spent);
            let held = held.get(&account).copied().unwrap_or_default();
            assert_eq!(i128::from(standing.held.get()), held);
        }
    }

    /// Every call that is still open comes to its end.
    fn run_out_of_time(&mut self) {
        self.now = self.now.plus_ms(HOLD_LIFE_MAX_MS);
        let decision = self.journal.look_after(self.now, QUESTIONS_MAX);
        self.keep(decision.effects);
        self.check();
        assert_eq!(self.journal.holds().len(), 0, "a call outlives its time");
    }
}

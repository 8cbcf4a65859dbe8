//! A journal whose effects are kept as its object keeps them.

use std::collections::BTreeMap;

use meter::account::{Account, Limits, Overdraft, Settings, Standing, Status};
use meter::entry::{Entry, Tail};
use meter::ids::{AccountId, CallId, Group};
use meter::journal::{
    Admission, Attempt, Change, Effect, Entrance, Hold, Journal, KeptReply, Report,
};
use meter::money::Nanos;
use meter::price::{Price, PriceBook, Scope};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Observed, Stage, Usage, WorkIds};
use meter::wire::entry::EntryDoc;
use rusqlite::Connection;

use crate::journal::sql::Sql as _;
use crate::journal::store::{DELETE_ROWS_MAX, Store, integer};

use super::native::count;

pub(super) const START: UnixMs = UnixMs::new(1_764_000_000_000);
pub(super) const MINUTE_MS: u64 = 60_000;

/// A journal, its store, and a plain list of what it wrote.
pub(super) struct Desk<'a> {
    connection: &'a Connection,
    pub(super) store: Store<&'a Connection>,
    pub(super) journal: Journal,
    pub(super) now: UnixMs,
    next_call: u64,
    /// Every entry, as it was made.
    pub(super) entries: Vec<Entry>,
}

/// Everything that can be seen of a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    tail: Tail,
    applied: u64,
    standings: BTreeMap<AccountId, Standing>,
    today: BTreeMap<AccountId, Nanos>,
    holds: Vec<Hold>,
}

impl<'a> Desk<'a> {
    /// A journal of two accounts that may always call, at this price for each call.
    pub(super) fn open(connection: &'a Connection, price_nanos: i64) -> Self {
        let (store, _) = Store::open(connection, || "e1".to_owned()).unwrap();
        let (stored, next) = store.load().unwrap();
        let journal = Journal::load(stored, next, START);
        let mut desk =
            Self { connection, store, journal, now: START, next_call: 0, entries: Vec::new() };
        let price = Price::PerCall { amount: Nanos::new(price_nanos) };
        let prices = BTreeMap::from([(Scope::Coze, price)]);
        desk.apply(Change {
            upto: 1,
            accounts: vec![account(0), account(1)],
            book: Some(PriceBook { version: 1, prices, ..PriceBook::initial() }),
            ..Change::default()
        });
        desk
    }

    fn keep(&mut self, effects: &[Effect]) {
        self.store.keep(effects, self.now).unwrap();
        self.entries.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Finish(_, entry) => Some(entry.clone()),
            _ => None,
        }));
    }

    pub(super) fn apply(&mut self, change: Change) {
        let effects = self.journal.apply(change).effects;
        self.keep(&effects);
    }

    pub(super) fn admit(&mut self, attempt: Option<Attempt>) -> CallId {
        self.next_call += 1;
        let call: CallId = format!("c{}", self.next_call).parse().unwrap();
        let asks = Admission {
            call: call.clone(),
            account: account_id(self.next_call % 2),
            key: "key_1".parse().unwrap(),
            limits: budget(),
            asked: Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap()),
            attempt,
            session: None,
        };
        let decision = self.journal.admit(asks, None, self.now);
        assert!(matches!(decision.reply, Entrance::Admitted(_)));
        self.keep(&decision.effects);
        call
    }

    pub(super) fn note(&mut self, call: &CallId) {
        let ids =
            WorkIds { chat: Some(format!("of_{call}").parse().unwrap()), ..WorkIds::default() };
        let effects = self.journal.note(call, ids, self.now).effects;
        self.keep(&effects);
    }

    pub(super) fn settle(&mut self, call: &CallId, reply: Option<KeptReply>) {
        let usage = Some(Usage { input: Some(3), output: Some(4), total: 7, cost: None });
        let observed = Observed { stage: Stage::Completed, usage, ..Observed::nothing() };
        let report = Report { status: Some(200), observed };
        let effects = self.journal.settle(call, report, reply, self.now).effects;
        self.keep(&effects);
    }

    /// So many calls come and go, a minute apart.
    pub(super) fn serve(&mut self, calls: u64) {
        for _ in 0..calls {
            self.now = self.now.plus_ms(MINUTE_MS);
            let call = self.admit(None);
            self.settle(&call, None);
        }
    }

    /// Memory is lost, and built anew from the store by another instance.
    pub(super) fn reload(&mut self) {
        let (store, epoch) = Store::open(self.connection, || panic!("the epoch is drawn")).unwrap();
        assert_eq!(epoch.as_str(), "e1");
        let (stored, next) = store.load().unwrap();
        assert_eq!(next, self.next_call + 1);
        self.journal = Journal::load(stored, next, self.now);
        self.store = store;
    }

    pub(super) fn picture(&self) -> Picture {
        let accounts = (0..3).map(account_id);
        let standing = |account| {
            let standing = self.journal.standing(&account)?.clone();
            Some((account, standing))
        };
        Picture {
            tail: *self.journal.tail(),
            applied: self.journal.applied(),
            standings: accounts.filter_map(standing).collect(),
            today: (0..3)
                .map(account_id)
                .map(|id| (id.clone(), self.journal.spent_today(&id, self.now)))
                .collect(),
            holds: self.journal.holds().cloned().collect(),
        }
    }

    /// How many rows a step writes.
    pub(super) fn rows_written(&mut self, step: impl FnOnce(&mut Self)) -> u64 {
        let before = self.connection.total_changes();
        step(self);
        self.connection.total_changes() - before
    }

    /// The entries behind `ack` as they were made.
    pub(super) fn page(&self, ack: u64, limit: u32) -> Vec<EntryDoc> {
        let behind = self.entries.iter().filter(|entry| entry.tail.seq > ack);
        behind.take(limit as usize).map(EntryDoc::from).collect()
    }

    #[track_caller]
    pub(super) fn check_page(&self, ack: u64, limit: u32) {
        let page = self.store.page(ack, limit).unwrap();
        assert!(page == self.page(ack, limit), "the page of {limit} behind {ack}");
    }

    /// The numbers of the rows that are there: of running calls, and of finished ones.
    pub(super) fn rows(&self) -> (Vec<i64>, Vec<i64>) {
        let rows = |which: &str| {
            let select = format!("SELECT call_no FROM call WHERE seq {which} ORDER BY call_no");
            let rows = self.connection.run(&select, &[]).unwrap();
            rows.iter().map(|row| integer(row.first()).unwrap()).collect()
        };
        (rows("IS NULL"), rows("IS NOT NULL"))
    }

    /// Clears up until nothing is left to delete, a bounded number of rows at a time.
    pub(super) fn clear_up(&mut self, ack: u64) -> u64 {
        let most = u64::try_from(DELETE_ROWS_MAX).unwrap();
        let mut cleared = 0;
        loop {
            let marks = count(self.connection, "mark");
            let deleted = self.rows_written(|desk| drop(desk.store.clear_up(ack, desk.now)));
            assert!(deleted <= most + marks, "{deleted} rows deleted at once");
            if deleted == 0 {
                return cleared;
            }
            cleared += deleted;
        }
    }
}

/// A budget that is never used up, so that what a key spent is kept.
fn budget() -> Limits {
    Limits { daily_budget: Some(Nanos::MAX), ..Limits::default() }
}

pub(super) fn account_id(number: u64) -> AccountId {
    format!("acc_{number}").parse().unwrap()
}

pub(super) fn account(number: u64) -> Account {
    Account {
        id: account_id(number),
        status: Status::Active,
        group: Group::standard(),
        overdraft: Overdraft::Unlimited,
        credits: Nanos::ZERO,
        settings: Settings::default(),
    }
}

//! Whose things are: what is kept of it, what it costs in rows, and how it is found again.

use meter::apart::Named;
use meter::ids::{AccountId, UpstreamId};
use meter::journal::{Change, Journal, MARK_EVERY, OWNED_KEEP_MS, OWNED_REFRESH_MS};
use meter::price::PriceBook;
use meter::route::Kind;
use meter::time::UnixMs;
use meter::wire::command::{AdmitDoc, CommandDoc, NamedDoc, ReplyDoc, ReportDoc};
use meter::wire::desk::Desk;
use meter::wire::entry::WorkIdsDoc;
use rusqlite::Connection;
use serde_json::json;

use super::desk::{START, account, account_id};
use super::native::{count, database};
use crate::journal::store::{KEEP_MS, Store};

/// A journal as its object has it, over a native store.
pub(super) struct Office<'a> {
    connection: &'a Connection,
    pub(super) desk: Desk<Store<&'a Connection>>,
    now: UnixMs,
    calls: u64,
}

impl<'a> Office<'a> {
    pub(super) fn open(connection: &'a Connection) -> Self {
        let (store, _) = Store::open(connection, || "e1".to_owned()).unwrap();
        let change = Change {
            upto: 1,
            accounts: vec![account(0), account(1)],
            revoked_keys: Vec::new(),
            book: Some(PriceBook::initial()),
            next_book: None,
        };
        let mut journal = Journal::load(store.load().unwrap().0, 1, START);
        store.keep(&journal.apply(change).effects, START).unwrap();
        Self::load(connection, START, 0)
    }

    fn load(connection: &'a Connection, now: UnixMs, calls: u64) -> Self {
        let (store, epoch) = Store::open(connection, || "e1".to_owned()).unwrap();
        let (stored, next) = store.load().unwrap();
        let desk = Desk::new(store, epoch, Journal::load(stored, next, now), now);
        Self { connection, desk, now, calls }
    }

    /// Memory is lost, and built anew from what is stored.
    fn reload(self) -> Self {
        Self::load(self.connection, self.now, self.calls)
    }

    pub(super) fn obey(&mut self, command: CommandDoc) -> ReplyDoc {
        self.desk.obey(command, self.now).unwrap()
    }

    pub(super) fn admit(&mut self, account: u64, operation: &str) -> String {
        self.calls += 1;
        let call = format!("c{}", self.calls);
        let kind = if operation == "chat" { "bot" } else { "workflow" };
        let admit: AdmitDoc = serde_json::from_value(json!({
            "call": call, "account": account_id(account).as_str(), "key": "key_1",
            "operation": operation, "subject_kind": kind, "subject": "7490",
        }))
        .unwrap();
        assert!(matches!(self.obey(CommandDoc::Admit(admit)), ReplyDoc::Admitted { .. }));
        call
    }

    pub(super) fn settle(&mut self, call: &str, ids: WorkIdsDoc) {
        let stage = "completed".to_owned();
        let total_tokens = Some(7);
        let report =
            ReportDoc { status: Some(200), stage, total_tokens, ids, ..ReportDoc::default() };
        let call = call.to_owned();
        let settle = CommandDoc::Settle { call, report, reply: None, stamped: false };
        assert!(matches!(self.obey(settle), ReplyDoc::Finished { .. }));
    }

    /// A chat from its beginning to its end.
    fn chat(&mut self, account: u64, chat: &str, conversation: Option<&str>) {
        let call = self.admit(account, "chat");
        self.settle(&call, ids(chat, conversation));
    }

    fn asks(&mut self, account: u64, kind: Kind, id: &str) -> ReplyDoc {
        let names = vec![NamedDoc { kind: kind.name().to_owned(), id: id.to_owned() }];
        let (account, key) = (account_id(account).to_string(), "key_1".to_owned());
        self.obey(CommandDoc::Enter { account, key, names })
    }

    #[track_caller]
    fn check(&mut self, account: u64, kind: Kind, id: &str, is_theirs: bool) {
        let reply = self.asks(account, kind, id);
        match &reply {
            ReplyDoc::Ok { .. } => assert!(is_theirs, "{kind:?} {id} of account {account}"),
            ReplyDoc::Refused(refusal) => {
                assert!(!is_theirs, "{kind:?} {id} of account {account}");
                assert_eq!(refusal.reason, "id_unknown");
            }
            other => panic!("{other:?}"),
        }
    }

    fn rows_written(&mut self, step: impl FnOnce(&mut Self)) -> u64 {
        let before = self.connection.total_changes();
        step(self);
        self.connection.total_changes() - before
    }
}

fn ids(chat: &str, conversation: Option<&str>) -> WorkIdsDoc {
    let (chat_id, conversation_id) = (Some(chat.to_owned()), conversation.map(str::to_owned));
    WorkIdsDoc { chat_id, conversation_id, ..WorkIdsDoc::default() }
}

fn run(execution: &str) -> WorkIdsDoc {
    WorkIdsDoc { execute_id: Some(execution.to_owned()), ..WorkIdsDoc::default() }
}

#[test]
fn a_new_conversation_is_one_row_and_using_it_one_a_day() {
    let connection = database();
    let mut office = Office::open(&connection);
    assert_eq!(office.rows_written(|it| it.chat(0, "1", Some("c-1"))), 2 + 1);
    for chat in ["2", "3", "4"] {
        assert_eq!(office.rows_written(|it| it.chat(0, chat, Some("c-1"))), 2);
    }
    let mut office = office.reload();
    assert_eq!(office.rows_written(|it| it.chat(0, "5", Some("c-1"))), 2);
    office.now = office.now.plus_ms(OWNED_REFRESH_MS);
    assert_eq!(office.rows_written(|it| it.chat(0, "6", Some("c-1"))), 2 + 1);
    assert_eq!(office.rows_written(|it| it.chat(0, "7", Some("c-1"))), 2);
    assert_eq!(office.rows_written(|it| it.chat(0, "8", None)), 2);
    let run_once = |it: &mut Office<'_>| {
        let call = it.admit(0, "workflow_run");
        it.settle(&call, run("e-1"));
    };
    assert_eq!(office.rows_written(run_once), 2);
    // Asking writes nothing, whatever the answer.
    let ask = |it: &mut Office<'_>| {
        for (account, id) in [(0, "c-1"), (1, "c-1"), (1, "c-2")] {
            it.check(account, Kind::Conversation, id, account == 0);
        }
        it.check(1, Kind::Chat, "1", false);
    };
    assert_eq!(office.rows_written(ask), 0);
    let sight = CommandDoc::Sight { call: office.admit(1, "chat"), ids: ids("9", Some("c-9")) };
    assert_eq!(office.rows_written(|it| drop(it.obey(sight))), 0);
    office.check(1, Kind::Conversation, "c-9", true);
}

#[test]
fn what_an_account_made_is_its_own_while_it_runs_and_afterwards() {
    let connection = database();
    let mut office = Office::open(&connection);
    let (chat, workflow) = (office.admit(0, "chat"), office.admit(0, "workflow_run"));
    // Not said yet, and nobody else's call could say it.
    assert!(matches!(office.asks(0, Kind::Chat, "1"), ReplyDoc::NotYet(_)));
    assert!(matches!(office.asks(0, Kind::Conversation, "c-1"), ReplyDoc::NotYet(_)));
    assert!(matches!(office.asks(0, Kind::Execution, "e-1"), ReplyDoc::NotYet(_)));
    office.check(0, Kind::File, "f-1", false);
    office.check(1, Kind::Chat, "1", false);
    let sight = CommandDoc::Sight { call: chat.clone(), ids: ids("1", Some("c-1")) };
    office.obey(sight);
    office.check(0, Kind::Chat, "1", true);
    office.check(0, Kind::Conversation, "c-1", true);
    office.check(0, Kind::Chat, "2", false);
    office.check(1, Kind::Chat, "1", false);
    office.check(1, Kind::Conversation, "c-1", false);
    // What it said is known even when its reply tells nothing more.
    let report =
        ReportDoc { status: Some(200), stage: "failed".to_owned(), ..ReportDoc::default() };
    office.obey(CommandDoc::Settle { call: chat, report, reply: None, stamped: false });
    office.settle(&workflow, run("e-1"));
    let mut office = office.reload();
    for (kind, id) in [(Kind::Chat, "1"), (Kind::Conversation, "c-1"), (Kind::Execution, "e-1")] {
        office.check(0, kind, id, true);
        office.check(1, kind, id, false);
    }
}

#[test]
fn a_chat_is_found_again_behind_marks_until_its_call_is_deleted() {
    let connection = database();
    let mut office = Office::open(&connection);
    let long = office.admit(0, "workflow_run");
    for number in 0..2 * MARK_EVERY + 10 {
        office.chat(number % 2, &format!("7{number}"), None);
    }
    office.settle(&long, run("e-1"));
    assert_eq!(count(&connection, "mark"), 2);
    assert_eq!(count(&connection, "owned"), 0);
    for round in 0..2 {
        for number in [0, 1, 999, 1_000, 1_500, 1_999, 2_000, 2_009] {
            let id = format!("7{number}");
            office.check(number % 2, Kind::Chat, &id, true);
            office.check(1 - number % 2, Kind::Chat, &id, false);
            office.check(number % 2, Kind::Chat, &format!("{id}-9"), false);
        }
        office.check(0, Kind::Execution, "e-1", true);
        office.check(1, Kind::Execution, "e-1", false);
        if round == 0 {
            // A mark of before that has no prints: its rows are looked through.
            connection.execute("UPDATE mark SET works = NULL WHERE seq = 1000", ()).unwrap();
        }
        office = office.reload();
    }
    office.now = office.now.plus_ms(KEEP_MS);
    let pull = json!({"do": "pull", "v": 1, "epoch": "e1", "ack": 2_000, "limit": 1});
    for _ in 0..5 {
        office.obey(serde_json::from_value(pull.clone()).unwrap());
    }
    office.check(0, Kind::Chat, "70", false);
    office.check(0, Kind::Chat, "72000", true);
}

#[test]
fn a_file_is_its_makers_until_its_time_has_passed() {
    let connection = database();
    let mut office = Office::open(&connection);
    let made = Named { kind: Kind::File, id: "f-1".parse().unwrap() };
    let own = CommandDoc::Own { account: account_id(0).to_string(), made: (&made).into() };
    assert_eq!(office.rows_written(|it| drop(it.obey(own))), 1);
    office.check(0, Kind::File, "f-1", true);
    office.check(1, Kind::File, "f-1", false);
    office.check(0, Kind::Conversation, "f-1", false);
    office.now = office.now.plus_ms(OWNED_KEEP_MS + 1);
    office.check(0, Kind::File, "f-1", false);
}

#[test]
fn rows_whose_time_has_passed_are_deleted_some_at_a_time() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    let insert = "INSERT INTO owned (name, kept_at_ms) VALUES (?1, ?2)";
    for number in 0..1_200_u32 {
        let kept_at = if number % 2 == 0 { 1_i64 } else { i64::from(u32::MAX) * 1_000 };
        connection.execute(insert, (format!("acc/file/{number:05}"), kept_at)).unwrap();
    }
    let now = UnixMs::new(OWNED_KEEP_MS + 2);
    let first = store.forget_owned(None, now).unwrap();
    assert_eq!(first.as_deref(), Some("acc/file/00499"));
    assert_eq!(count(&connection, "owned"), 950);
    let second = store.forget_owned(first.as_deref(), now).unwrap();
    assert_eq!(store.forget_owned(second.as_deref(), now).unwrap(), None);
    assert_eq!(count(&connection, "owned"), 600);
    assert_eq!(store.forget_owned(Some("acc/file/99999"), now).unwrap(), None);
}

#[test]
fn what_was_made_before_there_were_such_rows_is_still_its_makers() {
    let connection = database();
    let mut office = Office::open(&connection);
    office.chat(0, "1", Some("c-1"));
    office.chat(1, "2", Some("c-2"));
    let (account, name) = (account_id(1).to_string(), "chat/ab12".to_owned());
    office.obey(CommandDoc::KeepMemo { account, name, value: Some("c-3".to_owned()) });
    // The store as it was a version ago.
    let before = "DROP TABLE owned; ALTER TABLE mark DROP COLUMN works;
                  DELETE FROM schema_version WHERE version = 4;";
    connection.execute_batch(before).unwrap();
    let mut office = office.reload();
    for (id, owner) in [("c-1", 0), ("c-2", 1), ("c-3", 1)] {
        office.check(owner, Kind::Conversation, id, true);
        office.check(1 - owner, Kind::Conversation, id, false);
    }
    office.check(0, Kind::Chat, "1", true);
}

#[test]
fn a_request_with_one_foreign_name_is_not_held_and_leaves_no_trace() {
    let connection = database();
    let mut office = Office::open(&connection);
    office.chat(0, "1", Some("c-1"));
    let names = |ids: [&str; 2]| {
        ids.map(|id| NamedDoc { kind: "conversation".to_owned(), id: id.to_owned() }).to_vec()
    };
    let admit = |names, account: AccountId| {
        let admit: AdmitDoc = serde_json::from_value(json!({
            "call": "c99", "account": account.as_str(), "key": "key_1",
            "operation": "chat", "subject_kind": "bot", "subject": "7490",
        }))
        .unwrap();
        CommandDoc::Admit(AdmitDoc { names, ..admit })
    };
    let foreign = admit(names(["c-1", "c-1"]), account_id(1));
    let unknown = admit(names(["c-1", "c-2"]), account_id(0));
    let asks = |it: &mut Office<'_>| {
        let replies = [it.obey(foreign), it.obey(unknown)];
        for reply in &replies {
            assert!(matches!(reply, ReplyDoc::Refused(_)), "{reply:?}");
        }
        assert_eq!(replies[0], replies[1], "a foreign id and an unknown one look alike");
    };
    assert_eq!(office.rows_written(asks), 0);
    assert_eq!(office.desk.journal().holds().len(), 0);
    let own = admit(names(["c-1", "c-1"]), account_id(0));
    assert!(matches!(office.obey(own), ReplyDoc::Admitted { .. }));
}

/// An id is found by all of it.
#[test]
fn an_id_within_another_is_not_found() {
    let connection = database();
    let mut office = Office::open(&connection);
    office.chat(0, "712345", None);
    let (store, _) = Store::open(&connection, String::new).unwrap();
    let rows = meter::journal::Rows { low: 0, high: 100 };
    let made = |id: &str| {
        let id: UpstreamId = id.parse().unwrap();
        store.made_in(rows, &account_id(0), &id).unwrap()
    };
    assert!(made("712345"));
    assert!(!made("1234") && !made("71234") && !made("7490") && !made("_"));
}

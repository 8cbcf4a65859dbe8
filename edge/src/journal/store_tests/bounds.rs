//! What a journal gives at once, and what it deletes at once: up to the bound, and the rest the next time.

use meter::journal::{MEMO_KEEP_MS, MemoName, QUIET_MAX_MS};
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::entry::WorkIdsDoc;
use meter::wire::pull::{
    OPEN_CALLS_MAX, OPEN_LISTED_MAX, OPEN_UNNAMED_MAX, PAGE_ENTRIES_MAX, PullReply,
};
use serde_json::json;

use super::desk::{START, account_id};
use super::native::{count, database};
use super::owned::Office;
use crate::journal::object_do::QUESTIONS_MAX;
use crate::journal::store::{DELETE_ROWS_MAX, MAX_SAFE_INTEGER, Store, number};

/// Pulls what is behind `ack`, as much of it as there may be.
fn pull(office: &mut Office<'_>, ack: u64) -> PullReply {
    pull_about(office, ack, &[])
}

/// The same, asking about these calls.
fn pull_about(office: &mut Office<'_>, ack: u64, billed: &[String]) -> PullReply {
    let limit = u32::MAX;
    let pull =
        json!({"do": "pull", "v": 1, "epoch": "e1", "ack": ack, "limit": limit, "billed": billed});
    match office.obey(serde_json::from_value(pull).unwrap()) {
        ReplyDoc::Page(page) => page,
        other => panic!("{other:?}"),
    }
}

/// Lets a call in, and names its work where it has a name.
fn begin(office: &mut Office<'_>, chat: Option<usize>) -> String {
    let call = office.admit(0, "chat");
    if let Some(chat) = chat {
        let (chat_id, conversation_id) = (Some(chat.to_string()), Some("75".to_owned()));
        let ids = WorkIdsDoc { chat_id, conversation_id, ..WorkIdsDoc::default() };
        office.obey(CommandDoc::Note { call: call.clone(), ids });
    }
    call
}

#[test]
fn a_page_has_so_many_entries_and_the_next_one_has_the_rest() {
    let connection = database();
    let mut office = Office::open(&connection);
    for _ in 0..=PAGE_ENTRIES_MAX {
        let call = office.admit(0, "chat");
        office.settle(&call, WorkIdsDoc::default());
    }
    assert_eq!(pull(&mut office, 0).entries.len(), PAGE_ENTRIES_MAX as usize);
    assert_eq!(pull(&mut office, 1).entries.len(), PAGE_ENTRIES_MAX as usize);
    assert_eq!(pull(&mut office, PAGE_ENTRIES_MAX.into()).entries.len(), 1);
}

#[test]
fn so_many_open_calls_are_listed_and_more_of_those_without_a_name() {
    let connection = database();
    let mut office = Office::open(&connection);
    for chat in 1..=OPEN_CALLS_MAX + 1 {
        begin(&mut office, Some(chat));
    }
    assert_eq!(pull(&mut office, 0).open.len(), OPEN_CALLS_MAX);
    for listed in 1..=OPEN_UNNAMED_MAX {
        begin(&mut office, None);
        if listed == OPEN_UNNAMED_MAX {
            assert_eq!(pull(&mut office, 0).open.len(), OPEN_LISTED_MAX);
        }
    }
    begin(&mut office, None);
    let page = pull(&mut office, 0);
    assert_eq!((page.open.len(), page.open_holds), (OPEN_LISTED_MAX, OPEN_LISTED_MAX as u64 + 2));
}

#[test]
fn the_calls_that_the_bill_names_are_listed_before_older_ones() {
    let connection = database();
    let mut office = Office::open(&connection);
    let calls: Vec<String> = (0..2 * OPEN_LISTED_MAX).map(|_| begin(&mut office, None)).collect();
    let named = begin(&mut office, Some(1));
    let is_listed =
        |page: &PullReply, call: &String| page.open.iter().any(|it| it.hold.call == *call);
    let newest = calls.last().unwrap();
    assert!(!is_listed(&pull(&mut office, 0), newest));
    let strange = ["nobody".to_owned(), "no id".to_owned(), named.clone()];
    let billed = [&strange[..], std::slice::from_ref(newest)].concat();
    let page = pull_about(&mut office, 0, &billed);
    assert!(is_listed(&page, newest));
    assert!(!is_listed(&page, &named), "its own answer counts");
    // One more than may be asked about: the last one is passed over.
    let page = pull_about(&mut office, 0, &calls[calls.len() - OPEN_UNNAMED_MAX - 1..]);
    assert!(!is_listed(&page, newest));
    assert_eq!(page.open.len(), OPEN_LISTED_MAX, "and the oldest are listed as ever");
    assert!(
        is_listed(&page, &calls[OPEN_CALLS_MAX - 1]) && !is_listed(&page, &calls[OPEN_CALLS_MAX])
    );
}

#[test]
fn so_many_questions_are_asked_in_one_run_of_the_alarm_and_the_rest_in_the_next() {
    let connection = database();
    let mut office = Office::open(&connection);
    for chat in 0..=QUESTIONS_MAX {
        begin(&mut office, Some(chat));
    }
    let later = START.plus_ms(QUIET_MAX_MS);
    assert_eq!(office.desk.look_after(later, QUESTIONS_MAX).unwrap().len(), QUESTIONS_MAX);
    assert_eq!(office.desk.look_after(later, QUESTIONS_MAX).unwrap().len(), 1);
}

#[test]
fn so_many_rows_are_deleted_at_once_and_the_rest_the_next_time() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    for number in 0..=DELETE_ROWS_MAX {
        let name = MemoName::new(&account_id(0), &format!("task/{number}")).unwrap();
        store.keep_memo(&name, Some("x"), START).unwrap();
    }
    let past = START.plus_ms(MEMO_KEEP_MS + 1);
    for left in [1, 0] {
        store.forget_memos(past).unwrap();
        assert_eq!(count(&connection, "memo"), left);
    }
}

#[test]
fn a_number_is_stored_up_to_what_a_float_holds_exactly() {
    let most = MAX_SAFE_INTEGER.unsigned_abs();
    assert!(number(most).is_ok() && number(most + 1).is_err());
}

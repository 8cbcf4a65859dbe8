//! The journal's real SQL on a native `SQLite`, driven by a real journal.

#[path = "store_tests/native.rs"]
mod native;
#[path = "store_tests/desk.rs"]
mod desk;
#[path = "store_tests/registered.rs"]
mod registered;
#[path = "store_tests/owned.rs"]
mod owned;
#[path = "store_tests/bounds.rs"]
mod bounds;
#[path = "store_tests/simulated.rs"]
mod simulated;

use meter::account::{Account, Overdraft};
use meter::entry::Hash;
use meter::ids::CallId;
use meter::journal::{
    Attempt, Change, IDEMPOTENCY_KEEP_MS, IdempotencyKey, KeptReply, MARK_EVERY, MEMO_KEEP_MS,
    MEMO_VALUE_BYTES_MAX, MemoName, Stored,
};
use meter::money::Nanos;
use meter::price::PriceBook;
use meter::price::plan::Dated;
use meter::time::UnixMs;

use super::{KEEP_MS, MAX_SAFE_INTEGER, Store};
use desk::{Desk, MINUTE_MS, START, account, account_id};
use native::{count, database};

/// The largest integer that a float holds exactly, and two more.
const BEYOND_FLOATS: i64 = MAX_SAFE_INTEGER + 2;

#[test]
fn opening_again_changes_nothing_and_draws_no_epoch() {
    let connection = database();
    let first = Store::open(&connection, || "e1".to_owned()).unwrap().1;
    let tables = count(&connection, "sqlite_master");
    let written = connection.total_changes();
    let again = Store::open(&connection, || panic!("an epoch is drawn")).unwrap().1;
    assert_eq!(again, first);
    assert_eq!(count(&connection, "sqlite_master"), tables);
    assert_eq!(connection.total_changes(), written);
}

#[test]
fn an_empty_store_is_a_journal_that_was_never_used() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    assert_eq!(store.load().unwrap(), (Stored::nothing(), 1));
    assert_eq!(store.page(0, 10).unwrap(), []);
    store.clear_up(0, START).unwrap();
}

#[test]
fn what_is_loaded_is_what_was_kept() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let mut open: Vec<CallId> = Vec::new();
    let mut random = Random(7);
    for step in 0..4 * MARK_EVERY {
        desk.now = desk.now.plus_ms(MINUTE_MS);
        match random.below(20) {
            0..9 => open.push(desk.admit(None)),
            9..18 if !open.is_empty() => {
                // Mostly an old one, so that rows are finished in another order than they were begun.
                let at = random.below(open.len().min(5));
                let call = open.remove(at);
                desk.settle(&call, None);
            }
            18 if !open.is_empty() => {
                let at = random.below(open.len());
                desk.note(&open[at]);
            }
            _ => {
                let credits = Nanos::new(i64::try_from(step).unwrap());
                let accounts = vec![Account { credits, ..account(step % 3) }];
                let revoked_keys = vec![format!("key_of_{step}").parse().unwrap()];
                desk.apply(Change { upto: step + 2, accounts, revoked_keys, ..Change::default() });
            }
        }
        if random.below(97) == 0 {
            let before = desk.picture();
            desk.reload();
            assert_eq!(desk.picture(), before, "at step {step}");
        }
    }
    assert!(desk.entries.len() as u64 > MARK_EVERY, "no mark was made");
    assert!(!open.is_empty());
    for account in 0..2 {
        let of_account = desk.entries.iter().filter(|it| it.facts.account == account_id(account));
        let spent: i64 = of_account.map(|entry| entry.facts.amount.get()).sum();
        let standing = desk.journal.standing(&account_id(account)).unwrap();
        assert_eq!(standing.spent, Nanos::new(spent));
    }
}

#[test]
fn a_book_that_is_to_come_is_kept_until_there_is_none() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let book = |version| PriceBook { version, ..PriceBook::initial() };
    let next = Dated { starts_at: UnixMs::new(7), book: book(2) };
    let told = |upto, next_book: Option<Dated>| Change {
        upto,
        book: Some(book(1)),
        next_book,
        ..Change::default()
    };
    desk.apply(told(2, Some(next.clone())));
    assert_eq!(desk.store.load().unwrap().0.next_book, Some(next));
    desk.apply(told(3, None));
    assert_eq!(desk.store.load().unwrap().0.next_book, None);
}

#[test]
fn revoked_keys_and_the_book_are_loaded() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let revoked_keys = vec!["key_1".parse().unwrap()];
    desk.apply(Change { upto: 2, revoked_keys, ..Change::default() });
    let (stored, _) = desk.store.load().unwrap();
    assert_eq!(stored.revoked, ["key_1".parse().unwrap()]);
    assert_eq!(stored.book.unwrap().version, 1);
    assert_eq!(stored.applied, 2);
}

#[test]
fn every_page_is_what_a_plain_list_gives() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let from_before_the_marks = desk.admit(None);
    desk.serve(MARK_EVERY / 2);
    let from_between = desk.admit(None);
    desk.serve(MARK_EVERY);
    desk.settle(&from_before_the_marks, None);
    desk.serve(MARK_EVERY - 50);
    desk.settle(&from_between, None);
    let never_finished = desk.admit(None);
    desk.serve(60);
    let head = desk.journal.tail().seq;
    assert_eq!(head / MARK_EVERY, 2, "entries on either side of two marks");
    for ack in 0..head + 3 {
        desk.check_page(ack, 3);
    }
    for ack in (0..head + 3).step_by(61) {
        desk.check_page(ack, 1);
        desk.check_page(ack, 1_000);
    }
    for ack in [0, 999, 1_000, 1_001, head - 1, head, u64::from(u32::MAX)] {
        desk.check_page(ack, 0);
        desk.check_page(ack, u32::MAX);
    }
    assert!(desk.journal.holds().any(|hold| hold.call == never_finished));
}

#[test]
fn only_what_was_posted_and_is_old_is_deleted() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    desk.serve(2 * MARK_EVERY + 10);
    let (_, all) = desk.rows();
    let old = desk.now.plus_ms(KEEP_MS);
    assert_eq!(desk.clear_up(2 * MARK_EVERY), 0, "posted, not old");
    desk.now = old;
    assert_eq!(desk.clear_up(MARK_EVERY - 1), 0, "old, not posted");
    desk.clear_up(2 * MARK_EVERY - 1);
    assert_eq!(desk.rows().1, all[usize::try_from(MARK_EVERY).unwrap()..], "up to the first mark");
    for ack in [MARK_EVERY, MARK_EVERY + 1, 2 * MARK_EVERY] {
        desk.check_page(ack, 20);
    }
    desk.clear_up(u64::from(u32::MAX));
    assert_eq!(
        desk.rows().1,
        all[usize::try_from(2 * MARK_EVERY).unwrap()..],
        "up to the last mark"
    );
    assert_eq!(count(&connection, "mark"), 1);
    let before = desk.picture();
    desk.reload();
    assert_eq!(desk.picture(), before);
}

#[test]
fn a_call_is_kept_from_the_time_it_was_marked_and_not_from_its_admission() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    desk.serve(MARK_EVERY - 1);
    desk.now = desk.now.plus_ms(KEEP_MS);
    desk.serve(1);
    assert_eq!(desk.clear_up(MARK_EVERY), 0);
    desk.now = desk.now.plus_ms(KEEP_MS - 1);
    assert_eq!(desk.clear_up(MARK_EVERY), 0);
    desk.now = desk.now.plus_ms(1);
    assert_eq!(desk.clear_up(MARK_EVERY), MARK_EVERY);
}

#[test]
fn a_running_call_is_never_deleted_nor_what_was_admitted_after_it() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    desk.serve(10);
    let call = desk.admit(None);
    desk.serve(2 * MARK_EVERY);
    desk.now = desk.now.plus_ms(2 * KEEP_MS);
    desk.clear_up(u64::from(u32::MAX));
    let (running, finished) = desk.rows();
    assert_eq!(running, [11]);
    assert_eq!(finished.len() as u64, 2 * MARK_EVERY);
    desk.reload();
    desk.settle(&call, None);
    desk.serve(MARK_EVERY);
    desk.now = desk.now.plus_ms(KEEP_MS);
    desk.clear_up(u64::from(u32::MAX));
    assert!(!desk.rows().1.contains(&11));
}

#[test]
fn amounts_beyond_a_float_survive() {
    let connection = database();
    let mut desk = Desk::open(&connection, BEYOND_FLOATS);
    let credits = Nanos::MAX;
    desk.apply(Change {
        upto: 2,
        accounts: vec![Account { credits, overdraft: Overdraft::Limit(credits), ..account(0) }],
        ..Change::default()
    });
    desk.serve(MARK_EVERY + 1);
    let open = desk.admit(None);
    let before = desk.picture();
    desk.reload();
    assert_eq!(desk.picture(), before);
    let entries = i64::try_from(MARK_EVERY + 1).unwrap();
    assert_eq!(desk.journal.tail().total, Nanos::new(entries * BEYOND_FLOATS));
    assert_eq!(desk.journal.standing(&account_id(0)).unwrap().account.credits, credits);
    assert!(desk.journal.holds().any(|it| it.call == open && it.amount.get() == BEYOND_FLOATS));
    desk.check_page(0, 1_000);
}

#[test]
fn a_number_that_storage_cannot_hold_is_an_error_and_no_other_number() {
    let connection = database();
    let desk = Desk::open(&connection, 5);
    let beyond = u64::try_from(BEYOND_FLOATS).unwrap();
    assert!(desk.store.page(beyond, 1).is_err());
    assert!(desk.store.page(u64::MAX, 1).is_err());
    assert!(desk.store.clear_up(beyond, desk.now).is_err());
}

#[test]
fn a_call_writes_two_rows() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    for _ in 1..MARK_EVERY {
        assert_eq!(desk.rows_written(|desk| desk.serve(1)), 2);
    }
    let with_a_mark = desk.rows_written(|desk| desk.serve(1));
    assert_eq!(with_a_mark, 2 + 1 + 2, "the mark, and the two accounts that were charged");
    assert_eq!(desk.rows_written(|desk| desk.serve(1)), 2);
}

#[test]
fn a_call_that_is_noted_writes_one_row_more_and_only_once() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let call = desk.admit(None);
    assert_eq!(desk.rows_written(|desk| desk.note(&call)), 1);
    assert_eq!(desk.rows_written(|desk| desk.note(&call)), 0);
    assert_eq!(desk.rows_written(|desk| desk.settle(&call, None)), 1);
    assert_eq!(desk.rows_written(|desk| desk.settle(&call, None)), 0);
}

#[test]
fn an_idempotency_key_is_kept_with_its_reply_until_its_time_has_passed() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let key = IdempotencyKey::new(&account_id(1), "order 66").unwrap();
    let request = Hash([0xab; 32]);
    assert_eq!(desk.store.kept(&key).unwrap(), None);
    let call = desk.admit(Some(Attempt { key: key.clone(), request }));
    let kept = desk.store.kept(&key).unwrap().unwrap();
    assert_eq!((&kept.key, kept.request, &kept.call), (&key, request, &call));
    assert_eq!((kept.used_at, kept.reply), (desk.now, None));
    let reply = KeptReply { status: 200, body: "{\"msg\":\"河\"}".to_owned() };
    desk.reload();
    desk.settle(&call, Some(reply.clone()));
    assert_eq!(desk.store.kept(&key).unwrap().unwrap().reply, Some(reply));
    desk.store.forget_keys(desk.now.plus_ms(IDEMPOTENCY_KEEP_MS)).unwrap();
    assert!(desk.store.kept(&key).unwrap().is_some());
    desk.store.forget_keys(desk.now.plus_ms(IDEMPOTENCY_KEEP_MS + 1)).unwrap();
    assert_eq!(desk.store.kept(&key).unwrap(), None);
}

#[test]
fn a_key_that_is_used_again_after_its_time_has_no_reply_of_before() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let key = IdempotencyKey::new(&account_id(1), "again").unwrap();
    let attempt = Attempt { key: key.clone(), request: Hash([1; 32]) };
    let first = desk.admit(Some(attempt.clone()));
    desk.settle(&first, Some(KeptReply { status: 200, body: "first".to_owned() }));
    desk.now = desk.now.plus_ms(IDEMPOTENCY_KEEP_MS);
    let _ = desk.admit(None);
    let second = desk.admit(Some(attempt));
    let kept = desk.store.kept(&key).unwrap().unwrap();
    assert_eq!((kept.call, kept.reply), (second, None));
}

#[test]
fn a_memo_is_kept_replaced_and_forgotten_in_time() {
    let connection = database();
    let mut desk = Desk::open(&connection, 5);
    let name = MemoName::new(&account_id(1), "task/c1").unwrap();
    let other = MemoName::new(&account_id(2), "task/c1").unwrap();
    let start = desk.now;
    desk.store.keep_memo(&name, Some("7480 7502"), start).unwrap();
    desk.store.keep_memo(&name, Some("7480 7503"), start.plus_ms(1)).unwrap();
    desk.reload();
    let kept = desk.store.memo(&name, start).unwrap();
    assert_eq!(kept, Some(("7480 7503".to_owned(), start.plus_ms(1))));
    assert_eq!(desk.store.memo(&other, start).unwrap(), None);
    let end = start.plus_ms(MEMO_KEEP_MS + 2);
    assert_eq!(desk.store.memo(&name, end).unwrap(), None);
    desk.store.forget_memos(end.plus_ms(0)).unwrap();
    assert_eq!(count(&connection, "memo"), 0);
    desk.store.keep_memo(&name, Some("x"), end).unwrap();
    desk.store.forget_memos(end).unwrap();
    assert_eq!(count(&connection, "memo"), 1);
    desk.store.keep_memo(&name, None, end).unwrap();
    assert_eq!(count(&connection, "memo"), 0);
    let large = "x".repeat(MEMO_VALUE_BYTES_MAX + 1);
    assert!(desk.store.keep_memo(&name, Some(&large), end).is_err());
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

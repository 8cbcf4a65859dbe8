//! Pages into the ledger: each call once, whatever happens on the way.

use meter::entry::{Ending, Entry, Facts, Tail};
use meter::ids::{Epoch, UpstreamId};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::reconcile::{Cursor, Page};
use meter::time::UnixMs;
use meter::usage::WorkIds;
use meter::wire::entry::EntryDoc;
use origin::clock;
use origin::ledger::post::{self, Posted, Said};
use origin::pull::Attempt;
use origin::read::balance;
use serde_json::Value;

use crate::edge::Fault;
use crate::facts::{cost, run};
use crate::tester::{J0, Sums, Tester, journal};

/// What a journal says along with a page when nothing is special about it.
static SAID: Said = Said { applied: 0, open_holds: 0, oldest_hold_at: None, open: Vec::new() };

/// Finishes calls of 1, 2, 4, 8 … tokens.
fn finish(tester: &Tester, account: &str, numbers: std::ops::Range<u32>) {
    tester.edge.journal(J0, |journal| {
        for number in numbers {
            journal.finish(run(number, account, 1 << number));
        }
    });
}

/// The whole journal as one page.
fn page(tester: &Tester) -> Page {
    tester.edge.journal(J0, |journal| Page {
        epoch: journal.epoch.parse::<Epoch>().unwrap(),
        entries: journal.entries.clone(),
        head: journal.head(),
    })
}

/// The cursor of a journal that was never posted.
fn fresh() -> Cursor {
    Cursor { epoch: None, tail: Tail::START }
}

#[tokio::test]
async fn a_page_stands_in_every_table_with_the_same_sums() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..10);
    assert!(matches!(tester.pull().await.unwrap(), Attempt::UpToDate));
    assert_eq!(tester.sums().await, Sums::all(10, cost(1023)));
    let balance = balance::read(&tester.pool, Some(&account.account_id)).await.unwrap();
    assert_eq!((balance.balance_nanos, balance.arrears), (-cost(1023).get(), true));
    assert_eq!(tester.findings().await, []);
}

#[tokio::test]
async fn a_page_pulled_twice_is_posted_once() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..10);
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::GoesBack(100)));
    tester.pull().await.unwrap();
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await, Sums::all(10, cost(1023)));
    assert_eq!(tester.findings().await, []);
}

#[tokio::test]
async fn overlapping_pages_post_each_call_once() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::GoesBack(3)));
    for number in 0..10 {
        finish(&tester, &account.account_id, number..number + 1);
        tester.pull().await.unwrap();
    }
    assert_eq!(tester.sums().await, Sums::all(10, cost(1023)));
    assert_eq!(tester.findings().await, []);
}

#[tokio::test]
async fn a_page_that_was_overtaken_is_left_alone() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..3);
    let early = page(&tester);
    finish(&tester, &account.account_id, 3..5);
    tester.pull().await.unwrap();
    let name = journal(J0);
    let posted = post::page(&tester.pool, &name, &fresh(), early, &SAID, clock::now()).await;
    assert_eq!(posted.unwrap(), Posted::Overtaken);
    assert_eq!(tester.sums().await, Sums::all(5, cost(31)));
}

#[tokio::test]
async fn origins_that_post_the_same_page_at_once_post_it_once() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..10);
    let page = page(&tester);
    let name = journal(J0);
    let cursor = fresh();
    let post = || post::page(&tester.pool, &name, &cursor, page.clone(), &SAID, clock::now());
    let (one, two, three) = tokio::join!(post(), post(), post());
    let mut posted = [one.unwrap(), two.unwrap(), three.unwrap()];
    posted.sort_by_key(|posted| *posted == Posted::Overtaken);
    let entries = Posted::Entries { count: 10, more: false };
    assert_eq!(posted, [entries, Posted::Overtaken, Posted::Overtaken]);
    assert_eq!(tester.sums().await, Sums::all(10, cost(1023)));
}

#[tokio::test]
async fn a_crash_in_between_leaves_nothing_and_the_next_pull_posts_all() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..10);
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::FailsAfter));
    tester.pull().await.unwrap_err();
    tester.edge.journal(J0, |journal| journal.fault = None);

    // Whoever holds the sums keeps the posting transaction waiting behind its entries.
    let mut blocker = tester.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE rollup_hour").execute(&mut *blocker).await.unwrap();
    let mut waiting = tester.pool.acquire().await.unwrap();
    {
        let posting = tester.pull();
        tokio::pin!(posting);
        let is_waiting = async {
            let sql = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                       WHERE relname = 'rollup_hour' AND NOT granted";
            while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *waiting).await.unwrap() == 0 {}
        };
        tokio::select! {
            done = &mut posting => panic!("posted past a lock: {done:?}"),
            () = is_waiting => {}
        }
        // Here the process dies: what was begun is dropped.
    }
    blocker.rollback().await.unwrap();
    let left = tester.sums().await;
    assert_eq!(left, Sums::all(0, Nanos::ZERO));

    tester.pull_all().await;
    assert_eq!(tester.sums().await, Sums::all(10, cost(1023)));
    assert_eq!(tester.findings().await, []);
}

#[tokio::test]
async fn more_entries_than_a_page_holds_come_page_by_page() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    tester.edge.journal(J0, |journal| {
        for number in 1..=2_500 {
            journal.finish(run(number, &account.account_id, 2));
        }
    });
    assert!(matches!(tester.pull().await.unwrap(), Attempt::More));
    assert_eq!(tester.sums().await, Sums::all(1_000, cost(2_000)));
    tester.pull_all().await;
    assert_eq!(tester.sums().await, Sums::all(2_500, cost(5_000)));
}

#[tokio::test]
async fn a_page_across_the_turn_of_a_month_goes_to_both_months() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    // 2025-11-30T23:59:59.999Z and a millisecond later.
    for (number, finished_ms) in [(0, 1_764_547_199_999), (1, 1_764_547_200_000)] {
        let finished_at = UnixMs::new(finished_ms);
        let facts = Facts { finished_at, ..run(number, &account.account_id, 1 << number) };
        tester.edge.journal(J0, |journal| journal.finish(facts));
    }
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await, Sums::all(2, cost(3)));
    let months: Vec<String> =
        sqlx::query_scalar("SELECT tableoid::regclass::text FROM entry ORDER BY finished_at")
            .fetch_all(&tester.pool)
            .await
            .unwrap();
    assert_eq!(months, ["entry_2025_11", "entry_2025_12"]);
}

#[tokio::test]
async fn the_database_itself_refuses_a_call_or_a_place_a_second_time() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    finish(&tester, &account.account_id, 0..1);
    tester.pull().await.unwrap();
    let again = async |journal: &str, seq: i64, call: &str| {
        let inserted = sqlx::query(
            "INSERT INTO posting
                 (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
             VALUES ($1, 'e1', $2, $3, 'x', 0, now())",
        );
        let error = inserted.bind(journal).bind(seq).bind(call).execute(&tester.pool).await;
        let error = error.unwrap_err();
        error.as_database_error().unwrap().constraint().unwrap().to_owned()
    };
    assert_eq!(again(J0, 1, "other").await, "posting_place_key");
    let call = format!("c{}-0", account.account_id);
    assert_eq!(again("j1", 1, &call).await, "posting_call_key");
}

#[tokio::test]
async fn entries_read_back_whole_so_that_their_hashes_can_be_computed_again() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let id = |text: &str| Some(text.parse::<UpstreamId>().unwrap());
    let full = {
        let mut facts = run(1, &account, 7);
        facts.asked.units = 3;
        facts.asked.resumes = id("7500000000000000001/2");
        facts.usage_fell = true;
        facts.ids = WorkIds {
            chat: id("75001"),
            conversation: id("75002"),
            execution: id("75003"),
            log: id("2025112404"),
        };
        facts
    };
    let bare = Facts {
        ending: Ending::Expired,
        status: None,
        code: None,
        reading: Reading { usage: None, source: Source::Missing },
        ids: WorkIds::default(),
        amount: Nanos::ZERO,
        ..run(2, &account, 0)
    };
    let written = tester.edge.journal(J0, |journal| {
        journal.finish(full);
        journal.finish(bare);
        journal.entries.clone()
    });
    tester.pull().await.unwrap();
    let rows: Vec<Value> = sqlx::query_scalar(
        "SELECT jsonb_strip_nulls(jsonb_build_object(
             'v', 1, 'seq', seq, 'call', call_id, 'account', account_id, 'key', api_key_id,
             'operation', operation, 'subject_kind', subject_kind, 'subject', subject_id,
             'units', units, 'resumes', resumes, 'group', group_name, 'book', price_book_id,
             'price', price, 'ratio_ppm', ratio_ppm,
             'admitted_at_ms', (extract(epoch FROM admitted_at) * 1000)::bigint,
             'finished_at_ms', (extract(epoch FROM finished_at) * 1000)::bigint,
             'ending', ending, 'status', http_status, 'code', coze_code, 'source', source,
             'input_tokens', input_tokens, 'output_tokens', output_tokens,
             'total_tokens', total_tokens, 'usage_fell', usage_fell, 'chat_id', chat_id,
             'conversation_id', conversation_id, 'execute_id', execute_id, 'log_id', log_id,
             'amount_nanos', amount_nanos, 'total_nanos', total_nanos,
             'hash', encode(hash, 'hex'))) FROM entry ORDER BY seq",
    )
    .fetch_all(&tester.pool)
    .await
    .unwrap();
    let mut before = Tail::START;
    for (row, written) in rows.into_iter().zip(&written) {
        let doc: EntryDoc = serde_json::from_value(row).unwrap();
        let read = Entry::try_from(&doc).unwrap();
        assert_eq!(&read, written);
        assert!(read.follows(&before));
        before = read.tail;
    }
    assert_eq!(before.seq, 2);
}

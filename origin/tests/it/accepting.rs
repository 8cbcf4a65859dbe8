//! A journal whose store was lost or put back from an old copy, and a ledger that was.

use std::collections::BTreeMap;

use meter::ids::Epoch;
use meter::money::Nanos;
use origin::error::Error;
use origin::pull::Attempt;
use origin::pull::accept::{self, Accepted, Decision};
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::edge::FakeJournal;
use crate::facts::{cost, run, still_open};
use crate::tester::{J0, Tester, actor, journal};

/// An account with a credit of 1,000 tokens, and calls of 1, 2, 4 and 8 of it that are posted.
async fn four_posted(tester: &Tester) -> String {
    let account = tester.account_in(J0, "a", cost(1_000)).await.account_id;
    tester.edge.journal(J0, |journal| {
        (0..4).for_each(|number| journal.finish(run(number, &account, 1 << number)));
    });
    tester.pull_all().await;
    account
}

/// The store is lost, and a new one takes its place.
fn lose(tester: &Tester, epoch: &str) {
    tester.edge.journal(J0, |journal| {
        *journal = FakeJournal { epoch: epoch.to_owned(), ..FakeJournal::default() };
    });
}

/// The store is put back to what it was after so many entries and changes.
fn put_back(tester: &Tester, entries: usize, applied: u64) {
    tester.edge.journal(J0, |journal| {
        journal.entries.truncate(entries);
        journal.applied = applied;
        journal.accounts.clear();
    });
}

async fn accept(tester: &Tester, epoch: &str) -> Result<Accepted, Error> {
    let (name, epoch, actor) = (journal(J0), epoch.parse::<Epoch>().unwrap(), actor());
    let reason = "the store was lost in a fire";
    let decision = Decision { journal: &name, epoch: &epoch, reason, actor: &actor };
    Ok(accept::accept(&tester.pool, &tester.pulls, &decision).await?)
}

#[track_caller]
fn stopped(attempt: &Attempt) -> &'static str {
    match attempt {
        Attempt::Stopped(finding) => finding.code.name(),
        other => panic!("{other:?}"),
    }
}

/// What the ledger has: calls, and what they cost.
async fn posted(tester: &Tester) -> (i64, i64) {
    let sums = tester.sums().await;
    assert_eq!(sums.entries, sums.postings);
    assert_eq!(sums.entries, sums.balances);
    assert_eq!(sums.entries, sums.rollups);
    let drift = origin::read::drift::read(&tester.pool, &mut |_| ()).await.unwrap();
    assert_eq!(drift.differences, []);
    sums.entries
}

/// What an account has left, as ledger and edge see it.
async fn left(tester: &Tester, account: &str) -> (i64, i64) {
    let row = origin::account::find(&tester.pool, account).await.unwrap();
    let at_edge = tester.edge.journal(J0, |journal| {
        let spent: i64 = journal
            .entries
            .iter()
            .filter(|entry| entry.facts.account.as_str() == account)
            .map(|entry| entry.facts.amount.get())
            .sum();
        journal.accounts.get(account).unwrap().credits_nanos - spent
    });
    (row.balance().unwrap().get(), at_edge)
}

async fn states(tester: &Tester) -> BTreeMap<String, Vec<String>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT code, state FROM finding ORDER BY finding_id")
            .fetch_all(&tester.pool)
            .await
            .unwrap();
    let mut states = BTreeMap::<_, Vec<_>>::new();
    for (code, state) in rows {
        states.entry(code).or_default().push(state);
    }
    states
}

#[tokio::test]
async fn a_lost_store_is_gone_on_with_and_nothing_is_spent_twice() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(1_000)).await.account_id;
    let lost = run(7, &account, 64);
    tester.edge.journal(J0, |journal| {
        (0..4).for_each(|number| journal.finish(run(number, &account, 1 << number)));
        journal.open = vec![still_open(lost.clone())];
    });
    tester.pull_all().await;
    lose(&tester, "e2");
    assert_eq!(stopped(&tester.pull().await.unwrap()), "epoch_changed");
    assert_eq!(stopped(&tester.pull().await.unwrap()), "epoch_changed");

    let accepted = accept(&tester, "e2").await.unwrap();
    assert_eq!((accepted.common_seq, accepted.left_seq), (0, 4));
    assert_eq!((accepted.posted_as.as_str(), accepted.accounts_carrying), ("e2", 1));
    let calls: Vec<_> = accepted.lost_calls.iter().map(|lost| lost.call_id.as_str()).collect();
    assert_eq!(calls, [lost.call.as_str()]);
    tester.pull_all().await;
    assert_eq!(left(&tester, &account).await, (cost(985).get(), cost(985).get()));

    tester.edge.journal(J0, |journal| {
        (10..12).for_each(|number| journal.finish(run(number, &account, 1 << number)));
    });
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (6, cost(15 + 1_024 + 2_048).get()));
    let (ledger, edge) = left(&tester, &account).await;
    assert_eq!(ledger, edge);
    assert_eq!(states(&tester).await["epoch_changed"], ["explained"]);
    // It is asked for what follows in the epoch that was accepted.
    tester.pull_all().await;
    tester.edge.journal(J0, |journal| {
        let request = journal.requests.last().unwrap();
        assert_eq!((request.epoch.as_deref(), request.ack), (Some("e2"), 2));
    });
}

#[tokio::test]
async fn while_a_journal_is_stopped_nothing_is_acknowledged() {
    let tester = Tester::new().await;
    four_posted(&tester).await;
    put_back(&tester, 2, 0);
    for _ in 0..3 {
        assert_eq!(stopped(&tester.pull().await.unwrap()), "journal_behind");
    }
    tester.edge.journal(J0, |journal| {
        let last = journal.requests.last().unwrap();
        assert_eq!(last.epoch, None, "the entries under those numbers may be others by now");
    });
}

#[tokio::test]
async fn a_journal_from_an_old_copy_goes_on_behind_the_last_common_entry() {
    let tester = Tester::new().await;
    let account = four_posted(&tester).await;
    put_back(&tester, 2, 0);
    // In the copy the third call was still open, so it ends once more there, and upstream is asked anew;
    // then come new ones.
    tester.edge.journal(J0, |journal| {
        journal.finish(run(2, &account, 5));
        journal.finish(run(9, &account, 512));
        journal.finish(run(10, &account, 1_024));
    });
    // It ends behind the cursor, and still does not continue it.
    assert_eq!(stopped(&tester.pull().await.unwrap()), "total_mismatch");
    let accepted = accept(&tester, "e1").await.unwrap();
    assert_eq!((accepted.common_seq, accepted.left_seq, accepted.head_seq), (2, 4, 5));
    assert_eq!(accepted.posted_as, "e1-2");
    tester.pull_all().await;
    // The change that the page brought about goes down with the next one.
    tester.pull_all().await;
    // 1, 2, 4 and 8 stand; the call of 8 is not known to the copy, and 512 and 1024 are new.
    assert_eq!(posted(&tester).await, (6, cost(15 + 512 + 1_024).get()));
    let (ledger, edge) = left(&tester, &account).await;
    assert_eq!((edge, ledger), (ledger, cost(1_000).get() - cost(15 + 512 + 1_024).get()));
    let states = states(&tester).await;
    assert_eq!(states["total_mismatch"], ["explained"]);
    // What came again with another amount is said, and stands as it was.
    assert_eq!(states["again_differs"], ["open"]);
}

#[tokio::test]
async fn a_call_that_an_old_copy_ends_once_more_is_charged_once() {
    let tester = Tester::new().await;
    let account = four_posted(&tester).await;
    put_back(&tester, 2, 0);
    tester.edge.journal(J0, |journal| {
        journal.finish(run(3, &account, 8));
        journal.finish(run(2, &account, 4));
    });
    // As many entries as before and the same total: it is the hash that tells.
    assert_eq!(stopped(&tester.pull().await.unwrap()), "hash_broken");
    let accepted = accept(&tester, "e1").await.unwrap();
    assert_eq!((accepted.common_seq, accepted.left_seq), (2, 4));
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (4, cost(15).get()));
    // The pull behind tells the edge what is left, whatever it counted itself.
    tester.pull_all().await;
    let (ledger, edge) = left(&tester, &account).await;
    assert_eq!((ledger, edge), (cost(985).get(), cost(985).get()));
    assert_eq!(states(&tester).await["hash_broken"], ["explained"]);
    tester.edge.journal(J0, |journal| journal.finish(run(11, &account, 2_048)));
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (5, cost(15 + 2_048).get()));
    // The same call a third time, in the same copy, is a doubled one.
    tester.edge.journal(J0, |journal| journal.finish(run(2, &account, 4)));
    assert_eq!(stopped(&tester.pull().await.unwrap()), "call_doubled");
}

#[tokio::test]
async fn copies_of_copies_and_a_store_that_comes_back_are_gone_on_with() {
    let tester = Tester::new().await;
    let account = four_posted(&tester).await;
    let first: Vec<_> = tester.edge.journal(J0, |journal| journal.entries.clone());
    // An old copy, then an older one, then the first store again, then a new one.
    put_back(&tester, 3, 0);
    tester.edge.journal(J0, |journal| journal.finish(run(4, &account, 16)));
    assert_eq!(stopped(&tester.pull().await.unwrap()), "total_mismatch");
    assert_eq!(accept(&tester, "e1").await.unwrap().posted_as, "e1-2");
    tester.pull_all().await;
    put_back(&tester, 1, 0);
    tester.edge.journal(J0, |journal| journal.finish(run(5, &account, 32)));
    assert_eq!(stopped(&tester.pull().await.unwrap()), "journal_behind");
    let accepted = accept(&tester, "e1").await.unwrap();
    assert_eq!((accepted.posted_as.as_str(), accepted.common_seq), ("e1-3", 1));
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (6, cost(63).get()));

    lose(&tester, "e9");
    tester.edge.journal(J0, |journal| journal.finish(run(6, &account, 64)));
    assert_eq!(stopped(&tester.pull().await.unwrap()), "epoch_changed");
    assert_eq!(accept(&tester, "e9").await.unwrap().common_seq, 0);
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (7, cost(127).get()));

    lose(&tester, "e1");
    tester.edge.journal(J0, |journal| {
        journal.entries = first;
        journal.finish(run(7, &account, 128));
    });
    assert_eq!(stopped(&tester.pull().await.unwrap()), "epoch_changed");
    // Of the last copy's chain only the first entry is there; what is posted is not posted again.
    assert_eq!(accept(&tester, "e1").await.unwrap().common_seq, 1);
    tester.pull_all().await;
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (8, cost(255).get()));
    let (ledger, edge) = left(&tester, &account).await;
    assert_eq!((ledger, edge), (cost(1_000 - 255).get(), cost(1_000 - 255).get()));
}

#[tokio::test]
async fn only_what_the_edge_says_now_can_be_accepted_and_only_while_stopped() {
    let tester = Tester::new().await;
    let account = four_posted(&tester).await;
    let refusal = async |epoch: &str| accept(&tester, epoch).await.unwrap_err().to_string();
    assert!(refusal("e1").await.contains("is not stopped"));
    tester.edge.journal(J0, |journal| {
        journal.finish(run(5, &account, 32));
        journal.entries[4].facts.amount = Nanos::ZERO;
    });
    assert_eq!(stopped(&tester.pull().await.unwrap()), "total_mismatch");
    // It is no other copy: what is there is broken, and nothing makes it whole.
    assert!(refusal("e1").await.contains("keeps nothing that shows where it continues entry 4"));
    lose(&tester, "e2");
    assert_eq!(stopped(&tester.pull().await.unwrap()), "epoch_changed");
    assert!(refusal("e3").await.contains("the journal is in e2"));
    assert_eq!(posted(&tester).await, (4, cost(15).get()));
    assert!(accept(&tester, "e2").await.is_ok());
}

#[tokio::test]
async fn a_decision_is_made_at_the_command_line_or_over_http_and_is_on_record() {
    let tester = Tester::new().await;
    let account = four_posted(&tester).await;
    lose(&tester, "e2");
    tester.pull().await.unwrap();
    let (code, out, _) = weir(&tester, &["reconcile", "--once"]).await;
    assert_eq!(code, 3, "{out}");
    let (_, out, _) = weir(&tester, &["journal", "list"]).await;
    assert!(out.contains("weir journal accept j0 --epoch e2"), "{out}");
    let accept = ["journal", "accept", "j0", "--epoch", "e2", "--reason", "a new store"];
    let accepted = answer(&tester, &accept).await;
    assert_eq!((&accepted["posted_as"], &accepted["left_seq"]), (&json!("e2"), &json!(4)));
    let (code, out, _) = weir(&tester, &["reconcile", "--once"]).await;
    assert_eq!(code, 0, "{out}");

    let served = tester.serve().await;
    lose(&tester, "e3");
    tester.edge.journal(J0, |journal| journal.finish(run(5, &account, 32)));
    tester.pull().await.unwrap();
    let (_, journals) = served.as_admin("/api/v1/journals?limit=1").await;
    assert_eq!(journals["items"][0]["stopped_by"], "epoch_changed");
    assert_eq!(journals["items"][0]["seen_epoch"], "e3");
    let path = "/api/v1/journals/j0/accept";
    let body = |epoch: &str| json!({"epoch": epoch, "reason": "another one"});
    assert_eq!(served.admin_acts("POST", path, &body("e4")).await.0, 409);
    assert_eq!(served.admin_acts("POST", path, &body("")).await.0, 400);
    let (status, accepted) = served.admin_acts("POST", path, &body("e3")).await;
    assert_eq!((status, &accepted["common_seq"]), (200, &json!(0)), "{accepted}");
    let (_, audit) = served.as_admin("/api/v1/audit?act=journal.accept").await;
    let lines: Vec<&Value> = audit["items"].as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["actor"], &lines[0]["subject"]), (&json!("admin"), &json!("j0")));
    assert_eq!(lines[0]["detail"]["reason"], "another one");
    tester.pull_all().await;
    let (_, told) = served.as_admin(&format!("/api/v1/calls/c{account}-5/explain")).await;
    assert_eq!((&told["place"]["epoch"], &told["place"]["follows"]), (&json!("e3"), &json!(true)));
}

#[tokio::test]
async fn a_ledger_from_an_old_copy_pulls_again_what_it_lost() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(1_000)).await.account_id;
    let finish = |numbers: std::ops::Range<u32>| {
        tester.edge.journal(J0, |journal| {
            numbers.for_each(|number| journal.finish(run(number, &account, 1 << number)));
        });
    };
    finish(0..2);
    tester.pull_all().await;
    let copy = tester.copy().await;
    finish(2..4);
    tester.pull_all().await;
    assert_eq!(posted(&tester).await, (4, cost(15).get()));
    // What the lost ledger had told the edge since is more than the copy knows of.
    tester.account("later").await;
    tester.pull_all().await;

    let pool = copy.pool.clone();
    while let Attempt::More =
        origin::pull::attempt(&pool, &tester.pulls, &journal(J0)).await.unwrap()
    {}
    let sums: (i64, i64) = sqlx::query_as(
        "SELECT count(*), sum(amount_nanos)::bigint FROM posting JOIN balance USING (account_id)
         WHERE spent_nanos = (SELECT sum(amount_nanos) FROM entry)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(sums, (4, cost(15).get()));
    let open = origin::ledger::finding::open(&pool).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].code, "ledger_behind");
}

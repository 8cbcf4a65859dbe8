//! When and how the edge is pulled.

use std::sync::Arc;
use std::time::Duration;

use meter::money::Nanos;
use origin::ledger::credit::{self, CreditKind, NewCredit};
use origin::pull::edge::Edge;
use origin::pull::{Attempt, run};
use origin::read::health;
use origin::signing::Signer;
use tokio::sync::watch;

use crate::edge::Fault;
use crate::facts::{cost, run as call};
use crate::tester::{J0, Sums, Tester, actor, journal};

/// So long that nothing in a test happens because of it.
const HOUR_MS: u64 = 3_600_000;
/// Longer than any event that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn error_of(tester: &Tester) -> Option<String> {
    let (journals, _) = health::ask(&tester.pool, origin::clock::now()).await.unwrap();
    journals.into_iter().find(|journal| journal.name == J0).unwrap().last_error
}

#[tokio::test]
async fn a_failed_pull_is_noted_and_forgotten_when_the_next_one_succeeds() {
    let tester = Tester::new().await;
    for (fault, words) in [
        (Fault::FailsBefore, "answered 503"),
        (Fault::FailsAfter, "answered 502"),
        (Fault::NamesAnother, "journal \"other\""),
        (Fault::Babbles, "not a page"),
        (Fault::Floods, "more than"),
    ] {
        tester.edge.journal(J0, |journal| journal.fault = Some(fault));
        let error = tester.pull().await.unwrap_err().to_string();
        assert!(error.contains(words), "{fault:?}: {error}");
        assert_eq!(error_of(&tester).await, Some(error));
    }
    tester.edge.journal(J0, |journal| journal.fault = None);
    tester.pull().await.unwrap();
    assert_eq!(error_of(&tester).await, None);
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
}

#[tokio::test]
async fn an_edge_that_does_not_know_the_key_says_so() {
    let tester = Tester::new().await;
    let stranger = Arc::new(Signer::generate().unwrap());
    let edge = Edge::new(&tester.edge.url, stranger).unwrap();
    let error = origin::pull::attempt(&tester.pool, &edge, &journal(J0)).await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn an_edge_that_is_away_says_so() {
    let tester = Tester::new().await;
    // Bound and dropped: nothing listens there.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let edge = Edge::new(&url, Arc::clone(&tester.signer)).unwrap();
    let error = origin::pull::attempt(&tester.pool, &edge, &journal(J0)).await.unwrap_err();
    assert!(error.to_string().contains("could not be reached"), "{error}");
}

#[tokio::test]
async fn a_journal_that_somebody_else_pulls_is_left_to_them() {
    let tester = Tester::new().await;
    let lock = sqlx::postgres::PgAdvisoryLock::new("weir pull j0");
    let connection = tester.pool.acquire().await.unwrap();
    let held = lock.acquire(connection).await.unwrap();
    assert!(matches!(tester.pull().await.unwrap(), Attempt::Elsewhere));
    held.release_now().await.unwrap();
    assert!(matches!(tester.pull().await.unwrap(), Attempt::UpToDate));
}

#[tokio::test]
async fn all_journals_are_pulled_at_the_start_and_one_at_once_when_it_changes() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        (1..=1_001).for_each(|number| journal.finish(call(number, &account, 1)));
    });
    let (stop, stopped) = watch::channel(false);
    let (pool, edge) = (tester.pool.clone(), Arc::clone(&tester.pulls));
    let running = run::run(pool, edge, HOUR_MS, Arc::default(), stopped);
    let running = tokio::spawn(running);
    let story = async {
        // One page is full, so the next is pulled without waiting; so are the other journals.
        tester.edge.wait_for(J0, |journal| journal.requests.iter().any(|r| r.ack == 1_000)).await;
        tester.edge.wait_for("j7", |journal| !journal.requests.is_empty()).await;
        let paid = NewCredit {
            account: account.clone(),
            kind: CreditKind::TopUp,
            amount: cost(9),
            reason: "paid".to_owned(),
            actor: actor(),
            reference: None,
        };
        credit::give(&tester.pool, &paid).await.unwrap();
        let told = |journal: &crate::edge::FakeJournal| {
            journal.accounts.get(&account).is_some_and(|a| a.credits_nanos == cost(9).get())
        };
        tester.edge.wait_for(J0, told).await;
        // A journal that is added while the process runs is pulled too.
        let add = sqlx::query("INSERT INTO journal (journal_id) VALUES ('whale')");
        add.execute(&tester.pool).await.unwrap();
        tester.edge.wait_for("whale", |journal| !journal.requests.is_empty()).await;
    };
    tokio::time::timeout(PATIENCE, story).await.unwrap();
    stop.send(true).unwrap();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(tester.sums().await, Sums::all(1_001, cost(1_001)));
}

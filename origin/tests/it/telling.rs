//! Changes down to the edge: all of them, in order, none skipped.

use std::sync::Arc;
use std::time::Duration;

use meter::account::{Overdraft, Status};
use meter::money::{Nanos, Ratio};
use meter::wire::pull::{AccountDoc, CHANGES_MAX};
use meter::wire::settings::SettingsDoc;
use origin::account::settings::{SettingsChange, To};
use origin::account::{self, AccountChange};
use origin::clock;
use origin::key::{self, rotate};
use origin::ledger::credit::{self, CreditKind, NewCredit};
use origin::price::{self, Changed};
use origin::pull::Attempt;

use crate::edge::Fault;
use crate::facts::cost;
use crate::tester::{J0, Tester, actor};

fn top_up(account: &str, amount: Nanos, reference: Option<&str>) -> NewCredit {
    NewCredit {
        account: account.to_owned(),
        kind: CreditKind::TopUp,
        amount,
        reason: "paid".to_owned(),
        actor: actor(),
        reference: reference.map(str::to_owned),
    }
}

#[tokio::test]
async fn accounts_credits_keys_and_prices_reach_the_edge() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    let key = tester.key(&account, None).await;
    tester.pull().await.unwrap();
    let told = |name: &str| tester.edge.journal(J0, |journal| journal.accounts[name].clone());
    let first = AccountDoc {
        id: account.account_id.clone(),
        status: "active".to_owned(),
        group: "default".to_owned(),
        overdraft_nanos: None,
        credits_nanos: cost(7).get(),
        settings: SettingsDoc::default(),
    };
    assert_eq!(told(&account.account_id), first);

    credit::give(&tester.pool, &top_up(&account.account_id, cost(3), None)).await.unwrap();
    key::revoke(&tester.pool, &key.key_id, clock::now(), &actor()).await.unwrap();
    let change = AccountChange {
        status: Some(Status::Suspended),
        group: Some("vip".parse().unwrap()),
        overdraft: Some(Overdraft::Limit(cost(1))),
        settings: SettingsChange::default(),
    };
    account::change(&tester.pool, &account, &change, &actor()).await.unwrap();
    let set = |book: &mut meter::price::PriceBook| {
        book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(1_200_000));
    };
    price::change(&tester.pool, &actor(), "vip", set).await.unwrap();
    tester.pull().await.unwrap();
    let second = AccountDoc {
        status: "suspended".to_owned(),
        group: "vip".to_owned(),
        overdraft_nanos: Some(cost(1).get()),
        credits_nanos: cost(10).get(),
        ..first
    };
    assert_eq!(told(&account.account_id), second);
    tester.edge.journal(J0, |journal| {
        assert!(journal.revoked.contains(&key.key_id));
        assert_eq!(journal.book, Some(2));
    });

    tester.pull().await.unwrap();
    let last = tester.edge.journal(J0, |journal| journal.requests.pop().unwrap());
    assert_eq!(last.changes, None, "what was applied is not sent again");
}

#[tokio::test]
async fn changes_whose_answer_was_lost_are_sent_again() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    for fault in [Fault::FailsBefore, Fault::FailsAfter] {
        tester.edge.journal(J0, |journal| journal.fault = Some(fault));
        tester.pull().await.unwrap_err();
        tester.edge.journal(J0, |journal| journal.fault = None);
        tester.pull().await.unwrap();
        let credits = |journal: &mut crate::edge::FakeJournal| {
            journal.accounts[&account.account_id].credits_nanos
        };
        assert_eq!(tester.edge.journal(J0, credits), cost(7).get());
    }
}

#[tokio::test]
async fn no_change_is_skipped_while_many_write_at_once() {
    const WRITERS: usize = 6;
    const CREDITS: usize = 20;
    let tester = Arc::new(Tester::new().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let tester = Arc::clone(&tester);
        writers.spawn(async move {
            let account = tester.account(&format!("a{writer}")).await;
            for number in 0..CREDITS {
                let one = top_up(&account.account_id, cost(1 << number), None);
                credit::give(&tester.pool, &one).await.unwrap();
                let key = tester.key(&account, None).await;
                key::revoke(&tester.pool, &key.key_id, clock::now(), &actor()).await.unwrap();
            }
        });
    }
    // The edge is pulled without pause meanwhile, and keeps only what it is told.
    while !writers.is_empty() {
        tester.pull().await.unwrap();
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    tester.pull_all().await;
    let all = cost((1 << CREDITS) - 1).get();
    tester.edge.journal(J0, |journal| {
        let credits: Vec<i64> =
            journal.accounts.values().map(|account| account.credits_nanos).collect();
        assert_eq!(credits, [all; WRITERS]);
        assert_eq!(journal.revoked.len(), WRITERS * CREDITS);
        let uptos = journal.requests.iter().filter_map(|request| request.changes.as_ref());
        assert!(uptos.map(|changes| changes.upto).is_sorted());
    });
}

#[tokio::test]
async fn more_changes_than_one_request_holds_go_in_several() {
    let tester = Tester::new().await;
    let count = i64::try_from(CHANGES_MAX).unwrap() * 2 + 1;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "INSERT INTO account (account_id, journal_id, name, revision)
             SELECT 'acc_' || n, 'j0', 'a' || n, n FROM generate_series(1, {count}) AS n;
         UPDATE journal SET revision = {count} WHERE journal_id = 'j0'"
    )))
    .execute(&tester.pool)
    .await
    .unwrap();
    assert!(matches!(tester.pull().await.unwrap(), Attempt::More));
    let known = |tester: &Tester| {
        tester.edge.journal(J0, |journal| (journal.accounts.len(), journal.applied))
    };
    assert_eq!(known(&tester), (CHANGES_MAX, u64::try_from(CHANGES_MAX).unwrap()));
    tester.pull_all().await;
    let all = usize::try_from(count).unwrap();
    assert_eq!(known(&tester), (all, u64::try_from(count).unwrap()));
}

#[tokio::test]
async fn a_payment_is_credited_once_however_often_it_is_told() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let paid = top_up(&account.account_id, cost(5), Some("pay-1"));
    let first = credit::give(&tester.pool, &paid).await.unwrap();
    let second = credit::give(&tester.pool, &paid).await.unwrap();
    assert_eq!((first.was_there, second.was_there), (false, true));
    assert_eq!(first.credit_id, second.credit_id);
    let other = top_up(&account.account_id, cost(6), Some("pay-1"));
    let refused = credit::give(&tester.pool, &other).await.unwrap_err();
    assert!(refused.to_string().contains("`reference`"), "{refused}");
    let account = account::find(&tester.pool, &account.account_id).await.unwrap();
    assert_eq!(account.credits_nanos, cost(5).get());
}

#[tokio::test]
async fn two_price_changes_at_once_become_two_books_one_on_top_of_the_other() {
    let tester = Tester::new().await;
    let actor = actor();
    let set = |group: &str| {
        let group: meter::ids::Group = group.parse().unwrap();
        price::change(&tester.pool, &actor, "a group", move |book| {
            book.groups.insert(group, Ratio::from_ppm(2_000_000));
        })
    };
    let (one, two) = tokio::join!(set("a"), set("b"));
    assert!(matches!((one.unwrap(), two.unwrap()), (Changed::To(_), Changed::To(_))));
    let mut connection = tester.pool.acquire().await.unwrap();
    let newest = price::in_force(&mut connection).await.unwrap();
    assert_eq!((newest.version, newest.groups.len()), (3, 2));
    assert!(matches!(set("a").await.unwrap(), Changed::Nothing(book) if book.version == 3));
}

#[tokio::test]
async fn the_first_book_is_the_one_that_journals_know_from_birth_and_the_next_prices_dify() {
    let tester = Tester::new().await;
    let mut connection = tester.pool.acquire().await.unwrap();
    let first = price::document(&mut connection, 0).await.unwrap();
    let born = meter::price::PriceBook::initial();
    assert_eq!(meter::price::PriceBook::try_from(&first).unwrap(), born);
    let newest = price::in_force(&mut connection).await.unwrap();
    assert_eq!(newest, meter::price::PriceBook { version: 1, ..born.with_dify() });
}

#[tokio::test]
async fn accounts_spread_over_the_journals() {
    let tester = Tester::new().await;
    let mut journals = Vec::new();
    for number in 0..8 {
        let new = account::NewAccount {
            name: format!("a{number}"),
            group: meter::ids::Group::standard(),
            overdraft: Overdraft::Unlimited,
            grant: Nanos::ZERO,
            journal: None,
            settings: SettingsChange::default(),
            actor: actor(),
        };
        journals.push(account::create(&tester.pool, new).await.unwrap().journal_id);
    }
    assert_eq!(journals, ["j0", "j1", "j2", "j3", "j4", "j5", "j6", "j7"]);
}

#[tokio::test]
async fn what_is_set_for_an_account_reaches_the_edge_and_stays_until_it_is_changed() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    tester.pull().await.unwrap();
    let told = || {
        let document = |journal: &mut crate::edge::FakeJournal| {
            journal.accounts[&account.account_id].settings.clone()
        };
        tester.edge.journal(J0, document)
    };
    assert!(told().is_at_rest(), "a new account has nothing set");

    let set = async |settings| {
        let change = AccountChange { settings, ..AccountChange::default() };
        account::change(&tester.pool, &account, &change, &actor()).await.unwrap();
        tester.pull().await.unwrap();
        told()
    };
    let first = SettingsChange {
        requests_per_minute: Some(To(Some(60))),
        concurrent_calls: Some(To(Some(3))),
        daily_budget: Some(To(Some(cost(5)))),
        time_zone: Some(chrono_tz::Asia::Kathmandu),
        credential: Some(To(Some("second".parse().unwrap()))),
        keeps_user_ids: Some(true),
        balance_events: Some(true),
        ..SettingsChange::default()
    };
    let all = SettingsDoc {
        requests_per_minute: Some(60),
        concurrent_calls: Some(3),
        daily_budget_nanos: Some(cost(5).get()),
        day_offset_minutes: 5 * 60 + 45,
        credential: Some("second".to_owned()),
        keeps_user_ids: true,
        balance_events: true,
    };
    assert_eq!(set(first).await, all);
    let lifted = SettingsChange {
        requests_per_minute: Some(To(None)),
        credential: Some(To(None)),
        keeps_user_ids: Some(false),
        ..SettingsChange::default()
    };
    let less =
        SettingsDoc { requests_per_minute: None, credential: None, keeps_user_ids: false, ..all };
    assert_eq!(set(lifted).await, less);
}

#[tokio::test]
async fn the_edge_is_told_when_an_accounts_clock_changes() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    let berlin =
        SettingsChange { time_zone: Some(chrono_tz::Europe::Berlin), ..SettingsChange::default() };
    let change = AccountChange { settings: berlin, ..AccountChange::default() };
    account::change(&tester.pool, &account, &change, &actor()).await.unwrap();
    tester.pull().await.unwrap();
    let told = || {
        tester.edge.journal(J0, |journal| {
            journal.accounts[&account.account_id].settings.day_offset_minutes
        })
    };
    let now_there = told();
    assert!([60, 120].contains(&now_there));
    // As it stood before the clocks were changed, a moment ago.
    sqlx::query(
        "UPDATE account SET day_offset_minutes = 0, day_offset_until = now() - interval '1 s'",
    )
    .execute(&tester.pool)
    .await
    .unwrap();
    tester.edge.journal(J0, |journal| {
        let known = journal.accounts.get_mut(&account.account_id).unwrap();
        known.settings.day_offset_minutes = 0;
    });
    tester.pull().await.unwrap();
    assert_eq!(told(), now_there);
    tester.pull().await.unwrap();
    let last = tester.edge.journal(J0, |journal| journal.requests.pop().unwrap());
    assert_eq!(last.changes, None, "what has not changed is not told again");
}

#[tokio::test]
async fn a_replaced_key_is_revoked_when_the_overlap_is_over_and_not_before() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    let first = tester.key(&account, None).await.key_id;
    let (pool, signer) = (&tester.pool, &tester.signer);
    let now = clock::now();
    let second = rotate::rotate(pool, signer, &first, 60_000, now, &actor()).await.unwrap().key_id;
    tester.pull().await.unwrap();
    let is_revoked = |key: &str| tester.edge.journal(J0, |journal| journal.revoked.contains(key));
    assert!(!is_revoked(&first));

    // The minute has passed, as far as the row knows.
    sqlx::query("UPDATE api_key SET ends_at = now() - interval '1 s' WHERE ends_at IS NOT NULL")
        .execute(pool)
        .await
        .unwrap();
    tester.pull().await.unwrap();
    assert!(is_revoked(&first) && !is_revoked(&second));
    assert!(key::find(pool, &first).await.unwrap().revoked_at.is_some());

    let third = rotate::rotate(pool, signer, &second, 0, now, &actor()).await.unwrap();
    assert_eq!(third.key_id, format!("{first}-3"));
    tester.pull().await.unwrap();
    assert!(is_revoked(&second), "without an overlap it is revoked at once");
    for gone in [&first, &second] {
        assert!(rotate::rotate(pool, signer, gone, 0, now, &actor()).await.is_err());
    }
}

#[tokio::test]
async fn whoever_waits_hears_when_the_edge_refuses_a_key() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(7)).await;
    let key = tester.key(&account, None).await.key_id;
    key::revoke(&tester.pool, &key, clock::now(), &actor()).await.unwrap();
    let waiting = key::until_refused(&tester.pool, &key, Duration::from_secs(30));
    let pulling = async {
        tester.pull().await.unwrap();
    };
    let (is_refused, ()) = tokio::join!(waiting, pulling);
    assert!(is_refused.unwrap());
    assert!(tester.edge.journal(J0, |journal| journal.revoked.contains(&key)));
}

//! Price books over time: planned ahead, told to the edge, changed by two people at once.

use chrono::{DateTime, Duration, Utc};
use meter::ids::Group;
use meter::money::{Nanos, Ratio};
use meter::price::{Price, Scope};
use meter::route::Operation;
use meter::wire::book::DatedDoc;
use origin::error::Error;
use origin::price::act::{self, Named};
use origin::price::{self, Changed, Made, When, plan};
use serde_json::json;

use crate::commands::{answer, weir};
use crate::tester::{J0, Tester, actor, journal};

fn per_call(nanos: i64) -> Price {
    Price::PerCall { amount: Nanos::new(nanos) }
}

fn workflow(id: &str) -> Named {
    Named { subject: Some(id.parse().unwrap()), ..Named::default() }
}

fn later(days: i64) -> DateTime<Utc> {
    let seconds = (Utc::now() + Duration::days(days)).timestamp();
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn from(starts_at: DateTime<Utc>) -> When {
    When { starts_at: Some(starts_at), ..When::default() }
}

async fn set(tester: &Tester, id: &str, nanos: i64, when: &When) -> Result<Made, Error> {
    act::set(&tester.pool, workflow(id), per_call(nanos), when, &actor()).await
}

#[track_caller]
fn version(made: Result<Made, Error>) -> u32 {
    match made.unwrap().changed {
        Changed::To(book) | Changed::Nothing(book) => book.version,
    }
}

/// What a workflow costs now, and in the book with this number.
async fn price_in(tester: &Tester, version: u32, id: &str) -> Option<Price> {
    let mut connection = tester.pool.acquire().await.unwrap();
    let book = price::one(&mut connection, i32::try_from(version).unwrap()).await.unwrap();
    book.prices.get(&Scope::Subject(id.parse().unwrap())).copied()
}

/// What was planned for then is in force a minute ago: the clock is moved by moving the start, which
/// nobody but a test can do.
async fn move_to(tester: &Tester, version: u32) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "ALTER TABLE price_book DISABLE TRIGGER price_book_refuse_change;
         UPDATE price_book SET starts_at = now() + interval '1 microsecond'
         WHERE price_book_id = {version};
         ALTER TABLE price_book ENABLE TRIGGER price_book_refuse_change"
    )))
    .execute(&tester.pool)
    .await
    .unwrap();
}

/// The book in force and the next one, as the edge was told last.
fn told(tester: &Tester) -> (Option<u32>, Option<DatedDoc>) {
    tester.edge.journal(J0, |journal| {
        let changes = journal.requests.iter().rev().filter_map(|it| it.changes.as_ref());
        let mut changes = changes.filter(|changes| changes.book.is_some());
        let last = changes.next();
        let book = last.and_then(|changes| changes.book.as_ref()).map(|book| book.version);
        (book, last.and_then(|changes| changes.next_book.clone()))
    })
}

#[tokio::test]
async fn a_planned_book_goes_down_ahead_with_its_start_and_the_next_one_after_it() {
    let tester = Tester::new().await;
    let (first, second) = (later(3), later(5));
    assert_eq!(version(set(&tester, "7480", 7, &from(first)).await), 2);
    assert_eq!(version(set(&tester, "7480", 8, &from(second)).await), 3);
    tester.pull_all().await;
    let (book, next) = told(&tester);
    let next = next.unwrap();
    assert_eq!((book, next.book.version), (Some(1), 2), "the second is not told yet");
    assert_eq!(i64::try_from(next.starts_at_ms).unwrap(), first.timestamp_millis());
    tester.pull_all().await;
    let last = tester.edge.journal(J0, |journal| journal.requests.last().unwrap().clone());
    assert_eq!(last.changes, None, "what was told is not told again");

    move_to(&tester, 2).await;
    tester.pull_all().await;
    let (book, next) = told(&tester);
    assert_eq!((book, next.unwrap().book.version), (Some(2), 3));
    let mut connection = tester.pool.acquire().await.unwrap();
    assert_eq!(price::in_force(&mut connection).await.unwrap().version, 2);
}

#[tokio::test]
async fn a_change_now_holds_in_what_is_planned_except_where_that_decides_itself() {
    let tester = Tester::new().await;
    let december = later(3);
    set(&tester, "7480", 7, &from(december)).await.unwrap();
    let made = set(&tester, "7481", 5, &When::default()).await.unwrap();
    assert_eq!(made.carried, [(4, december)]);
    assert_eq!(version(Ok(made)), 3);
    assert_eq!(price_in(&tester, 4, "7480").await, Some(per_call(7)));
    assert_eq!(price_in(&tester, 4, "7481").await, Some(per_call(5)));
    assert_eq!(price_in(&tester, 3, "7480").await, None);
    let made = set(&tester, "7480", 6, &When::default()).await.unwrap();
    assert_eq!(made.carried, [], "the planned book has its own price of 7480");
    tester.pull_all().await;
    let (book, next) = told(&tester);
    assert_eq!((book, next.unwrap().book.version), (Some(5), 4));
    let listed = answer(&tester, &["price", "list"]).await;
    assert_eq!((&listed["version"], &listed["planned"][0]["version"]), (&json!(5), &json!(4)));
    assert_eq!(listed["planned"][0]["changes"], 1);
    let states = answer(&tester, &["price", "history"]).await;
    let states: Vec<_> =
        states["items"].as_array().unwrap().iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states, ["in_force", "planned", "past", "replaced", "past", "past"]);
}

#[tokio::test]
async fn what_is_planned_can_be_taken_back_until_it_starts() {
    let tester = Tester::new().await;
    let december = later(3);
    set(&tester, "7480", 7, &from(december)).await.unwrap();
    set(&tester, "7481", 8, &from(later(9))).await.unwrap();
    let cancel = async |version| act::cancel(&tester.pool, version, None, &actor()).await;
    let made = cancel(2).await.unwrap();
    assert_eq!((made.starts_at, made.carried.len()), (december, 1));
    assert!(matches!(made.changed, Changed::To(book) if book.version == 4));
    assert_eq!(
        (price_in(&tester, 4, "7480").await, price_in(&tester, 5, "7480").await),
        (None, None)
    );
    assert_eq!(price_in(&tester, 5, "7481").await, Some(per_call(8)));
    assert!(matches!(cancel(2).await.unwrap().changed, Changed::Nothing(_)), "twice is once");
    let refused = cancel(3).await.unwrap_err().to_string();
    assert_eq!(refused, "`version` 3 is not planned any more: book 5 is");
    for started in [0, 1] {
        let refused = cancel(started).await.unwrap_err();
        assert!(matches!(refused, Error::Conflict { field: "version", .. }), "{refused}");
    }
    assert!(matches!(cancel(99).await.unwrap_err(), Error::NotFound { .. }));
    let past = from(Utc::now() - Duration::minutes(1));
    let refused = set(&tester, "7480", 7, &past).await.unwrap_err().to_string();
    assert_eq!(refused, "`from` has passed: what was charged stays charged");
}

#[tokio::test]
async fn of_two_who_change_what_they_looked_at_at_once_the_second_is_told() {
    let tester = Tester::new().await;
    let looked_at = When { if_version: Some(1), ..When::default() };
    // Each on a connection of its own.
    let (one, two) =
        tokio::join!(set(&tester, "7480", 7, &looked_at), set(&tester, "7480", 8, &looked_at));
    let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
    let (won, lost) = (won.into_iter().next().unwrap(), lost.into_iter().next().unwrap());
    assert_eq!(version(won), 2);
    let lost = lost.unwrap_err();
    assert!(matches!(lost, Error::Conflict { field: "if_version", .. }), "{lost}");
    assert!(lost.to_string().contains("those of book 2 by now"), "{lost}");
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    const CHANGES: u32 = 20;
    let tester = std::sync::Arc::new(Tester::new().await);
    set(&tester, "7000", 1, &from(later(3))).await.unwrap();
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..CHANGES {
        let tester = std::sync::Arc::clone(&tester);
        changes.spawn(async move {
            let id = format!("{}", 7_100 + number % 10);
            let made = set(&tester, &id, i64::from(number) + 1, &When::default()).await.unwrap();
            assert!(matches!(made.changed, Changed::To(_)) && made.carried.len() == 1);
            made.starts_at
        });
    }
    while let Some(ended) = changes.join_next().await {
        ended.unwrap();
    }
    // Each made a book now, and one for then.
    let history = answer(&tester, &["price", "history", "--limit", "100"]).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 3 + 2 * CHANGES as usize);
    let mut connection = tester.pool.acquire().await.unwrap();
    let plan::Now { plan, .. } = plan::load(&mut connection).await.unwrap();
    assert_eq!(plan.in_force().version, 1 + 2 * CHANGES, "the newest is in force");
    for number in 0..10 {
        let scope = Scope::Subject(format!("{}", 7_100 + number).parse().unwrap());
        let (_, planned) = plan.ahead().next().unwrap();
        assert!(plan.in_force().prices.contains_key(&scope));
        assert_eq!(planned.prices.get(&scope), plan.in_force().prices.get(&scope));
    }
    // A pull that meets it all in between tells what is in force, never an older one.
    plan::put_in_force(&mut connection, journal(J0).as_str()).await.unwrap();
    drop(connection);
    tester.pull_all().await;
    assert_eq!(told(&tester).0, Some(1 + 2 * CHANGES));
}

#[tokio::test]
async fn what_no_charge_can_hold_is_refused_in_books_that_are_planned_too() {
    let tester = Tester::new().await;
    let group: Group = "vip".parse().unwrap();
    let ratio = Ratio::from_ppm(4_000_000_000);
    act::set_group(&tester.pool, &group, ratio, &from(later(3)), &actor()).await.unwrap();
    let large = 4_000_000_000_000_000;
    let refused = set(&tester, "7480", large, &When::default()).await.unwrap_err().to_string();
    assert!(refused.starts_with("`ratio` on 7480 from "), "{refused}");
    assert!(refused.ends_with("would cost more than can be counted in group vip"), "{refused}");
    for nanos in [i64::MAX, 10_000_000_000_000_001] {
        let refused = set(&tester, "7480", nanos, &When::default()).await.unwrap_err().to_string();
        assert!(refused.ends_with("an amount is at most 5000000000000 quota"), "{refused}");
    }
    let named = Named { operation: Some(Operation::Chat), ..Named::default() };
    let margin = Price::CostPlus { margin: Ratio::from_ppm(u32::MAX), step: Nanos::new(1) };
    let refused = act::set(&tester.pool, named, margin, &When::default(), &actor()).await;
    assert!(refused.is_err());
    let mut connection = tester.pool.acquire().await.unwrap();
    assert_eq!(plan::load(&mut connection).await.unwrap().plan.in_force().version, 1);
}

#[tokio::test]
async fn prices_are_planned_and_taken_back_at_the_command_line() {
    let tester = Tester::new().await;
    let set = ["price", "set", "--workflow", "7480", "--per-call", "5"];
    let planned = [&set[..], &["--from", "2099-12-01T00:00", "--reason", "a new year"]].concat();
    let made = answer(&tester, &planned).await;
    assert_eq!(
        made,
        json!({ "version": 2, "changed": true, "starts_at": "2099-11-30T16:00:00.000Z", "carried": [] })
    );
    assert_eq!(answer(&tester, &planned).await["changed"], false, "twice is once");
    let utc = [&planned[..], &["--tz", "UTC"]].concat();
    assert_eq!(answer(&tester, &utc).await["changed"], false, "the price holds by then");
    let history = answer(&tester, &["price", "history", "--limit", "1"]).await;
    assert_eq!(history["items"][0]["reason"], "set 7480 to 5 quota a call (a new year)");
    assert_eq!(
        (&history["items"][0]["state"], &history["next_cursor"]),
        (&json!("planned"), &json!("2"))
    );
    let (_, text, _) = weir(&tester, &["price", "list"]).await;
    assert!(
        text.contains("Book 2 comes into force at 2099-11-30T16:00:00.000Z: 1 changes."),
        "{text}"
    );
    let cancel = ["price", "cancel", "2"];
    assert_eq!(answer(&tester, &cancel).await["version"], 3);
    assert_eq!(answer(&tester, &cancel).await["changed"], false);
    let looked_at = [&set[..], &["--if-version", "0"]].concat();
    let (code, _, err) = weir(&tester, &looked_at).await;
    assert_eq!(code, 1);
    assert!(err.contains("`if_version` is 0, but the prices are those of book 1 by now"), "{err}");
    for (wrong, why) in [
        (&["--from", "yesterday"][..], "is no time such as 2026-12-01T00:00"),
        (&["--from", "2020-01-01"], "has passed"),
        (&["--from", "2099-01-01", "--tz", "Moon"], "is not a time zone"),
        (&["--reason", " "], "must have 1 to"),
        (&["--to", "2026-01-01"], "--dry-run"),
        (&["--dry-run", "--to", "2026-01-01"], "`from` is missing"),
    ] {
        let (code, _, err) = weir(&tester, &[&set[..], wrong].concat()).await;
        assert!(code != 0 && err.contains(why), "{wrong:?}: {err}");
    }
    let difference = answer(&tester, &["price", "diff", "1", "2"]).await;
    let changes = json!([{ "of": "7480", "before": "—", "after": "5 quota a call" }]);
    assert_eq!(difference["changes"], changes);
    let (_, same, _) = weir(&tester, &["price", "diff", "1", "3"]).await;
    assert_eq!(same, "No price differs.\n");
    let (code, _, err) = weir(&tester, &["price", "diff", "1", "9"]).await;
    assert!(code == 1 && err.contains("there is no price book \"9\""), "{err}");
}

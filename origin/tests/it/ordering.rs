//! Orders: given once, told until they are known, carried out by the journal.

use meter::entry::{Ending, Facts};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::usage::Usage;
use meter::wire::pull::{ActionDoc, ORDERS_MAX, OrderDoc};
use origin::order::{self, NewOrder};
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::edge::Fault;
use crate::facts::{cost, run, still_open};
use crate::tester::{J0, Sums, Tester, actor};

/// A tester with one account and one open call, which its journal lists.
async fn with_an_open_call() -> (Tester, Facts) {
    let tester = Tester::new().await;
    let facts = run(1, &tester.account("a").await.account_id, 365);
    tester.edge.journal(J0, |journal| journal.open = vec![still_open(facts.clone())]);
    tester.pull().await.unwrap();
    (tester, facts)
}

fn orders(tester: &Tester) -> Vec<OrderDoc> {
    tester.edge.journal(J0, |journal| journal.orders.clone())
}

fn new(call: &str, action: ActionDoc) -> NewOrder {
    NewOrder {
        call: call.parse().unwrap(),
        action,
        journal: None,
        reason: "upstream's console says so".to_owned(),
        actor: actor(),
    }
}

#[tokio::test]
async fn an_order_is_told_and_the_entry_that_follows_is_posted() {
    let (tester, facts) = with_an_open_call().await;
    let call = facts.call.as_str();
    let settle = ["call", "settle", call, "--input-tokens", "310", "--output-tokens", "55"];
    let settle = [&settle[..], &["--reason", "seen in the console", "--by", "ann"]].concat();
    let given = answer(&tester, &settle).await;
    assert_eq!((&given["was_there"], &given["actor"]), (&json!(false), &json!("ann")));
    // The answer is lost, so it is told again; the journal carries it out once.
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::FailsAfter));
    tester.pull().await.unwrap_err();
    tester.edge.journal(J0, |journal| journal.fault = None);
    tester.pull().await.unwrap();
    let usage = Usage::from_counts(Some(310), Some(55), None);
    let told = OrderDoc {
        call: call.to_owned(),
        action: ActionDoc::Settle { usage: usage.map(Into::into) },
        billed: false,
    };
    assert!(orders(&tester).iter().all(|order| *order == told), "{:?}", orders(&tester));
    tester.pull().await.unwrap();
    let last = tester.edge.journal(J0, |journal| journal.requests.pop().unwrap());
    assert_eq!(last.changes, None, "what was applied is not sent again");

    let settled = Facts {
        reading: Reading { usage, source: Source::Operator },
        amount: cost(365),
        ..facts.clone()
    };
    tester.edge.journal(J0, |journal| {
        journal.open.clear();
        journal.finish(settled);
    });
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await, Sums::all(1, cost(365)));
    let (_, call) = tester.serve().await.as_admin(&format!("/api/v1/calls/{call}")).await;
    assert_eq!((&call["source"], &call["amount_quota"]), (&json!("operator"), &json!("365")));
    assert_eq!(tester.findings().await, []);

    // The same order again is no news, also now.
    let again = answer(&tester, &settle).await;
    assert_eq!(again["was_there"], true);
    assert_eq!(again["reason"], "seen in the console");
}

#[tokio::test]
async fn a_release_is_told_once_and_contradicting_it_is_refused() {
    let (tester, facts) = with_an_open_call().await;
    let call = facts.call.as_str();
    let release = ["call", "release", call, "--reason", "never began"];
    let (code, out, _) = weir(&tester, &release).await;
    assert_eq!((code, out.contains("is to be released; journal j0")), (0, true), "{out}");
    let (code, out, _) = weir(&tester, &release).await;
    assert_eq!((code, out.contains("nothing done")), (0, true), "{out}");
    let settle = ["call", "settle", call, "--tokens", "5", "--reason", "it did begin"];
    let (code, _, err) = weir(&tester, &settle).await;
    assert_eq!((code, err.contains("is to be released, as cli ordered at")), (1, true), "{err}");
    tester.pull().await.unwrap();
    let want = OrderDoc { call: call.to_owned(), action: ActionDoc::Release, billed: false };
    assert_eq!(orders(&tester), [want]);
    let released = Facts {
        ending: Ending::Released,
        reading: Reading { usage: None, source: Source::Operator },
        amount: Nanos::ZERO,
        ..facts.clone()
    };
    tester.edge.journal(J0, |journal| journal.finish(released));
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await, Sums::all(1, Nanos::ZERO));
    assert_eq!(tester.findings().await, []);
}

#[tokio::test]
async fn a_call_that_has_ended_is_not_ordered_about() {
    let (tester, facts) = with_an_open_call().await;
    let call = facts.call.to_string();
    tester.edge.journal(J0, |journal| journal.finish(facts));
    tester.pull().await.unwrap();
    for journal in [None, Some("j0"), Some("j3")] {
        let named: Vec<&str> = journal.iter().flat_map(|name| ["--journal", *name]).collect();
        let release = ["call", "release", &call, "--reason", "too late"];
        let (code, _, err) = weir(&tester, &[&release[..], &named].concat()).await;
        assert_eq!(code, 1);
        assert!(err.contains(&call) && err.contains("entry 1 of journal j0"), "{err}");
    }
    tester.pull().await.unwrap();
    assert_eq!(orders(&tester), []);
}

#[tokio::test]
async fn a_call_that_no_journal_lists_needs_its_journal_named() {
    let (tester, facts) = with_an_open_call().await;
    let release = |call: &'static str| ["call", "release", call, "--reason", "gone"];
    let (code, _, err) = weir(&tester, &release("c404")).await;
    assert_eq!((code, err.contains("`journal` is needed")), (2, true), "{err}");
    let named = |name: &'static str| [&release("c404")[..], &["--journal", name]].concat();
    assert_eq!(weir(&tester, &named("nowhere")).await.0, 1);
    // The wrong one first: nothing happens there, and the right one can still be told.
    for journal in ["j5", J0] {
        let given = answer(&tester, &named(journal)).await;
        assert_eq!((&given["journal"], &given["was_there"]), (&json!(journal), &json!(false)));
    }
    tester.pull().await.unwrap();
    assert_eq!(orders(&tester).len(), 1);
    // One that is listed is not sent elsewhere.
    let elsewhere = ["call", "release", facts.call.as_str(), "--reason", "x", "--journal", "j5"];
    let (code, _, err) = weir(&tester, &elsewhere).await;
    assert_eq!((code, err.contains("j0 has")), (1, true), "{err}");
}

#[tokio::test]
async fn an_order_is_complete_or_refused() {
    let (tester, facts) = with_an_open_call().await;
    let call = facts.call.as_str();
    let long = "x".repeat(1_001);
    for (wrong, word) in [
        (vec!["settle", call, "--reason", "no tokens"], "`tokens` is needed"),
        (vec!["settle", call, "--tokens", "-1", "--reason", "x"], "-1"),
        (vec!["settle", call, "--tokens", "1000000001", "--reason", "x"], "1000000001"),
        (vec!["settle", call, "--input-tokens", "1", "--reason", "x"], "--output-tokens"),
        (vec!["settle", call, "--tokens", "1", "--input-tokens", "1"], "--input-tokens"),
        (vec!["release", call], "--reason"),
        (vec!["release", call, "--reason", " "], "`reason`"),
        (vec!["release", call, "--reason", &long], "`reason`"),
        (vec!["release", call, "--reason", "x", "--by", ""], "--by"),
        (vec!["release", "not a call", "--reason", "x"], "not a call"),
        (vec!["release", call, "--tokens", "1", "--reason", "x"], "--tokens"),
    ] {
        let (code, _, err) = weir(&tester, &[&["call"][..], &wrong].concat()).await;
        assert_eq!((code, err.contains(word)), (2, true), "{wrong:?}: {err}");
    }
    tester.pull().await.unwrap();
    assert_eq!(orders(&tester), []);
    let free = answer(&tester, &["call", "settle", call, "--tokens", "0", "--reason", "x"]).await;
    assert_eq!(free["total_tokens"], 0);
}

#[tokio::test]
async fn operators_who_decide_at_once_leave_one_order() {
    let (tester, facts) = with_an_open_call().await;
    let release = new(facts.call.as_str(), ActionDoc::Release);
    let (one, two) =
        tokio::join!(order::give(&tester.pool, &release), order::give(&tester.pool, &release));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.was_there, two.was_there);
    assert_eq!(one.order, two.order);
}

#[tokio::test]
async fn more_orders_than_one_request_holds_go_in_several() {
    let tester = Tester::new().await;
    let count = ORDERS_MAX * 2 + 1;
    for number in 0..count {
        let order = NewOrder {
            journal: Some(J0.parse().unwrap()),
            ..new(&format!("c{number}"), ActionDoc::Release)
        };
        order::give(&tester.pool, &order).await.unwrap();
    }
    tester.pull_all().await;
    let told: Vec<String> = orders(&tester).into_iter().map(|order| order.call).collect();
    let want: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    assert_eq!(told, want);
    let most = tester.edge.journal(J0, |journal| {
        let changes = journal.requests.iter().filter_map(|request| request.changes.as_ref());
        changes.map(|changes| changes.orders.len()).max()
    });
    assert_eq!(most, Some(ORDERS_MAX));
}

#[tokio::test]
async fn an_order_is_never_changed_or_removed() {
    let (tester, facts) = with_an_open_call().await;
    order::give(&tester.pool, &new(facts.call.as_str(), ActionDoc::Release)).await.unwrap();
    for change in ["UPDATE call_order SET action = 'settle'", "DELETE FROM call_order"] {
        let refused = sqlx::query(change).execute(&tester.pool).await.unwrap_err();
        assert!(refused.to_string().contains("never changed"), "{refused}");
    }
    let _: Value = answer(&tester, &["report", "open"]).await;
}

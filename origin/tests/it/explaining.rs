//! Why a call stands as it does: one document, from the rows.

use meter::entry::{Ending, Facts};
use meter::money::{Nanos, Ratio};
use meter::outcome::{Reading, Source};
use meter::price::{Price, Scope, Terms};
use meter::refusal::Reason;
use meter::wire::explained::ExplainedDoc;
use origin::price;
use serde_json::{Value, json};

use crate::commands::{answer, weir, weir_with};
use crate::facts::{BEGAN_MS, WORKFLOW, cost, run, still_open};
use crate::tester::{J0, Tester, actor};

fn path(facts: &Facts) -> String {
    format!("/api/v1/calls/{}/explain", facts.call)
}

#[tokio::test]
async fn a_posted_call_is_explained_from_its_terms_to_its_balance() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await;
    let vip = |book: &mut meter::price::PriceBook| {
        book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(1_200_000));
    };
    price::change(&tester.pool, &actor(), "vip", vip).await.unwrap();
    let first = run(1, &account.account_id, 1);
    let plain = run(2, &account.account_id, 365);
    let terms = Terms { book: 2, ratio: Ratio::from_ppm(1_200_000), ..plain.terms };
    let facts = Facts { group: "vip".parse().unwrap(), terms, amount: cost(438), ..plain };
    tester.edge.journal(J0, |journal| {
        journal.finish(first);
        journal.finish(facts.clone());
    });
    tester.pull().await.unwrap();
    let head = tester.edge.journal(J0, |journal| journal.head());
    let (status, mut told) = tester.serve().await.as_admin(&path(&facts)).await;
    assert_eq!(status, 200, "{told}");
    // When it was posted is the database's to say.
    let posting = &mut told["postings"][0];
    assert!(posting["posted_at"].take().is_string());
    let why = "the key was not revoked, the account was active, a price applied, and the balance \
               less everything held covered what was set aside";
    let want = json!({
        "state": "finished",
        "call_id": facts.call.as_str(),
        "let_in": {
            "why": why,
            "at": "2025-11-21T04:40:01.500Z",
            "account": account.account_id, "account_name": "acme", "key": "key_1", "group": "vip",
            "operation": "workflow_run", "subject_kind": "workflow", "subject": WORKFLOW,
            "units": 1, "book": 2,
            "rule": {
                "scope": "everything_else", "text": "the price of everything else", "agrees": true,
            },
            "price": {
                "kind": "per_token",
                "input_nanos_per_million": 2_000_000_000_i64,
                "output_nanos_per_million": 2_000_000_000_i64,
            },
            "ratio": "1.2", "hold_nanos": 2_400_000, "hold_quota": "1200",
        },
        "upstream": {
            "status": 200, "code": 0, "chat_id": null, "conversation_id": null,
            "execute_id": "7500000000000000001", "log_id": null,
        },
        "reading": {
            "source": "reported", "text": "the reply to the call itself",
            "usage": { "input": 182, "output": 183, "total": 365 }, "usage_fell": false,
        },
        "outcome": {
            "ending": "settled", "text": "it is charged by what its reply said",
            "at": "2025-11-21T04:40:02.000Z", "duration_ms": 500,
        },
        "charge": {
            "amount_nanos": 876_000, "amount_quota": "438",
            "arithmetic": "(182 tokens in × 2000 nano + 183 tokens out × 2000 nano) × 1.2 \
                           = 876000 nano = 438 quota",
            "derived_nanos": 876_000, "equals": true,
        },
        "place": {
            "journal": "j0", "epoch": "e1", "seq": 2, "total_nanos": cost(439).get(),
            "hash": head.hash.to_string(), "follows": true,
        },
        "postings": [{
            "posting_id": 2, "posted_at": null, "account": account.account_id,
            "balance_effect_nanos": -876_000, "balance_effect_quota": "-438",
        }],
        "findings": [],
        "order": null,
    });
    assert_eq!(told, want);
    let (code, out, _) = weir(&tester, &["explain", facts.call.as_str()]).await;
    assert_eq!(code, 0);
    for line in [
        "is settled: 438 quota",
        "× 1.2 = 876000 nano",
        "2 of journal j0, epoch e1; it continues the entry before",
        "-438 quota to the balance",
    ] {
        assert!(out.contains(line), "{line} is not in {out}");
    }
    let mut by_hand = answer(&tester, &["explain", facts.call.as_str()]).await;
    by_hand["postings"][0]["posted_at"].take();
    assert_eq!(by_hand, want);
}

#[tokio::test]
async fn what_does_not_add_up_is_said() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let wrong = Facts { amount: Nanos::new(7), ..run(1, &account, 365) };
    let free = run(2, &account, 1);
    let free =
        Facts { terms: Terms { price: Price::Free, ..free.terms }, amount: Nanos::ZERO, ..free };
    let unknown = run(3, &account, 1);
    let unknown = Facts { terms: Terms { book: 9, ..unknown.terms }, ..unknown };
    tester.edge.journal(J0, |journal| {
        for facts in [&wrong, &free, &unknown] {
            journal.finish(facts.clone());
        }
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (_, told) = origin.as_admin(&path(&wrong)).await;
    let charge = &told["charge"];
    assert_eq!((&charge["amount_nanos"], &charge["equals"]), (&json!(7), &json!(false)));
    assert_eq!(charge["derived_nanos"], cost(365).get());
    assert_eq!(told["findings"][0]["code"], "charge_differs");
    assert_eq!(told["findings"][0]["state"], "open");
    let (_, out, _) = weir(&tester, &["explain", wrong.call.as_str()]).await;
    assert!(out.contains("NOT the 7 nano charged") && out.contains("charge_differs"), "{out}");
    let (_, told) = origin.as_admin(&path(&free)).await;
    assert_eq!(told["let_in"]["rule"]["agrees"], false);
    let (_, told) = origin.as_admin(&path(&unknown)).await;
    assert_eq!(told["let_in"]["rule"]["scope"], "unknown");
}

#[tokio::test]
async fn the_price_that_applied_is_the_most_specific_one() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let each = Price::PerCall { amount: Nanos::new(5_000) };
    let set = |book: &mut meter::price::PriceBook| {
        book.prices.insert(Scope::Subject(WORKFLOW.parse().unwrap()), each);
    };
    price::change(&tester.pool, &actor(), "a price", set).await.unwrap();
    let facts = run(1, &account, 365);
    let terms = Terms { book: 2, price: each, ..facts.terms };
    let facts = Facts { terms, amount: Nanos::new(5_000), ..facts };
    tester.edge.journal(J0, |journal| journal.finish(facts.clone()));
    tester.pull().await.unwrap();
    let (_, told) = tester.serve().await.as_admin(&path(&facts)).await;
    let rule = &told["let_in"]["rule"];
    assert_eq!((&rule["scope"], &rule["agrees"]), (&json!("subject"), &json!(true)));
    assert_eq!(told["charge"]["arithmetic"], "1 call × 5000 nano = 5000 nano");
}

#[tokio::test]
async fn an_open_call_is_explained_by_what_was_told_last_and_by_its_order() {
    let tester = Tester::new().await;
    let facts = run(1, &tester.account("a").await.account_id, 365);
    let call = facts.call.as_str();
    let doc = still_open(facts.clone());
    tester.edge.journal(J0, |journal| journal.open = vec![doc.clone()]);
    tester.pull().await.unwrap();
    answer(&tester, &["call", "release", call, "--reason", "never began", "--by", "ann"]).await;
    let origin = tester.serve().await;
    let (status, told) = origin.as_admin(&path(&facts)).await;
    assert_eq!((status, &told["state"], &told["journal"]), (200, &json!("open"), &json!(J0)));
    let Value::Object(want) = serde_json::to_value(&doc).unwrap() else { panic!("no object") };
    for (name, value) in want {
        assert_eq!(told[&name], value, "{name}");
    }
    assert!(told["age_ms"].is_u64() && told["told_at"].is_string());
    let order = &told["order"];
    assert_eq!((&order["actor"], &order["carried_out"]), (&json!("ann"), &json!(false)));
    let (_, out, _) = weir(&tester, &["explain", call]).await;
    assert!(out.contains("is open") && out.contains("says ann") && out.contains("never began"));

    let released = Facts {
        ending: Ending::Released,
        reading: Reading { usage: None, source: Source::Operator },
        amount: Nanos::ZERO,
        ..facts.clone()
    };
    tester.edge.journal(J0, |journal| journal.finish(released));
    tester.pull().await.unwrap();
    let (_, told) = origin.as_admin(&path(&facts)).await;
    assert_eq!(told["outcome"]["text"], "an operator let it go by hand, for nothing");
    assert_eq!(told["charge"]["arithmetic"], "nothing: it was released");
    let order = &told["order"];
    assert_eq!((&order["reason"], &order["carried_out"]), (&json!("never began"), &json!(true)));
    let (_, out, _) = weir(&tester, &["explain", call]).await;
    assert!(out.contains("is to be released, says ann"), "{out}");
}

#[tokio::test]
async fn a_caller_learns_of_its_own_calls_only() {
    let tester = Tester::new().await;
    let (one, two) = (tester.account("one").await, tester.account("two").await);
    let (posted, open) = (run(1, &one.account_id, 1), run(2, &one.account_id, 1));
    tester.edge.journal(J0, |journal| {
        journal.finish(posted.clone());
        journal.open = vec![still_open(open.clone())];
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    for (account, status) in [(&one, 200), (&two, 404)] {
        let key = tester.key(account, None).await.key;
        for facts in [&posted, &open] {
            assert_eq!(origin.as_caller(&path(facts), &key).await.0, status);
        }
        let one = format!("/api/v1/calls/{}", posted.call);
        assert_eq!(origin.as_caller(&one, &key).await.0, status);
    }
    assert_eq!(origin.as_nobody(&path(&posted)).await.0, 401);
}

#[tokio::test]
async fn an_unknown_call_is_404_and_says_who_knows_of_refused_ones() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    for call in ["c404", "not%20a%20call", "%ff"] {
        for after in ["", "/explain"] {
            let (status, body) = origin.as_admin(&format!("/api/v1/calls/{call}{after}")).await;
            assert_eq!((status, &body["code"]), (404, &json!(4200)), "{call}{after}: {body}");
        }
    }
    let (_, body) = origin.as_admin("/api/v1/calls/c404/explain").await;
    assert_eq!(body["error"]["code"], "not_found");
    assert!(body["msg"].as_str().unwrap().contains("refused are explained by the edge"), "{body}");
    let (status, body) = origin.as_admin("/api/v1/calls/c404/explain?x=1").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("parameter_invalid")));
}

#[tokio::test]
async fn what_the_origin_does_not_know_the_edge_is_asked() {
    let tester = Tester::new().await;
    let refused =
        ExplainedDoc::Refused { reason: Reason::Unpriced.code().to_owned(), at_ms: BEGAN_MS };
    let open = ExplainedDoc::Open(Box::new(still_open(run(1, "acc_1", 1))));
    let finished = ExplainedDoc::Finished { ending: "settled".to_owned(), amount_nanos: 730_000 };
    for (call, doc) in [("c1", &refused), ("c2", &open), ("c3", &finished)] {
        tester.edge.explain(call, "sk-of-acme", doc.clone());
    }
    let ask = |call: &'static str| ["explain", call, "--key", "sk-of-acme"];
    for (call, words) in [
        ("c1", "was refused at 2025-11-21T04:40:00.000Z: unpriced"),
        ("c2", "is open, says the edge"),
        ("c3", "has ended: settled, for 365 quota"),
    ] {
        let (code, out, err) = weir(&tester, &ask(call)).await;
        assert_eq!((code, out.contains(words)), (0, true), "{out}{err}");
    }
    assert_eq!(answer(&tester, &ask("c1")).await, serde_json::to_value(&refused).unwrap());
    let (code, out, _) =
        weir_with(&tester, &["explain", "c1"], &[("WEIR_KEY", "sk-of-acme")]).await;
    assert_eq!((code, out.contains("unpriced")), (0, true));
    for arguments in [&["explain", "c1"][..], &ask("c404"), &["explain", "c1", "--key", "sk-other"]]
    {
        let (code, out, err) = weir(&tester, arguments).await;
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
    }
    let (_, _, err) = weir(&tester, &["explain", "c1"]).await;
    assert!(err.contains("explained by the edge"), "{err}");
}

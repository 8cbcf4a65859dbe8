//! What an operator sees of calls that do not end, and does about them.

use serde_json::{Value, json};

use crate::tester::{Tester, chat, shared, until};

/// What the command line answers an operator.
fn weir(arguments: &[&str]) -> Value {
    shared().weir_json(arguments).unwrap()
}

/// A chat that upstream holds open, and its call's id.
async fn held_open(tester: &Tester, bot: &str) -> (reqwest::Response, String) {
    tester.behave(bot, json!({"pace": {"hold_after_events": [2]}})).await;
    let reply = tester.call("/v3/chat", &chat(bot, true, "hello")).await;
    let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    tester.until_held(bot).await;
    (reply, call)
}

/// The account's open calls, once there are this many, oldest first.
async fn open_calls(tester: &Tester, count: usize) -> Vec<Value> {
    until("the open calls to be listed", async || {
        let open = tester.origin("/api/v1/calls/open").await;
        let calls = open["calls"].as_array().unwrap().clone();
        (calls.len() == count).then_some(calls)
    })
    .await
}

/// Calls that upstream never ends are listed while they are open. One is settled by hand and one is
/// released; each is recorded once, with who and why, and what upstream says later changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_settles_one_call_and_releases_another_by_hand() {
    let tester = Tester::new("operator");
    let (one, two) = (tester.subject(1), tester.subject(2));
    let (first, settled) = held_open(&tester, &one).await;
    let (second, released) = held_open(&tester, &two).await;

    let open = open_calls(&tester, 2).await;
    assert_eq!((&open[0]["call_id"], &open[1]["call_id"]), (&json!(settled), &json!(released)));
    assert_eq!((&open[0]["operation"], &open[0]["subject"]), (&json!("chat"), &json!(one)));
    assert_eq!(open[0]["hold_quota"], "1000");
    assert!(open[0]["waits_for"].is_string() && open[0]["age_ms"].is_u64(), "{open:#?}");
    let listed = weir(&["report", "open", "--account", &tester.account]);
    assert_eq!(listed["calls"].as_array().unwrap().len(), 2);
    let health = tester.origin_as_admin("/health").await;
    assert!(health["open_calls"].as_i64().unwrap() >= 2, "{health}");
    assert!(health["oldest_open_call_age_ms"].is_u64(), "{health}");
    let explained = tester.origin(&format!("/api/v1/calls/{settled}/explain")).await;
    assert_eq!(explained["state"], "open");
    let at_edge = tester.explain_at_edge(&settled).await;
    assert_eq!(explained["hold"]["call"], at_edge["hold"]["call"]);

    let settle = ["call", "settle", &settled, "--input-tokens", "310", "--output-tokens", "55"];
    let settle = [&settle[..], &["--reason", "seen in the console", "--by", "ann"]].concat();
    let release = ["call", "release", &released, "--reason", "the bot is gone", "--by", "ann"];
    for arguments in [&settle[..], &release] {
        for was_there in [false, true] {
            assert_eq!(weir(arguments)["was_there"], was_there, "{arguments:?}");
        }
    }
    let calls = tester.calls(2).await;
    let by_id = |id: &str| calls.iter().find(|call| call["call_id"] == id).unwrap().clone();
    let (paid, free) = (by_id(&settled), by_id(&released));
    assert_eq!((&paid["ending"], &paid["source"]), (&json!("settled"), &json!("operator")));
    assert_eq!(paid["amount_quota"], "365");
    assert_eq!((&free["ending"], &free["source"]), (&json!("released"), &json!("operator")));
    assert_eq!(free["amount_nanos"], 0);
    open_calls(&tester, 0).await;
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);

    let told = weir(&["explain", &settled]);
    assert_eq!(told["outcome"]["text"], "an operator settled it by hand");
    let arithmetic = "310 tokens in × 2000 nano + 55 tokens out × 2000 nano";
    assert_eq!(told["charge"]["arithmetic"], format!("{arithmetic} = 730000 nano = 365 quota"));
    assert_eq!(
        (&told["charge"]["equals"], &told["place"]["follows"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(told["let_in"]["rule"]["agrees"], true);
    assert_eq!(told["postings"][0]["balance_effect_quota"], "-365");
    let order = &told["order"];
    assert_eq!((&order["actor"], &order["carried_out"]), (&json!("ann"), &json!(true)));
    assert_eq!(order["reason"], "seen in the console");
    assert_eq!(told["findings"], json!([]));
    let told = weir(&["explain", &released]);
    assert_eq!(told["order"]["reason"], "the bot is gone");
    assert_eq!(told["charge"]["amount_nanos"], 0);

    // The streams end after all: nothing more is charged, and the callers still get their bytes.
    for (bot, reply) in [(&one, first), (&two, second)] {
        tester.release(bot).await;
        assert!(reply.text().await.unwrap().contains("conversation.chat.completed"));
    }
    let last = tester.call("/v3/chat", &chat(&tester.subject(3), false, "hello")).await;
    assert_eq!(last.status(), 200);
    let calls = tester.calls(3).await;
    let by_hand = calls.iter().filter(|call| call["source"] == "operator").count();
    assert_eq!(by_hand, 2, "{calls:#?}");

    // What has ended is not ordered about any more.
    let call = calls.iter().find(|call| call["source"] != "operator").unwrap();
    let late = ["call", "release", call["call_id"].as_str().unwrap(), "--reason", "too late"];
    let error = shared().weir(&late).unwrap_err().to_string();
    assert!(error.contains("has ended already"), "{error}");
}

/// A call that was refused is known to the edge alone, and `weir explain` asks it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_is_explained_by_asking_the_edge() {
    let tester = Tester::new("refused");
    let speech = json!({"voice_id": tester.subject(1), "input": "x"});
    let refused = tester.call("/v1/audio/speech", &speech).await;
    let call = refused.headers()["weir-call-id"].to_str().unwrap().to_owned();
    let asks = ["explain", &call, "--edge-url", &tester.edge, "--key", &tester.key];
    let told = weir(&asks);
    assert_eq!((&told["state"], &told["reason"]), (&json!("refused"), &json!("unpriced")));
    let error = shared().weir(&asks[..2]).unwrap_err().to_string();
    assert!(error.contains("explained by the edge"), "{error}");
}

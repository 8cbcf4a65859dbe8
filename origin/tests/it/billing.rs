//! Upstream's bill: callbacks come in, and complete what the wire left open.

use meter::entry::{Ending, Facts};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::usage::{Usage, WorkIds};
use meter::wire::pull::{ActionDoc, OPEN_UNNAMED_MAX, OrderDoc};
use origin::bill::complete::{Completed, look};
use origin::bill::waiting::ASKED_AFTER_MS;
use origin::clock;
use origin::http::Callbacks;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::facts::{cost, run, still_open};
use crate::tester::{CALLBACK_SECRET, J0, Served, Sums, Tester};

/// How long bill and edge are quiet before anything is done here.
const QUIET_MS: u64 = 60_000;

/// A charge of a call, as upstream tells it.
fn charge(id: &str, facts: &Facts, input: u64, output: u64) -> Value {
    json!({
        "header": {"event_type": "benefit.usage", "event_id": format!("e{id}")},
        "event": {
            "id": id, "consume_time": 1_763_700_000, "record_root_id": "24",
            "custom_consumer": format!("{}.{}", facts.account, facts.call),
            "root_entity_type": 2, "root_entity_id": "7480000000000000001",
            "change_balance": "0.16", "balance_type": 2, "resource_type": 1,
            "model_input_token": input, "model_output_token": output,
        },
    })
}

async fn post(served: &Served, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = served.client.post(format!("{}{path}", served.url)).body(body);
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap())
}

async fn tell(served: &Served, body: &Value) -> Value {
    let path = format!("/callbacks/coze/{CALLBACK_SECRET}");
    let (status, answer) = post(served, &path, body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// How many rows a table has.
async fn count(tester: &Tester, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&tester.pool).await.unwrap()
}

/// A look at what is due, this long after now.
async fn look_after(tester: &Tester, ms: u64) -> Completed {
    look(&tester.pool, QUIET_MS, clock::now().plus_ms(ms)).await.unwrap()
}

/// An account and a call of it that upstream never named.
async fn unnamed(tester: &Tester) -> Facts {
    let account = tester.account("shop").await;
    Facts { ids: WorkIds::default(), ..run(1, &account.account_id, 365) }
}

/// What a call ends as when nobody ever knows how it went.
fn expired(facts: &Facts) -> Facts {
    Facts {
        ending: Ending::Expired,
        status: None,
        reading: Reading { usage: None, source: Source::Missing },
        amount: Nanos::ZERO,
        ..facts.clone()
    }
}

#[tokio::test]
async fn a_charge_told_twice_is_kept_once_and_only_with_the_secret() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    let body = charge("b1", &facts, 310, 55);
    for path in ["/callbacks/coze", "/callbacks/coze/wrong", "/callbacks/coze?secret=wrong"] {
        let (status, answer) = post(&served, path, body.to_string()).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("key_invalid")), "{path}");
    }
    let (status, _) = post(&served, "/callbacks/coze?other=1", body.to_string()).await;
    assert_eq!(status, 400);
    assert_eq!(tell(&served, &body).await, json!({"stored": true}));
    assert_eq!(tell(&served, &body).await, json!({"stored": false}));
    let by_query = format!("/callbacks/coze?secret={CALLBACK_SECRET}");
    assert_eq!(post(&served, &by_query, body.to_string()).await.1, json!({"stored": false}));
    assert_eq!(count(&tester, "SELECT count(*) FROM bill_record").await, 1);
    assert_eq!(count(&tester, "SELECT sum(input_tokens)::bigint FROM bill_call").await, 310);
    let change = sqlx::query("DELETE FROM bill_record").execute(&tester.pool).await;
    assert!(change.unwrap_err().to_string().contains("never changed"));
}

#[tokio::test]
async fn what_is_no_charge_is_named_and_nothing_is_kept() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    let path = format!("/callbacks/coze/{CALLBACK_SECRET}");
    let mut negative = charge("b1", &facts, 1, 1);
    negative["event"]["model_input_token"] = json!(-1);
    let mut nameless = charge("b1", &facts, 1, 1);
    nameless["event"]["id"] = json!("");
    for (body, field) in [
        ("no JSON".to_owned(), "`body`"),
        (negative.to_string(), "`model_input_token`"),
        (nameless.to_string(), "`id`"),
    ] {
        let (status, answer) = post(&served, &path, body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("parameter_invalid")));
        assert!(answer["msg"].as_str().unwrap().contains(field), "{answer}");
    }
    let (status, answer) = post(&served, &path, " ".repeat((64 << 10) + 1)).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("body_too_large")));
    let other = json!({"header": {"event_type": "bot.published"}, "event": {}});
    assert_eq!(tell(&served, &other).await, json!({"ignored": "bot.published"}));
    assert_eq!(count(&tester, "SELECT count(*) FROM bill_record").await, 0);
}

#[tokio::test]
async fn with_the_apps_token_a_callback_must_be_signed() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let callbacks = Callbacks::new(CALLBACK_SECRET, Some("cbt".to_owned()));
    let served = tester.serve_callbacks(callbacks).await;
    let body = charge("b1", &facts, 1, 1).to_string();
    let url = format!("{}/callbacks/coze/{CALLBACK_SECRET}", served.url);
    let send = async |timestamp: &str, signature: &str| {
        let request = served.client.post(&url).body(body.clone());
        let request = request.header("x-coze-timestamp", timestamp).header("x-coze-nonce", "n");
        let reply = request.header("x-coze-signature", signature).send().await.unwrap();
        reply.status().as_u16()
    };
    let signed = Sha1::digest(format!("1763700000ncbt{body}"));
    let signed = format!("{signed:x}");
    assert_eq!(send("1763700000", "").await, 401);
    assert_eq!(send("1763700001", &signed).await, 401);
    assert_eq!(send("1763700000", &signed).await, 200);
    let served = tester.serve_with(None).await;
    let path = format!("/callbacks/coze/{CALLBACK_SECRET}");
    assert_eq!(post(&served, &path, body).await.0, 404, "without a secret nothing is served");
}

#[tokio::test]
async fn an_open_call_without_a_name_is_ended_by_the_sum_of_its_records_once() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    let mut open = still_open(facts.clone());
    let now = clock::now();
    open.seen_at_ms = Some(now.get());
    tester.edge.journal(J0, |journal| journal.open = vec![open]);
    tester.pull().await.unwrap();
    tell(&served, &charge("b1", &facts, 300, 50)).await;
    tell(&served, &charge("b2", &facts, 10, 5)).await;
    assert_eq!(look_after(&tester, 0).await, Completed::default(), "records may still come");
    let ordered = Completed { ordered: 1, ..Completed::default() };
    assert_eq!(look_after(&tester, QUIET_MS + 1_000).await, ordered);
    assert_eq!(look_after(&tester, 3 * QUIET_MS).await, Completed::default(), "once");
    tester.pull().await.unwrap();
    let usage = Usage::from_counts(Some(310), Some(55), None);
    let action = ActionDoc::Settle { usage: usage.map(Into::into) };
    let want = OrderDoc { call: facts.call.to_string(), action, billed: true };
    assert_eq!(tester.edge.journal(J0, |journal| journal.orders.clone()), [want]);

    let settled = Facts {
        reading: Reading { usage, source: Source::Bill },
        amount: cost(365),
        ..facts.clone()
    };
    tester.edge.journal(J0, |journal| {
        journal.open.clear();
        journal.finish(settled);
    });
    tester.pull().await.unwrap();
    let known = Completed { known: 1, ..Completed::default() };
    assert_eq!(look_after(&tester, 9 * QUIET_MS).await, known);
    assert_eq!(tester.sums().await, Sums::all(1, cost(365)));
    assert_eq!(tester.findings().await, []);
    let (_, call) = served.as_admin(&format!("/api/v1/calls/{}", facts.call)).await;
    assert_eq!((&call["source"], &call["amount_quota"]), (&json!("bill"), &json!("365")));
    let (_, told) = served.as_admin(&format!("/api/v1/calls/{}/explain", facts.call)).await;
    assert_eq!(told["order"]["actor"], "coze bill");
    assert_eq!(told["order"]["carried_out"], true);
    assert_eq!(told["charge"]["equals"], true);
}

/// The calls that the journal was asked about at the last pull.
async fn asked_about(tester: &Tester) -> Vec<String> {
    tester.pull().await.unwrap();
    tester.edge.journal(J0, |journal| journal.requests.last().unwrap().billed.clone())
}

#[tokio::test]
async fn a_journal_is_asked_about_the_calls_that_the_bill_waits_for() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    tell(&served, &charge("b1", &facts, 300, 50)).await;
    assert_eq!(asked_about(&tester).await, [""; 0], "its own reply may be on its way");
    sqlx::query("UPDATE bill_call SET billed_at = now() - $1 * interval '1 ms'")
        .bind(i64::try_from(ASKED_AFTER_MS).unwrap())
        .execute(&tester.pool)
        .await
        .unwrap();
    assert_eq!(asked_about(&tester).await, [facts.call.to_string()]);
    tester.edge.journal(J0, |journal| journal.finish(facts.clone()));
    tester.pull().await.unwrap();
    assert_eq!(asked_about(&tester).await, [""; 0], "the books know it");
    // Others' calls, and more than may be asked about: those that are looked at first.
    sqlx::query(
        "INSERT INTO bill_call
             (call_id, account_id, records, input_tokens, output_tokens, billed_at, look_at)
         SELECT 'n' || n, CASE WHEN n = 0 THEN 'acc_other' ELSE $1 END, 1, 1, 1,
                now() - interval '1 hour', now() + n * interval '1 s'
         FROM generate_series(0, $2) AS n",
    )
    .bind(facts.account.as_str())
    .bind(i32::try_from(OPEN_UNNAMED_MAX).unwrap() + 1)
    .execute(&tester.pool)
    .await
    .unwrap();
    let want: Vec<String> = (1..=OPEN_UNNAMED_MAX).map(|n| format!("n{n}")).collect();
    assert_eq!(asked_about(&tester).await, want);
}

#[tokio::test]
async fn a_call_in_hand_and_one_with_a_name_are_left_to_the_wire() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    let later = clock::now().plus_ms(QUIET_MS + 1_000);
    let mut in_hand = still_open(facts.clone());
    in_hand.seen_at_ms = Some(later.get() - 1_000);
    let mut unknown = in_hand.clone();
    unknown.seen_at_ms = None;
    let mut named = still_open(run(1, facts.account.as_str(), 365));
    named.seen_at_ms = Some(0);
    tell(&served, &charge("b1", &facts, 300, 50)).await;
    for open in [in_hand, unknown, named] {
        tester.edge.journal(J0, |journal| journal.open = vec![open.clone()]);
        tester.pull().await.unwrap();
        let looked = look(&tester.pool, QUIET_MS, later).await.unwrap();
        assert_eq!(looked, Completed::default(), "{open:?}");
        // It waits for its next look; here it is due again at once.
        sqlx::query("UPDATE bill_call SET look_at = now()").execute(&tester.pool).await.unwrap();
    }
    assert_eq!(count(&tester, "SELECT count(*) FROM call_order").await, 0);
}

#[tokio::test]
async fn a_call_that_was_given_up_is_corrected_once_by_its_own_terms() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    tester.edge.journal(J0, |journal| journal.finish(expired(&facts)));
    tester.pull().await.unwrap();
    assert_eq!(tester.findings().await, [("usage_missing".to_owned(), 1, 1)]);
    // Of another account's name nothing is taken.
    let mut strange = charge("b0", &facts, 300, 50);
    strange["event"]["custom_consumer"] = json!(format!("acc_other.{}x", facts.call));
    tell(&served, &strange).await;
    tell(&served, &charge("b1", &facts, 300, 50)).await;
    assert_eq!(look_after(&tester, 0).await, Completed::default(), "records may still come");
    tell(&served, &charge("b2", &facts, 10, 5)).await;
    let corrected = Completed { corrected: 1, ..Completed::default() };
    assert_eq!(look_after(&tester, QUIET_MS + 1_000).await, corrected);
    assert_eq!(look_after(&tester, 3 * QUIET_MS).await, Completed::default(), "once");
    // A record that comes later still is variance: what was taken once is not taken again.
    tell(&served, &charge("b3", &facts, 1_000, 0)).await;
    assert_eq!(look_after(&tester, 6 * QUIET_MS).await, Completed::default());

    let path = format!("/api/v1/token-usage/balance?account={}", facts.account);
    let (_, balance) = served.as_admin(&path).await;
    assert_eq!(balance["credits_nanos"], -cost(365).get());
    assert_eq!(balance["spent_nanos"], 0);
    let reason: String = sqlx::query_scalar("SELECT reason FROM credit WHERE actor = 'coze bill'")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    assert!(reason.contains(facts.call.as_str()), "{reason}");
    assert!(reason.contains("2 records of Coze's bill name it, 310 tokens in and 55 out"));
    assert_eq!(tester.findings().await, [], "it is known now");
}

#[tokio::test]
async fn a_call_of_another_account_than_the_stamp_says_is_not_corrected() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    tester.edge.journal(J0, |journal| journal.finish(expired(&facts)));
    tester.pull().await.unwrap();
    let mut strange = charge("b1", &facts, 300, 50);
    strange["event"]["custom_consumer"] = json!(format!("acc_other.{}", facts.call));
    tell(&served, &strange).await;
    assert_eq!(look_after(&tester, QUIET_MS + 1_000).await, Completed::default());
    assert_eq!(count(&tester, "SELECT count(*) FROM credit").await, 0);
}

#[tokio::test]
async fn a_call_that_told_its_own_usage_is_not_touched() {
    let tester = Tester::new().await;
    let facts = unnamed(&tester).await;
    let served = tester.serve().await;
    tester.edge.journal(J0, |journal| journal.finish(facts.clone()));
    tester.pull().await.unwrap();
    tell(&served, &charge("b1", &facts, 9_000, 50)).await;
    let known = Completed { known: 1, ..Completed::default() };
    assert_eq!(look_after(&tester, 0).await, known);
    assert_eq!(look_after(&tester, 9 * QUIET_MS).await, Completed::default());
    assert_eq!(tester.sums().await, Sums::all(1, cost(365)));
    assert_eq!(count(&tester, "SELECT count(*) FROM credit").await, 0);
}

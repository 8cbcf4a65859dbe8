//! What people do over HTTP: keys, credits, prices, groups, findings, orders, a pull.

use meter::money::Nanos;
use serde_json::{Value, json};

use crate::edge::Fault;
use crate::facts::{run, still_open};
use crate::tester::{J0, Served, Tester};

const BIG: i64 = 10_000_000_000_000_000;

async fn post(origin: &Served, path: &str, body: Value) -> (u16, Value) {
    origin.admin_acts("POST", path, &body).await
}

#[track_caller]
fn refused(got: &(u16, Value), status: u16, field: &str) {
    assert_eq!((got.0, &got.1["error"]["param"]), (status, &json!(field)), "{}", got.1);
}

#[tokio::test]
async fn a_key_is_issued_listed_without_itself_and_revoked() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await.account_id;
    let origin = tester.serve().await;
    let body = json!({ "account": "acme", "name": "laptop", "expires_in_days": 1 });
    let (status, issued) = post(&origin, "/api/v1/keys", body).await;
    assert_eq!((status, &issued["account_id"]), (201, &json!(account)), "{issued}");
    let (key, id) = (issued["key"].as_str().unwrap(), issued["key_id"].as_str().unwrap());
    let (status, listed) = origin.as_caller("/api/v1/keys", key).await;
    assert_eq!((status, &listed["items"][0]["key_id"]), (200, &json!(id)));
    assert!(!listed.to_string().contains(key.split('.').nth(2).unwrap()));
    let rotate = format!("/api/v1/keys/{id}/rotate");
    let (status, next) = post(&origin, &rotate, json!({ "overlap_s": 60 })).await;
    assert_eq!((status, &next["name"]), (201, &json!("laptop")), "{next}");
    let revoke = format!("/api/v1/keys/{id}/revoke");
    let (status, revoked) = post(&origin, &revoke, json!({})).await;
    assert_eq!(status, 200, "{revoked}");
    assert_eq!(post(&origin, &revoke, json!({})).await.1, revoked, "twice is once");
    assert_eq!(origin.as_caller("/api/v1/keys", key).await.1["error"]["code"], "key_revoked");
    assert_eq!(post(&origin, "/api/v1/keys/key_nobody/revoke", json!({})).await.0, 404);
    for (body, field) in [
        (json!({ "account": "acme" }), "name"),
        (json!({ "account": "acme", "name": " " }), "name"),
        (json!({ "account": "a\u{0}", "name": "k" }), "account"),
        (json!({ "account": "acme", "name": "k", "expires_in_days": 0 }), "expires_in_days"),
        (json!({ "account": "acme", "name": "k", "expires_in_days": 36_501 }), "expires_in_days"),
        (json!({ "account": "acme", "name": "k", "operations": ["nonsense"] }), "operations"),
        (json!({ "account": "acme", "name": "k", "networks": ["here"] }), "networks"),
    ] {
        refused(&post(&origin, "/api/v1/keys", body).await, 400, field);
    }
    let nobody = json!({ "account": "nobody", "name": "k" });
    assert_eq!(post(&origin, "/api/v1/keys", nobody).await.0, 404);
}

#[tokio::test]
async fn a_payment_is_credited_once_and_amounts_stay_countable() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await;
    let origin = tester.serve().await;
    let credit = |amount: i64, kind: &str, reference: Option<&str>| {
        json!({ "account": "acme", "kind": kind, "amount_nanos": amount, "reason": "paid",
                "reference": reference })
    };
    let give = async |body: Value| post(&origin, "/api/v1/credits", body).await;
    let (status, given) = give(credit(5_000, "top_up", Some("pay-1"))).await;
    assert_eq!((status, &given["was_there"]), (201, &json!(false)), "{given}");
    let (status, again) = give(credit(5_000, "top_up", Some("pay-1"))).await;
    assert_eq!((status, &again["was_there"]), (200, &json!(true)));
    refused(&give(credit(6_000, "top_up", Some("pay-1"))).await, 409, "reference");
    refused(&give(credit(-1, "refund", None)).await, 400, "amount");
    refused(&give(credit(0, "grant", None)).await, 400, "amount");
    refused(&give(credit(1, "present", None)).await, 400, "kind");
    refused(&give(credit(BIG + 1, "top_up", None)).await, 400, "amount");
    refused(&give(credit(-BIG - 1, "adjustment", None)).await, 400, "amount");
    refused(&give(credit(1, "top_up", Some(""))).await, 400, "reference");
    let mut nul = credit(1, "top_up", None);
    nul["reason"] = json!("a\u{0}b");
    refused(&give(nul).await, 400, "reason");
    assert_eq!(give(credit(-1_000, "adjustment", None)).await.0, 201);

    let key = tester.key(&account, None).await.key;
    let (_, own) = origin.as_caller("/api/v1/credits?limit=1", &key).await;
    assert_eq!(own["items"][0]["amount_nanos"], -1_000);
    assert_eq!(own["items"][0]["actor"], "admin");
    let cursor = own["next_cursor"].as_str().unwrap();
    let (_, rest) = origin.as_caller(&format!("/api/v1/credits?cursor={cursor}"), &key).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    let (_, account) = origin.as_admin("/api/v1/accounts/acme").await;
    assert_eq!(account["balance_nanos"], 4_000);
}

#[tokio::test]
async fn prices_are_set_cleared_and_every_book_is_kept() {
    let tester = Tester::new().await;
    tester.account("acme").await;
    let origin = tester.serve().await;
    let first = origin.as_admin("/api/v1/prices").await.1["version"].as_u64().unwrap();
    let put = async |body: Value| origin.admin_acts("PUT", "/api/v1/prices", &body).await;
    let per_call = json!({ "kind": "per_call", "amount_nanos": 1_000 });
    let set = json!({ "subject": "7480", "account": "acme", "price": per_call });
    let (status, made) = put(set.clone()).await;
    assert_eq!(
        (status, &made["version"], &made["changed"]),
        (200, &json!(first + 1), &json!(true))
    );
    let (_, again) = put(set).await;
    assert_eq!((&again["version"], &again["changed"]), (&json!(first + 1), &json!(false)));
    for (body, field) in [
        (json!({ "subject": "7480" }), "price"),
        (json!({ "subject": "", "price": per_call }), "subject"),
        (json!({ "operation": "nonsense", "price": per_call }), "operation"),
        (json!({ "operation": "chat", "subject": "1", "price": per_call }), "operation"),
        (json!({ "provider": "dify", "subject": "1", "price": per_call }), "provider"),
        (json!({ "price": { "kind": "per_call", "amount_nanos": -1 } }), "price"),
        (json!({ "price": { "kind": "gift" } }), "price"),
    ] {
        let got = put(body).await;
        let param = got.1["error"]["param"].as_str().unwrap_or_default();
        assert!(got.0 == 400 && param.starts_with(field), "{}", got.1);
    }
    let ratio = json!({ "ratio_ppm": 1_200_000 });
    let (status, changed) = origin.admin_acts("PUT", "/api/v1/groups/vip", &ratio).await;
    assert_eq!((status, &changed["version"]), (200, &json!(first + 2)));
    let (_, groups) = origin.as_admin("/api/v1/groups").await;
    let one = |group: &str, ratio_ppm: u32, ratio: &str, accounts: u8| json!({ "group": group, "ratio_ppm": ratio_ppm, "ratio": ratio, "accounts": accounts });
    let want = [one("default", 1_000_000, "1", 1), one("vip", 1_200_000, "1.2", 0)];
    assert_eq!(groups["items"], json!(want));

    let clear = "/api/v1/prices?subject=7480&account=acme";
    assert_eq!(origin.admin_acts("DELETE", clear, &json!({})).await.1["version"], first + 3);
    refused(&origin.admin_acts("DELETE", "/api/v1/prices", &json!({})).await, 400, "price");
    let (_, books) = origin.as_admin("/api/v1/prices/books?limit=2").await;
    assert_eq!(books["items"][0]["version"], first + 3);
    assert!(books["items"][1]["reason"].as_str().unwrap().contains("vip"));
    let (_, before) = origin.as_admin(&format!("/api/v1/prices/books/{}", first + 1)).await;
    assert_eq!(before["prices"][0]["subject"], "7480");
    assert_eq!(origin.as_admin("/api/v1/prices/books/999999").await.0, 404);
    refused(&origin.as_admin("/api/v1/prices/books/-1").await, 400, "version");
}

#[tokio::test]
async fn a_finding_is_explained_and_a_pull_is_made_on_request() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await.account_id;
    let origin = tester.serve().await;
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &account, 7));
        journal.entries[0].facts.usage_fell = true;
        journal.entries[0].facts.amount = Nanos::new(8);
    });
    let (status, done) = post(&origin, "/api/v1/reconcile", json!({})).await;
    assert_eq!((status, &done["failures"]), (200, &json!([])), "{done}");
    let (_, listed) = origin.as_admin("/api/v1/findings?state=open").await;
    let finding = &listed["items"][0];
    assert_eq!(done["findings"][0], *finding);
    let path = format!("/api/v1/findings/{}", finding["finding_id"]);
    let set = async |body: Value| origin.admin_acts("PATCH", &path, &body).await;
    refused(&set(json!({ "state": "gone", "reason": "x" })).await, 400, "state");
    refused(&set(json!({ "state": "resolved", "reason": "" })).await, 400, "reason");
    refused(&set(json!({ "state": "resolved" })).await, 400, "reason");
    let (status, explained) =
        set(json!({ "state": "explained", "reason": "a test wrote it so" })).await;
    assert_eq!((status, &explained["state_actor"]), (200, &json!("admin")));
    assert_eq!(origin.as_admin(&path).await.1, explained);
    assert_eq!(origin.as_admin("/api/v1/findings?state=explained").await.1["items"][0], explained);

    // Met again while it is closed it is a new one, so the old one cannot be opened again.
    tester.pull().await.unwrap();
    refused(&set(json!({ "state": "open", "reason": "not so" })).await, 409, "state");
    assert_eq!(origin.as_admin("/api/v1/findings/0").await.0, 404);
    refused(&origin.as_admin("/api/v1/findings/x").await, 400, "finding");

    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::FailsBefore));
    let (status, failed) = post(&origin, "/api/v1/reconcile", json!({})).await;
    assert_eq!((status, &failed["failures"][0]["journal"]), (200, &json!(J0)));
}

#[tokio::test]
async fn an_open_call_is_decided_about() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await.account_id;
    let origin = tester.serve().await;
    let facts = run(1, &account, 7);
    let call = facts.call.to_string();
    tester.edge.journal(J0, |journal| {
        journal.open = vec![still_open(facts)];
        journal.open_holds = 1;
    });
    tester.pull().await.unwrap();
    let path = |what: &str| format!("/api/v1/calls/{call}/{what}");
    let settle = async |body: Value| post(&origin, &path("settle"), body).await;
    refused(&settle(json!({ "reason": "x", "input_tokens": 1 })).await, 400, "output_tokens");
    refused(&settle(json!({ "reason": "x", "tokens": 1_000_000_001 })).await, 400, "tokens");
    refused(&settle(json!({ "reason": " ", "tokens": 1 })).await, 400, "reason");
    refused(&settle(json!({ "reason": "x", "journal": "a b" })).await, 400, "journal");
    let (status, given) = settle(json!({ "reason": "it was done", "tokens": 9 })).await;
    assert_eq!((status, &given["actor"]), (200, &json!("admin")), "{given}");
    assert_eq!((&given["total_tokens"], &given["was_there"]), (&json!(9), &json!(false)));
    refused(&post(&origin, &path("release"), json!({ "reason": "x" })).await, 409, "call");
    assert_eq!(post(&origin, "/api/v1/calls/a%20b/release", json!({ "reason": "x" })).await.0, 404);
}

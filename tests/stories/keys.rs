//! What keys allow, how they are replaced, and how what signs them is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::stack::Key;

use crate::tester::{Tester, chat, own_stack, shared, until};

/// A key of the story's account with these options.
fn issue(tester: &Tester, options: &[&str]) -> Key {
    let issue = [&["key", "issue", &tester.account, "--name", "scoped"], options].concat();
    shared().weir_json(&issue).unwrap()
}

/// Status and code of a chat with this key, from this address.
async fn chat_with(tester: &Tester, key: &str, bot: &str, from: Option<&str>) -> (u16, Value) {
    let mut request = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(key);
    if let Some(address) = from {
        request = request.header("cf-connecting-ip", address);
    }
    let reply = request.json(&chat(bot, false, "hello")).send().await.unwrap();
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap();
    (status, body["error"]["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_only_what_it_names_and_only_from_where_it_says() {
    let tester = Tester::new("scoped keys");
    let (bot, other) = (tester.subject(1), tester.subject(2));
    let scope = ["--allow-operation", "chat", "--allow-bot", &bot];
    let scoped = issue(&tester, &scope).key;
    assert_eq!(chat_with(&tester, &scoped, &other, None).await, (403, json!("key_scope")));
    let run = json!({"workflow_id": bot, "parameters": {}});
    let request = tester.ask_without_key(Method::POST, "/v1/workflow/run").bearer_auth(&scoped);
    assert_eq!(request.json(&run).send().await.unwrap().status(), 403);
    assert_eq!(chat_with(&tester, &scoped, &bot, None).await.0, 200);

    let office =
        issue(&tester, &["--allow-ip", "203.0.113.0/24", "--allow-ip", "2001:db8::/32"]).key;
    let elsewhere = (403, json!("address_not_allowed"));
    for from in [None, Some("203.0.114.1"), Some("not an address"), Some("2001:db9::1")] {
        assert_eq!(chat_with(&tester, &office, &bot, from).await, elsewhere, "{from:?}");
    }
    for from in ["203.0.113.77", "2001:db8::77"] {
        assert_eq!(chat_with(&tester, &office, &bot, Some(from)).await.0, 200, "{from}");
    }
    assert_eq!(tester.works(&bot).await.len(), 3);
    assert_eq!(tester.works(&other).await.len(), 0);
}

/// The old key and the new one count against one limit, and the old one ends with the overlap.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_rotated_shares_its_limits_with_its_successor() {
    let tester = Tester::new("rotated keys");
    let bot = tester.subject(1);
    let old = issue(&tester, &["--requests-per-minute", "3"]);
    assert_eq!(chat_with(&tester, &old.key, &bot, None).await.0, 200);
    let new: Key = shared().weir_json(&["key", "rotate", &old.key_id, "--overlap", "1h"]).unwrap();
    assert_eq!(new.key_id, format!("{}-2", old.key_id));
    assert_eq!(chat_with(&tester, &new.key, &bot, None).await.0, 200);
    assert_eq!(chat_with(&tester, &old.key, &bot, None).await.0, 200);
    for key in [&old.key, &new.key] {
        assert_eq!(chat_with(&tester, key, &bot, None).await, (429, json!("rate_limited")));
    }
    // Another key of the account is not touched by it.
    assert_eq!(chat_with(&tester, &tester.key, &bot, None).await.0, 200);

    let gone: Key = shared().weir_json(&["key", "rotate", &new.key_id, "--overlap", "0"]).unwrap();
    until("the replaced key to be refused", async || {
        let refused = chat_with(&tester, &new.key, &bot, None).await;
        (refused == (401, json!("key_revoked"))).then_some(())
    })
    .await;
    let code = chat_with(&tester, &gone.key, &bot, None).await;
    assert!(code.0 == 200 || code == (429, json!("rate_limited")), "{code:?}");
    let listed: Value = shared().weir_json(&["key", "list", &tester.account]).unwrap();
    let names = |key: &Value| key["replaced_by"] == json!(new.key_id);
    assert!(listed.as_array().unwrap().iter().any(names), "{listed:#}");
}

/// What the origin signs with is replaced while calls are made: no caller with a good key is ever told
/// that it is not one. In between the edge trusts both, and in the end only the new one.
#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_is_replaced_while_calls_are_made() {
    let mut stack = own_stack();
    let tester = Arc::new(Tester::on(&stack, "a new signing key"));
    let bot = tester.subject(1);
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (tester, bot, over) = (tester.clone(), bot.clone(), over.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while !over.load(Ordering::Relaxed) {
                    let request =
                        tester.ask(Method::POST, "/v3/chat").json(&chat(&bot, true, "hi"));
                    // The edge starts anew now and then, and nobody answers for a moment.
                    let Ok(reply) = request.send().await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
                    // A stream may be cut off by the restart, too.
                    answered += u32::from(reply.text().await.is_ok());
                }
                answered
            })
        })
        .collect();
    let works = async |at_least: usize| {
        until("calls to be made", async || {
            (tester.works(&bot).await.len() >= at_least).then_some(())
        })
        .await;
    };
    works(10).await;

    // 1. A new pair; both public halves are trusted.
    let old_pair = std::fs::read_to_string(stack.folder().join("signing-key.json")).unwrap();
    let new_pair = stack.weir(&["signing-key"]).unwrap();
    let public = |pair: &str| {
        let pair: Value = serde_json::from_str(pair).unwrap();
        json!({"kid": pair["kid"], "x": pair["x"]})
    };
    let (old_public, new_public) = (public(&old_pair), public(&new_pair));
    stack.trust(&json!([old_public, new_public]).to_string()).unwrap();
    works(tester.works(&bot).await.len() + 10).await;
    // 2. The origin signs with the new one, and recognises what the old one signed.
    stack.sign_with(new_pair.trim(), &json!([old_public]).to_string()).unwrap();
    let renewed = stack.issue_key(&tester.account, "renewed").unwrap().key;
    assert_eq!(chat_with(&tester, &renewed, &bot, None).await.0, 200);
    let balance = tester.origin("/api/v1/token-usage/balance").await;
    assert_eq!(balance["account"], tester.account);
    works(tester.works(&bot).await.len() + 10).await;
    over.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    // 3. Everybody has a new key; the old half goes.
    stack.trust(&json!([new_public]).to_string()).unwrap();
    assert_eq!(chat_with(&tester, &tester.key, &bot, None).await, (401, json!("key_invalid")));
    assert_eq!(chat_with(&tester, &renewed, &bot, None).await.0, 200);
    println!("{answered} calls were answered while the signing key was replaced, none was refused");
}

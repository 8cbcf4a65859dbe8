//! The `weir` command, as it is run.

use std::process::Stdio;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::edge::Fault;
use crate::facts::run;
use crate::tester::{J0, Tester};

/// Longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn command(tester: &Tester) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .env_clear()
        .env("DATABASE_URL", &tester.database_url)
        .env("WEIR_EDGE_URL", &tester.edge.url)
        .env("WEIR_SIGNING_KEY", serde_json::to_string(&tester.signer.doc()).unwrap())
        .env("WEIR_ADMIN_PASSWORD", "secret-password");
    command
}

/// Exit code, standard output, standard error.
pub(crate) async fn weir(tester: &Tester, arguments: &[&str]) -> (i32, String, String) {
    weir_with(tester, arguments, &[]).await
}

/// The same with these further settings in its environment.
pub(crate) async fn weir_with(
    tester: &Tester,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> (i32, String, String) {
    let mut command = command(tester);
    let output = command.args(arguments).envs(settings.iter().copied()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The JSON that a command answers when all goes well.
pub(crate) async fn answer(tester: &Tester, arguments: &[&str]) -> Value {
    let (code, out, err) = weir(tester, &[&["--json"], arguments].concat()).await;
    assert_eq!(code, 0, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test]
async fn a_new_account_starts_with_a_million_tokens_and_no_limit() {
    let tester = Tester::new().await;
    answer(&tester, &["migrate"]).await;
    let account = answer(&tester, &["account", "create", "acme"]).await;
    assert_eq!(account["token_balance"], 1_000_000);
    assert_eq!(account["balance_quota"], "1000000");
    assert_eq!(account["overdraft_nanos"], Value::Null);
    assert_eq!((&account["group"], &account["journal"]), (&"default".into(), &"j0".into()));
    let shown = answer(&tester, &["account", "show", "acme"]).await;
    assert_eq!(shown, account);
    let listed = answer(&tester, &["account", "list"]).await;
    assert_eq!(listed, Value::Array(vec![account]));

    let limited = ["account", "create", "b", "--overdraft", "0.5", "--grant-tokens", "0"];
    let limited = answer(&tester, &[&limited[..], &["--journal", "j3"]].concat()).await;
    assert_eq!((&limited["overdraft_nanos"], &limited["journal"]), (&1_000.into(), &"j3".into()));
    assert_eq!(limited["token_balance"], 0);
}

#[tokio::test]
async fn what_is_set_for_an_account_is_shown_and_lifted_again() {
    let tester = Tester::new().await;
    let create = ["account", "create", "acme", "--concurrent-calls", "3"];
    let account = answer(&tester, &create).await;
    assert_eq!(
        (&account["concurrent_calls"], &account["requests_per_minute"]),
        (&3.into(), &Value::Null)
    );
    assert_eq!(account["time_zone"], "Asia/Shanghai");
    let set = ["account", "set", "acme", "--requests-per-minute", "60", "--daily-budget", "2.5"];
    let more =
        ["--time-zone", "Europe/Berlin", "--credential", "second", "--keep-user-ids", "true"];
    let account = answer(&tester, &[&set[..], &more, &["--balance-events", "true"]].concat()).await;
    assert_eq!(account["requests_per_minute"], 60);
    assert_eq!(
        (&account["concurrent_calls"], &account["daily_budget_nanos"]),
        (&3.into(), &5_000.into())
    );
    assert_eq!(
        (&account["time_zone"], &account["credential"]),
        (&"Europe/Berlin".into(), &"second".into())
    );
    assert_eq!(
        (&account["keeps_user_ids"], &account["balance_events"]),
        (&true.into(), &true.into())
    );
    let (_, shown, _) = weir(&tester, &["account", "show", "acme"]).await;
    assert!(shown.contains("60 a minute, 3 at once") && shown.contains("2.5 quota"), "{shown}");
    let lift =
        ["account", "set", "acme", "--requests-per-minute", "none", "--credential", "default"];
    let account = answer(&tester, &lift).await;
    assert_eq!(
        (&account["requests_per_minute"], &account["credential"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(account["daily_budget_nanos"], 5_000);
}

#[tokio::test]
async fn keys_are_issued_listed_and_revoked() {
    let tester = Tester::new().await;
    answer(&tester, &["account", "create", "acme"]).await;
    let issue = ["key", "issue", "acme", "--name", "laptop", "--expires-in", "30"];
    let issued = answer(&tester, &issue).await;
    assert!(issued["key"].as_str().unwrap().starts_with("sk-ey"));
    let id = issued["key_id"].as_str().unwrap();
    let listed = answer(&tester, &["key", "list", "acme"]).await;
    assert_eq!((&listed[0]["key_id"], &listed[0]["name"]), (&id.into(), &"laptop".into()));
    assert_eq!(listed[0]["revoked_at"], Value::Null);
    let revoked = answer(&tester, &["key", "revoke", id]).await;
    assert!(revoked["revoked_at"].is_string());
}

#[tokio::test]
async fn a_keys_scope_is_shown_and_given_to_the_key_that_takes_its_place() {
    let tester = Tester::new().await;
    answer(&tester, &["account", "create", "acme"]).await;
    let issue = ["key", "issue", "acme", "--name", "shop", "--allow-operation", "chat"];
    let more =
        ["--allow-bot", "7480", "--allow-ip", "203.0.113.0/24", "--requests-per-minute", "60"];
    let issued = answer(&tester, &[&issue[..], &more, &["--daily-budget", "2.5"]].concat()).await;
    let first = issued["key_id"].as_str().unwrap();
    let rotated = answer(&tester, &["key", "rotate", first, "--overlap", "1h"]).await;
    assert_eq!(rotated["key_id"], format!("{first}-2"));
    assert_eq!(rotated["name"], "shop");
    let listed = answer(&tester, &["key", "list", "acme"]).await;
    for field in ["operations", "subjects", "networks", "requests_per_minute", "daily_budget_nanos"]
    {
        assert_eq!(listed[0][field], listed[1][field], "{field}");
        assert!(!listed[0][field].is_null(), "{field}");
    }
    assert_eq!(listed[0]["replaced_by"], rotated["key_id"]);
    assert_eq!((&listed[0]["revoked_at"], &listed[1]["ends_at"]), (&Value::Null, &Value::Null));
    let claims = |key: &Value| {
        let part = key["key"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let bytes = Base64UrlUnpadded::decode_vec(&part).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let (old, new) = (claims(&issued), claims(&rotated));
    for claim in ["sub", "jnl", "scp", "sub_allow", "ips", "lim"] {
        assert_eq!(old[claim], new[claim], "{claim}");
        assert!(!old[claim].is_null(), "{claim}");
    }
    let (code, _, err) = weir(&tester, &["key", "rotate", first]).await;
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(&format!("was replaced by {first}-2")), "{err}");
    let (_, table, _) = weir(&tester, &["key", "list"]).await;
    assert!(table.contains("chat; 7480; 203.0.113.0/24; 60 a minute; 2.5 quota a day"), "{table}");
}

#[tokio::test]
async fn whoever_waits_for_a_revocation_is_told_when_nobody_pulls() {
    let tester = Tester::new().await;
    answer(&tester, &["account", "create", "acme"]).await;
    let key = answer(&tester, &["key", "issue", "acme", "--name", "k"]).await;
    let revoke = ["key", "revoke", key["key_id"].as_str().unwrap(), "--wait", "1"];
    let (code, out, _) = weir(&tester, &revoke).await;
    assert_eq!(code, 1);
    assert!(out.contains("The edge has not been told within 1 s"), "{out}");
}

#[tokio::test]
async fn prices_are_set_cleared_and_listed_in_numbered_books() {
    let tester = Tester::new().await;
    let set = ["price", "set", "--workflow", "7480", "--per-call", "500000"];
    assert_eq!(answer(&tester, &set).await["version"], 2);
    assert_eq!(answer(&tester, &set).await["changed"], false);
    assert_eq!(answer(&tester, &["price", "group", "vip", "1.2"]).await["version"], 3);
    let book = answer(&tester, &["price", "list"]).await;
    assert_eq!(book["groups_ppm"]["vip"], 1_200_000);
    let prices = book["prices"].as_array().unwrap();
    assert_eq!(prices[0]["subject"], "7480");
    assert_eq!(prices[0]["price"]["amount_nanos"], 1_000_000_000);
    let unset = answer(&tester, &["price", "unset", "--workflow", "7480"]).await;
    assert_eq!(unset["version"], 4);
    let rates = ["--per-million-input", "0.5", "--per-million-output", "2"];
    let per_token = [&["price", "set", "--operation", "chat"][..], &rates].concat();
    assert_eq!(answer(&tester, &per_token).await["version"], 5);
    let set = ["price", "set", "--app", "support", "--cost-plus", "1.5", "--step", "5"];
    assert_eq!(answer(&tester, &set).await["version"], 6);
    let (code, out, _) = weir(&tester, &["price", "list"]).await;
    assert_eq!(code, 0);
    for line in [
        "upstream's cost times 1.5, rounded up to a multiple of 5 quota",
        "upstream's cost times 1, rounded up to a multiple of 50 quota",
    ] {
        assert!(out.contains(line), "{out}");
    }
    let set = ["price", "set", "--provider", "dify", "--cost-plus", "1.2"];
    assert_eq!(answer(&tester, &set).await["version"], 7);
    for (wrong, why) in [
        (&["--provider", "moon", "--free"][..], "is neither `coze` nor `dify`"),
        (&["--provider", "dify", "--app", "a", "--free"], "cannot be used with"),
        (&["--cost-plus", "1.2", "--step", "0"], "is zero"),
        (&["--cost-plus", "1.2", "--free"], "cannot be used with"),
        (&["--free", "--step", "5"], "cannot be used with"),
        (&["--step", "5"], "--cost-plus"),
    ] {
        let (code, _, err) = weir(&tester, &[&["price", "set"], wrong].concat()).await;
        assert_eq!(code, 2, "{wrong:?}");
        assert!(err.contains(why), "{err}");
    }
}

#[tokio::test]
async fn wrong_use_ends_with_2_and_failure_with_1() {
    let tester = Tester::new().await;
    answer(&tester, &["account", "create", "acme"]).await;
    let top_up = |amount| ["credit", "acme", amount, "--kind", "top_up", "--reason", "paid"];
    for wrong in [
        &["nonsense"][..],
        &["account", "create"],
        &["account", "create", "b", "--overdraft", "-1"],
        &["account", "create", "b", "--grant-tokens", "0.00001"],
        &["account", "create", ""],
        &["account", "set", "acme"],
        &["account", "set", "acme", "--requests-per-minute", "0"],
        &["account", "set", "acme", "--concurrent-calls", "20001"],
        &["account", "set", "acme", "--daily-budget", "-1"],
        &["account", "set", "acme", "--time-zone", "Mars/Olympus"],
        &["account", "set", "acme", "--credential", "a b"],
        &["account", "set", "acme", "--keep-user-ids", "perhaps"],
        &["key", "issue", "acme", "--name", "k", "--expires-in", "0"],
        &["key", "issue", "acme", "--name", "k", "--allow-operation", "dance"],
        &["key", "issue", "acme", "--name", "k", "--allow-ip", "10.0.0.0/33"],
        &["key", "issue", "acme", "--name", "k", "--requests-per-minute", "0"],
        &["key", "rotate", "key_1", "--overlap", "soon"],
        &["key", "rotate", "key_1", "--overlap", "91d"],
        &["price", "set", "--workflow", "1"],
        &["price", "set", "--per-call", "1", "--free"],
        &["price", "set", "--account", "acme", "--operation", "chat", "--free"],
        &["price", "set", "--per-million-input", "1"],
        &["price", "group", "vip", "1.0000001"],
        &["price", "unset"],
        &top_up("-5"),
        &top_up("0"),
        &top_up("1e5"),
        &top_up("99999999999999999999"),
    ] {
        let (code, out, err) = weir(&tester, wrong).await;
        assert_eq!((code, out.as_str()), (2, ""), "{wrong:?}: {err}");
    }
    for failing in [
        &["account", "create", "acme"][..],
        &["account", "show", "nobody"],
        &["key", "revoke", "key_nobody"],
        &["account", "create", "b", "--journal", "nowhere"],
    ] {
        let (code, _, err) = weir(&tester, failing).await;
        assert_eq!(code, 1, "{failing:?}: {err}");
        assert!(err.starts_with("weir: "), "{err}");
    }
}

#[tokio::test]
async fn a_credit_moves_the_balance_and_its_reference_is_used_once() {
    let tester = Tester::new().await;
    answer(&tester, &["account", "create", "acme"]).await;
    let credit = ["credit", "acme", "2.5", "--kind", "top_up", "--reason", "paid"];
    let credit = [&credit[..], &["--reference", "pay-1"]].concat();
    assert_eq!(answer(&tester, &credit).await["was_there"], false);
    assert_eq!(answer(&tester, &credit).await["was_there"], true);
    let back = ["credit", "acme", "-1", "--kind", "adjustment", "--reason", "a mistake"];
    answer(&tester, &back).await;
    let account = answer(&tester, &["account", "show", "acme"]).await;
    assert_eq!(account["balance_quota"], "1000001.5");
}

#[tokio::test]
async fn reconcile_pulls_to_the_end_and_ends_with_3_while_findings_are_open() {
    let tester = Tester::new().await;
    let account = answer(&tester, &["account", "create", "acme", "--journal", J0]).await;
    let account = account["account_id"].as_str().unwrap();
    tester.edge.journal(J0, |journal| {
        (1..=1_500).for_each(|number| journal.finish(run(number, account, 1)));
    });
    let reconciled = answer(&tester, &["reconcile", "--once"]).await;
    assert_eq!(reconciled["journals"][0]["cursor_seq"], 1_500);
    assert_eq!(reconciled["findings_open"], 0);

    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::FailsBefore));
    assert_eq!(weir(&tester, &["reconcile", "--once"]).await.0, 1);
    assert_eq!(weir(&tester, &["reconcile"]).await.0, 0);

    tester.edge.journal(J0, |journal| {
        journal.fault = None;
        journal.finish(run(1_501, account, 1));
        journal.entries[1_500].facts.usage_fell = true;
    });
    let (code, out, _) = weir(&tester, &["reconcile", "--once"]).await;
    assert_eq!(code, 3);
    assert!(out.contains("hash_broken") && out.contains("j0/1501"), "{out}");
}

#[tokio::test]
async fn no_help_text_shows_a_secret() {
    let tester = Tester::new().await;
    let secret = tester.signer.doc().d;
    for arguments in [&["serve", "--help"][..], &["key", "issue", "--help"], &["migrate", "--help"]]
    {
        let (code, out, _) = weir(&tester, arguments).await;
        assert_eq!(code, 0);
        for hidden in [secret.as_str(), "secret-password", tester.database_url.as_str()] {
            assert!(!out.contains(hidden), "{arguments:?} shows a secret");
        }
    }
}

#[tokio::test]
async fn a_signing_key_is_printed_as_the_edge_and_the_origin_read_it() {
    let tester = Tester::new().await;
    let (code, out, _) = weir(&tester, &["signing-key"]).await;
    assert_eq!(code, 0);
    let signer = origin::signing::Signer::parse(out.trim()).unwrap();
    assert_eq!(signer.doc().kid.len(), 16);
}

#[tokio::test]
async fn the_server_pulls_answers_and_stops_when_told() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| journal.finish(run(1, &account, 1)));
    let mut serve = command(&tester)
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stderr.take().unwrap()).lines();
    let story = async {
        let address = loop {
            let line: Value =
                serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            if line["fields"]["message"] == "serving" {
                break line["fields"]["address"].as_str().unwrap().to_owned();
            }
        };
        while lines.next_line().await.unwrap().is_some_and(|line| !line.contains("posted a page")) {
        }
        let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
        let health: Value = health.json().await.unwrap();
        assert_eq!(health["journals"][0]["cursor_seq"], 1, "{health}");

        let id = serve.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        while lines.next_line().await.unwrap().is_some() {}
        serve.wait().await.unwrap().code()
    };
    let code = tokio::time::timeout(PATIENCE, story).await.unwrap();
    assert_eq!(code, Some(0));
}

//! What administrators do is on record, and stays there.

use meter::account::Status;
use meter::money::{Nanos, Ratio};
use origin::account::settings::SettingsChange;
use origin::account::{self, AccountChange, NewAccount};
use origin::audit::{self, AuditRow, Filter};
use origin::clock;
use origin::key;
use origin::ledger::credit::{self, CreditKind, NewCredit};
use origin::page::Span;
use origin::price;
use serde_json::json;

use crate::commands::{answer, weir_with};
use crate::tester::{Tester, actor};

async fn lines(tester: &Tester) -> Vec<AuditRow> {
    let page = audit::list(&tester.pool, &Filter::default(), &Span::first(100)).await.unwrap();
    page.items.into_iter().rev().collect()
}

#[tokio::test]
async fn every_act_leaves_one_line_and_what_changes_nothing_leaves_none() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await;
    let suspend = AccountChange { status: Some(Status::Suspended), ..AccountChange::default() };
    account::change(&tester.pool, &account, &suspend, &actor()).await.unwrap();
    let key = tester.key(&account, None).await;
    for _ in 0..2 {
        key::revoke(&tester.pool, &key.key_id, clock::now(), &actor()).await.unwrap();
    }
    let credit = NewCredit {
        account: account.account_id.clone(),
        kind: CreditKind::TopUp,
        amount: Nanos::new(5),
        reason: "paid".to_owned(),
        actor: actor(),
        reference: Some("pay-1".to_owned()),
    };
    for _ in 0..2 {
        credit::give(&tester.pool, &credit).await.unwrap();
    }
    for _ in 0..2 {
        let vip = |book: &mut meter::price::PriceBook| {
            book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(1_200_000));
        };
        price::change(&tester.pool, &actor(), "vip", vip).await.unwrap();
    }
    let mut connection = tester.pool.acquire().await.unwrap();
    let version = price::in_force(&mut connection).await.unwrap().version.to_string();
    let refused = NewCredit { account: "nobody".to_owned(), reference: None, ..credit.clone() };
    assert!(credit::give(&tester.pool, &refused).await.is_err());

    let lines = lines(&tester).await;
    let told: Vec<_> =
        lines.iter().map(|line| (line.act.as_str(), line.subject.as_str())).collect();
    let id = account.account_id.as_str();
    assert_eq!(
        told,
        [
            ("account.create", id),
            ("account.change", id),
            ("key.issue", &key.key_id),
            ("key.revoke", &key.key_id),
            ("credit.give", id),
            ("price.change", &version),
        ]
    );
    assert_eq!(lines[1].detail, json!({ "status": ["active", "suspended"] }));
    assert!(lines.iter().all(|line| line.actor == "test" && line.via == "cli"));
    let printed = serde_json::to_string(&lines).unwrap();
    let signature = key.key.split('.').nth(2).unwrap();
    assert!(!printed.contains(signature), "no secret is on record");
}

#[tokio::test]
async fn a_line_is_never_changed() {
    let tester = Tester::new().await;
    tester.account("acme").await;
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"] {
        let refused = sqlx::query(sql).execute(&tester.pool).await.unwrap_err();
        assert!(refused.to_string().contains("audit is refused"), "{refused}");
    }
    assert_eq!(lines(&tester).await.len(), 1);
}

#[tokio::test]
async fn an_act_that_is_rolled_back_leaves_no_line() {
    let tester = Tester::new().await;
    tester.account("acme").await;
    let again = NewAccount {
        name: "acme".to_owned(),
        group: meter::ids::Group::standard(),
        overdraft: meter::account::Overdraft::Unlimited,
        grant: Nanos::ZERO,
        journal: None,
        settings: SettingsChange::default(),
        actor: actor(),
    };
    assert!(account::create(&tester.pool, again).await.is_err());
    assert_eq!(lines(&tester).await.len(), 1);
}

#[tokio::test]
async fn the_log_is_read_page_by_page_over_http_and_at_the_command_line() {
    let tester = Tester::new().await;
    for number in 0..5 {
        tester.account(&format!("a{number}")).await;
    }
    let origin = tester.serve().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = origin.as_admin(&format!("/api/v1/audit?limit=2{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["audit_id"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|one, two| one > two), "newest first");
    let none = origin.as_admin("/api/v1/audit?actor=nobody").await.1;
    assert_eq!(none, json!({ "items": [], "next_cursor": null }));
    let (status, refused) = origin.as_admin("/api/v1/audit?cursor=x").await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("cursor")));

    let printed = answer(&tester, &["audit", "--limit", "2", "--act", "account.create"]).await;
    assert_eq!(printed["items"].as_array().unwrap().len(), 2);
    let next = printed["next_cursor"].as_str().unwrap();
    let rest = answer(&tester, &["audit", "--cursor", next]).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_command_line_acts_in_the_name_of_whoever_runs_it() {
    let tester = Tester::new().await;
    let create = |name| ["account", "create", name];
    answer(&tester, &create("one")).await;
    weir_with(&tester, &create("two"), &[("USER", "li")]).await;
    let named = [&["--actor", "wu"][..], &create("three")].concat();
    weir_with(&tester, &named, &[("USER", "li")]).await;
    let (code, _, err) = weir_with(&tester, &create("four"), &[("WEIR_ACTOR", " ")]).await;
    assert_eq!(code, 2, "{err}");
    let actors: Vec<_> = lines(&tester).await.into_iter().map(|line| line.actor).collect();
    assert_eq!(actors, ["cli", "li", "wu"]);
}

#[tokio::test]
async fn people_are_added_given_passwords_listed_and_removed() {
    let tester = Tester::new().await;
    let added = answer(&tester, &["admin", "add", "li"]).await;
    assert_eq!((&added["name"], &added["role"]), (&json!("li"), &json!("admin")));
    assert_eq!(added["password"].as_str().unwrap().len(), 20);
    let origin = tester.serve().await;
    let log_in = async |password: &str| {
        let body = json!({ "user": "li", "password": password });
        origin.act("POST", "/api/auth/login", "", &body).await.0
    };
    assert_eq!(log_in(added["password"].as_str().unwrap()).await, 200);
    let set = answer(&tester, &["admin", "passwd", "li"]).await;
    assert_eq!((set["sessions"].as_i64(), log_in("not the password").await), (Some(0), 401));
    assert_eq!(log_in(set["password"].as_str().unwrap()).await, 200);
    answer(&tester, &["admin", "add", "wu", "--role", "finance"]).await;
    let listed = answer(&tester, &["admin", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("argon2"), "no hash is shown");
    answer(&tester, &["admin", "remove", "li"]).await;
    assert_eq!(log_in(set["password"].as_str().unwrap()).await, 401);
    for (wrong, want) in [
        (&["admin", "add", "Li Na"][..], 2),
        (&["admin", "add", "wu"], 1),
        (&["admin", "passwd", "li"], 1),
        (&["admin", "remove", "li"], 1),
        (&["admin", "add", "zhao", "--role", "root"], 2),
        (&["admin", "add", "zhao", "--password-stdin"], 2),
    ] {
        assert_eq!(weir_with(&tester, wrong, &[]).await.0, want, "{wrong:?}");
    }
    let acts: Vec<_> = lines(&tester).await.into_iter().map(|line| line.act).collect();
    let want = [
        "person.add",
        "session.begin",
        "person.password",
        "session.begin",
        "person.add",
        "person.remove",
    ];
    assert_eq!(acts, want);
}

//! Numbers for Prometheus.

use std::sync::Arc;

use origin::http::{MetricsToken, Site, router};
use origin::read::health::Process;
use tokio::net::TcpListener;

use crate::facts::run;
use crate::tester::{J0, PASSWORD, Tester};

const TOKEN: &str = "scrape-me";

async fn serve(tester: &Tester) -> String {
    let process = Process { began: std::time::Instant::now(), interval_ms: 10_000 };
    let (signer, edge) = (Arc::clone(&tester.signer), Arc::clone(&tester.pulls));
    let admin = Some(origin::http::Admin::new("admin", PASSWORD));
    let site = Site::new(tester.pool.clone(), signer, admin, process, edge);
    let site = site.with_metrics_token(Some(MetricsToken::new(TOKEN)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(Arc::new(site))).into_future());
    url
}

#[tokio::test]
async fn the_numbers_are_those_of_the_ledger_and_need_a_token() {
    let tester = Tester::new().await;
    let account = tester.account("acme").await;
    tester.edge.journal(J0, |journal| {
        journal.open_holds = 3;
        journal.finish(run(1, &account.account_id, 7));
        journal.finish(run(2, &account.account_id, 8));
        journal.entries[1].facts.usage_fell = true;
    });
    tester.pull().await.unwrap();
    let url = serve(&tester).await;
    let client = reqwest::Client::new();
    let scrape = async |token: &str| {
        let reply = client.get(format!("{url}/metrics")).bearer_auth(token).send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    let key = tester.key(&account, None).await.key;
    assert_eq!(scrape("wrong").await.0, 401);
    assert_eq!(scrape(&key).await.0, 403, "a caller sees its own account and not the whole");
    client.get(format!("{url}/nowhere/at/all")).send().await.unwrap();
    client.get(format!("{url}/health")).send().await.unwrap();
    let (status, text) = scrape(TOKEN).await;
    assert_eq!(status, 200, "{text}");
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
    };
    let open = tester.findings().await.len();
    assert_eq!(value("weir_findings_open"), i64::try_from(open).ok(), "{text}");
    let entries = tester.sums().await.entries;
    assert_eq!(value("weir_entries_posted_total"), Some(entries.0), "{text}");
    assert_eq!(value("weir_charged_nanos"), Some(entries.1), "{text}");
    assert_eq!(value("weir_journal_open_holds{journal=\"j0\"}"), Some(3));
    assert_eq!(value("weir_database_connections_max"), Some(24));
    let unmatched = r#"weir_http_requests_total{method="GET",route="none",status="404"}"#;
    assert_eq!(value(unmatched), Some(1), "{text}");
    let health = r#"weir_http_requests_total{method="GET",route="/health",status="200"}"#;
    assert_eq!(value(health), Some(1), "{text}");
    assert!(!text.contains("/nowhere"), "nothing that a caller sends becomes a label");
    assert!(text.ends_with("# EOF\n"));
    let admin = client.get(format!("{url}/metrics")).basic_auth("admin", Some(PASSWORD));
    assert_eq!(admin.send().await.unwrap().status(), 200);
}

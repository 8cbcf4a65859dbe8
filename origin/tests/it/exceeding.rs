//! Requests, files and commands at their bounds, and one beyond.

use std::fs::{self, File};
use std::io::{BufReader, Cursor};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use meter::wire::book::BOOK_BYTES_MAX;
use meter::wire::pull::{PULL_VERSION, PullRequest};
use origin::bill::import::{COLUMNS_MAX, LINE_BYTES_MAX, PROBLEMS_MAX, import};
use origin::bill::record::RECORDS_MAX;
use origin::database::{
    self, ACQUIRE_MS_MAX, CONNECTIONS_MAX, LOCK_MS_MAX, LONG_STATEMENT_MS_MAX, STATEMENT_MS_MAX,
};
use origin::error::Error;
use origin::http::Admin;
use origin::key::rotate::{self, OVERLAP_MS_MAX};
use origin::metrics::Metrics;
use origin::page::PAGE_ROWS_MAX;
use origin::person::role::Role;
use origin::person::{self, PEOPLE_MAX, password::Hashed};
use origin::pull::edge::{Edge, PullError};
use origin::pull::run::{PULLS_AT_ONCE_MAX, run};
use origin::read::calls::PAGE_CALLS_MAX;
use origin::read::summary::TOP_MAX;
use origin::{clock, draw};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{Notify, watch};

use crate::commands::{command, weir};
use crate::facts;
use crate::tester::{CALLBACK_SECRET, J0, Tester, actor, journal, read};

// What the ways in keep to themselves, written down once more.
const BASIC_CHARS_MAX: usize = 1_024;
const BODY_BYTES_MAX: usize = 65_536;
const DAYS_MAX: usize = 31;
const DETAIL_CHARS_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 2 << 30;
const FINDINGS_MAX: i64 = 100;
const NAME_BYTES_MAX: usize = 800;
const PAGE_CALLS: i64 = 2_000;
const PAGE_ENTRIES_MAX: i64 = 2_000;
const SHUTDOWN_MS_MAX: u64 = 10_000;
const STORE_MS_MAX: u64 = 2_500;
const TIMES_MAX: i64 = 1_000_000;
const VERSION_MAX: i64 = i32::MAX as i64;

/// A file that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    /// A file of so many bytes, none of which takes room.
    fn sparse(bytes: u64) -> Self {
        let path = std::env::temp_dir().join(draw::id("weir_file_").unwrap());
        File::create_new(&path).unwrap().set_len(bytes).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// So many calls of one account, posted.
async fn calls(tester: &Tester, account: &str, count: i64) {
    let count = u32::try_from(count).unwrap();
    tester.edge.journal(J0, |journal| {
        (0..count).for_each(|number| journal.finish(facts::run(number, account, 10)));
    });
    tester.pull_all().await;
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

async fn change(tester: &Tester, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&tester.pool).await.unwrap();
}

#[tokio::test]
async fn a_number_in_a_query_has_its_bound() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    for (path, most) in [
        ("/api/v1/accounts?limit=", PAGE_ROWS_MAX),
        ("/api/v1/calls?limit=", PAGE_CALLS_MAX),
        ("/api/v1/reports/daily?date=2026-01-01&top=", TOP_MAX),
        ("/api/v1/reports/anomalies?times=", TIMES_MAX),
    ] {
        assert_eq!(origin.as_admin(&format!("{path}{most}")).await.0, 200, "{path}");
        let beyond = origin.as_admin(&format!("{path}{}", most + 1)).await;
        assert_eq!(code(&beyond), (400, "parameter_invalid"), "{path}");
    }
    let export = |version: i64| format!("/api/v1/prices/export?version={version}");
    assert_eq!(origin.as_admin(&export(VERSION_MAX)).await.0, 404);
    assert_eq!(code(&origin.as_admin(&export(VERSION_MAX + 1)).await), (400, "parameter_invalid"));
}

#[tokio::test]
async fn a_report_has_its_bound_in_days() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let from = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    for path in ["/api/v1/bill/report", "/api/v1/reports/anomalies"] {
        for (count, want) in [(DAYS_MAX, 200), (DAYS_MAX + 1, 400)] {
            let to = from + chrono::Days::new(u64::try_from(count).unwrap() - 1);
            let answer = origin.as_admin(&format!("{path}?from={from}&to={to}")).await;
            assert_eq!(answer.0, want, "{path}: {}", answer.1);
        }
    }
}

#[tokio::test]
async fn a_name_in_a_path_and_a_body_have_their_bounds() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let account = async |bytes: usize| {
        code(&origin.as_admin(&format!("/api/v1/accounts/{}", "x".repeat(bytes))).await)
            .1
            .to_owned()
    };
    assert_eq!(account(NAME_BYTES_MAX).await, "not_found");
    assert_eq!(account(NAME_BYTES_MAX + 1).await, "route_unknown");
    let callback = async |bytes: usize| {
        let url = format!("{}/callbacks/coze/{CALLBACK_SECRET}", origin.url);
        let head = r#"{"header":{"event_type":"other"},"event":""#;
        let text = format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2));
        read(origin.client.post(url).body(text).send().await.unwrap()).await
    };
    assert_eq!(callback(BODY_BYTES_MAX).await.0, 200);
    assert_eq!(code(&callback(BODY_BYTES_MAX + 1).await), (413, "body_too_large"));
}

#[tokio::test]
async fn a_password_is_looked_at_up_to_a_bound() {
    let tester = Tester::new().await;
    // Three bytes are four characters.
    let longest = BASIC_CHARS_MAX / 4 * 3 - "admin:".len();
    for (bytes, want) in [(longest, 200), (longest + 1, 401)] {
        let password = "p".repeat(bytes);
        let origin = tester.serve_with(Some(Admin::new("admin", &password))).await;
        let request = origin.client.get(format!("{}/api/v1/accounts", origin.url));
        let request = request.basic_auth("admin", Some(&password));
        assert_eq!(request.send().await.unwrap().status(), want, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_callback_that_cannot_be_stored_in_time_is_answered_in_time() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let mut tx = tester.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE bill_record").execute(&mut *tx).await.unwrap();
    let began = Instant::now();
    let url = format!("{}/callbacks/coze/{CALLBACK_SECRET}", origin.url);
    let event = json!({"id": "b1", "consume_time": 1_763_700_000, "resource_type": 1});
    let body = json!({"header": {"event_type": "benefit.usage"}, "event": event}).to_string();
    let answer = read(origin.client.post(url).body(body).send().await.unwrap()).await;
    assert_eq!(answer.0, 503, "{}", answer.1);
    assert!(began.elapsed() >= Duration::from_millis(STORE_MS_MAX));
    assert!(
        began.elapsed() < Duration::from_secs(STORE_MS_MAX.div_ceil(1_000)),
        "in three seconds"
    );
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn so_many_people_may_sign_in_and_no_more() {
    let tester = Tester::new().await;
    let hashed = Hashed::of("a long enough password").unwrap();
    change(
        &tester,
        format!(
            "INSERT INTO person (person_id, role, password_hash)
             SELECT 'p' || n, 'finance', '{}' FROM generate_series(2, {PEOPLE_MAX}) AS n",
            hashed.as_str()
        ),
    )
    .await;
    let add = async |name| person::add(&tester.pool, name, Role::Admin, &hashed, &actor()).await;
    assert!(add("last").await.is_ok());
    assert!(matches!(add("beyond").await, Err(Error::Invalid { field: "name", .. })));
}

#[tokio::test]
async fn two_keys_overlap_up_to_a_bound() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let key = tester.key(&account, None).await.key_id;
    let rotate = async |overlap_ms| {
        rotate::rotate(&tester.pool, &tester.signer, &key, overlap_ms, clock::now(), &actor()).await
    };
    assert!(rotate(OVERLAP_MS_MAX + 1).await.is_err());
    assert!(rotate(OVERLAP_MS_MAX).await.is_ok());
}

#[tokio::test]
async fn a_book_fits_into_a_value_of_the_edges() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    // Each row names an id that is as long as ids may be.
    let list = |rows: usize| {
        let rows = (0..rows).map(|row| {
            json!({"subject": format!("{row:0>128}"), "price": {"kind": "per_call", "amount_nanos": 1}})
        });
        json!({"prices": rows.collect::<Vec<_>>()}).to_string()
    };
    let import = async |rows: usize| -> (u16, Value) {
        let request = origin.client.post(format!("{}/api/v1/prices/import", origin.url));
        let request = request.basic_auth("admin", Some(crate::tester::PASSWORD));
        let request = request.header("content-type", "application/json").body(list(rows));
        read(request.send().await.unwrap()).await
    };
    let (status, told) = import(1).await;
    assert_eq!(status, 200, "{told}");
    let one = book_bytes(&tester).await;
    import(2).await;
    let row = book_bytes(&tester).await - one;
    let fits = (BOOK_BYTES_MAX - one) / row + 1;
    let (status, told) = import(fits).await;
    assert_eq!(status, 200, "{told}");
    let largest = book_bytes(&tester).await;
    assert!(largest <= BOOK_BYTES_MAX && largest + row > BOOK_BYTES_MAX, "{largest} bytes");
    let (status, told) = import(fits + 1).await;
    assert_eq!(status, 400, "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("are allowed"), "{told}");
}

/// How many bytes the newest book has on its way to the edge.
async fn book_bytes(tester: &Tester) -> usize {
    let newest = "SELECT document FROM price_book ORDER BY price_book_id DESC LIMIT 1";
    let document: Value = sqlx::query_scalar(newest).fetch_one(&tester.pool).await.unwrap();
    let book: meter::wire::book::BookDoc = serde_json::from_value(document).unwrap();
    serde_json::to_string(&book).unwrap().len()
}

#[tokio::test]
async fn a_bill_is_read_up_to_the_bounds_of_its_lines() {
    let tester = Tester::new().await;
    let import = async |text: String| {
        let file = BufReader::new(Cursor::new(text));
        let taken = import(&tester.pool, "bill", file, &actor(), clock::now(), |_| {}).await;
        taken.map(|taken| taken.new).map_err(|error| error.to_string())
    };
    let line_bytes = usize::try_from(LINE_BYTES_MAX).unwrap();
    // JSON: the line with its end.
    let json = |id: &str, bytes: usize| {
        let head = format!(r#"{{"id":"{id}","consume_time":1763700000,"resource_type":1,"x":""#);
        format!("{head}{}\"}}\n", "x".repeat(bytes - head.len() - 3))
    };
    assert_eq!(import(json("j1", line_bytes)).await, Ok(1));
    assert!(import(json("j2", line_bytes + 1)).await.unwrap_err().contains("is longer than"));
    // CSV: a quote that is never closed.
    let csv = |bytes: usize| {
        let head = "id,consume_time,resource_type,x\nc1,1763700000,1,\"";
        format!("{head}{}", "x".repeat(bytes - head.len()))
    };
    assert_eq!(import(csv(line_bytes)).await, Ok(1));
    // What the reader looks ahead is not counted twice.
    let refused = import(csv(2 * line_bytes)).await.unwrap_err();
    assert_eq!(refused.matches("is a quote open?").count(), 1, "{refused}");
    let columns = |count: usize| {
        let more: Vec<_> = (3..count).map(|column| format!(",x{column}")).collect();
        let more = more.concat();
        let cells = ",".repeat(count - 3);
        format!("id,consume_time,resource_type{more}\nw{count},1763700000,1{cells}\n")
    };
    assert_eq!(import(columns(COLUMNS_MAX)).await, Ok(1));
    assert!(import(columns(COLUMNS_MAX + 1)).await.unwrap_err().contains("columns"));
    // More records than are in memory at once, and more problems than are told.
    let records = RECORDS_MAX + 1;
    let many: String = (0..records).map(|number| json(&format!("m{number}"), 100)).collect();
    assert_eq!(import(many).await, Ok(u64::try_from(records).unwrap()));
    let told = |problems: usize| "{}\n".repeat(problems);
    let all = import(told(PROBLEMS_MAX - 1)).await.unwrap_err();
    assert!(!all.contains("perhaps more"), "{all}");
    let some = import(told(PROBLEMS_MAX + 1)).await.unwrap_err();
    assert_eq!(some.matches("line ").count(), PROBLEMS_MAX, "{some}");
    assert!(some.contains("perhaps more"), "{some}");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read() {
    let tester = Tester::new().await;
    let bill = Scratch::sparse(FILE_BYTES_MAX + 1);
    let (code, _, told) = weir(&tester, &["bill", "import", bill.name()]).await;
    assert!(code == 2 && told.contains("is larger than"), "{code}: {told}");
}

/// Connections wait for each other, and statements for the database, up to a bound.
#[tokio::test]
async fn what_waits_for_the_database_waits_up_to_a_bound() {
    let tester = Tester::new().await;
    let pool = database::pool(&tester.database_url).unwrap();
    let mut taken = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        taken.push(pool.acquire().await.unwrap());
    }
    let began = Instant::now();
    let beyond = pool.acquire().await;
    assert!(matches!(beyond, Err(sqlx::Error::PoolTimedOut)));
    assert!(began.elapsed() >= Duration::from_millis(ACQUIRE_MS_MAX));
    drop(taken);
    // Postgres itself ends what takes longer than it is told.
    let mut tx = pool.begin().await.unwrap();
    let set = "SELECT setting::bigint FROM pg_settings WHERE name = $1";
    let asked = async |tx: &mut sqlx::PgConnection, name: &str| -> i64 {
        sqlx::query_scalar(set).bind(name).fetch_one(tx).await.unwrap()
    };
    assert_eq!(asked(&mut tx, "lock_timeout").await, i64::from(LOCK_MS_MAX));
    assert_eq!(asked(&mut tx, "statement_timeout").await, i64::from(STATEMENT_MS_MAX));
    database::take_time(&mut tx).await.unwrap();
    assert_eq!(asked(&mut tx, "statement_timeout").await, i64::from(LONG_STATEMENT_MS_MAX));
    let short = "SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)";
    let ended = sqlx::raw_sql(short).execute(&mut *tx).await.unwrap_err();
    assert!(ended.to_string().contains("statement timeout"), "{ended}");
}

/// An edge that answers every pull with this.
async fn edge(tester: &Tester, router: Router) -> Edge {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    Edge::new(&url, Arc::clone(&tester.signer)).unwrap()
}

#[tokio::test]
async fn a_refusal_of_the_edges_is_told_up_to_a_bound() {
    let tester = Tester::new().await;
    let request = PullRequest {
        v: PULL_VERSION,
        epoch: None,
        ack: 0,
        limit: 1,
        changes: None,
        billed: Vec::new(),
    };
    for chars in [DETAIL_CHARS_MAX, DETAIL_CHARS_MAX + 1] {
        let body = "错".repeat(chars);
        let answer = async move || (StatusCode::BAD_REQUEST, body);
        let edge = edge(&tester, Router::new().fallback(answer)).await;
        let refused = edge.pull_page(&journal(J0), &request, clock::now()).await.unwrap_err();
        let PullError::Refused { detail, .. } = refused else { panic!("{refused}") };
        assert_eq!(detail.chars().count(), DETAIL_CHARS_MAX);
    }
}

/// Two journals more than are pulled at once, and an edge that answers none of them.
#[tokio::test]
async fn so_many_journals_are_pulled_at_once_and_no_more() {
    let tester = Tester::new().await;
    change(&tester, "INSERT INTO journal (journal_id) VALUES ('j8'), ('j9')".to_owned()).await;
    let (under_way, came) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counted, told) = (Arc::clone(&under_way), Arc::clone(&came));
    let answer = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        told.notify_one();
        std::future::pending::<StatusCode>().await
    };
    let edge = Arc::new(edge(&tester, Router::new().fallback(answer)).await);
    let (stop, stopped) = watch::channel(false);
    let pulls =
        tokio::spawn(run(tester.pool.clone(), edge, 1_000, Arc::<Metrics>::default(), stopped));
    while under_way.load(Ordering::SeqCst) < PULLS_AT_ONCE_MAX {
        came.notified().await;
    }
    let another = tokio::time::timeout(Duration::from_millis(500), came.notified()).await;
    assert!(another.is_err() || under_way.load(Ordering::SeqCst) == PULLS_AT_ONCE_MAX);
    assert_eq!(under_way.load(Ordering::SeqCst), PULLS_AT_ONCE_MAX);
    stop.send(true).unwrap();
    pulls.abort();
}

/// A request that never ends keeps the server from stopping for so long and no longer.
#[tokio::test]
async fn whoever_is_told_to_stop_waits_for_its_requests_up_to_a_bound() {
    let tester = Tester::new().await;
    let mut serve = command(&tester)
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(serve.stderr.take().unwrap()).lines();
    let address = loop {
        let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        if line["fields"]["message"] == "serving" {
            break line["fields"]["address"].as_str().unwrap().to_owned();
        }
    };
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    // It says that it goes on, and then waits for the body.
    let request = "POST /api/auth/login HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\n\
                   content-type: application/json\r\ncontent-length: 9\r\n\r\n";
    half.write_all(request.as_bytes()).await.unwrap();
    let mut goes_on = [0; 12];
    half.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100");
    let began = Instant::now();
    let id = serve.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    let mut told = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.push_str(&line);
    }
    assert_eq!(serve.wait().await.unwrap().code(), Some(0));
    assert!(told.contains("stopped with work under way"), "{told}");
    assert!(began.elapsed() >= Duration::from_millis(SHUTDOWN_MS_MAX));
}

#[tokio::test]
async fn a_call_is_explained_with_so_many_findings_and_a_sheet_goes_on_behind_its_first_piece() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    calls(&tester, &account, PAGE_CALLS + 1).await;
    change(
        &tester,
        format!(
            "INSERT INTO finding (journal_id, code, epoch, seq, call_id, detail)
             SELECT 'j0', 'gap', 'e1', n, 'c{account}-1', 'a test' FROM generate_series(0, {FINDINGS_MAX}) AS n"
        ),
    )
    .await;
    let origin = tester.serve().await;
    let (status, told) = origin.as_admin(&format!("/api/v1/calls/c{account}-1/explain")).await;
    assert_eq!(status, 200, "{told}");
    let findings = told["findings"].as_array().unwrap().len();
    assert_eq!(i64::try_from(findings).unwrap(), FINDINGS_MAX);
    let sheet = origin.client.get(format!("{}/api/v1/calls.csv", origin.url));
    let sheet = sheet.basic_auth("admin", Some(crate::tester::PASSWORD)).send().await.unwrap();
    let lines = sheet.text().await.unwrap().lines().count();
    assert_eq!(i64::try_from(lines).unwrap(), PAGE_CALLS + 2, "and a heading");
    let trial = json!({"price": {"kind": "free"}, "subject": "1", "from": "2025-11-21", "to": "2025-11-21"});
    let (status, told) = origin.admin_acts("POST", "/api/v1/prices/trial", &trial).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["calls"], json!(PAGE_ENTRIES_MAX + 1), "{told}");
}

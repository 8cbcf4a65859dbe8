//! What the database itself refuses, whoever asks: changing what was written down. And months, each in a
//! table of its own.

use std::str::FromStr as _;

use meter::entry::Facts;
use meter::money::Nanos;
use meter::time::UnixMs;
use origin::draw;
use origin::pull::{Attempt, attempt};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use crate::facts::{cost, run};
use crate::tester::{J0, Sums, Tester, journal};

/// Tables of which no row is ever changed or removed.
const KEPT: [&str; 11] = [
    "audit",
    "bill_record",
    "call_order",
    "credit",
    "entry",
    "imported_account",
    "imported_call",
    "imported_price",
    "posting",
    "price_book",
    "statement",
];

/// 2025-11-30T23:59:59.999Z.
const NOVEMBER_ENDS: u64 = 1_764_547_199_999;
/// 2028-02-29T23:59:59.999Z.
const FEBRUARY_ENDS: u64 = 1_835_481_599_999;
/// 2025-12-31T23:59:59.999Z.
const YEAR_ENDS: u64 = 1_767_225_599_999;
/// 10000-01-01T00:00:00Z.
const YEAR_10000: u64 = 253_402_300_800_000;
/// 262142-12-31T00:00:00Z, the last day that both Postgres and we can count.
const LAST_DAY: u64 = 8_210_266_790_400_000;

fn finish(tester: &Tester, account: &str, number: u32, at_ms: u64) {
    let facts = Facts {
        admitted_at: UnixMs::new(at_ms.saturating_sub(500)),
        finished_at: UnixMs::new(at_ms),
        ..run(number, account, 1 << number)
    };
    tester.edge.journal(J0, |journal| journal.finish(facts));
}

/// Every table of which rows are kept, the partitions of each among them.
async fn kept_tables(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT DISTINCT relname::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
               JOIN pg_proc ON pg_proc.oid = tgfoid WHERE proname = 'refuse_change' ORDER BY relname";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// The code with which a statement fails; none when it goes well.
async fn refusal(pool: &PgPool, statement: &str) -> Option<String> {
    // In a transaction that is dropped, so that what goes wrongly well changes nothing.
    let mut tx = pool.begin().await.unwrap();
    let error = tx.execute(AssertSqlSafe(statement)).await.err()?;
    Some(error.as_database_error().unwrap().code().unwrap().into_owned())
}

/// `restrict_violation`, which nothing but `refuse_change` raises.
const BY_TRIGGER: &str = "23001";
/// `insufficient_privilege`.
const BY_RIGHT: &str = "42501";

/// A ledger with calls of two months and a credit.
async fn filled(tester: &Tester) {
    let account = tester.account_in(J0, "a", cost(5)).await.account_id;
    finish(tester, &account, 0, NOVEMBER_ENDS);
    finish(tester, &account, 1, NOVEMBER_ENDS + 1);
    tester.pull().await.unwrap();
}

/// Tries everything that would change a kept row; each has to be refused like this.
async fn assert_kept(pool: &PgPool, tables: &[String], how: &[&str]) {
    let is_refused = async |statement: &str| {
        let code = refusal(pool, statement).await;
        assert!(code.as_deref().is_some_and(|code| how.contains(&code)), "{statement}: {code:?}");
    };
    for table in tables {
        let column: String = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
               AND attidentity = '' ORDER BY attnum LIMIT 1",
        )
        .bind(table)
        .fetch_one(pool)
        .await
        .unwrap();
        for statement in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("UPDATE ONLY {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!("WITH gone AS (DELETE FROM {table} RETURNING *) SELECT count(*) FROM gone"),
        ] {
            // The whole of all months has no rows of its own.
            if table == "entry" && statement.contains("ONLY") {
                continue;
            }
            is_refused(&statement).await;
        }
    }
    for statement in [
        // Ways round by other statements and other tables.
        "INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, reference)
         SELECT account_id, 'grant', 1, 'x', 'x', 'r' FROM account
         ON CONFLICT (reference) DO UPDATE SET amount_nanos = 2",
        "TRUNCATE account CASCADE",
        "TRUNCATE journal CASCADE",
        "TRUNCATE entry",
        "UPDATE entry SET finished_at = '2025-12-15' WHERE finished_at < '2025-12-01'",
        "UPDATE entry SET amount_nanos = 0 WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 1",
    ] {
        is_refused(statement).await;
    }
    // A parent of kept rows is kept by them.
    let orphaned = refusal(pool, "DELETE FROM account").await;
    assert_eq!(orphaned.as_deref(), Some("23503"));
    let version: i32 =
        sqlx::query_scalar("SELECT current_setting('server_version_num')::integer / 10000")
            .fetch_one(pool)
            .await
            .unwrap();
    if version >= 15 {
        let merge = "MERGE INTO credit USING account ON credit.account_id = account.account_id
                     WHEN MATCHED THEN UPDATE SET amount_nanos = 1";
        is_refused(merge).await;
    }
}

#[tokio::test]
async fn no_row_of_the_books_is_changed_or_removed_by_the_one_who_serves() {
    let tester = Tester::new().await;
    filled(&tester).await;
    let tables = kept_tables(&tester.pool).await;
    for table in KEPT.into_iter().chain(["entry_2025_11", "entry_2025_12"]) {
        assert!(tables.iter().any(|kept| kept == table), "{table} is not kept");
    }
    let before = tester.sums().await;
    assert_kept(&tester.pool, &tables, &[BY_TRIGGER]).await;
    assert_eq!(tester.sums().await, before);
}

#[tokio::test]
async fn a_role_with_rights_on_rows_alone_serves_and_cannot_switch_the_keeping_off() {
    let tester = Tester::new().await;
    filled(&tester).await;
    let role = draw::id("weir_serves_").unwrap();
    let make = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x';
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}"
    );
    tester.pool.execute(AssertSqlSafe(make)).await.unwrap();
    let options = PgConnectOptions::from_str(&tester.database_url).unwrap();
    let options = options.username(&role).password("x");
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();

    // It posts, also what finished in a month that has no table yet.
    let account: String =
        sqlx::query_scalar("SELECT account_id FROM account").fetch_one(&pool).await.unwrap();
    finish(&tester, &account, 2, YEAR_ENDS + 1);
    let posted = attempt(&pool, &tester.pulls, &journal(J0)).await.unwrap();
    assert!(matches!(posted, Attempt::UpToDate), "{posted:?}");
    assert_eq!(tester.sums().await, Sums::all(3, cost(7)));
    assert_eq!(month_of(&tester, "entry_2026_01").await, 1);

    let tables = kept_tables(&pool).await;
    // On new partitions it has no rights, only through the whole.
    assert_kept(&pool, &tables, &[BY_TRIGGER, BY_RIGHT]).await;
    for statement in [
        "DELETE FROM entry_2026_01",
        "TRUNCATE entry_2026_01",
        "ALTER TABLE credit DISABLE TRIGGER ALL",
        "ALTER TABLE entry DETACH PARTITION entry_2025_11",
        "DROP TABLE entry_2025_11",
        "DROP TRIGGER credit_refuse_change ON credit",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN RETURN NEW; END'",
    ] {
        assert_eq!(refusal(&pool, statement).await.as_deref(), Some(BY_RIGHT), "{statement}");
    }
    // What bears the name of a table in its own session leads nobody astray.
    let mut session = pool.acquire().await.unwrap();
    session.execute("CREATE TEMP TABLE entry (x integer)").await.unwrap();
    session.execute("SELECT entry_month_make('2031-01-15Z')").await.unwrap();
    drop(session);
    pool.close().await;
    assert_eq!(month_of(&tester, "entry_2031_01").await, 0);
    let remove = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    tester.pool.execute(AssertSqlSafe(remove)).await.unwrap();
}

/// How many entries stand in a month's table, which is a partition of the whole.
async fn month_of(tester: &Tester, table: &str) -> i64 {
    let is_part: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_inherits
         WHERE inhparent = 'entry'::regclass AND inhrelid = to_regclass($1))",
    )
    .bind(table)
    .fetch_one(&tester.pool)
    .await
    .unwrap();
    assert!(is_part, "{table} is no part of the whole");
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&tester.pool).await.unwrap()
}

#[tokio::test]
async fn a_month_ends_at_midnight_utc_whatever_zone_a_session_is_in() {
    for zone in ["UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Kiritimati"] {
        let tester = Tester::new().await;
        let sessions = PgPoolOptions::new().after_connect(move |session, _| {
            let set = format!("SET timezone = '{zone}'");
            Box::pin(async move { session.execute(AssertSqlSafe(set)).await.map(drop) })
        });
        let pool = sessions.connect(&tester.database_url).await.unwrap();
        let account = tester.account("a").await.account_id;
        let moments = [NOVEMBER_ENDS, YEAR_ENDS, FEBRUARY_ENDS];
        for (number, moment) in (0..).step_by(2).zip(moments) {
            finish(&tester, &account, number, moment);
            finish(&tester, &account, number + 1, moment + 1);
        }
        attempt(&pool, &tester.pulls, &journal(J0)).await.unwrap();
        let shown: String = sqlx::query_scalar("SHOW timezone").fetch_one(&pool).await.unwrap();
        assert_eq!(shown, zone);
        for (table, entries) in [
            ("entry_2025_11", 1),
            ("entry_2025_12", 2),
            ("entry_2026_01", 1),
            ("entry_2028_02", 1),
            ("entry_2028_03", 1),
        ] {
            assert_eq!(month_of(&tester, table).await, entries, "{table} in {zone}");
        }
        assert_eq!(tester.sums().await, Sums::all(6, cost(63)), "{zone}");
        assert_eq!(tester.findings().await, [], "{zone}");
        pool.close().await;
    }
}

#[tokio::test]
async fn times_far_away_have_months_of_their_own_and_read_back() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    for (number, at_ms) in (0..).zip([0, YEAR_10000 - 1, YEAR_10000, LAST_DAY]) {
        finish(&tester, &account, number, at_ms);
    }
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
    for table in ["entry_1970_01", "entry_9999_12", "entry_10000_01", "entry_262142_12"] {
        assert_eq!(month_of(&tester, table).await, 1, "{table}");
    }
    let origin = tester.serve().await;
    let (status, page) = origin.as_admin("/api/v1/calls").await;
    assert_eq!(status, 200, "{page}");
    let finished: Vec<&str> = page["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["finished_at"].as_str().unwrap())
        .collect();
    let want = [
        "+262142-12-31T00:00:00.000Z",
        "+10000-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
    ];
    assert_eq!(finished, want);
}

#[tokio::test]
async fn a_time_that_no_database_holds_is_told_and_posts_nothing() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    finish(&tester, &account, 0, NOVEMBER_ENDS);
    finish(&tester, &account, 1, LAST_DAY * 2);
    let told = tester.pull().await.unwrap_err().to_string();
    assert!(told.contains("time out of range"), "{told}");
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
}

#[tokio::test]
async fn a_month_that_many_need_at_once_is_made_once() {
    let tester = Tester::new().await;
    let make = || async {
        sqlx::query("SELECT entry_month_make('2031-05-31T23:59:59.999Z')")
            .execute(&tester.pool)
            .await
    };
    tokio::try_join!(make(), make(), make(), make(), make(), make()).unwrap();
    assert_eq!(month_of(&tester, "entry_2031_05").await, 0);
}

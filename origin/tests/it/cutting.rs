//! Lists at their bounds, and one row beyond: what is cut, and what takes the rest the next time.

use chrono::{DateTime, TimeDelta, Utc};
use meter::entry::Facts;
use meter::money::Nanos;
use meter::oauth::REGISTERED_KEYS_MAX;
use meter::time::UnixMs;
use meter::wire::pull::OPEN_LISTED_MAX as LISTED_BY_A_JOURNAL;
use origin::account::zone::{self, LOOKED_AT_MAX};
use origin::account::{self, ACCOUNTS_LISTED_MAX};
use origin::alarm;
use origin::alarm::FINDINGS_MAX;
use origin::alarm::hook::parse;
use origin::alarm::run::ALARMS_MAX;
use origin::bill::complete::{CALLS_MAX, WAIT_MS_MAX, look};
use origin::bill::report;
use origin::clock;
use origin::error::Error;
use origin::journal::{JOURNALS_MAX, names};
use origin::key::rotate::{ENDED_MAX, end_replaced};
use origin::key::scope::Scope;
use origin::key::{self, KEYS_LISTED_MAX};
use origin::ledger::backfill::{Backfill, RESUME_HOURS_MAX};
use origin::ledger::finding::{self, FINDINGS_LISTED_MAX};
use origin::page::Span;
use origin::pull::accept::{LOST_LISTED_MAX, lost};
use origin::read::anomalies;
use origin::read::days::Days;
use origin::read::drift::{self, DIFFERENCES_MAX};
use origin::read::open::{self, OPEN_LISTED_MAX};
use origin::registered::{self, NewRegistered, PublicKey};
use origin::statement::{self, HOLDERS_MAX, MONTHS_MAX, STATEMENTS_LISTED_MAX};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::commands::answer;
use crate::facts::{run, still_open};
use crate::registering::PEM;
use crate::tester::{J0, Tester, actor, journal};

/// The day on which the calls of these tests finish.
const DAY: &str = "2025-11-21";

async fn change(tester: &Tester, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&tester.pool).await.unwrap();
}

async fn count(tester: &Tester, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&tester.pool).await.unwrap()
}

/// So many accounts in journal `j0`, made by hand.
async fn accounts(tester: &Tester, count: i64) {
    change(
        tester,
        format!(
            "INSERT INTO account (account_id, journal_id, name, revision)
                 SELECT 'acc_' || n, 'j0', 'a' || n, n FROM generate_series(1, {count}) AS n;
             UPDATE journal SET revision = {count} WHERE journal_id = 'j0'"
        ),
    )
    .await;
}

/// So many calls of one account, posted.
async fn calls(tester: &Tester, account: &str, count: i64, of: impl Fn(Facts) -> Facts) {
    let count = u32::try_from(count).unwrap();
    tester.edge.journal(J0, |journal| {
        (0..count).for_each(|number| journal.finish(of(run(number, account, 10))));
    });
    tester.pull_all().await;
}

fn now() -> DateTime<Utc> {
    clock::timestamp(clock::now()).unwrap()
}

#[tokio::test]
async fn so_many_accounts_and_keys_are_listed_by_a_command() {
    let tester = Tester::new().await;
    accounts(&tester, ACCOUNTS_LISTED_MAX + 1).await;
    change(
        &tester,
        format!(
            "INSERT INTO api_key (api_key_id, account_id, journal_id, name)
             SELECT 'key_' || n, 'acc_1', 'j0', 'n' FROM generate_series(0, {KEYS_LISTED_MAX}) AS n"
        ),
    )
    .await;
    let length = |list: &Value| i64::try_from(list.as_array().unwrap().len()).unwrap();
    assert_eq!(length(&answer(&tester, &["account", "list"]).await), ACCOUNTS_LISTED_MAX);
    assert_eq!(length(&answer(&tester, &["key", "list"]).await), KEYS_LISTED_MAX);
    // The rest is on the next page.
    let page = account::list(&tester.pool, &Span::first(ACCOUNTS_LISTED_MAX)).await.unwrap();
    assert!(page.next_cursor.is_some());
    let page = key::list(&tester.pool, None, &Span::first(KEYS_LISTED_MAX)).await.unwrap();
    assert!(page.next_cursor.is_some());
}

#[tokio::test]
async fn so_many_accounts_are_looked_at_by_one_pull_and_the_rest_by_the_next() {
    let tester = Tester::new().await;
    accounts(&tester, LOOKED_AT_MAX + 1).await;
    let due = "SELECT count(*) FROM account WHERE day_offset_until <= now()";
    let mut connection = tester.pool.acquire().await.unwrap();
    for left in [1, 0] {
        zone::look_again(&mut connection, &journal(J0), now()).await.unwrap();
        assert_eq!(count(&tester, due).await, left);
    }
}

#[tokio::test]
async fn so_many_replaced_keys_are_revoked_by_one_pull_and_the_rest_by_the_next() {
    let tester = Tester::new().await;
    tester.account("a").await;
    change(
        &tester,
        format!(
            "INSERT INTO api_key (api_key_id, account_id, journal_id, name)
                 SELECT 'key_' || n || '-2', account_id, 'j0', 'n'
                 FROM account, generate_series(0, {ENDED_MAX}) AS n;
             INSERT INTO api_key (api_key_id, account_id, journal_id, name, replaced_by, ends_at)
                 SELECT 'key_' || n, account_id, 'j0', 'n', 'key_' || n || '-2', now()
                 FROM account, generate_series(0, {ENDED_MAX}) AS n"
        ),
    )
    .await;
    let good = "SELECT count(*) FROM api_key WHERE ends_at IS NOT NULL AND revoked_at IS NULL";
    let mut connection = tester.pool.acquire().await.unwrap();
    for left in [1, 0] {
        end_replaced(&mut connection, &journal(J0), now()).await.unwrap();
        assert_eq!(count(&tester, good).await, left);
    }
}

#[tokio::test]
async fn an_alarm_names_so_many_findings_and_counts_all() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    // Each is charged wrongly.
    let findings = FINDINGS_MAX + 1;
    let wrong = |facts| Facts { amount: Nanos::new(1), ..facts };
    calls(&tester, &account, i64::try_from(findings).unwrap(), wrong).await;
    let detail: Value = sqlx::query_scalar("SELECT detail FROM alarm WHERE kind = 'finding'")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    assert_eq!(detail["count"], json!(findings));
    assert_eq!(detail["findings"].as_array().unwrap().len(), FINDINGS_MAX);
}

#[tokio::test]
async fn so_many_alarms_become_deliveries_in_one_look_and_so_many_are_listed() {
    let tester = Tester::new().await;
    let raise = format!(
        "INSERT INTO alarm (kind, subject, detail)
         SELECT 'finding', 'j0', '{{\"count\": 0, \"findings\": []}}' FROM generate_series(0, {ALARMS_MAX})"
    );
    change(&tester, raise).await;
    // Nobody listens there, and the first failure ends a look.
    let nobody = r#"[{"url":"http://127.0.0.1:9/","format":"weir","secret":"a secret"}]"#;
    let hooks = parse(Some(nobody)).unwrap();
    for left in [1, 0] {
        alarm::run::look(&tester.pool, &hooks, clock::now()).await.unwrap();
        assert_eq!(count(&tester, "SELECT count(*) FROM alarm WHERE NOT is_spread").await, left);
    }
    let listed = alarm::list::list(&tester.pool).await.unwrap();
    assert_eq!(i64::try_from(listed.len()).unwrap(), alarm::list::LISTED_MAX);
}

#[tokio::test]
async fn so_many_billed_calls_are_looked_at_at_once_for_so_long() {
    let tester = Tester::new().await;
    tester.account("a").await;
    change(
        &tester,
        format!(
            "INSERT INTO bill_call (call_id, account_id, records, input_tokens, output_tokens,
                                    billed_at, look_at)
             SELECT 'c' || n, account_id, 1, 1, 1, now(), now()
             FROM account, generate_series(0, {CALLS_MAX}) AS n"
        ),
    )
    .await;
    let began = clock::now();
    let waiting = |text: &str| format!("SELECT count(*) FROM bill_call WHERE {text}");
    let due = async |at: UnixMs| -> i64 {
        let at = clock::timestamp(at).unwrap();
        let sql = AssertSqlSafe(waiting("state = 'waiting' AND look_at <= $1"));
        sqlx::query_scalar(sql).bind(at).fetch_one(&tester.pool).await.unwrap()
    };
    let quiet_ms = WAIT_MS_MAX / 2;
    for left in [1, 0] {
        look(&tester.pool, quiet_ms, began).await.unwrap();
        assert_eq!(due(began).await, left);
    }
    // One that stands nowhere is waited for until its time is over, and then no more.
    change(&tester, "UPDATE bill_call SET state = 'done' WHERE call_id <> 'c1'".to_owned()).await;
    let billed: DateTime<Utc> = sqlx::query_scalar("SELECT billed_at FROM bill_call LIMIT 1")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    let end = clock::unix_ms(billed).plus_ms(WAIT_MS_MAX);
    for (at, is_waiting) in [(UnixMs::new(end.get() - 1), 1), (end, 0)] {
        change(&tester, "UPDATE bill_call SET look_at = billed_at".to_owned()).await;
        look(&tester.pool, quiet_ms, at).await.unwrap();
        let waits = "SELECT count(*) FROM bill_call WHERE state = 'waiting'";
        assert_eq!(count(&tester, waits).await, is_waiting);
    }
}

#[tokio::test]
async fn a_bill_is_read_piece_by_piece_and_so_many_differences_are_listed() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let listed = i64::try_from(report::LISTED_MAX).unwrap();
    // Calls that the bill does not have, and charges that the books do not have.
    calls(&tester, &account, listed + 1, |facts| facts).await;
    let charges = report::ROWS_MAX + 1;
    change(
        &tester,
        format!(
            "INSERT INTO bill_record (event_id, source, consumed_at, received_at, root_entity_type,
                 root_entity_id, resource_type, input_tokens, output_tokens, tts_characters, tts_count,
                 asr_ms, rtc_ms)
             SELECT 'b' || n, 'file', '{DAY}T12:00:00Z', now(), 1, '99', 1, 1, 1, 0, 0, 0, 0
             FROM generate_series(1, {charges}) AS n"
        ),
    )
    .await;
    let days = Days::one(Some(DAY), None, now()).unwrap();
    let told = report::read(&tester.pool, &days).await.unwrap();
    assert_eq!(told.total.theirs_only_charges, u64::try_from(charges).unwrap());
    assert_eq!(told.total.ours_only_calls, u64::try_from(listed).unwrap() + 1);
    assert_eq!((told.theirs_only.len(), told.ours_only.len()), (told.listed_max, told.listed_max));
    assert_eq!(told.listed_max, report::LISTED_MAX);
}

#[tokio::test]
async fn so_many_journals_are_pulled_in_one_installation() {
    let tester = Tester::new().await;
    let add = format!(
        "INSERT INTO journal (journal_id) SELECT 'x' || n FROM generate_series(0, {JOURNALS_MAX}) AS n"
    );
    change(&tester, add).await;
    let names = names(&tester.pool).await.unwrap();
    assert_eq!(i64::try_from(names.len()).unwrap(), JOURNALS_MAX);
}

#[tokio::test]
async fn a_backfill_is_gone_on_with_within_a_day() {
    let tester = Tester::new().await;
    let begin = async |age: &str| {
        change(
            &tester,
            format!(
                "UPDATE backfill SET ended_at = now();
                 INSERT INTO backfill (is_check, entries_total, entries, next_hour_at, began_at)
                 VALUES (true, 7, 3, '1970-01-01T00:00:00Z', now() - interval '{age}')"
            ),
        )
        .await;
        drop(Backfill::begin(&tester.pool, true).await.unwrap());
        count(&tester, "SELECT entries FROM backfill WHERE ended_at IS NULL").await
    };
    assert_eq!(begin(&format!("{RESUME_HOURS_MAX} hours - 1 minute")).await, 3);
    assert_eq!(begin(&format!("{RESUME_HOURS_MAX} hours 1 second")).await, 0);
}

#[tokio::test]
async fn so_many_findings_are_listed() {
    let tester = Tester::new().await;
    change(
        &tester,
        format!(
            "INSERT INTO finding (journal_id, code, epoch, seq, call_id, detail)
             SELECT 'j0', 'gap', 'e1', n, 'c1', 'a test' FROM generate_series(0, {FINDINGS_LISTED_MAX}) AS n"
        ),
    )
    .await;
    let open = finding::open(&tester.pool).await.unwrap();
    assert_eq!(i64::try_from(open.len()).unwrap(), FINDINGS_LISTED_MAX);
    assert_eq!(finding::count_open(&tester.pool).await.unwrap(), FINDINGS_LISTED_MAX + 1);
}

#[tokio::test]
async fn so_many_open_and_lost_calls_are_listed() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let document = serde_json::to_string(&still_open(run(1, &account, 1))).unwrap();
    let document = document.replace('\'', "''");
    for (table, beyond, more) in
        [("open_call", OPEN_LISTED_MAX, ""), ("lost_call", LOST_LISTED_MAX, ", lost_at")]
    {
        let at = if more.is_empty() { "" } else { ", now()" };
        change(
            &tester,
            format!(
                "INSERT INTO {table} (journal_id, call_id, account_id, admitted_at, document{more})
                 SELECT 'j0', '{table}' || n, '{account}', now(), '{document}'{at}
                 FROM generate_series(0, {beyond}) AS n"
            ),
        )
        .await;
    }
    let told = open::read(&tester.pool, None, clock::now()).await.unwrap();
    let listed = usize::try_from(OPEN_LISTED_MAX).unwrap();
    assert!(told.calls.len() == listed && !told.complete && listed >= LISTED_BY_A_JOURNAL);
    let mut connection = tester.pool.acquire().await.unwrap();
    let told = lost(&mut connection, J0).await.unwrap();
    assert_eq!(i64::try_from(told.len()).unwrap(), LOST_LISTED_MAX);
}

#[tokio::test]
async fn so_many_unusual_calls_and_differing_sums_are_listed_and_all_are_counted() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let unusual = anomalies::LISTED_MAX + 1;
    calls(&tester, &account, unusual, |facts| Facts { usage_fell: true, ..facts }).await;
    let days = Days::one(Some(DAY), None, now()).unwrap();
    let told = anomalies::read(&tester.pool, None, &days, 10).await.unwrap();
    let told = serde_json::to_value(told).unwrap();
    let fell = told["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "usage_fell");
    let fell = fell.unwrap();
    assert_eq!(fell["calls"], json!(unusual));
    let listed = fell["listed"].as_array().unwrap().len();
    assert_eq!(i64::try_from(listed).unwrap(), anomalies::LISTED_MAX);
    // Accounts with a balance that nothing stands behind.
    change(
        &tester,
        format!(
            "INSERT INTO account (account_id, journal_id, name, revision)
                 SELECT 'acc_' || n, 'j1', 'b' || n, n FROM generate_series(0, {DIFFERENCES_MAX}) AS n;
             INSERT INTO balance (account_id, spent_nanos)
                 SELECT 'acc_' || n, 1 FROM generate_series(0, {DIFFERENCES_MAX}) AS n"
        ),
    )
    .await;
    let told = drift::read(&tester.pool, &mut |_| {}).await.unwrap();
    assert_eq!(told.differences.len(), DIFFERENCES_MAX);
    assert!(told.differences_found > DIFFERENCES_MAX, "{}", told.differences_found);
}

#[tokio::test]
async fn so_many_months_are_closed_in_one_go_and_the_rest_in_the_next() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let from = now() - TimeDelta::days(31 * (i64::from(MONTHS_MAX) + 2));
    change(&tester, format!("UPDATE account SET created_at = '{}'", from.to_rfc3339())).await;
    tester.pull_all().await;
    let first = statement::close(&tester.pool, &account, None, now()).await.unwrap();
    assert_eq!(first.months.len(), usize::try_from(MONTHS_MAX).unwrap());
    let rest = statement::close(&tester.pool, &account, None, now()).await.unwrap();
    assert!((1..12).contains(&rest.months.len()), "{:?}", rest.months);
}

#[tokio::test]
async fn so_many_statements_are_listed_and_every_account_has_its_months_closed() {
    let tester = Tester::new().await;
    accounts(&tester, HOLDERS_MAX + 1).await;
    change(
        &tester,
        format!(
            "INSERT INTO statement (account_id, number, month, ends_at, posted_upto, credited_upto,
                                    closing_nanos, hash, document)
             SELECT 'acc_' || n, 1, '2025-10', now(), 0, 0, 0, decode(repeat('00', 32), 'hex'), 'x'
             FROM generate_series(1, {STATEMENTS_LISTED_MAX} + 1) AS n"
        ),
    )
    .await;
    let listed = statement::list(&tester.pool, None).await.unwrap();
    assert_eq!(i64::try_from(listed.len()).unwrap(), STATEMENTS_LISTED_MAX);
    let first = statement::holders(&tester.pool, None).await.unwrap();
    assert_eq!(i64::try_from(first.len()).unwrap(), HOLDERS_MAX);
    let last = first.last().map(String::as_str);
    let rest = statement::holders(&tester.pool, last).await.unwrap();
    assert_eq!(rest.len(), 1);
    let last = rest.last().map(String::as_str);
    assert!(statement::holders(&tester.pool, last).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_chain_has_so_many_segments_and_no_more() {
    /// What a chain has at most, one for each time that an old copy was taken.
    const SEGMENTS_MAX: usize = 1_000;
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    calls(&tester, &account, 1, |facts| facts).await;
    let drift = async |segments: usize| {
        let newest = segments - 1;
        change(
            &tester,
            format!(
                "INSERT INTO journal_epoch (journal_id, epoch, posted_as, behind_seq, behind_posted_as,
                                            left_seq, cursor_seq, actor, reason)
                     SELECT 'j0', 'e1', 'e1-' || n, 1, 'e1-' || n - 1, 1, 1, 'test', 'a test'
                     FROM generate_series((SELECT count(*) FROM journal_epoch) + 1, {newest}) AS n;
                 UPDATE journal SET posted_as = 'e1-{newest}' WHERE journal_id = 'j0'"
            ),
        )
        .await;
        drift::read(&tester.pool, &mut |_| {}).await
    };
    assert!(drift(SEGMENTS_MAX).await.is_ok());
    let beyond = drift(SEGMENTS_MAX + 1).await.unwrap_err();
    assert!(beyond.to_string().contains("segments"), "{beyond}");
}

#[tokio::test]
async fn so_many_keys_of_apps_are_registered_and_no_more() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let id = &account.account_id;
    change(
        &tester,
        format!(
            "INSERT INTO api_key (api_key_id, account_id, journal_id, name)
                 SELECT 'reg_' || n, '{id}', 'j0', 'n' FROM generate_series(2, {REGISTERED_KEYS_MAX}) AS n;
             INSERT INTO registered_key (api_key_id, app_id, kid, public_key, revision)
                 SELECT 'reg_' || n, 'app', 'k' || n, 'x', -n
                 FROM generate_series(2, {REGISTERED_KEYS_MAX}) AS n"
        ),
    )
    .await;
    let register = async |app_id: &str, kid: &str| {
        let public_key = PublicKey::from_pem(PEM).unwrap();
        let scope = Scope::default();
        let new = NewRegistered {
            account: &account,
            name: "n",
            app_id,
            kid,
            public_key: &public_key,
            scope,
        };
        registered::register(&tester.pool, &new, clock::now(), &actor()).await
    };
    let longest = "x".repeat(registered::NAME_BYTES_MAX);
    for (app, kid) in
        [(format!("{longest}x"), "k".to_owned()), ("app".to_owned(), format!("{longest}x"))]
    {
        assert!(matches!(register(&app, &kid).await, Err(Error::Invalid { .. })));
    }
    register(&longest, &longest).await.unwrap();
    let beyond = register("app", "beyond").await;
    assert!(matches!(beyond, Err(Error::Conflict { field: "public_key", .. })));
}

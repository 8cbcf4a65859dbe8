//! Migrations, one by one, on top of rows that were there before them.
//!
//! `migrations/<version>.sql` holds rows as the program of that version could have written them; each is
//! put in right after its migration, so that every later one runs on the rows of all earlier versions.
//! `migrations/SHA256SUMS` holds what each migration was when it was added, and only grows.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails; what is allowed in tests does not reach their helpers"
)]

#[path = "migrations/books.rs"]
mod books;
#[path = "it/database.rs"]
mod database;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use chrono::{DateTime, TimeZone as _, Utc};
use meter::entry::{Ending, Entry, Facts};
use meter::money::{Nanos, Ratio};
use meter::outcome::{Reading, Source};
use meter::price::{Price, Terms};
use meter::reconcile::Page;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};
use origin::database::MIGRATOR;
use origin::ledger::post::{self, Posted, Said};
use origin::ledger::rerate::{Question, Run};
use origin::read::explain::{self, Explanation};
use origin::statement::{self, verify};
use origin::{clock, draw, journal};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Executor as _, PgPool};
use tokio::process::Command;

use crate::books::{all_there_is, books, constraints_hold, everything_was_filled, sums_agree};
use crate::database::Database;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/migrations")
}

/// The sample rows of each version that brings some.
fn samples() -> BTreeMap<i64, String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let samples = files.filter(|path| path.extension().is_some_and(|extension| extension == "sql"));
    samples
        .map(|path| {
            let version = path.file_stem().unwrap().to_str().unwrap();
            let version =
                version.parse().unwrap_or_else(|_| panic!("{} has no version", path.display()));
            (version, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Runs `weir` on this database; gives whether it went well, and what it said.
async fn weir(database: &Database, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_clear().env("DATABASE_URL", &database.url).args(arguments).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A database that went through all versions, with the sample rows of each.
async fn grown() -> Database {
    let database = Database::create(None).await;
    let samples = samples();
    for version in MIGRATOR.iter().map(|migration| migration.version) {
        let before = books(&database.pool).await;
        let mut connection = database.pool.acquire().await.unwrap();
        MIGRATOR
            .run_to(version, &mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{version} on the rows of earlier versions: {error}"));
        if let Some(before) = before {
            assert_eq!(books(&database.pool).await, Some(before), "{version} moved money");
        }
        if let Some(sample) = samples.get(&version) {
            let put_in = connection.execute(AssertSqlSafe(sample.clone())).await;
            put_in.unwrap_or_else(|error| panic!("the sample rows of {version}: {error}"));
        }
    }
    database
}

#[tokio::test]
async fn every_migration_runs_on_the_rows_of_every_earlier_version_and_the_books_add_up() {
    let database = grown().await;
    let pool = &database.pool;
    sums_agree(pool).await;
    constraints_hold(pool).await;
    everything_was_filled(pool).await;
    let calls = calls_are_explained(pool).await;
    nothing_is_charged_otherwise(pool, calls).await;
    months_are_closed(pool).await;
    the_next_page_is_posted(pool).await;
    sums_agree(pool).await;
}

/// The program reads every entry back, finds it in its chain, and derives its charge again. Gives how
/// many there are.
async fn calls_are_explained(pool: &PgPool) -> i64 {
    let calls: Vec<String> = sqlx::query_scalar("SELECT call_id FROM posting ORDER BY posting_id")
        .fetch_all(pool)
        .await
        .unwrap();
    for call in &calls {
        let told = explain::read(pool, None, &call.parse().unwrap(), clock::now()).await.unwrap();
        let Explanation::Finished(told) = told else { panic!("{call} is open") };
        assert_eq!(told.place.follows, Some(true), "{call} does not continue its chain");
        assert!(told.charge.equals, "{call}: {:?}", told.charge);
        assert_eq!(told.postings.len(), 1, "{call}");
    }
    i64::try_from(calls.len()).unwrap()
}

/// Everything rated again costs what it cost.
async fn nothing_is_charged_otherwise(pool: &PgPool, calls: i64) {
    let question = Question { from: year(2025), to: year(2027), account: None, book: None };
    let run = Run::begin(pool, &question).await.unwrap();
    let progress = loop {
        let progress = run.step(pool).await.unwrap();
        if progress.ended {
            break progress;
        }
    };
    assert_eq!(progress.entries, calls);
    for (account, sums) in progress.found {
        assert_eq!(sums.difference(), Ok(Nanos::ZERO), "{account}");
    }
}

/// Statements go on where the old ones ended.
async fn months_are_closed(pool: &PgPool) {
    let upto = Utc.with_ymd_and_hms(2026, 11, 22, 0, 0, 0).unwrap();
    let closed = statement::close(pool, "acme", None, upto).await.unwrap();
    assert_eq!(closed.months.len(), 11, "December to October: {:?}", closed.months);
    let mut chain = Vec::new();
    for row in statement::list(pool, Some("acme")).await.unwrap() {
        let text = statement::text(pool, "acme", &row.month).await.unwrap();
        chain.push(verify::statement(text.as_bytes()).unwrap());
    }
    assert_eq!((chain.len(), verify::chain(&chain)), (12, Ok(())));
}

/// A page that continues an old chain is posted, and nothing is found wrong with it.
async fn the_next_page_is_posted(pool: &PgPool) {
    let name = "j0".parse().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let before = journal::read(&mut connection, &name).await.unwrap();
    let (cursor, applied) = (before.cursor, u64::try_from(before.revision).unwrap());
    let at = clock::unix_ms(year(2027));
    let workflow = "7480000000000000001".parse().unwrap();
    let facts = Facts {
        call: "call_next".parse().unwrap(),
        account: "acme".parse().unwrap(),
        key: "key_acme".parse().unwrap(),
        asked: Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, workflow),
        group: "default".parse().unwrap(),
        terms: Terms { book: 2, price: Price::TOKEN_IS_QUOTA, ratio: Ratio::ONE },
        admitted_at: UnixMs::new(at.get() - 1),
        finished_at: at,
        ending: Ending::Settled,
        status: Some(200),
        code: Some(0),
        reading: Reading {
            usage: Usage::from_counts(Some(1), Some(2), Some(3)),
            source: Source::Reported,
        },
        usage_fell: false,
        ids: WorkIds::default(),
        amount: Nanos::from_quota(3).unwrap(),
    };
    let entry = Entry::chain(facts, &cursor.tail).unwrap();
    let page =
        Page { epoch: cursor.epoch.clone().unwrap(), head: entry.tail, entries: vec![entry] };
    let findings = "SELECT count(*) FROM finding";
    let before: i64 = sqlx::query_scalar(findings).fetch_one(pool).await.unwrap();
    let said = Said { applied, ..Said::default() };
    let posted = post::page(pool, &name, &cursor, page, &said, at).await.unwrap();
    assert_eq!(posted, Posted::Entries { count: 1, more: false });
    let after: i64 = sqlx::query_scalar(findings).fetch_one(pool).await.unwrap();
    assert_eq!(after, before);
}

fn year(year: i32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap()
}

#[test]
fn sample_rows_belong_to_a_migration() {
    let known: BTreeSet<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    for version in samples().keys() {
        assert!(known.contains(version), "there is no migration {version}");
    }
}

#[test]
fn a_migration_is_never_edited() {
    let listed = fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<&str, &str> = listed
        .lines()
        .map(|line| line.split_once("  ").expect("a line is as sha256sum writes it"))
        .map(|(sum, name)| (name, sum))
        .collect();
    let migrations = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut there = BTreeSet::new();
    let mut unlisted = Vec::new();
    for file in fs::read_dir(&migrations).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let sum = draw::hex(&Sha256::digest(fs::read(&path).unwrap()));
        match listed.get(name.as_str()) {
            Some(before) => assert_eq!(*before, sum, "{name} was edited: add another migration"),
            None => unlisted.push(format!("{sum}  {name}")),
        }
        there.insert(name);
    }
    for name in listed.keys() {
        assert!(there.contains(*name), "{name} was removed: databases have it");
    }
    unlisted.sort();
    let lines = unlisted.join("\n");
    assert!(unlisted.is_empty(), "add to origin/tests/migrations/SHA256SUMS:\n{lines}");
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = grown().await;
    let before = all_there_is(&database.pool).await;
    for _ in 0..2 {
        let (went_well, said) = weir(&database, &["migrate"]).await;
        assert!(went_well && said.contains("The schema is at version"), "{said}");
        assert_eq!(all_there_is(&database.pool).await, before);
    }
}

#[tokio::test]
async fn several_who_migrate_at_once_wait_for_each_other() {
    let database = Database::create(None).await;
    let migrate = || weir(&database, &["migrate"]);
    let (one, two, three, four) = tokio::join!(migrate(), migrate(), migrate(), migrate());
    for (went_well, said) in [one, two, three, four] {
        assert!(went_well, "{said}");
    }
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(applied, i64::try_from(MIGRATOR.iter().count()).unwrap());
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_alone() {
    let database = Database::create(None).await;
    assert!(weir(&database, &["migrate"]).await.0);
    let pool = &database.pool;
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().unwrap();
    // A newer program was here.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 SELECT version + 1, 'later', true, checksum, 0 FROM _sqlx_migrations WHERE version = $1";
    sqlx::query(newer).bind(newest).execute(pool).await.unwrap();
    let (went_well, said) = weir(&database, &["migrate"]).await;
    assert!(!went_well && said.contains(&(newest + 1).to_string()), "{said}");
    // A program with an edited migration was here.
    let edited = "DELETE FROM _sqlx_migrations WHERE version > $1";
    sqlx::query(edited).bind(newest).execute(pool).await.unwrap();
    let edited = "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = $1";
    sqlx::query(edited).bind(newest).execute(pool).await.unwrap();
    let (went_well, said) = weir(&database, &["migrate"]).await;
    assert!(!went_well && said.contains(&newest.to_string()), "{said}");
}

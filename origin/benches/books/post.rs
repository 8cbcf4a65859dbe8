//! What posting a page takes, where its time goes, and what the indexes that only readers need cost it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use meter::entry::{Ending, Entry, Facts, Hash, Tail};
use meter::ids::{Epoch, Group, JournalName};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::price::PriceBook;
use meter::reconcile::{Cursor, Page};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};
use origin::database;
use origin::ledger::post::{self, Posted, Said};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

use crate::ask::{ms, percentile};
use crate::{plans, serve};

/// Pages that are measured each time, and how many are posted before.
const PAGES: usize = 40;
const WARM_UP: usize = 5;
/// Entries in a page, as a pull brings them.
const PAGE_ENTRIES: u64 = 1_000;
/// The time between two calls of a journal.
const APART_MS: u64 = 8_000;
/// 2025-11-01T00:00:00Z, behind everything that was seeded.
const BEGIN_MS: u64 = 1_761_955_200_000;
/// The journal that is posted to, which has every eighth account.
const JOURNAL: &str = "j0";
const JOURNALS: u64 = 8;
/// The indexes that are there for lists of calls alone.
const READERS_INDEXES: [&str; 4] =
    ["entry_subject_idx", "entry_key_idx", "entry_ending_idx", "entry_source_idx"];

/// What makes them.
const INDEXES: [&str; 2] = [
    include_str!("../../../migrations/20261128040001_entry_indexes.sql"),
    include_str!("../../../migrations/20261128040002_entry_unusual.sql"),
];

/// A journal that goes on.
struct Chain {
    cursor: Cursor,
    accounts: u64,
    number: u64,
}

/// Measures with the readers' indexes and without them, and prints both.
pub(crate) async fn measure(database_url: &str, pool: &PgPool, accounts: i32) -> Result<()> {
    println!("## Posting pages of {PAGE_ENTRIES} entries\n");
    let mut chain = Chain::of(pool, u64::try_from(accounts)? / JOURNALS).await?;
    let mut with = chain.post_pages(pool).await?;
    let timed = database::pool(&serve::timed(database_url))?;
    plans::told();
    chain.post_pages(&timed).await?;
    let shares = shares(&plans::told());
    for index in READERS_INDEXES {
        let drop = AssertSqlSafe(format!("DROP INDEX {index}"));
        sqlx::query(drop).execute(pool).await?;
    }
    let without = chain.post_pages(pool).await?;
    // And with them once more: whatever else goes on meanwhile should be on both sides.
    let mut connection = PgConnection::connect(database_url).await?;
    for script in INDEXES {
        connection.execute(script).await?;
    }
    connection.close().await?;
    with.extend(chain.post_pages(pool).await?);
    with.sort_unstable();
    println!("| | p50 ms | p95 ms | rows/s |\n|---|---|---|---|");
    for (name, took) in [("with all indexes", &with), ("without those for lists", &without)] {
        let (p50, p95) = (percentile(took, 50), percentile(took, 95));
        println!("| {name} | {} | {} | {} |", ms(p50), ms(p95), rows_per_second(p50));
    }
    let percent = rows_per_second(percentile(&with, 50)).saturating_mul(100)
        / rows_per_second(percentile(&without, 50)).max(1);
    println!(
        "\nWith them it is {percent} % as fast as without ({}).\n",
        READERS_INDEXES.join(", ")
    );
    println!("| statement | ms a page |\n|---|---|");
    for (statement, us) in shares {
        let us = us / u64::try_from(PAGES.saturating_add(WARM_UP))?;
        println!("| {statement} | {} |", ms(Duration::from_micros(us)));
    }
    println!();
    Ok(())
}

fn rows_per_second(page: Duration) -> u128 {
    u128::from(PAGE_ENTRIES).saturating_mul(1_000_000) / page.as_micros().max(1)
}

/// The time of each statement, all pages together, by what it writes.
fn shares(told: &[String]) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    for message in told {
        let name = if message.contains("INSERT INTO posting") {
            "posting and entry"
        } else if message.contains("INSERT INTO rollup_hour") {
            "rollup_hour"
        } else if message.contains("INSERT INTO rollup_day") {
            "rollup_day"
        } else if message.contains("INSERT INTO rollup_journal") {
            "rollup_journal"
        } else if message.contains("INSERT INTO balance") {
            "balance"
        } else if message.contains("UPDATE api_key") {
            "api_key"
        } else {
            "everything else"
        };
        let us = message.split_once(" ms").and_then(|(ms, _)| {
            let (whole, thousandths) = ms.trim().split_once('.')?;
            whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
        });
        let share: &mut u64 = shares.entry(name.to_owned()).or_default();
        *share = share.saturating_add(us.unwrap_or_default());
    }
    shares
}

impl Chain {
    /// Where the journal's cursor stands.
    async fn of(pool: &PgPool, accounts: u64) -> Result<Self> {
        let (epoch, seq, total, hash): (String, i64, i64, Vec<u8>) = sqlx::query_as(
            "SELECT epoch, cursor_seq, cursor_total_nanos, cursor_hash FROM journal
             WHERE journal_id = $1",
        )
        .bind(JOURNAL)
        .fetch_one(pool)
        .await?;
        let hash: [u8; 32] = hash.as_slice().try_into()?;
        let tail = Tail { seq: seq.try_into()?, total: Nanos::new(total), hash: Hash(hash) };
        Ok(Self { cursor: Cursor { epoch: Some(epoch.parse()?), tail }, accounts, number: 0 })
    }

    /// Posts pages, and says how long each took, in order of that.
    async fn post_pages(&mut self, pool: &PgPool) -> Result<Vec<Duration>> {
        let journal: JournalName = JOURNAL.parse()?;
        let mut took = Vec::new();
        for number in 0..WARM_UP.saturating_add(PAGES) {
            let page = self.page()?;
            let (head, now) = (page.head, UnixMs::new(BEGIN_MS));
            let began = Instant::now();
            let posted =
                post::page(pool, &journal, &self.cursor, page, &Said::default(), now).await?;
            if number >= WARM_UP {
                took.push(began.elapsed());
            }
            ensure!(matches!(posted, Posted::Entries { .. }), "a page was not posted: {posted:?}");
            self.cursor.tail = head;
        }
        took.sort_unstable();
        Ok(took)
    }

    fn page(&mut self) -> Result<Page> {
        let mut tail = self.cursor.tail;
        let mut entries = Vec::new();
        for _ in 0..PAGE_ENTRIES {
            self.number = self.number.saturating_add(1);
            let entry = Entry::chain(facts(self.number, self.accounts)?, &tail)?;
            tail = entry.tail;
            entries.push(entry);
        }
        let epoch: Epoch = self.cursor.epoch.clone().context("an epoch")?;
        Ok(Page { epoch, entries, head: tail })
    }
}

/// A call like those that were seeded.
fn facts(number: u64, accounts: u64) -> Result<Facts> {
    // A multiplication spreads numbers; the first accounts get most, as in the seeded books.
    let drawn = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let account = JOURNALS * (accounts * 64 / (drawn % 3_000 + 64)).max(1);
    let (subject, key) = (drawn % 5 + 1, drawn % 2 + 1);
    let (operation, kind) = if subject == 2 {
        (Operation::Chat, SubjectKind::Bot)
    } else {
        (Operation::WorkflowRun, SubjectKind::Workflow)
    };
    let id = format!("{}", 7_480_000_000_000_000_000 + account * 100 + subject);
    let asked = Asked::new(operation, kind, id.parse()?);
    let api_key = format!("key_{key}{account:019}").parse()?;
    let account = format!("acc_{account:020}").parse()?;
    let group = Group::standard();
    let terms = PriceBook::initial().terms(&account, &group, &asked)?;
    let tokens = 50 + drawn % 3_000;
    let usage = Usage::from_counts(Some(tokens / 3), Some(tokens - tokens / 3), Some(tokens));
    let finished_at = UnixMs::new(BEGIN_MS + number * APART_MS);
    let mut facts = Facts {
        call: format!("cb{number:031x}").parse()?,
        key: api_key,
        account,
        asked,
        group,
        terms,
        admitted_at: UnixMs::new(finished_at.get() - 900),
        finished_at,
        ending: Ending::Settled,
        status: Some(200),
        code: Some(0),
        reading: Reading { usage, source: Source::Reported },
        usage_fell: false,
        ids: WorkIds {
            execution: Some(format!("{}", 7_510_000_000_000_000_000 + number).parse()?),
            ..WorkIds::default()
        },
        amount: Nanos::ZERO,
    };
    facts.amount = facts.derived_amount()?;
    Ok(facts)
}

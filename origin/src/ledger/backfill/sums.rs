//! The sums of an hour, and those of a day: what stands, and what their entries make of them.
//!
//! An hour has rollups by account and what was called, and one for each journal. A day's rollups are those
//! of its hours together; where an hour was found to be wrong, its entries are taken in its place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use meter::entry::Entry;
use meter::ids::JournalName;
use meter::ledger::{
    DAY_MS, Differing, HOUR_MS, Movements, Rollup, RollupKey, day_of, differing, hour_of,
};
use meter::money::Nanos;
use meter::request::{Subject, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;
use crate::ledger::post::{add_course, add_days, add_hours};
use crate::ledger::rows::{CourseColumns, RollupColumns};
use crate::ledger::stored::{self, Stretch};

use super::Difference;

/// By account and what was called.
pub(super) type Rollups = BTreeMap<RollupKey, Rollup>;
/// By journal.
type Course = BTreeMap<JournalName, Rollup>;

/// An hour that was looked at.
pub(super) struct Hour {
    at: UnixMs,
    /// How many entries finished in it.
    pub(super) entries: i64,
    rollups: Differing<RollupKey>,
    course: Differing<JournalName>,
}

/// A day that was looked at.
pub(super) struct Day(Differing<RollupKey>);

/// As its columns hold it.
fn numbers(rollup: &Rollup) -> Result<[(&'static str, i64); 7], Error> {
    let Rollup { calls, settled, failed, input_tokens, output_tokens, total_tokens, amount } =
        *rollup;
    Ok([
        ("calls", i64::try_from(calls)?),
        ("settled", i64::try_from(settled)?),
        ("failed", i64::try_from(failed)?),
        ("input_tokens", i64::try_from(input_tokens)?),
        ("output_tokens", i64::try_from(output_tokens)?),
        ("total_tokens", i64::try_from(total_tokens)?),
        ("amount_nanos", amount.get()),
    ])
}

/// Each number that differs.
fn differences<K>(
    differ: &Differing<K>,
    what: impl Fn(&K) -> (String, UnixMs, String),
) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    for (key, (stands, should)) in differ {
        let (account, since, of) = what(key);
        let (stands, should) = (stands.unwrap_or_default(), should.unwrap_or_default());
        for ((field, stands), (_, should)) in numbers(&stands)?.into_iter().zip(numbers(&should)?) {
            if stands != should {
                differences.push(Difference {
                    account: account.clone(),
                    hour: Some(clock::text(clock::timestamp(since)?)),
                    of: of.clone(),
                    field: field.to_owned(),
                    stands,
                    should,
                });
            }
        }
    }
    Ok(differences)
}

fn of_call(unit: &str) -> impl Fn(&RollupKey) -> (String, UnixMs, String) {
    move |key| {
        let RollupKey { account, since, operation, subject, key } = key;
        let of = format!("{unit}: {} {subject} {key}", operation.name());
        (account.to_string(), *since, of)
    }
}

impl Hour {
    pub(super) fn is_right(&self) -> bool {
        self.rollups.is_empty() && self.course.is_empty()
    }

    pub(super) fn differences(&self) -> Result<Vec<Difference>, Error> {
        let mut all = differences(&self.rollups, of_call("hour"))?;
        let of_journal =
            |journal: &JournalName| ("-".to_owned(), self.at, format!("hour: journal {journal}"));
        all.extend(differences(&self.course, of_journal)?);
        Ok(all)
    }

    /// Writes what should stand. The caller holds the locks of the journals' rows.
    pub(super) async fn put_right(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (keys, should) = parted(&self.rollups)?;
        sqlx::query!(
            "DELETE FROM rollup_hour USING unnest($1::text[], $2::timestamptz[], $3::text[],
                 $4::text[], $5::text[], $6::text[])
                 AS wrong (account_id, hour_at, operation, subject_kind, subject_id, api_key_id)
             WHERE (rollup_hour.account_id, rollup_hour.hour_at, rollup_hour.operation,
                    rollup_hour.subject_kind, rollup_hour.subject_id, rollup_hour.api_key_id)
                 = (wrong.account_id, wrong.hour_at, wrong.operation, wrong.subject_kind,
                    wrong.subject_id, wrong.api_key_id)",
            &keys.account,
            &keys.since,
            &keys.operation,
            &keys.subject_kind,
            &keys.subject,
            &keys.key
        )
        .execute(&mut *connection)
        .await?;
        add_hours(connection, &RollupColumns::of(&should)?).await?;
        for (journal, (_, should)) in &self.course {
            sqlx::query!(
                "DELETE FROM rollup_journal WHERE journal_id = $1 AND hour_at = $2",
                journal.as_str(),
                clock::timestamp(self.at)?
            )
            .execute(&mut *connection)
            .await?;
            if let Some(should) = should {
                let course = BTreeMap::from([(self.at, *should)]);
                add_course(connection, journal, &CourseColumns::of(&course)?).await?;
            }
        }
        Ok(())
    }
}

impl Day {
    pub(super) fn is_right(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn differences(&self) -> Result<Vec<Difference>, Error> {
        differences(&self.0, of_call("day"))
    }

    /// Writes what should stand. The caller holds the locks of the journals' rows.
    pub(super) async fn put_right(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (keys, should) = parted(&self.0)?;
        sqlx::query!(
            "DELETE FROM rollup_day USING unnest($1::text[], $2::timestamptz[], $3::text[],
                 $4::text[], $5::text[], $6::text[])
                 AS wrong (account_id, day_at, operation, subject_kind, subject_id, api_key_id)
             WHERE (rollup_day.account_id, rollup_day.day_at, rollup_day.operation,
                    rollup_day.subject_kind, rollup_day.subject_id, rollup_day.api_key_id)
                 = (wrong.account_id, wrong.day_at, wrong.operation, wrong.subject_kind,
                    wrong.subject_id, wrong.api_key_id)",
            &keys.account,
            &keys.since,
            &keys.operation,
            &keys.subject_kind,
            &keys.subject,
            &keys.key
        )
        .execute(&mut *connection)
        .await?;
        add_days(connection, &RollupColumns::of(&should)?).await
    }
}

/// The keys of all that differs, and what should stand there.
fn parted(differ: &Differing<RollupKey>) -> Result<(RollupColumns, Rollups), Error> {
    let all = differ.keys().map(|key| (key.clone(), Rollup::default())).collect();
    let should = differ.iter().filter_map(|(key, (_, should))| Some((key.clone(), (*should)?)));
    Ok((RollupColumns::of(&all)?, should.collect()))
}

/// The first hour from here on that has an entry or a sum.
pub(super) async fn next(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let first = sqlx::query_scalar!(
        "SELECT least((SELECT min(finished_at) FROM entry WHERE finished_at >= $1),
                      (SELECT min(hour_at) FROM rollup_hour WHERE hour_at >= $1),
                      (SELECT min(hour_at) FROM rollup_journal WHERE hour_at >= $1),
                      (SELECT min(day_at) FROM rollup_day WHERE day_at >= $1))",
        from
    )
    .fetch_one(connection)
    .await?;
    Ok(first.map(|at| clock::timestamp(hour_of(clock::unix_ms(at)))).transpose()?)
}

/// The hour after this one.
pub(super) fn behind(hour: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    Ok(clock::timestamp(clock::unix_ms(hour).plus_ms(HOUR_MS))?)
}

/// The day that an hour is of.
pub(super) fn day(hour: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    Ok(clock::timestamp(day_of(clock::unix_ms(hour)))?)
}

/// Builds an hour's sums from its entries, and holds them against what stands.
pub(super) async fn look_at_hour(
    connection: &mut PgConnection,
    hour: DateTime<Utc>,
) -> Result<Hour, Error> {
    let built = built(connection, hour).await?;
    let stands = hour_stands(connection, hour).await?;
    let course = course_stands(connection, hour).await?;
    Ok(Hour {
        at: clock::unix_ms(hour),
        entries: built.entries,
        rollups: differing(&stands, &built.rollups),
        course: differing(&course, &built.course),
    })
}

/// Adds up a day's hours, and holds the sums against what stands. `wrong` are the hours whose rollups are
/// not to be believed.
pub(super) async fn look_at_day(
    connection: &mut PgConnection,
    day: DateTime<Utc>,
    wrong: impl Fn(&str) -> bool,
) -> Result<Day, Error> {
    let mut should = Rollups::new();
    let begins = clock::unix_ms(day);
    for number in 0..DAY_MS / HOUR_MS {
        let hour = clock::timestamp(begins.plus_ms(number.saturating_mul(HOUR_MS)))?;
        let rollups = if wrong(&clock::text(hour)) {
            built(connection, hour).await?.rollups
        } else {
            hour_stands(connection, hour).await?
        };
        for (key, rollup) in rollups {
            let sum = should.entry(RollupKey { since: begins, ..key }).or_default();
            *sum = sum.plus(rollup)?;
        }
    }
    let stands = day_stands(connection, day).await?;
    Ok(Day(differing(&stands, &should)))
}

/// What an hour's entries make.
struct Built {
    rollups: Rollups,
    course: Course,
    entries: i64,
}

async fn built(connection: &mut PgConnection, hour: DateTime<Utc>) -> Result<Built, Error> {
    let stretch = Stretch { from: hour, to: behind(hour)?, posted_upto: i64::MAX, account: None };
    let mut built = Built { rollups: Rollups::new(), course: Course::new(), entries: 0 };
    let mut place = (hour, -1_i64);
    loop {
        let page = stored::page(connection, &stretch, place).await?;
        let Some(last) = page.last() else { return Ok(built) };
        place = (clock::timestamp(last.entry.facts.finished_at)?, last.number);
        built.entries = built.entries.saturating_add(i64::try_from(page.len())?);
        let mut by_journal: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for posted in page {
            by_journal.entry(posted.journal).or_default().push(posted.entry);
        }
        for (journal, entries) in by_journal {
            let moved = Movements::of(&entries)?;
            for (key, more) in moved.hours {
                let sum = built.rollups.entry(key).or_default();
                *sum = sum.plus(more)?;
            }
            let journal = journal.parse().map_err(|error| Error::impossible("entry", error))?;
            let sum = built.course.entry(journal).or_default();
            for more in moved.course.into_values() {
                *sum = sum.plus(more)?;
            }
        }
    }
}

/// A row of sums, as it stands.
struct Row {
    account_id: String,
    operation: String,
    subject_kind: String,
    subject_id: String,
    api_key_id: String,
    calls: i64,
    settled: i64,
    failed: i64,
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
    amount_nanos: i64,
}

impl Row {
    fn read(self, since: UnixMs) -> Result<(RollupKey, Rollup), Error> {
        let impossible = |problem: &dyn std::fmt::Display| {
            let account = &self.account_id;
            Error::impossible("rollup_hour", format_args!("of {account}: {problem}"))
        };
        let operation = Operation::from_name(&self.operation);
        let kind = SubjectKind::from_name(&self.subject_kind);
        let key = RollupKey {
            account: self.account_id.parse().map_err(|error| impossible(&error))?,
            since,
            operation: operation.ok_or_else(|| impossible(&self.operation))?,
            subject: Subject {
                kind: kind.ok_or_else(|| impossible(&self.subject_kind))?,
                id: self.subject_id.parse().map_err(|error| impossible(&error))?,
            },
            key: self.api_key_id.parse().map_err(|error| impossible(&error))?,
        };
        let rollup = Rollup {
            calls: u64::try_from(self.calls)?,
            settled: u64::try_from(self.settled)?,
            failed: u64::try_from(self.failed)?,
            input_tokens: u64::try_from(self.input_tokens)?,
            output_tokens: u64::try_from(self.output_tokens)?,
            total_tokens: u64::try_from(self.total_tokens)?,
            amount: Nanos::new(self.amount_nanos),
        };
        Ok((key, rollup))
    }
}

async fn hour_stands(connection: &mut PgConnection, hour: DateTime<Utc>) -> Result<Rollups, Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT account_id, operation, subject_kind, subject_id, api_key_id, calls, settled, failed,
                input_tokens, output_tokens, total_tokens, amount_nanos
         FROM rollup_hour WHERE hour_at = $1",
        hour
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.read(clock::unix_ms(hour))).collect()
}

async fn day_stands(connection: &mut PgConnection, day: DateTime<Utc>) -> Result<Rollups, Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT account_id, operation, subject_kind, subject_id, api_key_id, calls, settled, failed,
                input_tokens, output_tokens, total_tokens, amount_nanos
         FROM rollup_day WHERE day_at = $1",
        day
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.read(clock::unix_ms(day))).collect()
}

async fn course_stands(
    connection: &mut PgConnection,
    hour: DateTime<Utc>,
) -> Result<Course, Error> {
    let rows = sqlx::query!(
        "SELECT journal_id, calls, settled, failed, input_tokens, output_tokens, total_tokens,
                amount_nanos
         FROM rollup_journal WHERE hour_at = $1",
        hour
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let rollup = Rollup {
                calls: u64::try_from(row.calls)?,
                settled: u64::try_from(row.settled)?,
                failed: u64::try_from(row.failed)?,
                input_tokens: u64::try_from(row.input_tokens)?,
                output_tokens: u64::try_from(row.output_tokens)?,
                total_tokens: u64::try_from(row.total_tokens)?,
                amount: Nanos::new(row.amount_nanos),
            };
            let journal = row.journal_id.parse();
            Ok((journal.map_err(|error| Error::impossible("rollup_journal", error))?, rollup))
        })
        .collect()
}

//! The rollups of one hour, and what its entries make of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use meter::entry::Entry;
use meter::ledger::{HOUR_MS, Movements, Rollup, RollupKey, differing, hour_of};
use meter::money::Nanos;
use meter::request::{Subject, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;
use crate::ledger::post::one_row;
use crate::ledger::stored::{self, Stretch};

use super::Difference;

type Rollups = BTreeMap<RollupKey, Rollup>;
/// What stands, and what should.
type Differ = BTreeMap<RollupKey, (Option<Rollup>, Option<Rollup>)>;

/// An hour that was looked at.
pub(super) struct Looked {
    /// How many entries finished in it.
    pub(super) entries: i64,
    pub(super) differ: Differ,
}

impl Looked {
    /// Each number that differs.
    pub(super) fn differences(&self) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        for (key, (stands, should)) in &self.differ {
            let RollupKey { account, hour, operation, subject, key } = key;
            let of = format!("{} {subject} {key}", operation.name());
            let (stands, should) = (stands.unwrap_or_default(), should.unwrap_or_default());
            for ((field, stands), (_, should)) in
                numbers(&stands)?.into_iter().zip(numbers(&should)?)
            {
                if stands != should {
                    differences.push(Difference {
                        account: account.to_string(),
                        hour: Some(clock::text(clock::timestamp(*hour)?)),
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
}

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

/// The first hour from here on that has an entry or a rollup.
pub(super) async fn next(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let first = sqlx::query_scalar!(
        "SELECT least((SELECT min(finished_at) FROM entry WHERE finished_at >= $1),
                      (SELECT min(hour_at) FROM rollup_hour WHERE hour_at >= $1))",
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

/// Builds an hour's sums from its entries, and holds them against what stands.
pub(super) async fn look(
    connection: &mut PgConnection,
    hour: DateTime<Utc>,
) -> Result<Looked, Error> {
    let (should, entries) = built(connection, hour).await?;
    let stand = standing(connection, hour).await?;
    Ok(Looked { entries, differ: differing(&stand, &should) })
}

async fn built(
    connection: &mut PgConnection,
    hour: DateTime<Utc>,
) -> Result<(Rollups, i64), Error> {
    let stretch = Stretch { from: hour, to: behind(hour)?, posted_upto: i64::MAX, account: None };
    let (mut rollups, mut count) = (Rollups::new(), 0_i64);
    let mut place = (hour, -1_i64);
    loop {
        let page = stored::page(connection, &stretch, place).await?;
        let Some(last) = page.last() else { return Ok((rollups, count)) };
        place = (clock::timestamp(last.entry.facts.finished_at)?, last.number);
        count = count.saturating_add(i64::try_from(page.len())?);
        let entries: Vec<Entry> = page.into_iter().map(|posted| posted.entry).collect();
        for (key, more) in Movements::of(&entries)?.rollups {
            let rollup = rollups.entry(key).or_default();
            *rollup = rollup.plus(more)?;
        }
    }
}

async fn standing(connection: &mut PgConnection, hour: DateTime<Utc>) -> Result<Rollups, Error> {
    let rows = sqlx::query!(
        "SELECT account_id, operation, subject_kind, subject_id, api_key_id, calls, settled, failed,
                input_tokens, output_tokens, total_tokens, amount_nanos
         FROM rollup_hour WHERE hour_at = $1",
        hour
    )
    .fetch_all(connection)
    .await?;
    let hour: UnixMs = clock::unix_ms(hour);
    rows.into_iter()
        .map(|row| {
            let impossible = |problem: &dyn std::fmt::Display| {
                let account = &row.account_id;
                Error::impossible("rollup_hour", format_args!("of {account}: {problem}"))
            };
            let operation = Operation::from_name(&row.operation);
            let kind = SubjectKind::from_name(&row.subject_kind);
            let key = RollupKey {
                account: row.account_id.parse().map_err(|error| impossible(&error))?,
                hour,
                operation: operation.ok_or_else(|| impossible(&row.operation))?,
                subject: Subject {
                    kind: kind.ok_or_else(|| impossible(&row.subject_kind))?,
                    id: row.subject_id.parse().map_err(|error| impossible(&error))?,
                },
                key: row.api_key_id.parse().map_err(|error| impossible(&error))?,
            };
            let rollup = Rollup {
                calls: u64::try_from(row.calls)?,
                settled: u64::try_from(row.settled)?,
                failed: u64::try_from(row.failed)?,
                input_tokens: u64::try_from(row.input_tokens)?,
                output_tokens: u64::try_from(row.output_tokens)?,
                total_tokens: u64::try_from(row.total_tokens)?,
                amount: Nanos::new(row.amount_nanos),
            };
            Ok((key, rollup))
        })
        .collect()
}

/// Writes what should stand. The caller holds the locks of the journals' rows.
pub(super) async fn put_right(connection: &mut PgConnection, differ: &Differ) -> Result<(), Error> {
    for (key, (_, should)) in differ {
        let RollupKey { account, hour, operation, subject, key } = key;
        let removed = sqlx::query!(
            "DELETE FROM rollup_hour
             WHERE account_id = $1 AND hour_at = $2 AND operation = $3 AND subject_kind = $4
               AND subject_id = $5 AND api_key_id = $6",
            account.as_str(),
            clock::timestamp(*hour)?,
            operation.name(),
            subject.kind.name(),
            subject.id.as_str(),
            key.as_str()
        )
        .execute(&mut *connection)
        .await?;
        if removed.rows_affected() > 0 {
            one_row("rollup_hour", removed.rows_affected())?;
        }
        let Some(should) = should else { continue };
        let [calls, settled, failed, input, output, total, amount] =
            numbers(should)?.map(|(_, number)| number);
        let written = sqlx::query!(
            "INSERT INTO rollup_hour
                 (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
                  settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            account.as_str(),
            clock::timestamp(*hour)?,
            operation.name(),
            subject.kind.name(),
            subject.id.as_str(),
            key.as_str(),
            calls,
            settled,
            failed,
            input,
            output,
            total,
            amount
        )
        .execute(&mut *connection)
        .await?;
        one_row("rollup_hour", written.rows_affected())?;
    }
    Ok(())
}

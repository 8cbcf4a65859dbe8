//! The sums, out of the rollups and, where hours are cut, out of the entries.
//!
//! | asked for | is read from |
//! |---|---|
//! | times, of everything | `rollup_journal`: some rows an hour |
//! | times, of an account or of some of its calls | `rollup_hour` |
//! | anything else | `rollup_day` for whole days of UTC, `rollup_hour` before and behind them |
//! | what lies in an hour that is cut | `entry` |
//!
//! Cut hours are looked up one by one, which `OFFSET 0` is for: it keeps Postgres from joining them with all
//! the entries of the whole stretch.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use meter::money::OutOfRange;
use meter::request::SubjectKind;
use meter::route::Operation;
use sqlx::PgConnection;

use crate::error::Error;
use crate::read::calls::Filter;
use crate::read::slots::Slots;

use super::sums::Counts;
use super::{Grouping, Question};

/// Which groups come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Those that cost most.
    Amount,
    /// Those with most calls.
    Calls,
    /// Those with most tokens.
    Tokens,
    /// Those with most calls that were not charged by their reading.
    Failed,
}

impl Order {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Calls => "calls",
            Self::Tokens => "tokens",
            Self::Failed => "failed",
        }
    }

    /// The order with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Amount, Self::Calls, Self::Tokens, Self::Failed];
        all.into_iter().find(|order| order.name() == name)
    }
}

/// One group of calls.
pub(super) struct Group {
    /// The kind of subject it is; empty for what is not one.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) counts: Counts,
}

/// The groups that come first, and the others as one.
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    pub(super) others: Option<Counts>,
}

impl Groups {
    /// All of them together.
    pub(super) fn total(&self) -> Result<Counts, OutOfRange> {
        Counts::total(self.groups.iter().map(|group| &group.counts).chain(&self.others))
    }
}

struct Row {
    slot: Option<i32>,
    kind: Option<String>,
    name: Option<String>,
    calls: i64,
    settled: i64,
    failed: i64,
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
    amount_nanos: i64,
}

impl Row {
    fn counts(&self) -> Counts {
        Counts {
            calls: self.calls,
            settled: self.settled,
            failed: self.failed,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            amount_nanos: self.amount_nanos,
        }
    }
}

/// The sums of each slot that has calls, by its place.
pub(super) async fn times(
    connection: &mut PgConnection,
    filter: &Filter,
    slots: &Slots,
) -> Result<BTreeMap<usize, Counts>, Error> {
    let (Some(from), Some(to)) = (slots.from(), slots.to()) else { return Ok(BTreeMap::new()) };
    let is_everything = *filter == Filter::default();
    let rows = if is_everything {
        times_of_everything(connection, slots, from, to).await?
    } else {
        times_of_some(connection, filter, slots, from, to).await?
    };
    let mut by_place = BTreeMap::new();
    for row in rows {
        // They are counted from one, and none lies before the first or behind the last.
        let place = row.slot.and_then(|slot| slot.checked_sub(1));
        let place =
            place.ok_or_else(|| Error::impossible("rollup_hour", "a sum out of its time"))?;
        by_place.insert(usize::try_from(place)?, row.counts());
    }
    Ok(by_place)
}

async fn times_of_everything(
    connection: &mut PgConnection,
    slots: &Slots,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH part AS (
               SELECT width_bucket(hour_at, $1::timestamptz[]) AS slot, calls, settled, failed,
                      input_tokens, output_tokens, total_tokens, amount_nanos
               FROM rollup_journal
               WHERE hour_at >= $3 AND hour_at < $4 AND hour_at <> ALL ($2::timestamptz[])
               UNION ALL
               SELECT width_bucket(finished_at, $1::timestamptz[]), 1, (ending = 'settled')::integer,
                      (ending <> 'settled')::integer, coalesce(input_tokens, 0),
                      coalesce(output_tokens, 0), coalesce(total_tokens, 0), amount_nanos
               FROM unnest($2::timestamptz[]) AS cut (hour_at)
               CROSS JOIN LATERAL (
                   SELECT * FROM entry
                   WHERE finished_at >= cut.hour_at
                     AND finished_at < cut.hour_at + interval '1 hour'
                     AND finished_at >= $3 AND finished_at < $4
                   OFFSET 0
               ) AS entry
           )
           SELECT slot, NULL::text AS kind, NULL::text AS name,
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(failed)::bigint AS "failed!", sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM part GROUP BY slot"#,
        &slots.edges,
        &slots.cut,
        from,
        to
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

async fn times_of_some(
    connection: &mut PgConnection,
    filter: &Filter,
    slots: &Slots,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH part AS (
               SELECT width_bucket(hour_at, $1::timestamptz[]) AS slot, calls, settled, failed,
                      input_tokens, output_tokens, total_tokens, amount_nanos
               FROM rollup_hour
               WHERE hour_at >= $3 AND hour_at < $4 AND hour_at <> ALL ($2::timestamptz[])
                 AND ($5::text IS NULL OR account_id = $5)
                 AND ($6::text IS NULL OR subject_kind = $6)
                 AND ($7::text IS NULL OR subject_id = $7)
                 AND ($8::text IS NULL OR operation = $8)
                 AND ($9::text IS NULL OR api_key_id = $9)
               UNION ALL
               SELECT width_bucket(finished_at, $1::timestamptz[]), 1, (ending = 'settled')::integer,
                      (ending <> 'settled')::integer, coalesce(input_tokens, 0),
                      coalesce(output_tokens, 0), coalesce(total_tokens, 0), amount_nanos
               FROM unnest($2::timestamptz[]) AS cut (hour_at)
               CROSS JOIN LATERAL (
                   SELECT * FROM entry
                   WHERE finished_at >= cut.hour_at
                     AND finished_at < cut.hour_at + interval '1 hour'
                     AND finished_at >= $3 AND finished_at < $4
                     AND ($5::text IS NULL OR account_id = $5)
                     AND ($6::text IS NULL OR subject_kind = $6)
                     AND ($7::text IS NULL OR subject_id = $7)
                     AND ($8::text IS NULL OR operation = $8)
                     AND ($9::text IS NULL OR api_key_id = $9)
                   OFFSET 0
               ) AS entry
           )
           SELECT slot, NULL::text AS kind, NULL::text AS name,
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(failed)::bigint AS "failed!", sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM part GROUP BY slot"#,
        &slots.edges,
        &slots.cut,
        from,
        to,
        filter.account.as_deref(),
        filter.subject_kind.map(SubjectKind::name),
        filter.subject.as_deref(),
        filter.operation.map(Operation::name),
        filter.key.as_deref()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The sums of the groups that come first, in their order, and of the others.
pub(super) async fn groups(
    connection: &mut PgConnection,
    grouping: Grouping,
    question: &Question,
    slots: &Slots,
) -> Result<Groups, Error> {
    let mut found = Groups { groups: Vec::new(), others: None };
    let (Some(from), Some(to)) = (slots.from(), slots.to()) else { return Ok(found) };
    for row in group_rows(connection, grouping, question, (from, to), &slots.cut).await? {
        let counts = row.counts();
        match (row.kind, row.name) {
            (Some(kind), Some(name)) => found.groups.push(Group { kind, name, counts }),
            _ => found.others = Some(counts),
        }
    }
    Ok(found)
}

/// A row for each of the groups that come first, and one without a name for all others.
async fn group_rows(
    connection: &mut PgConnection,
    grouping: Grouping,
    question: &Question,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    cut: &[DateTime<Utc>],
) -> Result<Vec<Row>, Error> {
    let (first_day, behind_days) = whole_days(from, to);
    let Question { filter, order, top, .. } = question;
    let rows = sqlx::query_as!(
        Row,
        r#"WITH part AS (
               SELECT CASE $1 WHEN 'subject' THEN subject_kind ELSE '' END AS kind,
                      CASE $1 WHEN 'subject' THEN subject_id WHEN 'key' THEN api_key_id
                              WHEN 'operation' THEN operation ELSE account_id END AS name,
                      calls, settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos
               FROM rollup_day
               WHERE day_at >= $5 AND day_at < $6
                 AND ($7::text IS NULL OR account_id = $7)
                 AND ($8::text IS NULL OR subject_kind = $8)
                 AND ($9::text IS NULL OR subject_id = $9)
                 AND ($10::text IS NULL OR operation = $10)
                 AND ($11::text IS NULL OR api_key_id = $11)
               UNION ALL
               SELECT CASE $1 WHEN 'subject' THEN subject_kind ELSE '' END,
                      CASE $1 WHEN 'subject' THEN subject_id WHEN 'key' THEN api_key_id
                              WHEN 'operation' THEN operation ELSE account_id END,
                      calls, settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos
               FROM rollup_hour
               WHERE (hour_at >= $3 AND hour_at < $5 OR hour_at >= $6 AND hour_at < $4)
                 AND hour_at <> ALL ($2::timestamptz[])
                 AND ($7::text IS NULL OR account_id = $7)
                 AND ($8::text IS NULL OR subject_kind = $8)
                 AND ($9::text IS NULL OR subject_id = $9)
                 AND ($10::text IS NULL OR operation = $10)
                 AND ($11::text IS NULL OR api_key_id = $11)
               UNION ALL
               SELECT CASE $1 WHEN 'subject' THEN subject_kind ELSE '' END,
                      CASE $1 WHEN 'subject' THEN subject_id WHEN 'key' THEN api_key_id
                              WHEN 'operation' THEN operation ELSE account_id END,
                      1, (ending = 'settled')::integer, (ending <> 'settled')::integer,
                      coalesce(input_tokens, 0), coalesce(output_tokens, 0),
                      coalesce(total_tokens, 0), amount_nanos
               FROM unnest($2::timestamptz[]) AS cut (hour_at)
               CROSS JOIN LATERAL (
                   SELECT * FROM entry
                   WHERE finished_at >= cut.hour_at
                     AND finished_at < cut.hour_at + interval '1 hour'
                     AND finished_at >= $3 AND finished_at < $4
                     AND ($7::text IS NULL OR account_id = $7)
                     AND ($8::text IS NULL OR subject_kind = $8)
                     AND ($9::text IS NULL OR subject_id = $9)
                     AND ($10::text IS NULL OR operation = $10)
                     AND ($11::text IS NULL OR api_key_id = $11)
                   OFFSET 0
               ) AS entry
           ), grouped AS (
               SELECT kind, name, sum(calls)::bigint AS calls, sum(settled)::bigint AS settled,
                      sum(failed)::bigint AS failed, sum(input_tokens)::bigint AS input_tokens,
                      sum(output_tokens)::bigint AS output_tokens,
                      sum(total_tokens)::bigint AS total_tokens,
                      sum(amount_nanos)::bigint AS amount_nanos
               FROM part GROUP BY kind, name
           ), placed AS (
               SELECT grouped.*, least($13::bigint + 1, row_number() OVER (ORDER BY
                          CASE $12 WHEN 'calls' THEN calls WHEN 'tokens' THEN total_tokens
                                   WHEN 'failed' THEN failed ELSE amount_nanos END DESC,
                          kind, name)) AS place
               FROM grouped
           )
           SELECT NULL::integer AS slot,
                  CASE WHEN place <= $13 THEN min(kind) END AS kind,
                  CASE WHEN place <= $13 THEN min(name) END AS name,
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(failed)::bigint AS "failed!", sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM placed GROUP BY place ORDER BY place"#,
        grouping.name(),
        cut,
        from,
        to,
        first_day,
        behind_days,
        filter.account.as_deref(),
        filter.subject_kind.map(SubjectKind::name),
        filter.subject.as_deref(),
        filter.operation.map(Operation::name),
        filter.key.as_deref(),
        order.name(),
        top
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The days of UTC that lie wholly between two points in time: where the first begins, and where the last
/// ends. Where there is none, both are the first point, so that everything lies behind them.
fn whole_days(from: DateTime<Utc>, to: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight =
        |time: DateTime<Utc>| time.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let first = match midnight(from) {
        day if day == from => day,
        day => day.checked_add_days(chrono::Days::new(1)).unwrap_or(to),
    };
    let behind = midnight(to);
    if first < behind { (first, behind) } else { (from, from) }
}

/// What the accounts of these groups are called.
pub(super) async fn account_names(
    connection: &mut PgConnection,
    groups: &[Group],
) -> Result<HashMap<String, String>, Error> {
    let ids: Vec<_> = groups.iter().map(|group| group.name.clone()).collect();
    let rows =
        sqlx::query!("SELECT account_id, name FROM account WHERE account_id = ANY($1)", &ids)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, want: [&str; 2]) {
        let time = |text: &str| format!("2025-11-{text}:00Z").parse::<DateTime<Utc>>().unwrap();
        let (first, behind) = whole_days(time(from), time(to));
        assert_eq!([first, behind], want.map(time), "{from} to {to}");
    }

    #[test]
    fn whole_days_lie_within_and_where_there_is_none_all_is_behind() {
        check("20T16:00", "23T16:00", ["21T00:00", "23T00:00"]);
        check("20T00:00", "21T00:00", ["20T00:00", "21T00:00"]);
        check("20T18:30", "21T18:30", ["20T18:30", "20T18:30"]);
        check("20T16:00", "22T00:00", ["21T00:00", "22T00:00"]);
        check("20T01:00", "20T02:00", ["20T01:00", "20T01:00"]);
    }
}

//! The kinds' conditions, in one walk through the entries.

use chrono::{DateTime, TimeDelta, Utc};
use meter::money::Nanos;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;
use crate::read::days::Days;

use super::{Anomalous, Anomaly, Kind, LISTED_MAX, USUAL_CALLS_MIN, USUAL_DAYS};

struct Row {
    kind: String,
    calls: i64,
    call_id: String,
    account_id: String,
    operation: String,
    subject_kind: String,
    subject_id: String,
    finished_at: DateTime<Utc>,
    ending: String,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    total_tokens: Option<i64>,
    amount_nanos: i64,
    usual_nanos: Option<i64>,
}

/// Each kind, with its calls.
pub(super) async fn kinds(
    connection: &mut PgConnection,
    account: Option<&str>,
    days: &Days,
    times: i64,
) -> Result<Vec<Anomalous>, Error> {
    let rows = match (days.edges.first(), days.edges.last()) {
        (Some(from), Some(to)) => rows(connection, account, (*from, *to), times).await?,
        _ => Vec::new(),
    };
    let of = |kind: Kind| rows.iter().filter(move |row| row.kind == kind.name());
    let told = |kind: Kind| Anomalous {
        kind: kind.name(),
        means: kind.means(times),
        calls: of(kind).next().map_or(0, |row| row.calls),
        listed: of(kind).map(|row| told(kind, row)).collect(),
    };
    Ok(Kind::ALL.into_iter().map(told).collect())
}

async fn rows(
    connection: &mut PgConnection,
    account: Option<&str>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    times: i64,
) -> Result<Vec<Row>, Error> {
    let usual_since = to.checked_sub_signed(TimeDelta::days(USUAL_DAYS)).unwrap_or(from);
    // The second kind is the rule of `meter::entry::Facts::lacks_usage`, in SQL.
    let rows = sqlx::query_as!(
        Row,
        r#"WITH usual AS MATERIALIZED (
               SELECT subject_kind, subject_id,
                      percentile_disc(0.5) WITHIN GROUP (ORDER BY amount_nanos) AS amount_nanos
               FROM entry
               WHERE finished_at >= $4 AND finished_at < $3 AND ending = 'settled'
                 AND amount_nanos > 0 AND ($1::text IS NULL OR account_id = $1)
               GROUP BY subject_kind, subject_id HAVING count(*) >= $6
           ), looked AS (
               SELECT kind, e.call_id, e.account_id, e.operation, e.subject_kind, e.subject_id,
                      e.finished_at, e.entry_id, e.ending, e.input_tokens, e.output_tokens,
                      e.total_tokens, e.amount_nanos, usual.amount_nanos AS usual_nanos
               FROM entry e
               LEFT JOIN usual USING (subject_kind, subject_id)
               CROSS JOIN LATERAL (VALUES
                   ('charged_nothing', ending = 'settled' AND e.amount_nanos = 0
                       AND source <> 'missing' AND price ->> 'kind' <> 'free' AND ratio_ppm > 0
                       AND coalesce(price ->> 'amount_nanos', '1') <> '0'),
                   ('usage_missing', ending = 'expired' OR ending = 'settled' AND (
                       price ->> 'kind' = 'per_token' AND source = 'missing'
                       OR price ->> 'kind' = 'cost_plus' AND cost_nanos IS NULL
                          AND (total_tokens IS NULL
                               OR greatest(total_tokens, input_tokens, output_tokens) > 0))),
                   ('usage_fell', usage_fell),
                   ('usage_mismatched', input_tokens + output_tokens <> total_tokens),
                   ('unusually_large', ending = 'settled'
                       AND e.amount_nanos::numeric > $5::bigint::numeric * usual.amount_nanos)
               ) AS kinds (kind, holds)
               WHERE finished_at >= $2 AND finished_at < $3 AND holds
                 AND ($1::text IS NULL OR account_id = $1)
           ), placed AS (
               SELECT looked.*, count(*) OVER (PARTITION BY kind) AS calls,
                      row_number() OVER (PARTITION BY kind
                          ORDER BY amount_nanos DESC, finished_at DESC, entry_id DESC) AS place
               FROM looked
           )
           SELECT kind AS "kind!", calls AS "calls!", call_id, account_id, operation, subject_kind,
                  subject_id, finished_at, ending, input_tokens, output_tokens, total_tokens,
                  amount_nanos, usual_nanos AS "usual_nanos?"
           FROM placed WHERE place <= $7 ORDER BY kind, place"#,
        account,
        from,
        to,
        usual_since,
        times,
        USUAL_CALLS_MIN,
        LISTED_MAX
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

fn told(kind: Kind, row: &Row) -> Anomaly {
    Anomaly {
        call_id: row.call_id.clone(),
        account: row.account_id.clone(),
        operation: row.operation.clone(),
        subject_kind: row.subject_kind.clone(),
        subject: row.subject_id.clone(),
        finished_at: clock::text(row.finished_at),
        amount_nanos: row.amount_nanos,
        detail: detail(kind, row),
    }
}

fn detail(kind: Kind, row: &Row) -> String {
    let tokens = |tokens: Option<i64>| tokens.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let (input, output) = (tokens(row.input_tokens), tokens(row.output_tokens));
    let total = tokens(row.total_tokens);
    match kind {
        Kind::ChargedNothing | Kind::UsageFell => {
            format!("{input} tokens in, {output} out, {total} in total")
        }
        Kind::UsageMissing => format!("{}, and its usage is not known", row.ending),
        Kind::UsageMismatched => format!("{input} in and {output} out are not {total}"),
        Kind::UnusuallyLarge => {
            let quota = |nanos: i64| Nanos::new(nanos).in_quota();
            let usual = row.usual_nanos.unwrap_or_default();
            format!("{} quota, usually {}", quota(row.amount_nanos), quota(usual))
        }
    }
}

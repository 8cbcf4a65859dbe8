//! The lines of a statement, out of the ledger.
//!
//! Both queries take in what finished in the month, and what finished earlier and was not there when
//! the month before was closed: the rule of [`meter::statement::Cut`], in SQL.

use meter::money::Nanos;
use meter::statement::{CreditLine, DayLine, SubjectLine, Sums};
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;

use super::close::Reach;
use super::month::Month;

/// The calls of an account between two reaches, by day and by subject.
pub(super) async fn calls(
    connection: &mut PgConnection,
    account: &str,
    month: &Month,
    before: &Reach,
    reach: &Reach,
) -> Result<(Vec<DayLine>, Vec<SubjectLine>), Error> {
    let rows = sqlx::query!(
        r#"WITH taken AS (
               SELECT finished_at, operation, subject_kind, subject_id, total_tokens, amount_nanos
               FROM entry
               WHERE account_id = $1 AND finished_at >= $2 AND finished_at < $3 AND entry_id <= $5
               UNION ALL
               SELECT e.finished_at, e.operation, e.subject_kind, e.subject_id, e.total_tokens,
                      e.amount_nanos
               FROM posting p
               JOIN entry e ON e.finished_at = p.finished_at AND e.entry_id = p.posting_id
               WHERE p.posting_id > $4 AND p.posting_id <= $5
                 AND p.account_id = $1 AND p.finished_at < $2
           ), dated AS (
               SELECT to_char(finished_at AT TIME ZONE $6, 'YYYY-MM-DD') AS day, taken.* FROM taken
           )
           SELECT day, operation, subject_kind, subject_id, count(*) AS "calls!",
                  coalesce(sum(total_tokens), 0)::bigint AS "tokens!",
                  coalesce(sum(amount_nanos), 0)::bigint AS "amount_nanos!"
           FROM dated
           GROUP BY GROUPING SETS ((day), (operation, subject_kind, subject_id))
           ORDER BY day, operation, subject_kind, subject_id"#,
        account,
        before.ends_at,
        reach.ends_at,
        before.posted,
        reach.posted,
        month.zone()
    )
    .fetch_all(connection)
    .await?;
    let (mut days, mut subjects) = (Vec::new(), Vec::new());
    for row in rows {
        let sums = Sums {
            calls: u64::try_from(row.calls)?,
            tokens: u64::try_from(row.tokens)?,
            amount: Nanos::new(row.amount_nanos),
        };
        match (row.day, row.operation, row.subject_kind, row.subject_id) {
            (Some(day), ..) => days.push(DayLine { day, sums }),
            (None, Some(operation), Some(kind), Some(subject)) => {
                subjects.push(SubjectLine { operation, kind, subject, sums });
            }
            _ => return Err(Error::impossible("entry", "a call of no operation")),
        }
    }
    Ok((days, subjects))
}

/// The credits of an account between two reaches, in the order in which they were given.
pub(super) async fn credits(
    connection: &mut PgConnection,
    account: &str,
    month: &Month,
    before: &Reach,
    reach: &Reach,
) -> Result<Vec<CreditLine>, Error> {
    let rows = sqlx::query!(
        r#"SELECT to_char(created_at AT TIME ZONE $6, 'YYYY-MM-DD') AS "day!", kind, amount_nanos,
                  coalesce(reference, '') AS "reference!", reason
           FROM credit
           WHERE account_id = $1 AND created_at < $3 AND credit_id <= $5
             AND NOT (created_at < $2 AND credit_id <= $4)
           ORDER BY credit_id"#,
        account,
        before.ends_at,
        reach.ends_at,
        before.credited,
        reach.credited,
        month.zone()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| CreditLine {
            day: row.day,
            kind: row.kind,
            amount: Nanos::new(row.amount_nanos),
            reference: row.reference,
            reason: row.reason,
        })
        .collect())
}

/// How far the ledger goes now.
pub(super) async fn reach(connection: &mut PgConnection, month: &Month) -> Result<Reach, Error> {
    let row = sqlx::query!(
        r#"SELECT (SELECT coalesce(max(posting_id), 0) FROM posting) AS "posted!",
                  (SELECT coalesce(max(credit_id), 0) FROM credit) AS "credited!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(Reach { ends_at: month.to, posted: row.posted, credited: row.credited })
}

/// As the rule counts time.
pub(super) fn edges(month: &Month) -> (meter::time::UnixMs, meter::time::UnixMs) {
    (clock::unix_ms(month.from), clock::unix_ms(month.to))
}

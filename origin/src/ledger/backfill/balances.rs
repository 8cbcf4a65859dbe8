//! Balances, and what entries and credits add up to.
//!
//! An account whose rollups were right, and add up to its balance, is right. The entries of the others are
//! added up one by one.

use sqlx::PgConnection;

use crate::alarm::low;
use crate::database::{Tx, take_time};
use crate::error::Error;
use crate::journal;
use crate::ledger::post::one_row;

use super::{Difference, LISTED_MAX, Progress};

/// A balance that is not the sum of what it should be.
pub(super) struct Differing {
    account: String,
    stands: Sums,
    should: Sums,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums {
    credits: i64,
    spent: i64,
    entries: i64,
}

impl Differing {
    /// Each number that differs.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let Self { account, stands, should } = self;
        let fields = [
            ("credits_nanos", stands.credits, should.credits),
            ("spent_nanos", stands.spent, should.spent),
            ("entries", stands.entries, should.entries),
        ];
        let differ = fields.into_iter().filter(|(_, stands, should)| stands != should);
        let difference = |(field, stands, should): (&str, i64, i64)| Difference {
            account: account.clone(),
            hour: None,
            of: "balance".to_owned(),
            field: field.to_owned(),
            stands,
            should,
        };
        differ.map(difference).collect()
    }
}

/// The balances that differ, after this was found in the rollups.
pub(super) async fn look(
    connection: &mut PgConnection,
    found: &Progress,
) -> Result<Vec<Differing>, Error> {
    let suspects: Vec<String> = found.differences.iter().map(|it| it.account.clone()).collect();
    let is_everybody = usize::try_from(found.differing).is_ok_and(|count| count > LISTED_MAX);
    take_time(connection).await?;
    let doubtful = sqlx::query_scalar!(
        r#"SELECT account_id AS "account!"
           FROM (SELECT account_id, sum(amount_nanos) AS spent, sum(calls) AS entries
                 FROM rollup_hour GROUP BY account_id) AS r
           FULL JOIN (SELECT account_id, sum(amount_nanos) AS credits
                      FROM credit GROUP BY account_id) AS c USING (account_id)
           FULL JOIN balance b USING (account_id)
           WHERE (coalesce(r.spent, 0), coalesce(r.entries, 0), coalesce(c.credits, 0))
             <> (coalesce(b.spent_nanos, 0), coalesce(b.entries, 0), coalesce(b.credits_nanos, 0))
             OR account_id = ANY($1) OR $2
           ORDER BY account_id"#,
        &suspects,
        is_everybody
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut differ = Vec::new();
    for account in doubtful {
        // One statement, so that both are of the same moment.
        let row = sqlx::query!(
            r#"SELECT coalesce(b.credits_nanos, 0) AS "credits!", coalesce(b.spent_nanos, 0) AS "spent!",
                      coalesce(b.entries, 0) AS "entries!",
                      (SELECT coalesce(sum(amount_nanos), 0)::bigint FROM credit
                       WHERE account_id = $1) AS "credits_should!",
                      (SELECT coalesce(sum(amount_nanos), 0)::bigint FROM entry
                       WHERE account_id = $1) AS "spent_should!",
                      (SELECT count(*) FROM entry WHERE account_id = $1) AS "entries_should!"
               FROM (VALUES ($1::text)) AS one (account_id) LEFT JOIN balance b USING (account_id)"#,
            account
        )
        .fetch_one(&mut *connection)
        .await?;
        let stands = Sums { credits: row.credits, spent: row.spent, entries: row.entries };
        let should = Sums {
            credits: row.credits_should,
            spent: row.spent_should,
            entries: row.entries_should,
        };
        if stands != should {
            differ.push(Differing { account, stands, should });
        }
    }
    Ok(differ)
}

/// Writes what should stand, and has the edge told. The caller holds the locks of the journals' rows.
pub(super) async fn put_right(tx: &mut Tx, differ: &[Differing]) -> Result<(), Error> {
    for Differing { account, stands, should } in differ {
        let Sums { credits, spent, entries } = should;
        let written = sqlx::query!(
            "INSERT INTO balance (account_id, credits_nanos, spent_nanos, entries)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id) DO UPDATE SET
                 credits_nanos = excluded.credits_nanos, spent_nanos = excluded.spent_nanos,
                 entries = excluded.entries",
            account,
            credits,
            spent,
            entries
        )
        .execute(&mut **tx)
        .await?;
        one_row("balance", written.rows_affected())?;
        low::look(tx, [account.as_str()]).await?;
        if stands.credits == should.credits {
            continue;
        }
        let journal =
            sqlx::query_scalar!("SELECT journal_id FROM account WHERE account_id = $1", account)
                .fetch_optional(&mut **tx)
                .await?;
        let Some(journal) = journal else { continue };
        let revision = journal::bump(tx, &journal).await?;
        sqlx::query!("UPDATE account SET revision = $2 WHERE account_id = $1", account, revision)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

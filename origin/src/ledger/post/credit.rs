//! A credit: its row, its account's sum, and the revision that carries the sum to the edge.

use sqlx::PgConnection;

use crate::alarm::low;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::ledger::credit::{CreditRow, NewCredit};

use super::one_row;

/// Gives a credit. A reference that was used for the very same credit gives back that one; used for
/// another, it is refused.
pub async fn credit(tx: &mut Tx, new: &NewCredit) -> Result<CreditRow, Error> {
    let journal =
        sqlx::query_scalar!("SELECT journal_id FROM account WHERE account_id = $1", new.account)
            .fetch_optional(&mut **tx)
            .await?;
    let journal =
        journal.ok_or_else(|| Error::NotFound { what: "account", name: new.account.clone() })?;
    let revision = journal::bump(tx, &journal).await?;
    let inserted = sqlx::query_scalar!(
        "INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, reference)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT credit_reference_key DO NOTHING
         RETURNING credit_id",
        new.account,
        new.kind.name(),
        new.amount.get(),
        new.reason,
        new.actor.name(),
        new.reference
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(credit_id) = inserted else {
        return same_credit(tx, new).await;
    };
    let credited = sqlx::query!(
        "INSERT INTO balance (account_id, credits_nanos) VALUES ($1, $2)
         ON CONFLICT (account_id) DO UPDATE SET
             credits_nanos = balance.credits_nanos + excluded.credits_nanos",
        new.account,
        new.amount.get()
    )
    .execute(&mut **tx)
    .await?;
    one_row("balance", credited.rows_affected())?;
    let told = sqlx::query!(
        "UPDATE account SET revision = $2 WHERE account_id = $1",
        new.account,
        revision
    )
    .execute(&mut **tx)
    .await?;
    one_row("account", told.rows_affected())?;
    low::look(tx, [new.account.as_str()]).await?;
    Ok(CreditRow {
        credit_id,
        account_id: new.account.clone(),
        kind: new.kind.name().to_owned(),
        amount_nanos: new.amount.get(),
        reference: new.reference.clone(),
        was_there: false,
    })
}

/// The credit that has this reference, if it is the same one.
async fn same_credit(connection: &mut PgConnection, new: &NewCredit) -> Result<CreditRow, Error> {
    let row = sqlx::query_as!(
        CreditRow,
        r#"SELECT credit_id, account_id, kind, amount_nanos, reference, true AS "was_there!"
           FROM credit WHERE reference = $1"#,
        new.reference
    )
    .fetch_one(connection)
    .await?;
    let same = row.account_id == new.account
        && row.kind == new.kind.name()
        && row.amount_nanos == new.amount.get();
    if same {
        return Ok(row);
    }
    let problem = format!("was used for credit {} of account {}", row.credit_id, row.account_id);
    Err(Error::Conflict { field: "reference", problem })
}

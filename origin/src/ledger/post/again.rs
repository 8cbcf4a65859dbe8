//! Calls that stand in the ledger already.
//!
//! Two entries about one call are a finding that stops posting, with one exception: a journal that was
//! put back from an old copy, and taken as it is by an operator, finishes the calls that were open in the
//! copy once more. Those are links of its chain and move no money: the ledger has charged them.

use std::collections::BTreeMap;

use meter::entry::Entry;
use meter::ids::{Epoch, JournalName};
use meter::reconcile::{Code, Finding};
use sqlx::PgConnection;

use crate::database::Tx;
use crate::error::Error;
use crate::journal;

use super::{all_rows, one_row};

/// The entries of a page.
pub(super) struct Sorted {
    /// Those to be posted.
    pub(super) new: Vec<Entry>,
    /// Those of calls that this journal brought before, under another name.
    pub(super) again: Vec<Entry>,
    /// What differs between the two.
    pub(super) findings: Vec<Finding>,
}

/// Where a call stands already.
struct Before {
    journal: String,
    posted_as: String,
    seq: i64,
    amount_nanos: i64,
}

/// Sorts a page's entries; or gives the finding that stops them.
pub(super) async fn sort_out(
    connection: &mut PgConnection,
    name: &JournalName,
    posted_as: &Epoch,
    entries: &[Entry],
) -> Result<Result<Sorted, Finding>, Error> {
    let before = before(connection, name, posted_as, entries).await?;
    let mut sorted = Sorted { new: Vec::new(), again: Vec::new(), findings: Vec::new() };
    for entry in entries {
        let facts = &entry.facts;
        let Some(before) = before.get(facts.call.as_str()) else {
            sorted.new.push(entry.clone());
            continue;
        };
        let Before { journal, posted_as: other, seq, amount_nanos } = before;
        let finding = |code, detail| Finding {
            call: Some(facts.call.clone()),
            ..Finding::at(entry.tail.seq, code, detail)
        };
        if journal != name.as_str() || other == posted_as.as_str() {
            let detail = format!(
                "call {} was posted as entry {seq} of journal {journal} in epoch {other}",
                facts.call
            );
            return Ok(Err(finding(Code::CallDoubled, detail)));
        }
        if facts.amount.get() != *amount_nanos {
            let detail = format!(
                "posted as entry {seq} in epoch {other} with {amount_nanos} nanos, which stands; it \
                 came again with {}",
                facts.amount
            );
            sorted.findings.push(finding(Code::AgainDiffers, detail));
        }
        sorted.again.push(entry.clone());
    }
    Ok(Ok(sorted))
}

/// The calls of these entries that were posted before, from whichever place of whichever journal, or
/// that came again under the same name.
async fn before(
    connection: &mut PgConnection,
    name: &JournalName,
    posted_as: &Epoch,
    entries: &[Entry],
) -> Result<BTreeMap<String, Before>, Error> {
    let calls: Vec<String> = entries.iter().map(|entry| entry.facts.call.to_string()).collect();
    // What came again under this name comes last, so that it is what is kept of the two.
    let rows = sqlx::query!(
        r#"SELECT call_id AS "call_id!", journal_id AS "journal_id!", epoch AS "epoch!",
                  seq AS "seq!", amount_nanos AS "amount_nanos!", false AS "again!"
           FROM posting WHERE call_id = ANY($1)
           UNION ALL
           SELECT call_id, journal_id, epoch, seq, amount_nanos, true FROM entry_again
           WHERE journal_id = $2 AND epoch = $3 AND call_id = ANY($1)
           ORDER BY 6"#,
        &calls,
        name.as_str(),
        posted_as.as_str()
    )
    .fetch_all(connection)
    .await?;
    let place = rows.into_iter().map(|row| {
        let before = Before {
            journal: row.journal_id,
            posted_as: row.epoch,
            seq: row.seq,
            amount_nanos: row.amount_nanos,
        };
        (row.call_id, before)
    });
    Ok(place.collect())
}

/// Keeps the links, and has the accounts carry that much less: their journal counts it now, too.
pub(super) async fn keep(
    tx: &mut Tx,
    name: &JournalName,
    posted_as: &Epoch,
    again: &[Entry],
) -> Result<(), Error> {
    if again.is_empty() {
        return Ok(());
    }
    let mut spent: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in again {
        let seq = i64::try_from(entry.tail.seq)?;
        let inserted = sqlx::query!(
            "INSERT INTO entry_again
                 (journal_id, epoch, seq, call_id, account_id, amount_nanos, total_nanos, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            name.as_str(),
            posted_as.as_str(),
            seq,
            entry.facts.call.as_str(),
            entry.facts.account.as_str(),
            entry.facts.amount.get(),
            entry.tail.total.get(),
            &entry.tail.hash.0[..]
        )
        .execute(&mut **tx)
        .await?;
        all_rows("entry_again", 1, inserted.rows_affected())?;
        let sum = spent.entry(entry.facts.account.as_str()).or_default();
        *sum = sum.saturating_add(entry.facts.amount.get());
    }
    for (account, nanos) in spent {
        let revision = journal::bump(tx, name.as_str()).await?;
        // No row is an account that is not known here, which is a finding of its own.
        let updated = sqlx::query!(
            "UPDATE account SET carried_nanos = carried_nanos - $2, revision = $3
             WHERE account_id = $1 AND journal_id = $4",
            account,
            nanos,
            revision,
            name.as_str()
        )
        .execute(&mut **tx)
        .await?;
        if updated.rows_affected() > 0 {
            one_row("account", updated.rows_affected())?;
        }
    }
    Ok(())
}

//! Each table, added up by itself.

use sqlx::PgConnection;

use crate::error::Error;
use crate::ledger::chain::Chain;
use crate::read::summary::Counts;

use super::Step;
use super::sums::Books;

/// What every table says.
pub(super) async fn books(connection: &mut PgConnection, step: Step<'_>) -> Result<Books, Error> {
    let mut books = Books::default();
    step("balances and credits");
    balances(connection, &mut books).await?;
    step("postings");
    postings(connection, &mut books).await?;
    step("entries");
    entries(connection, &mut books).await?;
    step("rollups of hours");
    hours(connection, &mut books).await?;
    step("rollups of days and of journals");
    days(connection, &mut books).await?;
    course(connection, &mut books).await?;
    Ok(books)
}

async fn balances(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query!("SELECT account_id, credits_nanos, spent_nanos, entries FROM balance")
        .fetch_all(&mut *connection)
        .await?;
    for row in rows {
        let account = books.account(row.account_id);
        account.add("credits_nanos", "balance", row.credits_nanos)?;
        account.add("amount_nanos", "balance", row.spent_nanos)?;
        account.add("calls", "balance", row.entries)?;
    }
    let rows = sqlx::query!(
        r#"SELECT account_id, sum(amount_nanos)::bigint AS "amount_nanos!" FROM credit
           GROUP BY account_id"#
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        books.account(row.account_id).add("credits_nanos", "credit", row.amount_nanos)?;
    }
    Ok(())
}

async fn postings(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query!(
        "SELECT journal_id, coalesce(posted_as, epoch) AS posted_as, cursor_seq,
                cursor_total_nanos FROM journal WHERE NOT scratch"
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let (calls, nanos) = match &row.posted_as {
            None => (0, 0),
            Some(name) => {
                let journal = row.journal_id.parse();
                let journal = journal.map_err(|error| Error::impossible("journal", error))?;
                let upto = u64::try_from(row.cursor_seq)?;
                let chain = Chain::read(connection, &journal, name, upto).await?;
                chain.sums(connection).await?
            }
        };
        let journal = books.journal(row.journal_id);
        journal.add("cursor_calls", "journal", row.cursor_seq)?;
        journal.add("cursor_nanos", "journal", row.cursor_total_nanos)?;
        journal.add("cursor_calls", "posting", calls)?;
        journal.add("cursor_nanos", "posting", nanos)?;
    }
    let rows = sqlx::query!(
        r#"SELECT account_id, journal_id, count(*) AS "calls!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM posting GROUP BY account_id, journal_id"#
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let counts =
            Counts { calls: row.calls, amount_nanos: row.amount_nanos, ..Counts::default() };
        books.account(row.account_id).add_calls("posting", &counts)?;
        books.journal(row.journal_id).add_calls("posting", &counts)?;
    }
    Ok(())
}

/// Sums over calls, of something with a name.
struct Row {
    account_id: Option<String>,
    journal_id: Option<String>,
    calls: i64,
    settled: i64,
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
    amount_nanos: i64,
}

impl Row {
    fn note(self, table: &'static str, books: &mut Books) -> Result<(), Error> {
        let counts = Counts {
            calls: self.calls,
            settled: self.settled,
            failed: 0,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            amount_nanos: self.amount_nanos,
        };
        if let Some(account) = self.account_id {
            books.account(account).add_calls(table, &counts)?;
        }
        if let Some(journal) = self.journal_id {
            books.journal(journal).add_calls(table, &counts)?;
        }
        Ok(())
    }
}

async fn entries(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT account_id AS "account_id?", journal_id AS "journal_id?", count(*) AS "calls!",
                  count(*) FILTER (WHERE ending = 'settled') AS "settled!",
                  coalesce(sum(input_tokens), 0)::bigint AS "input_tokens!",
                  coalesce(sum(output_tokens), 0)::bigint AS "output_tokens!",
                  coalesce(sum(total_tokens), 0)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM entry GROUP BY account_id, journal_id"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().try_for_each(|row| row.note("entry", books))
}

async fn hours(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT account_id AS "account_id?", NULL::text AS journal_id,
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM rollup_hour GROUP BY account_id"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().try_for_each(|row| row.note("rollup_hour", books))
}

async fn days(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT account_id AS "account_id?", NULL::text AS journal_id,
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM rollup_day GROUP BY account_id"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().try_for_each(|row| row.note("rollup_day", books))
}

async fn course(connection: &mut PgConnection, books: &mut Books) -> Result<(), Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT NULL::text AS account_id, journal_id AS "journal_id?",
                  sum(calls)::bigint AS "calls!", sum(settled)::bigint AS "settled!",
                  sum(input_tokens)::bigint AS "input_tokens!",
                  sum(output_tokens)::bigint AS "output_tokens!",
                  sum(total_tokens)::bigint AS "total_tokens!",
                  sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM rollup_journal GROUP BY journal_id"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().try_for_each(|row| row.note("rollup_journal", books))
}

//! What goes down with a pull: the changes that the edge has not applied yet.
//!
//! # Correctness
//! Each change carries the revision that its transaction took from the journal's row, under that row's
//! lock. So once revision N is seen, every change up to N is seen by any later statement, and "up to N"
//! leaves nothing out. A row that changes again while this reads moves behind N and goes with the next
//! pull; whole states are sent, so a newer state than N's does no harm.
//!
//! # Bounds
//! At most [`CHANGES_MAX`] accounts, as many revoked keys and registered ones, and [`ORDERS_MAX`] orders; `upto` says how far
//! they really go.

use base64ct::{Base64, Encoding as _};
use meter::account::{Account, Overdraft, Status};
use meter::money::Nanos;
use meter::oauth::DIRECTORY;
use meter::wire::book::DatedDoc;
use meter::wire::pull::{AccountDoc, CHANGES_MAX, Changes, ORDERS_MAX, OrderDoc};
use meter::wire::registered::RegisteredKeyDoc;
use meter::wire::settings::LimitsDoc;
use sqlx::PgConnection;

use crate::account::settings::Columns;
use crate::clock;
use crate::error::Error;
use crate::journal::Journal;
use crate::order::OrderRow;
use crate::price;

/// Something with the revision at which it changed.
struct At<T> {
    revision: i64,
    value: T,
}

/// The changes behind what the edge has applied; `None` when there are none.
pub async fn read(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Option<Changes>, Error> {
    if journal.revision <= journal.applied || !is_the_store_we_know(journal) {
        return Ok(None);
    }
    let mut upto = journal.revision;
    let accounts = cut(accounts(connection, journal).await?, CHANGES_MAX, &mut upto);
    let revoked_keys = cut(revoked_keys(connection, journal).await?, CHANGES_MAX, &mut upto);
    let registered = registered_keys(connection, journal).await?;
    let registered_keys = cut(registered, CHANGES_MAX, &mut upto);
    let orders = cut(orders(connection, journal).await?, ORDERS_MAX, &mut upto);
    let within = |changed: At<_>| (changed.revision <= upto).then_some(changed.value);
    let accounts: Vec<AccountDoc> = accounts.into_iter().filter_map(within).collect();
    let within = |changed: At<_>| (changed.revision <= upto).then_some(changed.value);
    let revoked_keys = revoked_keys.into_iter().filter_map(within).collect();
    let within = |changed: At<_>| (changed.revision <= upto).then_some(changed.value);
    let registered_keys = registered_keys.into_iter().filter_map(within).collect();
    let within = |changed: At<_>| (changed.revision <= upto).then_some(changed.value);
    let orders = orders.into_iter().filter_map(within).collect();
    let book_is_new = journal.book_revision > journal.applied && journal.book_revision <= upto;
    let (book, next_book) = if book_is_new {
        let book = price::document(connection, journal.book).await?;
        (Some(book), next_book(connection, journal).await?)
    } else {
        (None, None)
    };
    Ok(Some(Changes {
        upto: u64::try_from(upto)?,
        accounts,
        revoked_keys,
        book,
        next_book,
        registered_keys,
        orders,
    }))
}

/// The book that follows the one in force. It goes ahead with its start, and only it does: the one behind
/// it follows once it has started, so that a pull stays within its bound.
async fn next_book(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Option<DatedDoc>, Error> {
    let Some(next) = journal.next_book else { return Ok(None) };
    let (starts_at, book) = price::dated(connection, next).await?;
    Ok(Some(DatedDoc { starts_at_ms: clock::unix_ms(starts_at).get(), book }))
}

/// A store that was lost and began anew is told nothing: it would let its accounts spend their credits
/// a second time. An operator decides.
fn is_the_store_we_know(journal: &Journal) -> bool {
    match (&journal.cursor.epoch, &journal.seen_epoch) {
        (Some(known), Some(seen)) => known.as_str() == seen,
        (None, _) | (_, None) => true,
    }
}

/// Keeps what fits into one request. What is left out begins at a revision that `upto` then stays below.
fn cut<T>(mut changed: Vec<At<T>>, max: usize, upto: &mut i64) -> Vec<At<T>> {
    if let Some(left_out) = changed.get(max) {
        *upto = (*upto).min(left_out.revision.saturating_sub(1));
    }
    changed.truncate(max);
    changed
}

/// One more than fits, so that it shows whether something is left out.
fn limit(max: usize) -> Result<i64, Error> {
    Ok(i64::try_from(max)?.saturating_add(1))
}

async fn accounts(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Vec<At<AccountDoc>>, Error> {
    let rows = sqlx::query!(
        r#"SELECT a.account_id, a.status, a.group_name, a.overdraft_nanos, a.revision,
                  a.requests_per_minute, a.concurrent_calls, a.daily_budget_nanos,
                  a.day_offset_minutes, a.credential, a.keeps_user_ids, a.balance_events,
                  coalesce(b.credits_nanos, 0) AS "credits_nanos!", a.carried_nanos
           FROM account a LEFT JOIN balance b USING (account_id)
           WHERE a.journal_id = $1 AND a.revision > $2 AND a.revision <= $3
           ORDER BY a.revision LIMIT $4"#,
        journal.name.as_str(),
        journal.applied,
        journal.revision,
        limit(CHANGES_MAX)?
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |problem: &dyn std::fmt::Display| {
                Error::impossible("account", format_args!("{}: {problem}", row.account_id))
            };
            let columns = Columns {
                requests_per_minute: row.requests_per_minute,
                concurrent_calls: row.concurrent_calls,
                daily_budget_nanos: row.daily_budget_nanos,
                day_offset_minutes: row.day_offset_minutes,
                credential: row.credential,
                keeps_user_ids: row.keeps_user_ids,
                balance_events: row.balance_events,
            };
            let account = Account {
                id: row.account_id.parse().map_err(|error| impossible(&error))?,
                status: Status::from_name(&row.status).ok_or_else(|| impossible(&row.status))?,
                group: row.group_name.parse().map_err(|error| impossible(&error))?,
                overdraft: row
                    .overdraft_nanos
                    .map_or(Overdraft::Unlimited, |limit| Overdraft::Limit(Nanos::new(limit))),
                // What was spent in a store that is gone is not to be spent a second time.
                credits: Nanos::new(row.credits_nanos).minus(Nanos::new(row.carried_nanos))?,
                settings: columns.settings()?,
            };
            Ok(At { revision: row.revision, value: AccountDoc::from(&account) })
        })
        .collect()
}

async fn revoked_keys(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Vec<At<String>>, Error> {
    let rows = sqlx::query!(
        r#"SELECT api_key_id, revoked_revision AS "revision!"
           FROM api_key
           WHERE journal_id = $1 AND revoked_revision > $2 AND revoked_revision <= $3
           ORDER BY revoked_revision LIMIT $4"#,
        journal.name.as_str(),
        journal.applied,
        journal.revision,
        limit(CHANGES_MAX)?
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| At { revision: row.revision, value: row.api_key_id }).collect())
}

/// What the edge verifies statements with: told to the one journal that lists it.
async fn registered_keys(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Vec<At<RegisteredKeyDoc>>, Error> {
    if journal.name.as_str() != DIRECTORY {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        "SELECT r.api_key_id, k.account_id, k.journal_id, r.app_id, r.kid, r.public_key,
                k.operations, k.subjects, k.networks, k.requests_per_minute,
                k.concurrent_calls, k.daily_budget_nanos, r.withdrawn, r.revision
         FROM registered_key r JOIN api_key k USING (api_key_id)
         WHERE r.revision > $1 AND r.revision <= $2
         ORDER BY r.revision LIMIT $3",
        journal.applied,
        journal.revision,
        limit(CHANGES_MAX)?
    )
    .fetch_all(connection)
    .await?;
    let count = |count: Option<i32>| count.map(u32::try_from).transpose();
    rows.into_iter()
        .map(|row| {
            let value = RegisteredKeyDoc {
                key: row.api_key_id,
                account: row.account_id,
                journal: row.journal_id,
                app: row.app_id,
                kid: row.kid,
                public_key: Base64::encode_string(&row.public_key),
                scp: row.operations,
                sub_allow: row.subjects,
                ips: row.networks,
                lim: LimitsDoc {
                    requests_per_minute: count(row.requests_per_minute)?,
                    concurrent_calls: count(row.concurrent_calls)?,
                    daily_budget_nanos: row.daily_budget_nanos,
                },
                withdrawn: row.withdrawn,
            };
            Ok(At { revision: row.revision, value })
        })
        .collect()
}

async fn orders(
    connection: &mut PgConnection,
    journal: &Journal,
) -> Result<Vec<At<OrderDoc>>, Error> {
    let rows = sqlx::query!(
        "SELECT call_id, journal_id, action, input_tokens, output_tokens, total_tokens, reason,
                actor, source, created_at, revision
         FROM call_order
         WHERE journal_id = $1 AND revision > $2 AND revision <= $3
         ORDER BY revision LIMIT $4",
        journal.name.as_str(),
        journal.applied,
        journal.revision,
        limit(ORDERS_MAX)?
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let order = OrderRow {
                call_id: row.call_id,
                journal_id: row.journal_id,
                action: row.action,
                input_tokens: row.input_tokens,
                output_tokens: row.output_tokens,
                total_tokens: row.total_tokens,
                reason: row.reason,
                actor: row.actor,
                source: row.source,
                created_at: row.created_at,
            };
            let (action, billed) = (order.action()?, order.is_billed());
            let value = OrderDoc { call: order.call_id, action, billed };
            Ok(At { revision: row.revision, value })
        })
        .collect()
}

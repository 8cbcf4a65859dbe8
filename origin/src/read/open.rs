//! Calls that are still open, oldest first, as their journals told them at the last pull.
//!
//! # Bounds
//! A journal lists at most [`meter::wire::pull::OPEN_LISTED_MAX`] calls, its oldest, and here are at most
//! [`OPEN_LISTED_MAX`]; whether there are more is said.

use chrono::{DateTime, Utc};
use meter::money::Nanos;
use meter::route::Operation;
use meter::time::UnixMs;
use meter::wire::explained::OpenDoc;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;

/// Most calls in one list: two journals that list all they may.
pub const OPEN_LISTED_MAX: i64 = 1_000;

/// An open call, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenCall {
    /// The call.
    pub call_id: String,
    /// Who will pay.
    pub account: String,
    /// The key that was used.
    pub key: String,
    /// What was called.
    pub operation: String,
    /// What kind of thing it is priced by.
    pub subject_kind: String,
    /// What it is priced by.
    pub subject: String,
    /// When it was let in.
    pub admitted_at: String,
    /// How long ago that is.
    pub age_ms: u64,
    /// What is set aside for it.
    pub hold_nanos: i64,
    /// The same in quota.
    pub hold_quota: String,
    /// What is being waited for.
    pub waits_for: String,
    /// Questions asked of upstream so far.
    pub asked: u32,
    /// When something is done about it next.
    pub due_at: String,
    /// Upstream's ids of the work, as far as they are known.
    pub chat_id: Option<String>,
    /// See `chat_id`.
    pub conversation_id: Option<String>,
    /// See `chat_id`.
    pub execute_id: Option<String>,
    /// See `chat_id`.
    pub log_id: Option<String>,
    /// The journal that has it.
    pub journal: String,
    /// When the journal told of it last.
    pub told_at: Option<String>,
}

/// The open calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenCalls {
    /// Oldest first.
    pub calls: Vec<OpenCall>,
    /// Whether these are all: no journal that was looked at has more open calls than it lists.
    pub complete: bool,
}

/// An open call as its journal told it, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The journal that has it.
    pub journal: String,
    /// When it said so; `None` when nobody knows any more.
    pub at: Option<DateTime<Utc>>,
    /// What it said.
    pub open: OpenDoc,
}

impl Told {
    /// Whether upstream counts tokens for it.
    pub fn counts_tokens(&self) -> Result<bool, Error> {
        let name = &self.open.hold.asked.operation;
        let unknown = || Error::impossible("open_call", format_args!("operation {name:?}"));
        Operation::from_name(name).map(Operation::counts_tokens).ok_or_else(unknown)
    }

    /// As it is listed at this time.
    pub fn call(&self, now: UnixMs) -> Result<OpenCall, Error> {
        let OpenDoc { hold, waits_for, asked, due_at_ms, seen_at_ms: _ } = &self.open;
        let admitted_at = UnixMs::new(hold.admitted_at_ms);
        Ok(OpenCall {
            call_id: hold.call.clone(),
            account: hold.account.clone(),
            key: hold.key.clone(),
            operation: hold.asked.operation.clone(),
            subject_kind: hold.asked.subject_kind.clone(),
            subject: hold.asked.subject.clone(),
            admitted_at: clock::text(clock::timestamp(admitted_at)?),
            age_ms: now.since(admitted_at),
            hold_nanos: hold.amount_nanos,
            hold_quota: Nanos::new(hold.amount_nanos).in_quota().to_string(),
            waits_for: waits_for.clone(),
            asked: *asked,
            due_at: clock::text(clock::timestamp(UnixMs::new(*due_at_ms))?),
            chat_id: hold.ids.chat_id.clone(),
            conversation_id: hold.ids.conversation_id.clone(),
            execute_id: hold.ids.execute_id.clone(),
            log_id: hold.ids.log_id.clone(),
            journal: self.journal.clone(),
            told_at: self.at.map(clock::text),
        })
    }
}

/// The open calls of an account, or of all of them.
pub async fn read(pool: &PgPool, account: Option<&str>, now: UnixMs) -> Result<OpenCalls, Error> {
    let mut rows = sqlx::query!(
        r#"SELECT journal_id, last_pull_at, document AS "document: Json<OpenDoc>"
           FROM open_call JOIN journal USING (journal_id)
           WHERE $1::text IS NULL OR account_id = $1
           ORDER BY admitted_at, call_id LIMIT $2"#,
        account,
        // One more than is listed, to see whether something is left out.
        OPEN_LISTED_MAX.saturating_add(1)
    )
    .fetch_all(pool)
    .await?;
    let listed = usize::try_from(OPEN_LISTED_MAX)?;
    let cut = rows.len() > listed;
    rows.truncate(listed);
    let calls = rows
        .into_iter()
        .map(|row| {
            let told = Told { journal: row.journal_id, at: row.last_pull_at, open: row.document.0 };
            told.call(now)
        })
        .collect::<Result<_, _>>()?;
    let unlisted = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM journal j
               WHERE open_holds > (SELECT count(*) FROM open_call o
                                   WHERE o.journal_id = j.journal_id)
                 AND ($1::text IS NULL OR journal_id =
                      (SELECT a.journal_id FROM account a WHERE a.account_id = $1))
           ) AS "unlisted!""#,
        account
    )
    .fetch_one(pool)
    .await?;
    Ok(OpenCalls { calls, complete: !cut && !unlisted })
}

/// What was told last of one open call: an account's, or anybody's.
pub async fn one(pool: &PgPool, account: Option<&str>, call: &str) -> Result<Option<Told>, Error> {
    let row = sqlx::query!(
        r#"SELECT journal_id, last_pull_at, document AS "document: Json<OpenDoc>"
           FROM open_call JOIN journal USING (journal_id)
           WHERE call_id = $1 AND ($2::text IS NULL OR account_id = $2)
           ORDER BY journal_id LIMIT 1"#,
        call,
        account
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Told { journal: row.journal_id, at: row.last_pull_at, open: row.document.0 }))
}

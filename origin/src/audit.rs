//! Who did what: a line for each act of an administrator, written by the transaction of the act.
//!
//! Whoever changes something on somebody's behalf takes an [`Actor`] and calls [`record`] before its
//! transaction commits, so that there is no act without its line and no line without its act.
//!
//! # Bounds
//! A page has at most [`crate::page::PAGE_ROWS_MAX`] lines; names are cut to [`NAME_CHARS_MAX`].

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::page::{Page, Span};

/// Longest name of an actor or a subject that is kept, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// The way in by which somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Over HTTP, signed in.
    Http,
    /// At the command line, with the database's own password.
    Cli,
    /// The origin itself, as it was told to beforehand.
    Origin,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    via: Via,
}

impl Actor {
    /// Somebody by name. An empty name says nothing, so it becomes the way in.
    pub fn new(name: &str, via: Via) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        let name = name.trim();
        let name = if name.is_empty() { via.name() } else { name };
        Self { name: name.to_owned(), via }
    }

    /// The name, as the ledger records it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Via {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Cli => "cli",
            Self::Origin => "origin",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name says it")]
pub enum Act {
    AccountCreate,
    AccountChange,
    KeyIssue,
    KeyRegister,
    KeyRevoke,
    KeyRotate,
    CreditGive,
    PriceChange,
    CallOrder,
    BillImport,
    BackfillRun,
    FindingChange,
    JournalAccept,
    ReconcileRun,
    PersonAdd,
    PersonPassword,
    PersonRemove,
    SessionBegin,
    SessionEnd,
    ImportRun,
}

impl Act {
    /// The stable name: what it was done to, and what.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountCreate => "account.create",
            Self::AccountChange => "account.change",
            Self::KeyIssue => "key.issue",
            Self::KeyRegister => "key.register",
            Self::KeyRevoke => "key.revoke",
            Self::KeyRotate => "key.rotate",
            Self::CreditGive => "credit.give",
            Self::PriceChange => "price.change",
            Self::CallOrder => "call.order",
            Self::BackfillRun => "backfill.run",
            Self::BillImport => "bill.import",
            Self::FindingChange => "finding.change",
            Self::JournalAccept => "journal.accept",
            Self::ReconcileRun => "reconcile.run",
            Self::PersonAdd => "person.add",
            Self::PersonPassword => "person.password",
            Self::PersonRemove => "person.remove",
            Self::SessionBegin => "session.begin",
            Self::SessionEnd => "session.end",
            Self::ImportRun => "import.run",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditRow {
    /// Its number.
    pub audit_id: i64,
    /// When.
    #[serde(serialize_with = "clock::serialize")]
    pub at: DateTime<Utc>,
    /// Who, as they were called then.
    pub actor: String,
    /// By which way in: `http`, `cli` or, by itself, `origin`.
    pub via: String,
    /// What was done, such as `account.create`.
    pub act: String,
    /// To what: an account, a key, a call, a version, a name.
    pub subject: String,
    /// What was asked for or changed.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Which lines are asked for; `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By this one.
    pub actor: Option<String>,
    /// This act.
    pub act: Option<String>,
    /// To this thing.
    pub subject: Option<String>,
}

/// Writes a line down. It is there when the transaction is committed, and only then.
pub async fn record(
    tx: &mut Tx,
    actor: &Actor,
    act: Act,
    subject: &str,
    detail: &Value,
) -> Result<(), Error> {
    let subject: String = subject.chars().take(NAME_CHARS_MAX).collect();
    let written = sqlx::query!(
        "INSERT INTO audit (actor, via, act, subject, detail) VALUES ($1, $2, $3, $4, $5)",
        actor.name,
        actor.via.name(),
        act.name(),
        subject,
        detail
    )
    .execute(&mut **tx)
    .await?;
    match written.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::impossible("audit", "an insert wrote no row")),
    }
}

/// A row, as a line's detail.
pub fn document(row: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(row).map_err(|error| Error::Unprintable(error.to_string()))
}

/// What differs between two states of a row, as a line's detail: by field, what was and what is.
pub fn changes<T: Serialize>(before: &T, after: &T) -> Result<Value, Error> {
    let (before, after) = (document(before)?, document(after)?);
    let was = |field: &String| before.get(field).cloned().unwrap_or_default();
    let fields = after.as_object().into_iter().flatten();
    let changed = fields.filter(|(field, value)| was(field) != **value);
    Ok(changed.map(|(field, value)| (field.clone(), json!([was(field), value]))).collect())
}

/// A page of lines, newest first.
pub async fn list(pool: &PgPool, filter: &Filter, span: &Span) -> Result<Page<AuditRow>, Error> {
    let rows = sqlx::query_as!(
        AuditRow,
        "SELECT audit_id, at, actor, via, act, subject, detail FROM audit
         WHERE ($1::text IS NULL OR actor = $1)
           AND ($2::text IS NULL OR act = $2)
           AND ($3::text IS NULL OR subject = $3)
           AND ($4::bigint IS NULL OR audit_id < $4)
         ORDER BY audit_id DESC LIMIT $5",
        filter.actor,
        filter.act,
        filter.subject,
        span.behind_number()?,
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.audit_id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, want: &str) {
        assert_eq!(Actor::new(name, Via::Cli).name(), want);
    }

    #[test]
    fn changes_name_what_differs_and_nothing_else() {
        let state = |name: &str, count: u8| json!({ "name": name, "count": count });
        let changed = changes(&state("a", 1), &state("b", 1)).unwrap();
        assert_eq!(changed, json!({ "name": ["a", "b"] }));
        assert_eq!(changes(&state("a", 1), &state("a", 1)).unwrap(), json!({}));
    }

    #[test]
    fn an_actor_has_a_name_that_fits() {
        check("", "cli");
        check(" \n\0 ", "cli");
        check(" li.na ", "li.na");
        let longest = "名".repeat(NAME_CHARS_MAX);
        check(&longest, &longest);
        check(&format!("{longest}x"), &longest);
    }
}

//! Credits: money given to an account.

use chrono::{DateTime, Utc};
use meter::money::Nanos;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::ledger::post;
use crate::page::{Page, Span};
use crate::text;

/// Most that one credit gives: ten million units of the currency, so that sums of them stay countable.
pub const CREDIT_MAX: Nanos = Nanos::new(10_000_000 * NANOS_PER_UNIT);
/// Most that one takes away.
const CREDIT_MIN: Nanos = Nanos::new(-10_000_000 * NANOS_PER_UNIT);
/// Nanos in one unit of the currency.
const NANOS_PER_UNIT: i64 = 1_000_000_000;
/// Longest reference, in characters.
const REFERENCE_CHARS_MAX: usize = 200;

/// Why money is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[clap(rename_all = "snake_case")]
pub enum CreditKind {
    /// A gift, such as what a new account starts with.
    Grant,
    /// A payment.
    TopUp,
    /// Money back for calls that should not have been charged.
    Refund,
    /// A correction, the only kind that may take away.
    Adjustment,
}

impl CreditKind {
    /// The kind with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Grant, Self::TopUp, Self::Refund, Self::Adjustment];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::TopUp => "top_up",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
        }
    }
}

/// A credit to be given.
#[derive(Debug, Clone)]
pub struct NewCredit {
    /// To whom.
    pub account: String,
    /// Why, in a word.
    pub kind: CreditKind,
    /// How much.
    pub amount: Nanos,
    /// Why, in a sentence.
    pub reason: String,
    /// By whom.
    pub actor: Actor,
    /// The payment, as its provider calls it. The same one is credited once.
    pub reference: Option<String>,
}

/// A credit that stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditRow {
    /// Its number.
    pub credit_id: i64,
    /// To whom.
    pub account_id: String,
    /// Why, in a word.
    pub kind: String,
    /// How much.
    pub amount_nanos: i64,
    /// The payment, when one was named.
    pub reference: Option<String>,
    /// It stood there before: its reference had been used for the very same credit.
    pub was_there: bool,
}

impl NewCredit {
    /// Refuses what the ledger would refuse, by the name of the argument.
    fn check(&self) -> Result<(), Error> {
        let takes = self.amount < Nanos::ZERO && self.kind != CreditKind::Adjustment;
        if self.amount == Nanos::ZERO || takes {
            let problem = format!("must be above zero for a {}", self.kind.name());
            return Err(Error::invalid("amount", problem));
        }
        if self.amount > CREDIT_MAX || self.amount < CREDIT_MIN {
            let problem = format!("is more than {} quota", CREDIT_MAX.in_quota());
            return Err(Error::invalid("amount", problem));
        }
        text::check_reason(&self.reason)?;
        match &self.reference {
            Some(reference) => text::check("reference", reference, REFERENCE_CHARS_MAX),
            None => Ok(()),
        }
    }
}

/// A credit, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditTold {
    /// Its number.
    pub credit_id: i64,
    /// To whom.
    pub account_id: String,
    /// Why, in a word.
    pub kind: String,
    /// How much.
    pub amount_nanos: i64,
    /// Why, in a sentence.
    pub reason: String,
    /// By whom.
    pub actor: String,
    /// The payment, when one was named.
    pub reference: Option<String>,
    /// When.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

/// A page of credits, newest first: an account's, or all.
pub async fn list(
    pool: &PgPool,
    account_id: Option<&str>,
    span: &Span,
) -> Result<Page<CreditTold>, Error> {
    let rows = sqlx::query_as!(
        CreditTold,
        "SELECT credit_id, account_id, kind, amount_nanos, reason, actor, reference, created_at
         FROM credit
         WHERE ($1::text IS NULL OR account_id = $1) AND ($2::bigint IS NULL OR credit_id < $2)
         ORDER BY credit_id DESC LIMIT $3",
        account_id,
        span.behind_number()?,
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.credit_id.to_string()))
}

/// Gives a credit; the edge learns of it with the pull that this wakes.
pub async fn give(pool: &PgPool, new: &NewCredit) -> Result<CreditRow, Error> {
    new.check()?;
    let mut tx = Tx::begin(pool, "give_credit").await?;
    let row = post::credit(&mut tx, new).await?;
    if !row.was_there {
        let detail = json!({
            "credit_id": row.credit_id,
            "kind": row.kind,
            "amount_nanos": row.amount_nanos,
            "reason": new.reason,
            "reference": row.reference,
        });
        audit::record(&mut tx, &new.actor, Act::CreditGive, &new.account, &detail).await?;
        tx.commit().await?;
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Via;

    #[test]
    fn an_amount_and_a_reference_have_their_bounds() {
        let check = |nanos: i64, reference: usize| {
            let credit = NewCredit {
                account: "acc_1".to_owned(),
                kind: CreditKind::Adjustment,
                amount: Nanos::new(nanos),
                reason: "a test".to_owned(),
                reference: Some("r".repeat(reference)),
                actor: Actor::new("test", Via::Cli),
            };
            credit.check()
        };
        for amount in [CREDIT_MAX.get(), CREDIT_MIN.get()] {
            assert!(check(amount, REFERENCE_CHARS_MAX).is_ok());
        }
        assert!(check(CREDIT_MAX.get() + 1, 1).is_err());
        assert!(check(CREDIT_MIN.get() - 1, 1).is_err());
        assert!(check(1, REFERENCE_CHARS_MAX + 1).is_err());
    }
}

//! Credits: money given to an account.

use meter::money::Nanos;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::error::Error;
use crate::ledger::post;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1_000;
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
        let within = |text: &str, max| !text.trim().is_empty() && text.chars().count() <= max;
        if !within(&self.reason, REASON_CHARS_MAX) {
            let problem = format!("must have 1 to {REASON_CHARS_MAX} characters");
            return Err(Error::invalid("reason", problem));
        }
        if self.reference.as_ref().is_some_and(|text| !within(text, REFERENCE_CHARS_MAX)) {
            let problem = format!("must have 1 to {REFERENCE_CHARS_MAX} characters");
            return Err(Error::invalid("reference", problem));
        }
        Ok(())
    }
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

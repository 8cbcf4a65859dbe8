//! Re-rating: what calls of some time should have cost, and the difference, exactly.
//!
//! Path: ledger → **re-rate** → credit. Each entry is charged again by the very function that the journal
//! used, from the inputs that are stored with it: at the terms frozen on it, or at those of another price
//! book. What is found is posted, if at all, as one adjustment for each account.
//!
//! # Correctness
//! - A page's sums and the place reached are one commit: stopped anywhere, it goes on where it was.
//! - What is posted after it began is not part of it, so that a second run of the same finds the same.
//! - An adjustment's reference names account, stretch and book: it is credited once, however often.
//!
//! # Bounds
//! A page has at most [`crate::ledger::stored::PAGE_ENTRIES_MAX`] entries.

mod run;
pub mod trial;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use meter::entry::{Ending, Facts};
use meter::money::{Nanos, OutOfRange};
use meter::price::PriceBook;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::audit::Actor;
use crate::error::Error;
use crate::ledger::credit::{self, CreditKind, CreditRow, NewCredit};

pub use run::{Progress, Run};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The instant after the last.
    pub to: DateTime<Utc>,
    /// Only this account's calls.
    pub account: Option<String>,
    /// By this price book; each call by its own when it is absent.
    pub book: Option<i32>,
}

/// What some calls were charged, and what they should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// How many there are.
    pub calls: i64,
    /// What they were charged.
    pub charged_nanos: i64,
    /// What they should have been.
    pub rerated_nanos: i64,
    /// How many the book does not price; they stay as they are.
    pub unpriced: i64,
}

impl Sums {
    /// What they should have been charged more; negative when it is less.
    pub fn difference(&self) -> Result<Nanos, OutOfRange> {
        Nanos::new(self.rerated_nanos).minus(Nanos::new(self.charged_nanos))
    }

    fn add(&mut self, charged: Nanos, rerated: Option<Nanos>) -> Result<(), OutOfRange> {
        let plus = |sum: i64, amount: Nanos| Nanos::new(sum).plus(amount).map(Nanos::get);
        self.calls = self.calls.checked_add(1).ok_or(OutOfRange)?;
        self.charged_nanos = plus(self.charged_nanos, charged)?;
        self.rerated_nanos = plus(self.rerated_nanos, rerated.unwrap_or(charged))?;
        let unpriced = i64::from(rerated.is_none());
        self.unpriced = self.unpriced.checked_add(unpriced).ok_or(OutOfRange)?;
        Ok(())
    }
}

/// By account.
pub type ByAccount = BTreeMap<String, Sums>;

/// What a call should have cost: by its own terms, or by those of a book. `None` when the book has no
/// price for it, or the amount does not fit.
fn rerated(facts: &Facts, book: Option<&PriceBook>) -> Option<Nanos> {
    let Some(book) = book else { return facts.derived_amount().ok() };
    if facts.ending != Ending::Settled {
        return Some(Nanos::ZERO);
    }
    let terms = book.terms(&facts.account, &facts.group, &facts.asked).ok()?;
    terms.charge(facts.asked.units, &facts.reading).ok()
}

/// Credits or takes back the difference of each account that has one.
pub async fn post(
    pool: &PgPool,
    question: &Question,
    found: &ByAccount,
    actor: &Actor,
) -> Result<Vec<CreditRow>, Error> {
    let day = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let by = question.book.map_or_else(|| "own".to_owned(), |book| book.to_string());
    let stretch = format!("{}/{}", day(question.from), day(question.to));
    let mut posted = Vec::new();
    for (account, sums) in found {
        let amount = Nanos::ZERO.minus(sums.difference()?)?;
        if amount == Nanos::ZERO {
            continue;
        }
        let new = NewCredit {
            account: account.clone(),
            kind: CreditKind::Adjustment,
            amount,
            reason: format!("re-rated {stretch} by price book {by}: {} calls", sums.calls),
            actor: actor.clone(),
            reference: Some(format!("rerate {stretch} {by} {account}")),
        };
        posted.push(credit::give(pool, &new).await?);
    }
    Ok(posted)
}

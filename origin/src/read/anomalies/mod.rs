//! Calls that are not wrong and still worth a look.
//!
//! What contradicts itself is a finding, and reconciling notes it. Here is what only a person can judge:
//! each kind is defined by one sentence, [`Kind::means`], and one condition of the query.
//!
//! # Bounds
//! At most [`DAYS_MAX`] days, of which every entry is looked at; what is usual is taken from the
//! [`USUAL_DAYS`] days up to the last of them. At most [`LISTED_MAX`] calls of a kind are listed, all are
//! counted.

mod default_price;
mod query;

use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::database;
use crate::error::Error;
use crate::read::days::Days;

pub use default_price::DefaultPriced;

/// Most days that are looked at.
pub const DAYS_MAX: usize = 31;
/// Days that tell what is usual for a subject.
pub const USUAL_DAYS: i64 = 30;
/// Fewest charged calls that tell what is usual.
pub const USUAL_CALLS_MIN: i64 = 20;
/// How many times the usual amount is unusual, unless somebody says otherwise.
pub const TIMES_DEFAULT: i64 = 10;
/// Most calls of a kind that are listed.
pub const LISTED_MAX: i64 = 100;

/// A kind of calls worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Settled, and nothing charged.
    ChargedNothing,
    /// Settled or expired, and its usage is not known.
    UsageMissing,
    /// An earlier usage in the same stream was larger.
    UsageFell,
    /// Total and parts contradict each other.
    UsageMismatched,
    /// Much dearer than is usual for its subject.
    UnusuallyLarge,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::ChargedNothing,
        Self::UsageMissing,
        Self::UsageFell,
        Self::UsageMismatched,
        Self::UnusuallyLarge,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChargedNothing => "charged_nothing",
            Self::UsageMissing => "usage_missing",
            Self::UsageFell => "usage_fell",
            Self::UsageMismatched => "usage_mismatched",
            Self::UnusuallyLarge => "unusually_large",
        }
    }

    /// What it is, in a sentence.
    pub fn means(self, times: i64) -> String {
        match self {
            Self::ChargedNothing => {
                "settled with a known usage at a price above zero, and charged nothing".to_owned()
            }
            Self::UsageMissing => {
                "settled without the usage or the cost that its price needs, or expired".to_owned()
            }
            Self::UsageFell => "an earlier usage in the same stream was larger".to_owned(),
            Self::UsageMismatched => {
                "tokens in and out do not add up to the total that upstream stated".to_owned()
            }
            Self::UnusuallyLarge => format!(
                "charged more than {times} times the median of its subject's charged calls in \
                 {USUAL_DAYS} days, of which there were at least {USUAL_CALLS_MIN}"
            ),
        }
    }
}

/// A call worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Anomaly {
    /// The call.
    pub call_id: String,
    /// Who pays.
    pub account: String,
    /// What was called.
    pub operation: String,
    /// What kind of thing it is priced by.
    pub subject_kind: String,
    /// What it is priced by.
    pub subject: String,
    /// When it finished.
    pub finished_at: String,
    /// What it cost.
    pub amount_nanos: i64,
    /// What is worth a look about it.
    pub detail: String,
}

/// The calls of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Anomalous {
    /// Its stable name.
    pub kind: &'static str,
    /// What it is, in a sentence.
    pub means: String,
    /// How many calls there are.
    pub calls: i64,
    /// The dearest of them, and of equals the newest, as many as are listed.
    pub listed: Vec<Anomaly>,
}

/// What is worth a look in some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Anomalies {
    /// Whose; `None` for all accounts together.
    pub account: Option<String>,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The zone they are days in.
    pub tz: String,
    /// Every kind, also those without calls.
    pub kinds: Vec<Anomalous>,
    /// Subjects that have no price of their own and were charged by their provider's default, the dearest
    /// first.
    pub default_priced: Vec<DefaultPriced>,
    /// How many such subjects there are.
    pub default_priced_subjects: usize,
}

/// Looks at the calls of an account, or of all, in these days.
pub async fn read(
    pool: &PgPool,
    account: Option<&str>,
    days: &Days,
    times: i64,
) -> Result<Anomalies, Error> {
    let count = days.dates().count();
    if count > DAYS_MAX {
        return Err(Error::invalid("from", format!("is more than {DAYS_MAX} days before `to`")));
    }
    let mut tx = database::snapshot(pool).await?;
    database::take_time(&mut tx).await?;
    let kinds = query::kinds(&mut tx, account, days, times).await?;
    let mut default_priced = default_price::read(&mut tx, account, days).await?;
    tx.commit().await?;
    let default_priced_subjects = default_priced.len();
    default_priced.truncate(usize::try_from(LISTED_MAX)?);
    Ok(Anomalies {
        account: account.map(str::to_owned),
        from: days.first.to_string(),
        to: days.last.to_string(),
        tz: days.zone.to_string(),
        kinds,
        default_priced,
        default_priced_subjects,
    })
}

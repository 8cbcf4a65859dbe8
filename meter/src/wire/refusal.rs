//! Refusals, as a journal's object gives them to a request.

use serde::{Deserialize, Serialize};

use crate::rate::Rate;
use crate::refusal::{Reason, Refusal};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalDoc {
    /// The stable code of a [`Reason`].
    pub reason: String,
    /// More than the reason's own sentence says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Seconds after which it may be let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// How the caller stands with its calls a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateDoc>,
}

/// How a caller stands with its calls a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Rate`, spelled out")]
pub struct RateDoc {
    pub limit: u32,
    pub remaining: u32,
    pub reset_s: u64,
}

impl From<Rate> for RateDoc {
    fn from(rate: Rate) -> Self {
        let Rate { limit, remaining, reset_s } = rate;
        Self { limit, remaining, reset_s }
    }
}

impl From<RateDoc> for Rate {
    fn from(doc: RateDoc) -> Self {
        let RateDoc { limit, remaining, reset_s } = doc;
        Self { limit, remaining, reset_s }
    }
}

impl From<Refusal> for RefusalDoc {
    fn from(refusal: Refusal) -> Self {
        let Refusal { reason, detail, retry_after_s, rate } = refusal;
        Self {
            reason: reason.code().to_owned(),
            detail: detail.map(Into::into),
            retry_after_s,
            rate: rate.map(Into::into),
        }
    }
}

impl From<RefusalDoc> for Refusal {
    /// A reason that only a newer build knows is one that this build cannot explain.
    fn from(doc: RefusalDoc) -> Self {
        let RefusalDoc { reason, detail, retry_after_s, rate } = doc;
        Self {
            reason: Reason::from_code(&reason).unwrap_or(Reason::Internal),
            detail: detail.map(Into::into),
            retry_after_s,
            rate: rate.map(Into::into),
        }
    }
}

//! What the edge's request handlers say to a journal's object, and what it answers.
//!
//! Both ends are the same build or two neighbouring ones during a deploy, so fields are only ever added,
//! with a default.

use serde::{Deserialize, Serialize};

use crate::entry::Ending;
use crate::ids::{AccountId, CallId, KeyId};
use crate::journal::{Admission, Report, Settled};
use crate::money::Nanos;
use crate::request::{Asked, Subject, SubjectKind};
use crate::route::Operation;
use crate::usage::{Observed, Stage, Usage, WorkIds};

use super::entry::WorkIdsDoc;
use super::pull::{PullReply, PullRequest};
use super::{WireError, named, parse};

/// A command to a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CommandDoc {
    /// May this key be used at all?
    Enter {
        /// The account.
        account: String,
        /// The key.
        key: String,
    },
    /// Let a call in.
    Admit(AdmitDoc),
    /// A sign of life of a running call, with the ids known by now.
    Note {
        /// The call.
        call: String,
        /// Upstream's ids of its work.
        ids: WorkIdsDoc,
    },
    /// The reply to a call was read.
    Settle {
        /// The call.
        call: String,
        /// What the reply said.
        report: ReportDoc,
    },
    /// The caller asked about earlier work, and this was the answer.
    Follow {
        /// The account that asked.
        account: String,
        /// What the answer said.
        report: ReportDoc,
    },
    /// How does the account stand?
    Stand {
        /// The account.
        account: String,
        /// The key that asks.
        key: String,
    },
    /// The origin pulls.
    Pull(PullRequest),
}

/// A call that asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Admission`, spelled out")]
pub struct AdmitDoc {
    pub call: String,
    pub account: String,
    pub key: String,
    pub operation: String,
    pub subject_kind: String,
    pub subject: String,
}

/// What a reply said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of `Report`, spelled out")]
pub struct ReportDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub stage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub usage_fell: bool,
    #[serde(flatten)]
    pub ids: WorkIdsDoc,
}

/// A journal's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ReplyDoc {
    /// The key may be used, or the note was taken.
    Ok,
    /// The call is held.
    Admitted {
        /// What is set aside.
        hold_nanos: i64,
        /// The account's balance, without regard to holds.
        balance_nanos: i64,
    },
    /// The journal says no.
    Refused {
        /// The stable code of a [`crate::refusal::Reason`].
        reason: String,
    },
    /// The call is finished.
    Finished {
        /// How it ended.
        ending: String,
        /// What it cost.
        amount_nanos: i64,
        /// The account's balance.
        balance_nanos: i64,
    },
    /// The call's work goes on.
    Open,
    /// No running or recent call is meant.
    Unknown,
    /// How the account stands.
    Standing(StandingDoc),
    /// The page.
    Page(PullReply),
}

/// How an account stands in its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingDoc {
    /// The sum of its credits.
    pub credits_nanos: i64,
    /// The sum of its entries.
    pub spent_nanos: i64,
    /// The sum of its open holds.
    pub held_nanos: i64,
}

impl From<&Admission> for AdmitDoc {
    fn from(admission: &Admission) -> Self {
        let Admission { call, account, key, asked } = admission;
        let Asked { operation, subject: Subject { kind, id } } = asked;
        Self {
            call: call.to_string(),
            account: account.to_string(),
            key: key.to_string(),
            operation: operation.name().to_owned(),
            subject_kind: kind.name().to_owned(),
            subject: id.to_string(),
        }
    }
}

impl TryFrom<&AdmitDoc> for Admission {
    type Error = WireError;

    fn try_from(doc: &AdmitDoc) -> Result<Self, WireError> {
        let AdmitDoc { call, account, key, operation, subject_kind, subject } = doc;
        Ok(Self {
            call: parse::<CallId>("call", call)?,
            account: parse::<AccountId>("account", account)?,
            key: parse::<KeyId>("key", key)?,
            asked: Asked {
                operation: named("operation", operation, Operation::from_name)?,
                subject: Subject {
                    kind: named("subject_kind", subject_kind, SubjectKind::from_name)?,
                    id: parse("subject", subject)?,
                },
            },
        })
    }
}

impl From<&Report> for ReportDoc {
    fn from(report: &Report) -> Self {
        let Report { status, observed } = report;
        let Observed { stage, usage, code, ids, usage_fell } = observed;
        Self {
            status: *status,
            stage: stage.name().to_owned(),
            code: *code,
            input_tokens: usage.and_then(|usage| usage.input),
            output_tokens: usage.and_then(|usage| usage.output),
            total_tokens: usage.map(|usage| usage.total),
            usage_fell: *usage_fell,
            ids: ids.into(),
        }
    }
}

impl TryFrom<&ReportDoc> for Report {
    type Error = WireError;

    fn try_from(doc: &ReportDoc) -> Result<Self, WireError> {
        let ReportDoc {
            status,
            stage,
            code,
            input_tokens,
            output_tokens,
            total_tokens,
            usage_fell,
            ids,
        } = doc;
        let usage =
            total_tokens.map(|total| Usage { input: *input_tokens, output: *output_tokens, total });
        Ok(Self {
            status: *status,
            observed: Observed {
                stage: named("stage", stage, Stage::from_name)?,
                usage,
                code: *code,
                ids: WorkIds::try_from(ids)?,
                usage_fell: *usage_fell,
            },
        })
    }
}

impl From<&Settled> for ReplyDoc {
    fn from(settled: &Settled) -> Self {
        match settled {
            Settled::Finished { ending, amount, balance } => Self::Finished {
                ending: ending.name().to_owned(),
                amount_nanos: amount.get(),
                balance_nanos: balance.get(),
            },
            Settled::Open => Self::Open,
            Settled::Unknown => Self::Unknown,
        }
    }
}

impl ReplyDoc {
    /// How a call stands, when this answers a settle or a follow.
    pub fn settled(&self) -> Result<Settled, WireError> {
        match self {
            Self::Finished { ending, amount_nanos, balance_nanos } => Ok(Settled::Finished {
                ending: named("ending", ending, Ending::from_name)?,
                amount: Nanos::new(*amount_nanos),
                balance: Nanos::new(*balance_nanos),
            }),
            Self::Open => Ok(Settled::Open),
            Self::Unknown => Ok(Settled::Unknown),
            _ => Err(WireError::new("is", "does not answer this command")),
        }
    }
}

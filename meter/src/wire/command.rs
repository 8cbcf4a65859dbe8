//! What the edge's request handlers say to a journal's object, and what it answers.
//!
//! Both ends are the same build or two neighbouring ones during a deploy, so fields are only ever added,
//! with a default.

use serde::{Deserialize, Serialize};

use crate::apart::Named;
use crate::entry::Ending;
use crate::ids::{AccountId, CallId, KeyId};
use crate::journal::{Admission, Attempt, IdempotencyKey, KeptReply, Report, Settled};
use crate::money::Nanos;
use crate::route::Kind;
use crate::usage::{Observed, Stage, Usage, WorkIds};

use super::asked::AskedDoc;
use super::cost::CostDoc;
use super::credential::SenderDoc;
use super::entry::WorkIdsDoc;
use super::explained::ExplainedDoc;
use super::pull::{PullReply, PullRequest};
use super::refusal::{RateDoc, RefusalDoc};
use super::registered::RegisteredKeyDoc;
use super::settings::LimitsDoc;
use super::{WireError, named, parse, parse_optional};

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
        /// What the request names, each of which has to be the account's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<NamedDoc>,
    },
    /// Let a call in.
    Admit(AdmitDoc),
    /// Let a chat that waits for its tools go on.
    GoOn {
        /// The account.
        account: String,
        /// The key.
        key: String,
        /// The chat.
        chat: String,
        /// What the request names, each of which has to be the account's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<NamedDoc>,
    },
    /// These ids of a running call's work are known to its caller. Nothing is stored.
    Sight {
        /// The call.
        call: String,
        /// Upstream's ids of its work.
        ids: WorkIdsDoc,
    },
    /// The account made this.
    Own {
        /// The account.
        account: String,
        /// What it made.
        made: NamedDoc,
    },
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
        /// The reply itself, when it is to be kept for replaying.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<KeptReplyDoc>,
        /// Upstream's bill will name the call.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stamped: bool,
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
    /// Why does a call stand as it does?
    Explain {
        /// The account that asks.
        account: String,
        /// The key that asks.
        key: String,
        /// The call.
        call: String,
    },
    /// Keep a small fact for a door, or forget it.
    KeepMemo {
        /// The account.
        account: String,
        /// The memo's name.
        name: String,
        /// What to keep; nothing forgets it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// What was kept under this name?
    RecallMemo {
        /// The account that asks.
        account: String,
        /// The key that asks.
        key: String,
        /// The memo's name.
        name: String,
    },
    /// Which public keys are registered?
    Registered,
    /// A statement signed by a registered key is to be redeemed, once.
    Redeem {
        /// The account it is for.
        account: String,
        /// The registered key.
        key: String,
        /// What the statement is remembered by, in hexadecimal.
        statement: String,
        /// From when on it need not be remembered.
        until_ms: u64,
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
    /// How much the key may do.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_none")]
    pub limits: LimitsDoc,
    #[serde(flatten)]
    pub asked: AskedDoc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What the request names, each of which has to be the account's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NamedDoc>,
}

/// Something that a request names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDoc {
    /// The stable name of its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// A request's idempotency key, as the caller sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptDoc {
    /// The key, still without its account.
    pub key: String,
    /// The hash of the request, in hexadecimal.
    pub request: String,
}

/// A reply that is kept for replaying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReplyDoc {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostDoc>,
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
    Ok {
        /// As whom the account's calls go upstream.
        #[serde(flatten)]
        sender: SenderDoc,
        /// The names of the account's users go up as they came.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keeps_user_ids: bool,
    },
    /// The call is held.
    Admitted {
        /// What is set aside.
        hold_nanos: i64,
        /// The account's balance, without regard to holds.
        balance_nanos: i64,
        /// How the caller stands with its calls a minute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<RateDoc>,
        /// As whom it goes upstream.
        #[serde(flatten)]
        sender: SenderDoc,
        /// Every stream of the account ends with what it cost.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        balance_events: bool,
        /// The names of the account's users go up as they came.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keeps_user_ids: bool,
    },
    /// The call goes on under this id.
    GoesOn {
        /// The call.
        call: String,
        /// As whom it went upstream.
        #[serde(flatten)]
        sender: SenderDoc,
    },
    /// The request was done before: the reply it had then.
    Replayed {
        /// The call it was then.
        call: String,
        /// What it was answered.
        reply: KeptReplyDoc,
    },
    /// The request was begun before, and there is no reply to give again.
    Used {
        /// The call it is.
        call: String,
    },
    /// Why a call stands as it does.
    Explained(ExplainedDoc),
    /// The journal says no.
    Refused(RefusalDoc),
    /// The journal says no for now: a call runs that may have made what is asked for, and has not said so
    /// yet.
    NotYet(RefusalDoc),
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
    /// What was kept.
    Memo {
        /// The value.
        value: String,
        /// When it was written last.
        kept_at_ms: u64,
    },
    /// The registered keys.
    Registered {
        /// All of them.
        keys: Vec<RegisteredKeyDoc>,
    },
    /// The statement was redeemed before.
    Redeemed,
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

impl From<&KeptReply> for KeptReplyDoc {
    fn from(reply: &KeptReply) -> Self {
        let KeptReply { status, body } = reply;
        Self { status: *status, body: body.clone() }
    }
}

impl From<KeptReplyDoc> for KeptReply {
    fn from(doc: KeptReplyDoc) -> Self {
        let KeptReplyDoc { status, body } = doc;
        Self { status, body }
    }
}

impl From<&Admission> for AdmitDoc {
    fn from(admission: &Admission) -> Self {
        let Admission { call, account, key, limits, asked, attempt, session } = admission;
        let attempt = attempt.as_ref().map(|attempt| AttemptDoc {
            key: attempt.key.of_caller().to_owned(),
            request: attempt.request.to_string(),
        });
        Self {
            call: call.to_string(),
            account: account.to_string(),
            key: key.to_string(),
            limits: (*limits).into(),
            asked: asked.into(),
            attempt,
            session: session.as_ref().map(ToString::to_string),
            names: Vec::new(),
        }
    }
}

impl From<&Named> for NamedDoc {
    fn from(named: &Named) -> Self {
        let Named { kind, id } = named;
        Self { kind: kind.name().to_owned(), id: id.to_string() }
    }
}

impl TryFrom<&NamedDoc> for Named {
    type Error = WireError;

    fn try_from(doc: &NamedDoc) -> Result<Self, WireError> {
        let NamedDoc { kind, id } = doc;
        Ok(Self { kind: named("kind", kind, Kind::from_name)?, id: parse("id", id)? })
    }
}

impl TryFrom<&AdmitDoc> for Admission {
    type Error = WireError;

    fn try_from(doc: &AdmitDoc) -> Result<Self, WireError> {
        let AdmitDoc { call, account, key, limits, asked, attempt, session, names: _ } = doc;
        let account = parse::<AccountId>("account", account)?;
        let attempt = match attempt {
            None => None,
            Some(AttemptDoc { key, request }) => Some(Attempt {
                key: IdempotencyKey::new(&account, key)
                    .map_err(|_| WireError::new("attempt", "holds no idempotency key"))?,
                request: parse("attempt", request)?,
            }),
        };
        Ok(Self {
            call: parse::<CallId>("call", call)?,
            account,
            key: parse::<KeyId>("key", key)?,
            limits: (*limits).into(),
            asked: asked.try_into()?,
            attempt,
            session: parse_optional("session", session.as_deref())?,
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
            cost: usage.and_then(|usage| usage.cost).map(Into::into),
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
            cost,
            usage_fell,
            ids,
        } = doc;
        let cost = cost.as_ref().map(TryInto::try_into).transpose()?;
        let (input, output) = (*input_tokens, *output_tokens);
        let usage = total_tokens.map(|total| Usage { input, output, total, cost });
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

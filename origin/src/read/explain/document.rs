//! The document that explains a call, as JSON has it.

use meter::money::Nanos;
use meter::wire::book::PriceDoc;
use meter::wire::explained::OpenDoc;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Error;
use crate::order::OrderRow;
use crate::price::schema::PriceSchema;
use crate::read::calls::CallUsage;

use super::{Charge, Rule};

/// Why a call stands as it does. The edge says `open`, `finished` and `refused` in the same field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Explanation {
    /// It ended and is posted.
    Finished(Box<Finished>),
    /// It was open when its journal was last pulled.
    Open(Box<Open>),
}

/// A call that is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finished {
    /// Which call.
    pub call_id: String,
    /// Why and on what terms it was let in.
    pub let_in: LetIn,
    /// What upstream answered.
    pub upstream: Reply,
    /// What was known about usage, and from where.
    pub reading: Reading,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost, and how that comes about.
    pub charge: Charge,
    /// Where it stands in its journal.
    pub place: Place,
    /// What it moved.
    pub postings: Vec<PostingTold>,
    /// What reconciling noticed about it, open or closed by now.
    pub findings: Vec<FindingTold>,
    /// What an operator decided about it.
    pub order: Option<OrderTold>,
}

/// A call that was open when its journal was last pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Open {
    /// What the journal told last.
    #[serde(flatten)]
    #[schema(value_type = OpenSchema)]
    pub open: OpenDoc,
    /// How long ago it was let in.
    pub age_ms: u64,
    /// The journal that has it.
    pub journal: String,
    /// When it told so.
    pub told_at: Option<String>,
    /// What an operator decided about it.
    pub order: Option<OrderTold>,
}

/// What a journal tells of a call that runs, as the API documents it: the same as [`OpenDoc`].
#[derive(ToSchema)]
#[schema(as = OpenTold)]
#[expect(dead_code, reason = "it describes a type of the rules")]
struct OpenSchema {
    /// What was decided when it was let in, and learned since.
    #[schema(value_type = Object)]
    hold: Value,
    /// What is being waited for.
    waits_for: String,
    /// Questions asked of upstream so far.
    asked: u32,
    /// When something is done about it next, in milliseconds since 1970.
    due_at_ms: u64,
}

/// Why and on what terms a call was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LetIn {
    /// Why, in words.
    pub why: &'static str,
    /// When.
    pub at: String,
    /// Who pays.
    pub account: String,
    /// The account's name today; `None` when it is not known here.
    pub account_name: Option<String>,
    /// The key that was used.
    pub key: String,
    /// The account's group at that time.
    pub group: String,
    /// What was called.
    pub operation: String,
    /// What kind of thing it is priced by.
    pub subject_kind: String,
    /// What it is priced by.
    pub subject: String,
    /// How much of the operation's own unit was asked for.
    pub units: u64,
    /// The interrupt of an earlier run that it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
    /// The version of the price book.
    pub book: u32,
    /// Which of the book's prices applied.
    pub rule: Rule,
    /// The price that was frozen on the call.
    #[schema(value_type = PriceSchema)]
    pub price: PriceDoc,
    /// The group's ratio, frozen too.
    pub ratio: String,
    /// What was set aside, as these terms give it.
    pub hold_nanos: i64,
    /// The same in quota.
    pub hold_quota: String,
}

/// What upstream answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the fields are those of an entry, spelled out")]
pub struct Reply {
    pub status: Option<u16>,
    pub code: Option<i64>,
    pub chat_id: Option<String>,
    pub conversation_id: Option<String>,
    pub execute_id: Option<String>,
    pub log_id: Option<String>,
}

/// What was known about usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reading {
    /// Where it came from, in a word.
    pub source: &'static str,
    /// The same in a sentence.
    pub text: &'static str,
    /// Tokens, when known.
    pub usage: Option<CallUsage>,
    /// An earlier usage in the same stream was larger.
    pub usage_fell: bool,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outcome {
    /// In a word.
    pub ending: &'static str,
    /// In a sentence.
    pub text: &'static str,
    /// When.
    pub at: String,
    /// How long after it was let in.
    pub duration_ms: u64,
}

/// Where an entry stands in its journal's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// The journal.
    pub journal: String,
    /// The journal's epoch.
    pub epoch: String,
    /// The entry's number.
    pub seq: u64,
    /// The journal's running total there.
    pub total_nanos: i64,
    /// The entry's hash.
    pub hash: String,
    /// Whether the hash, computed again from what stands here, continues the entry before; `None` when
    /// that one is not here.
    pub follows: Option<bool>,
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PostingTold {
    /// Its number.
    pub posting_id: i64,
    /// When it was made.
    pub posted_at: String,
    /// Whose balance it moved.
    pub account: String,
    /// By how much; negative, since a charge takes away.
    pub balance_effect_nanos: i64,
    /// The same in quota.
    pub balance_effect_quota: String,
}

impl PostingTold {
    pub(super) fn of(
        posting_id: i64,
        posted_at: String,
        account: &str,
        amount: Nanos,
    ) -> Result<Self, Error> {
        let effect = Nanos::ZERO.minus(amount)?;
        Ok(Self {
            posting_id,
            posted_at,
            account: account.to_owned(),
            balance_effect_nanos: effect.get(),
            balance_effect_quota: effect.in_quota().to_string(),
        })
    }
}

/// A difference that reconciling noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FindingTold {
    /// Its number.
    pub finding_id: i64,
    /// What it is.
    pub code: String,
    /// What was expected and what was there.
    pub detail: String,
    /// `open`, `explained` or `resolved`.
    pub state: String,
    /// When it was first noticed.
    pub found_at: String,
}

/// What an operator decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderTold {
    /// The order, with who and why.
    #[serde(flatten)]
    pub order: OrderRow,
    /// Whether it is what ended the call.
    pub carried_out: bool,
}

//! An entry as the journal stores it and the pull carries it.

use serde::{Deserialize, Serialize};

use crate::entry::{Ending, Entry, Facts, Tail};
use crate::ids::UpstreamId;
use crate::money::Nanos;
use crate::outcome::{Reading, Source};
use crate::price::Terms;
use crate::time::UnixMs;
use crate::usage::{Usage, WorkIds};

use super::asked::AskedDoc;
use super::book::PriceDoc;
use super::cost::CostDoc;
use super::{WireError, named, parse, parse_optional};

/// The version of [`EntryDoc`].
pub const ENTRY_VERSION: u8 = 1;

/// One finished call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Facts` and `Tail`, spelled out")]
pub struct EntryDoc {
    pub v: u8,
    pub seq: u64,
    pub call: String,
    pub account: String,
    pub key: String,
    #[serde(flatten)]
    pub asked: AskedDoc,
    pub group: String,
    pub book: u32,
    pub price: PriceDoc,
    pub ratio_ppm: u32,
    pub admitted_at_ms: u64,
    pub finished_at_ms: u64,
    pub ending: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostDoc>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub usage_fell: bool,
    #[serde(flatten)]
    pub ids: WorkIdsDoc,
    pub amount_nanos: i64,
    pub total_nanos: i64,
    pub hash: String,
}

/// Upstream's ids of a piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `WorkIds`, spelled out")]
pub struct WorkIdsDoc {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
}

impl From<&WorkIds> for WorkIdsDoc {
    fn from(ids: &WorkIds) -> Self {
        let text = |id: &Option<UpstreamId>| id.as_ref().map(ToString::to_string);
        let WorkIds { chat, conversation, execution, log } = ids;
        Self {
            chat_id: text(chat),
            conversation_id: text(conversation),
            execute_id: text(execution),
            log_id: text(log),
        }
    }
}

impl TryFrom<&WorkIdsDoc> for WorkIds {
    type Error = WireError;

    fn try_from(doc: &WorkIdsDoc) -> Result<Self, WireError> {
        let WorkIdsDoc { chat_id, conversation_id, execute_id, log_id } = doc;
        Ok(Self {
            chat: parse_optional("chat_id", chat_id.as_deref())?,
            conversation: parse_optional("conversation_id", conversation_id.as_deref())?,
            execution: parse_optional("execute_id", execute_id.as_deref())?,
            log: parse_optional("log_id", log_id.as_deref())?,
        })
    }
}

impl From<&Entry> for EntryDoc {
    fn from(entry: &Entry) -> Self {
        let Entry { facts, tail } = entry;
        let Facts {
            call,
            account,
            key,
            asked,
            group,
            terms: Terms { book, price, ratio },
            admitted_at,
            finished_at,
            ending,
            status,
            code,
            reading: Reading { usage, source },
            usage_fell,
            ids,
            amount,
        } = facts;
        let Tail { seq, total, hash } = tail;
        Self {
            v: ENTRY_VERSION,
            seq: *seq,
            call: call.to_string(),
            account: account.to_string(),
            key: key.to_string(),
            asked: asked.into(),
            group: group.to_string(),
            book: *book,
            price: price.into(),
            ratio_ppm: ratio.ppm(),
            admitted_at_ms: admitted_at.get(),
            finished_at_ms: finished_at.get(),
            ending: ending.name().to_owned(),
            status: *status,
            code: *code,
            source: source.name().to_owned(),
            input_tokens: usage.and_then(|usage| usage.input),
            output_tokens: usage.and_then(|usage| usage.output),
            total_tokens: usage.map(|usage| usage.total),
            cost: usage.and_then(|usage| usage.cost).map(Into::into),
            usage_fell: *usage_fell,
            ids: ids.into(),
            amount_nanos: amount.get(),
            total_nanos: total.get(),
            hash: hash.to_string(),
        }
    }
}

impl TryFrom<&EntryDoc> for Entry {
    type Error = WireError;

    fn try_from(doc: &EntryDoc) -> Result<Self, WireError> {
        if doc.v != ENTRY_VERSION {
            return Err(WireError::new("v", format!("is {}, {ENTRY_VERSION} is known", doc.v)));
        }
        let cost = doc.cost.as_ref().map(TryInto::try_into).transpose()?;
        let usage = doc.total_tokens.map(|total| Usage {
            input: doc.input_tokens,
            output: doc.output_tokens,
            total,
            cost,
        });
        let facts = Facts {
            call: parse("call", &doc.call)?,
            account: parse("account", &doc.account)?,
            key: parse("key", &doc.key)?,
            asked: (&doc.asked).try_into()?,
            group: parse("group", &doc.group)?,
            terms: Terms {
                book: doc.book,
                price: (&doc.price).into(),
                ratio: crate::money::Ratio::from_ppm(doc.ratio_ppm),
            },
            admitted_at: UnixMs::new(doc.admitted_at_ms),
            finished_at: UnixMs::new(doc.finished_at_ms),
            ending: named("ending", &doc.ending, Ending::from_name)?,
            status: doc.status,
            code: doc.code,
            reading: Reading { usage, source: named("source", &doc.source, Source::from_name)? },
            usage_fell: doc.usage_fell,
            ids: (&doc.ids).try_into()?,
            amount: Nanos::new(doc.amount_nanos),
        };
        let tail = Tail {
            seq: doc.seq,
            total: Nanos::new(doc.total_nanos),
            hash: parse("hash", &doc.hash)?,
        };
        Ok(Self { facts, tail })
    }
}

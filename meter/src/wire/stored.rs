//! What a journal keeps of a running call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::KeyId;
use crate::journal::{CallNo, Hold, IdempotencyKey, SpentToday, Today};
use crate::money::{Nanos, Ratio};
use crate::price::Terms;
use crate::time::UnixMs;
use crate::usage::Usage;

use super::asked::AskedDoc;
use super::book::PriceDoc;
use super::cost::CostDoc;
use super::credential::SenderDoc;
use super::entry::WorkIdsDoc;
use super::{WireError, parse};

/// The version of [`HoldDoc`].
pub const HOLD_VERSION: u8 = 1;

/// A running call. Its row number is a column of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Hold`, spelled out")]
pub struct HoldDoc {
    pub v: u8,
    pub call: String,
    pub account: String,
    pub key: String,
    #[serde(flatten)]
    pub asked: AskedDoc,
    pub group: String,
    pub book: u32,
    pub price: PriceDoc,
    pub ratio_ppm: u32,
    pub amount_nanos: i64,
    pub admitted_at_ms: u64,
    /// Absent for as long as nobody was heard of since it was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(flatten)]
    pub ids: WorkIdsDoc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<UsageDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<UsageDoc>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_billed_whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    #[serde(flatten)]
    pub sender: SenderDoc,
}

/// What an account spent on one day, and those of its keys that have a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentTodayDoc {
    /// Which day, where the account is, counted from 1970.
    pub day: u64,
    /// What was spent on it.
    pub spent_nanos: i64,
    /// The same of each key, by the first key of its line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, TodayDoc>,
}

/// What was spent on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Today`, spelled out")]
pub struct TodayDoc {
    pub day: u64,
    pub spent_nanos: i64,
}

impl From<&SpentToday> for SpentTodayDoc {
    fn from(today: &SpentToday) -> Self {
        let SpentToday { account: Today { day, spent }, keys } = today;
        let key = |(key, today): (&KeyId, &Today)| {
            let Today { day, spent } = *today;
            (key.to_string(), TodayDoc { day, spent_nanos: spent.get() })
        };
        Self { day: *day, spent_nanos: spent.get(), keys: keys.iter().map(key).collect() }
    }
}

impl TryFrom<&SpentTodayDoc> for SpentToday {
    type Error = WireError;

    fn try_from(doc: &SpentTodayDoc) -> Result<Self, WireError> {
        let SpentTodayDoc { day, spent_nanos, keys } = doc;
        let key = |(key, today): (&String, &TodayDoc)| {
            let TodayDoc { day, spent_nanos } = *today;
            Ok((parse("keys", key)?, Today { day, spent: Nanos::new(spent_nanos) }))
        };
        Ok(Self {
            account: Today { day: *day, spent: Nanos::new(*spent_nanos) },
            keys: keys.iter().map(key).collect::<Result<_, WireError>>()?,
        })
    }
}

/// Tokens that were counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Usage`, spelled out")]
pub struct UsageDoc {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    pub total_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostDoc>,
}

impl From<Usage> for UsageDoc {
    fn from(usage: Usage) -> Self {
        let Usage { input, output, total, cost } = usage;
        Self {
            input_tokens: input,
            output_tokens: output,
            total_tokens: total,
            cost: cost.map(Into::into),
        }
    }
}

impl TryFrom<&UsageDoc> for Usage {
    type Error = WireError;

    fn try_from(doc: &UsageDoc) -> Result<Self, WireError> {
        let UsageDoc { input_tokens, output_tokens, total_tokens, cost } = doc;
        let cost = cost.as_ref().map(TryInto::try_into).transpose()?;
        Ok(Self { input: *input_tokens, output: *output_tokens, total: *total_tokens, cost })
    }
}

impl From<&Hold> for HoldDoc {
    fn from(hold: &Hold) -> Self {
        let Hold {
            call_no: _,
            call,
            account,
            key,
            asked,
            group,
            terms: Terms { book, price, ratio },
            amount,
            admitted_at,
            seen_at,
            status,
            ids,
            used,
            billed,
            is_billed_whole,
            idempotency,
            sender,
        } = hold;
        Self {
            v: HOLD_VERSION,
            call: call.to_string(),
            account: account.to_string(),
            key: key.to_string(),
            asked: asked.into(),
            group: group.to_string(),
            book: *book,
            price: price.into(),
            ratio_ppm: ratio.ppm(),
            amount_nanos: amount.get(),
            admitted_at_ms: admitted_at.get(),
            seen_at_ms: (seen_at != admitted_at).then(|| seen_at.get()),
            status: *status,
            ids: ids.into(),
            used: used.map(Into::into),
            billed: billed.map(Into::into),
            is_billed_whole: *is_billed_whole,
            idempotency: idempotency.as_ref().map(ToString::to_string),
            sender: sender.into(),
        }
    }
}

impl HoldDoc {
    /// The hold in this row.
    pub fn hold(&self, call_no: CallNo) -> Result<Hold, WireError> {
        if self.v != HOLD_VERSION {
            return Err(WireError::new("v", format!("is {}, {HOLD_VERSION} is known", self.v)));
        }
        Ok(Hold {
            call_no,
            call: parse("call", &self.call)?,
            account: parse("account", &self.account)?,
            key: parse("key", &self.key)?,
            asked: (&self.asked).try_into()?,
            group: parse("group", &self.group)?,
            terms: Terms {
                book: self.book,
                price: (&self.price).into(),
                ratio: Ratio::from_ppm(self.ratio_ppm),
            },
            amount: Nanos::new(self.amount_nanos),
            admitted_at: UnixMs::new(self.admitted_at_ms),
            seen_at: UnixMs::new(self.seen_at_ms.unwrap_or(self.admitted_at_ms)),
            status: self.status,
            ids: (&self.ids).try_into()?,
            used: self.used.as_ref().map(TryInto::try_into).transpose()?,
            billed: self.billed.as_ref().map(TryInto::try_into).transpose()?,
            is_billed_whole: self.is_billed_whole,
            idempotency: self.idempotency.as_deref().map(IdempotencyKey::from_stored),
            sender: (&self.sender).try_into()?,
        })
    }
}

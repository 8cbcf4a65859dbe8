//! What a journal keeps of a running call.

use serde::{Deserialize, Serialize};

use crate::journal::{CallNo, Hold};
use crate::money::{Nanos, Ratio};
use crate::price::Terms;
use crate::request::{Asked, Subject, SubjectKind};
use crate::route::Operation;
use crate::time::UnixMs;

use super::book::PriceDoc;
use super::entry::WorkIdsDoc;
use super::{WireError, named, parse};

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
    pub operation: String,
    pub subject_kind: String,
    pub subject: String,
    pub group: String,
    pub book: u32,
    pub price: PriceDoc,
    pub ratio_ppm: u32,
    pub amount_nanos: i64,
    pub admitted_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(flatten)]
    pub ids: WorkIdsDoc,
}

impl From<&Hold> for HoldDoc {
    fn from(hold: &Hold) -> Self {
        let Hold {
            call_no: _,
            call,
            account,
            key,
            asked: Asked { operation, subject: Subject { kind, id } },
            group,
            terms: Terms { book, price, ratio },
            amount,
            admitted_at,
            status,
            ids,
        } = hold;
        Self {
            v: HOLD_VERSION,
            call: call.to_string(),
            account: account.to_string(),
            key: key.to_string(),
            operation: operation.name().to_owned(),
            subject_kind: kind.name().to_owned(),
            subject: id.to_string(),
            group: group.to_string(),
            book: *book,
            price: price.into(),
            ratio_ppm: ratio.ppm(),
            amount_nanos: amount.get(),
            admitted_at_ms: admitted_at.get(),
            status: *status,
            ids: ids.into(),
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
            asked: Asked {
                operation: named("operation", &self.operation, Operation::from_name)?,
                subject: Subject {
                    kind: named("subject_kind", &self.subject_kind, SubjectKind::from_name)?,
                    id: parse("subject", &self.subject)?,
                },
            },
            group: parse("group", &self.group)?,
            terms: Terms {
                book: self.book,
                price: (&self.price).into(),
                ratio: Ratio::from_ppm(self.ratio_ppm),
            },
            amount: Nanos::new(self.amount_nanos),
            admitted_at: UnixMs::new(self.admitted_at_ms),
            status: self.status,
            ids: (&self.ids).try_into()?,
        })
    }
}

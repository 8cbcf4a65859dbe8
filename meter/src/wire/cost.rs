//! What work cost upstream, as part of the documents that carry a usage.

use serde::{Deserialize, Serialize};

use crate::money::Nanos;
use crate::usage::cost::Cost;

use super::{WireError, parse};

/// What a piece of work cost upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostDoc {
    /// How much, in nanos of the currency.
    pub nanos: i64,
    /// The currency's three letters.
    pub currency: String,
}

impl From<Cost> for CostDoc {
    fn from(cost: Cost) -> Self {
        let Cost { amount, currency } = cost;
        Self { nanos: amount.get(), currency: currency.to_string() }
    }
}

impl TryFrom<&CostDoc> for Cost {
    type Error = WireError;

    fn try_from(doc: &CostDoc) -> Result<Self, WireError> {
        let CostDoc { nanos, currency } = doc;
        if *nanos < 0 {
            return Err(WireError::new("cost", "is negative"));
        }
        Ok(Self { amount: Nanos::new(*nanos), currency: parse("currency", currency)? })
    }
}

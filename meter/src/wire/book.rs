//! A price book as a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::{Nanos, Ratio};
use crate::price::plan::Dated;
use crate::price::{PRICES_MAX, Price, PriceBook, Scope};
use crate::route::{Operation, Provider};
use crate::time::UnixMs;

use super::{WireError, named, parse};

/// Largest book, in bytes of its JSON: a Durable Object keeps no value of 2 MB or more.
pub const BOOK_BYTES_MAX: usize = 1_800_000;

/// A price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the variants and fields are those of `Price`")]
pub enum PriceDoc {
    PerCall { amount_nanos: i64 },
    PerToken { input_nanos_per_million: i64, output_nanos_per_million: i64 },
    PerUnit { amount_nanos: i64 },
    CostPlus { margin_ppm: u32, step_nanos: i64 },
    Free,
}

/// A price and what it applies to. With neither account, subject nor operation named it is the default of
/// the provider, which is Coze where it is not named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `Scope`")]
pub struct PricedDoc {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub price: PriceDoc,
}

/// A price book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookDoc {
    /// Its number.
    pub version: u32,
    /// Whether calls without a specific price are refused.
    #[serde(default)]
    pub deny_unpriced: bool,
    /// Ratios by group, in parts per million.
    #[serde(default)]
    pub groups_ppm: BTreeMap<String, u32>,
    /// The prices.
    pub prices: Vec<PricedDoc>,
}

/// A price book that comes into force later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedDoc {
    /// When.
    pub starts_at_ms: u64,
    /// The book.
    pub book: BookDoc,
}

impl From<&Dated> for DatedDoc {
    fn from(dated: &Dated) -> Self {
        let Dated { starts_at, book } = dated;
        Self { starts_at_ms: starts_at.get(), book: book.into() }
    }
}

impl TryFrom<&DatedDoc> for Dated {
    type Error = WireError;

    fn try_from(doc: &DatedDoc) -> Result<Self, WireError> {
        let DatedDoc { starts_at_ms, book } = doc;
        Ok(Self { starts_at: UnixMs::new(*starts_at_ms), book: book.try_into()? })
    }
}

impl From<&Price> for PriceDoc {
    fn from(price: &Price) -> Self {
        match *price {
            Price::PerCall { amount } => Self::PerCall { amount_nanos: amount.get() },
            Price::PerToken { input_per_million, output_per_million } => Self::PerToken {
                input_nanos_per_million: input_per_million.get(),
                output_nanos_per_million: output_per_million.get(),
            },
            Price::PerUnit { amount } => Self::PerUnit { amount_nanos: amount.get() },
            Price::CostPlus { margin, step } => {
                Self::CostPlus { margin_ppm: margin.ppm(), step_nanos: step.get() }
            }
            Price::Free => Self::Free,
        }
    }
}

impl From<&PriceDoc> for Price {
    fn from(doc: &PriceDoc) -> Self {
        match *doc {
            PriceDoc::PerCall { amount_nanos } => {
                Self::PerCall { amount: Nanos::new(amount_nanos) }
            }
            PriceDoc::PerToken { input_nanos_per_million, output_nanos_per_million } => {
                Self::PerToken {
                    input_per_million: Nanos::new(input_nanos_per_million),
                    output_per_million: Nanos::new(output_nanos_per_million),
                }
            }
            PriceDoc::PerUnit { amount_nanos } => {
                Self::PerUnit { amount: Nanos::new(amount_nanos) }
            }
            PriceDoc::CostPlus { margin_ppm, step_nanos } => {
                Self::CostPlus { margin: Ratio::from_ppm(margin_ppm), step: Nanos::new(step_nanos) }
            }
            PriceDoc::Free => Self::Free,
        }
    }
}

impl From<&PriceBook> for BookDoc {
    fn from(book: &PriceBook) -> Self {
        let PriceBook { version, deny_unpriced, groups, prices } = book;
        Self {
            version: *version,
            deny_unpriced: *deny_unpriced,
            groups_ppm: groups
                .iter()
                .map(|(group, ratio)| (group.to_string(), ratio.ppm()))
                .collect(),
            prices: prices.iter().map(|(scope, price)| priced(scope, price)).collect(),
        }
    }
}

fn priced(scope: &Scope, price: &Price) -> PricedDoc {
    let (account, subject, operation) = match scope {
        Scope::AccountSubject(account, subject) => (Some(account), Some(subject), None),
        Scope::Account(account) => (Some(account), None, None),
        Scope::Subject(subject) => (None, Some(subject), None),
        Scope::Operation(operation) => (None, None, Some(operation)),
        Scope::Coze | Scope::Dify => (None, None, None),
    };
    let provider = (*scope == Scope::Dify).then_some(Provider::Dify);
    PricedDoc {
        account: account.map(ToString::to_string),
        subject: subject.map(ToString::to_string),
        operation: operation.map(ToString::to_string),
        provider: provider.map(|provider| provider.name().to_owned()),
        price: price.into(),
    }
}

impl TryFrom<&BookDoc> for PriceBook {
    type Error = WireError;

    fn try_from(doc: &BookDoc) -> Result<Self, WireError> {
        if doc.prices.len() > PRICES_MAX {
            return Err(WireError::new("prices", format!("are more than {PRICES_MAX}")));
        }
        let mut prices = BTreeMap::new();
        for priced in &doc.prices {
            let price: Price = (&priced.price).into();
            check_amounts(&price)?;
            if prices.insert(scope(priced)?, price).is_some() {
                return Err(WireError::new("prices", "name the same thing twice"));
            }
        }
        let mut groups = BTreeMap::new();
        for (group, ppm) in &doc.groups_ppm {
            groups.insert(parse("groups_ppm", group)?, Ratio::from_ppm(*ppm));
        }
        Ok(Self { version: doc.version, deny_unpriced: doc.deny_unpriced, groups, prices })
    }
}

fn scope(doc: &PricedDoc) -> Result<Scope, WireError> {
    let provider = doc.provider.as_deref();
    let provider = provider.map(|name| named("provider", name, Provider::from_name)).transpose()?;
    match (&doc.account, &doc.subject, &doc.operation) {
        (None, None, None) => Ok(Scope::rest_of(provider.unwrap_or(Provider::Coze))),
        _ if provider.is_some() => {
            Err(WireError::new("provider", "cannot be combined with anything more specific"))
        }
        (Some(account), Some(subject), None) => {
            Ok(Scope::AccountSubject(parse("account", account)?, parse("subject", subject)?))
        }
        (Some(account), None, None) => Ok(Scope::Account(parse("account", account)?)),
        (None, Some(subject), None) => Ok(Scope::Subject(parse("subject", subject)?)),
        (None, None, Some(operation)) => {
            Ok(Scope::Operation(named("operation", operation, Operation::from_name)?))
        }
        _ => Err(WireError::new("operation", "cannot be combined with an account or a subject")),
    }
}

/// Prices are never negative: a call does not pay its caller.
fn check_amounts(price: &Price) -> Result<(), WireError> {
    let negative = |amount: Nanos| amount < Nanos::ZERO;
    let bad = match *price {
        Price::PerCall { amount } | Price::PerUnit { amount } => negative(amount),
        Price::PerToken { input_per_million, output_per_million } => {
            negative(input_per_million) || negative(output_per_million)
        }
        Price::CostPlus { step, .. } if step <= Nanos::ZERO => {
            return Err(WireError::new("price", "has a step that is not at least one nano"));
        }
        Price::CostPlus { .. } | Price::Free => false,
    };
    if bad { Err(WireError::new("price", "is negative")) } else { Ok(()) }
}

//! The types of the rules that the API speaks of, described: the rules know nothing of documents.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A price, as the API documents it: the same as [`meter::wire::book::PriceDoc`], which knows nothing
/// of documents.
#[derive(ToSchema)]
#[schema(as = Price)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "it describes a type of the rules")]
pub enum PriceSchema {
    /// The same for every call.
    PerCall { amount_nanos: i64 },
    /// By tokens in and out.
    PerToken { input_nanos_per_million: i64, output_nanos_per_million: i64 },
    /// By the operation's own unit.
    PerUnit { amount_nanos: i64 },
    /// What the work cost upstream, times a margin, rounded up to a whole step.
    CostPlus { margin_ppm: u32, step_nanos: i64 },
    /// Nothing.
    Free,
}

/// A price and what it applies to, as in [`meter::wire::book::PricedDoc`].
#[derive(ToSchema)]
#[schema(as = Priced)]
#[expect(dead_code, reason = "it describes a type of the rules")]
pub struct PricedSchema {
    /// Only for this account.
    account: Option<String>,
    /// A workflow, bot, voice, plugin or app.
    subject: Option<String>,
    /// An operation.
    operation: Option<String>,
    /// Everything else at this provider; Coze when nothing is named.
    provider: Option<String>,
    /// The price.
    price: PriceSchema,
}

/// A price book, as in [`meter::wire::book::BookDoc`].
#[derive(ToSchema)]
#[schema(as = PriceBook)]
#[expect(dead_code, reason = "it describes a type of the rules")]
pub struct BookSchema {
    /// Its number.
    version: u32,
    /// Whether calls without a specific price are refused.
    deny_unpriced: bool,
    /// Ratios by group, in parts per million; a group that is not named has ratio 1.
    groups_ppm: BTreeMap<String, u32>,
    /// The prices.
    prices: Vec<PricedSchema>,
}

//! How much a call uses, and how the wire tells it.

use serde::{Deserialize, Serialize};

/// How much is used. The counts are what the record keeps as the truth; the form is only how the
/// wire tells it, so a reply can say nothing about work that was nevertheless charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Input tokens. Unset: characters of the messages or of the parameters, at least 1.
    pub input_count: Option<i64>,
    /// Output tokens. Unset: characters of the answer for a chat, 55 for a workflow.
    pub output_count: Option<i64>,
    /// The total. Unset: the sum. Any number may be given, also one that is not the sum.
    pub token_count: Option<i64>,
    /// How the wire tells it.
    pub form: UsageForm,
    /// Workflow streams only: earlier messages carry a usage too, smaller than the last one.
    pub early: bool,
}

/// How usage looks on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageForm {
    /// An object of three integers, as documented.
    #[default]
    Object,
    /// Not at all.
    Absent,
    /// Three zeros.
    Zero,
    /// Only the legacy `token` number, beside a `cost` string.
    Token,
    /// An object of three digit strings.
    Strings,
    /// `input_tokens` and `output_tokens`, as the tool outputs page spells them.
    Aliases,
    /// `prompt_tokens`, `completion_tokens` and `total_tokens`.
    OpenaiAliases,
}

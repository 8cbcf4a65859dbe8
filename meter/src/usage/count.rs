//! Counts, codes and ids, as the many dialects of upstream write them.
//!
//! An integer, an integral float, a string of digits: all mean the same number (contract §10). Anything
//! else, a negative count included, is read as no number at all and never as an error, since a reply is
//! not ours to reject, and what is odd in one field must not hide what the others say. So each is taken
//! in its own spelling first.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Usage;

/// A value as it is spelled.
fn spelling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(deserializer).map(RawValue::get)
}

/// The text of a scalar: a string's content, or a number's digits. `None` for anything else.
fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'-' | b'0'..=b'9') => Some(raw.to_owned()),
        _ => None,
    }
}

/// The integer that a scalar's text means.
fn integer(text: &str) -> Option<i128> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        // An integral float prints as its digits alone, so the text tells which floats are integers and
        // what they are without any arithmetic on them.
        let float: f64 = text.parse().ok()?;
        float.to_string().parse().ok()
    })
}

/// A count that may have come in any shape, or in none that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = scalar(spelling(deserializer)?).and_then(|text| integer(&text));
        Ok(Self(number.and_then(|number| number.try_into().ok())))
    }
}

/// A Coze code: an integer, or its digits in a string (contract §9 no. 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Code {
    /// There is none, which means success where a code would mean failure.
    #[default]
    Absent,
    /// This one.
    Is(i64),
    /// There is one, and it is not a number.
    Unreadable,
}

impl Code {
    /// The code, where there is one that is a number.
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Is(code) => Some(code),
            Self::Absent | Self::Unreadable => None,
        }
    }

    /// The code, where it tells of a failure.
    pub(super) fn of_failure(self) -> Option<i64> {
        self.number().filter(|code| *code != 0)
    }

    /// Whether it says that something failed.
    pub(super) fn tells_failure(self) -> bool {
        !matches!(self, Self::Absent | Self::Is(0))
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = spelling(deserializer)?;
        let text = scalar(raw);
        // An empty string is how a run history says that nothing went wrong (contract §1.6).
        if raw == "null" || text.as_deref().is_some_and(|text| text.trim().is_empty()) {
            return Ok(Self::Absent);
        }
        let number = text.and_then(|text| integer(&text)).and_then(|number| number.try_into().ok());
        Ok(number.map_or(Self::Unreadable, Self::Is))
    }
}

/// A text, or the digits of a number where a text was meant (contract §9 no. 44).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Text(Option<String>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl Text {
    pub(super) fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling(deserializer).map(scalar).map(Self)
    }
}

/// A `usage` object in any of its spellings.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct UsageFields {
    token_count: Count,
    total_tokens: Count,
    input_count: Count,
    input_tokens: Count,
    prompt_tokens: Count,
    output_count: Count,
    output_tokens: Count,
    completion_tokens: Count,
}

impl UsageFields {
    /// The usage, when any count was given.
    pub(super) fn usage(self) -> Option<Usage> {
        let input = self.input_count.0.or(self.input_tokens.0).or(self.prompt_tokens.0);
        let output = self.output_count.0.or(self.output_tokens.0).or(self.completion_tokens.0);
        Usage::from_counts(input, output, self.token_count.0.or(self.total_tokens.0))
    }
}

/// The same, wherever it is not an object at all.
pub(super) fn usage_fields<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UsageFields>, D::Error> {
    let raw = spelling(deserializer)?;
    // A list would be read as an object whose fields are in order.
    let is_object = raw.starts_with('{');
    Ok(is_object.then(|| serde_json::from_str(raw).ok()).flatten())
}

/// Any object; what is not one, or does not read as one, is none.
pub(super) fn object<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw = spelling(deserializer)?;
    Ok(raw.starts_with('{').then(|| serde_json::from_str(raw).ok()).flatten())
}

/// `usage` where there is one, else the legacy `token` counter.
pub(super) fn usage_or_token(usage: Option<UsageFields>, token: Count) -> Option<Usage> {
    usage.and_then(UsageFields::usage).or_else(|| Usage::from_counts(None, None, token.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::TOKENS_MAX;

    #[track_caller]
    fn check(json: &str, want: Option<(Option<u64>, Option<u64>, u64)>) {
        let fields: UsageFields = serde_json::from_str(json).unwrap();
        let got = fields.usage().map(|usage| (usage.input, usage.output, usage.total));
        assert_eq!(got, want, "{json}");
    }

    #[test]
    fn every_spelling_and_shape_is_the_same_number() {
        let whole = Some((Some(100), Some(40), 140));
        check(r#"{"token_count":140,"output_count":40,"input_count":100}"#, whole);
        check(r#"{"total_tokens":"140","output_tokens":40.0,"input_tokens":" 100"}"#, whole);
        check(r#"{"completion_tokens":40,"prompt_tokens":100}"#, whole);
        check(r#"{"token_count":140}"#, Some((None, None, 140)));
        let most = format!(r#"{{"token_count":{TOKENS_MAX}}}"#);
        check(&most, Some((None, None, TOKENS_MAX)));
        check(r#"{"input_count":100}"#, Some((Some(100), None, 100)));
    }

    #[test]
    fn what_is_no_count_is_no_usage_and_no_error() {
        check("{}", None);
        check(r#"{"token_count":null}"#, None);
        check(r#"{"token_count":-1}"#, None);
        check(r#"{"token_count":1.5}"#, None);
        check(r#"{"token_count":1e300}"#, None);
        check(r#"{"token_count":true,"input_count":[1,[2]],"output_count":{"a":{}}}"#, None);
        check(&format!(r#"{{"token_count":{}}}"#, TOKENS_MAX + 1), None);
        check(r#"{"token_count":18446744073709551616}"#, None);
    }
}

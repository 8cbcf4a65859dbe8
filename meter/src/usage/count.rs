//! Counts, as the many dialects of upstream write them.
//!
//! An integer, an integral float, a string of digits: all mean the same number (contract §10). Anything
//! else, a negative number included, is read as no number at all and never as an error, since a reply is
//! not ours to reject.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Usage;

/// A count that may have come in any shape, or in none that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Integer)
            .map(|number| Self(number.and_then(|n| n.try_into().ok())))
    }
}

/// A Coze code: an integer, or its digits in a string (contract §9 no. 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Code(pub(super) Option<i64>);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Integer)
            .map(|number| Self(number.and_then(|n| n.try_into().ok())))
    }
}

struct Integer;

impl<'de> Visitor<'de> for Integer {
    type Value = Option<i128>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        // An integral float prints as its digits alone, so the text tells which floats are integers
        // and what they are without any arithmetic on them.
        Ok(value.to_string().parse().ok())
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.trim().parse().ok())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
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

/// `usage` where there is one, else the legacy `token` counter.
pub(super) fn usage_or_token(usage: Option<UsageFields>, token: Count) -> Option<Usage> {
    usage.and_then(UsageFields::usage).or_else(|| Usage::from_counts(None, None, token.0))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check(r#"{"token_count":1000000001}"#, None);
        check(r#"{"token_count":18446744073709551616}"#, None);
    }
}

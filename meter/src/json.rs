//! JSON objects of which a few fields are read, and into which a few bytes are put, while every other byte
//! stays as it came.
//!
//! What is not recognised here must not be recognised by upstream either: a name that stands there twice is
//! an error, and where a server matches names without regard to case, so is one that is spelled almost like
//! a wanted one.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;

/// Why the fields of a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// A list would otherwise be read as an object whose fields are in order.
    #[error("not a JSON object")]
    NotAnObject,
    /// The parser's own words.
    #[error("not a JSON object: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// The fields of these names, still in their own spelling. One that is null is absent.
///
/// Whatever else the object holds is skipped, however deep it is nested.
pub(crate) fn fields<'a, const N: usize>(
    text: &'a str,
    names: &[&'static str; N],
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    read(text, Wanted { names, is_taken_for: |given, name| given == name })
}

/// The same for a server that matches names without regard to case, as Go's do.
pub(crate) fn fields_in_any_case<'a, const N: usize>(
    text: &'a str,
    names: &[&'static str; N],
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    read(text, Wanted { names, is_taken_for })
}

fn read<'a, const N: usize>(
    text: &'a str,
    wanted: Wanted<'_, N>,
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(JsonError::NotAnObject);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = wanted.deserialize(&mut reader)?;
    reader.end()?;
    Ok(found)
}

/// Where the text of a string begins, right behind its opening quote. `value` is a slice of `within`, so
/// that where it begins says where it stands.
pub(crate) fn place(within: &str, value: &RawValue) -> Option<usize> {
    let start = value.get().as_ptr().addr().checked_sub(within.as_ptr().addr())?;
    let place = start.checked_add(1)?;
    (value.get().starts_with('"') && place <= within.len()).then_some(place)
}

/// Where the byte at `offset` of a string's text stands within its spelling, quotes included.
pub(crate) fn place_in_spelling(spelling: &str, offset: usize) -> Option<usize> {
    let (mut at, mut decoded) = (1_usize, 0_usize);
    while decoded < offset {
        let rest = spelling.get(at..)?;
        let (spelled, meant) = match rest.strip_prefix('\\') {
            None => {
                let length = rest.chars().next()?.len_utf8();
                (length, length)
            }
            Some(escape) if escape.starts_with('u') => {
                let unit = u32::from_str_radix(escape.get(1..5)?, 16).ok()?;
                // Two escapes are one character where the first is half of a pair.
                match char::from_u32(unit) {
                    Some(character) => (6, character.len_utf8()),
                    None => (12, 4),
                }
            }
            Some(_) => (2, 1),
        };
        at = at.checked_add(spelled)?;
        decoded = decoded.checked_add(meant)?;
    }
    (decoded == offset).then_some(at)
}

/// Whether a name is one that upstream would take for this one: without regard to case, as Unicode folds it.
/// Two letters outside of ASCII fold to one inside.
pub(crate) fn is_taken_for(given: &str, name: &str) -> bool {
    let folded = given.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|character| character.to_ascii_lowercase()))
}

struct Wanted<'n, const N: usize> {
    names: &'n [&'static str; N],
    is_taken_for: fn(&str, &str) -> bool,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: [Option<&'de RawValue>; N] = [None; N];
        while let Some(key) = map.next_key::<String>()? {
            let wanted = self.names.iter().zip(&mut found);
            let mut wanted = wanted.filter(|(name, _)| (self.is_taken_for)(&key, name));
            let wanted = wanted.next();
            let Some((name, place)) = wanted else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if key != *name {
                return Err(A::Error::custom(format_args!("{key:?} is no way to spell `{name}`")));
            }
            if place.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
        }
        Ok(found.map(|value| value.filter(|value| value.get() != "null")))
    }
}

/// The text of a value that is a string.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    String::deserialize(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<[Option<&str>; 2], &str>) {
        let got = fields_in_any_case(text, &["id", "kin"])
            .map(|found| found.map(|value| value.map(RawValue::get)));
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
            (Err(got), Err(want)) => {
                let got = got.to_string();
                assert!(got.contains(want), "{got:?} lacks {want:?}");
            }
            (got, want) => panic!("{text}: {got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn what_upstream_could_read_otherwise_is_refused() {
        check("", Err("not a JSON object"));
        check("[1]", Err("not a JSON object"));
        check("{\"id\":1} x", Err("trailing"));
        check(r#"{"id":1,"id":2}"#, Err("duplicate field `id`"));
        check(r#"{"id":null,"\u0069d":2}"#, Err("duplicate field `id`"));
        check(r#"{"ID":1}"#, Err("\"ID\" is no way to spell `id`"));
        check("{\"\u{212a}in\":1}", Err("is no way to spell `kin`"));
        assert!(fields(r#"{"ID":1}"#, &["id"]).unwrap()[0].is_none());
        assert!(fields(r#"{"id":1,"id":1}"#, &["id"]).is_err());
    }

    #[test]
    fn the_wanted_fields_are_found_and_the_rest_is_skipped() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let text = format!(r#" {{"x":{deep}, "id" : "\u0031" ,"kin":null}}"#);
        check(&text, Ok([Some(r#""\u0031""#), None]));
        check("{\"id_\":1}", Ok([None, None]));
    }

    #[test]
    fn a_place_is_found_again_in_how_it_is_spelled() {
        let spelling = r#""a\"\u00e4\ud83d\ude00é\nb""#;
        let meant: String = serde_json::from_str(spelling).unwrap();
        for (offset, character) in meant.char_indices() {
            let place = place_in_spelling(spelling, offset).unwrap();
            let rest: String = serde_json::from_str(&format!("\"{}", &spelling[place..])).unwrap();
            assert!(rest.starts_with(character), "{rest:?} at {offset}");
        }
        assert_eq!(place_in_spelling(spelling, 3), None, "within a character");
        assert_eq!(place_in_spelling(spelling, 100), None);
    }
}

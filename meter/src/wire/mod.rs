//! Everything that crosses a process or outlives a deploy, in its exact JSON form.
//!
//! Domain types do not derive serde; here stands a document for each that travels or is stored, with a
//! version where it may change, and a conversion that names every field, so that a new field cannot be
//! forgotten. `tests/wire_pinned.rs` holds each document's exact text.

pub mod asked;
pub mod cost;
pub mod entry;
pub mod book;
pub mod credential;
pub mod dify;
pub mod registered;
pub mod settings;
pub mod claims;
pub mod refusal;
pub mod pull;
pub mod command;
pub mod stored;
pub mod explained;
pub mod desk;

/// A document that does not mean anything, by the field at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct WireError {
    /// The field, as it is spelled in the document.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl WireError {
    fn new(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self { field, problem: problem.to_string() }
    }
}

/// Reads a field as an id, a hash or anything else that is parsed from text.
fn parse<T>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| WireError::new(field, error))
}

/// Reads a field that may be absent.
fn parse_optional<T>(field: &'static str, text: Option<&str>) -> Result<Option<T>, WireError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.map(|text| parse(field, text)).transpose()
}

/// Reads a field that names one of a fixed set.
fn named<T>(
    field: &'static str,
    name: &str,
    from_name: fn(&str) -> Option<T>,
) -> Result<T, WireError> {
    from_name(name).ok_or_else(|| WireError::new(field, format!("has no meaning as {name:?}")))
}

//! The parameters of a query string: each taken once by its name, none left over.
//!
//! A parameter that is misspelt, given twice or out of its bounds is refused by name, since an answer
//! to a question that was not asked is worse than none.

use utoipa::IntoParams;

use crate::error::Error;
use crate::page::{PAGE_ROWS_MAX, Span};

/// Most parameters in one query.
const PARAMETERS_MAX: usize = 20;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 200;

/// The parameters of every list that comes in pages, as they are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `Parameters::span` takes")]
pub(super) struct Paged {
    /// At most so many rows; 50 unless named.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// Where the page before said that this one begins.
    #[param(min_length = 1, max_length = 200)]
    cursor: Option<String>,
}

/// The parameters that were not taken yet.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Result<Self, Error> {
        if pairs.len() > PARAMETERS_MAX {
            return Err(Error::invalid("query", format!("has over {PARAMETERS_MAX} parameters")));
        }
        Ok(Self(pairs))
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let Some(place) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(place);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(Error::invalid(name, "is given twice"));
        }
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return Err(Error::invalid(name, format!("must have 1 to {VALUE_BYTES_MAX} bytes")));
        }
        // Postgres keeps no such text, so nothing can match it.
        if value.contains('\0') {
            return Err(Error::invalid(name, "holds a zero byte"));
        }
        Ok(Some(value))
    }

    /// Takes a whole number within bounds.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        min: i64,
        max: i64,
    ) -> Result<Option<i64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        let problem = || Error::invalid(name, format!("is not a whole number from {min} to {max}"));
        number.map(Some).ok_or_else(problem)
    }

    /// Takes which page of a list is asked for.
    pub(super) fn span(&mut self) -> Result<Span, Error> {
        let limit = self.number("limit", 1, PAGE_ROWS_MAX)?;
        Ok(Span::new(self.text("cursor")?, limit))
    }

    /// Refuses what is left over.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(40).collect();
                Err(Error::invalid("query", format!("has a parameter {name:?} that is not known")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Parameters::new(pairs.iter().map(owned).collect()).unwrap()
    }

    #[track_caller]
    fn limit(pairs: &[(&str, &str)], want: Result<Option<i64>, &str>) {
        let got = parameters(pairs).number("limit", 1, 500);
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(Error::Invalid { field, .. }), Err(want)) => assert_eq!(field, want),
            (got, want) => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn a_number_is_within_its_bounds_or_refused_by_name() {
        limit(&[("limit", "0")], Err("limit"));
        limit(&[("limit", "501")], Err("limit"));
        limit(&[("limit", "ten")], Err("limit"));
        limit(&[("limit", "")], Err("limit"));
        limit(&[("limit", "1"), ("limit", "1")], Err("limit"));
        limit(&[("limit", "500")], Ok(Some(500)));
        limit(&[("other", "1")], Ok(None));
    }

    #[test]
    fn what_is_left_over_is_refused() {
        assert!(parameters(&[("limt", "1")]).end().is_err());
        assert!(parameters(&[]).end().is_ok());
        let some = |count: usize| Parameters::new(vec![(String::new(), String::new()); count]);
        assert!(some(PARAMETERS_MAX).is_ok() && some(PARAMETERS_MAX + 1).is_err());
    }

    #[test]
    fn a_value_has_its_bound() {
        let read = |bytes: usize| parameters(&[("q", &"x".repeat(bytes))]).text("q");
        assert!(read(VALUE_BYTES_MAX).is_ok() && read(VALUE_BYTES_MAX + 1).is_err());
    }
}

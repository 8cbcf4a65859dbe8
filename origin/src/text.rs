//! Texts that people write: reasons, references, names.

use crate::error::Error;

/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 1_000;

/// Refuses, by the field's name, a text that is blank, too long, or holds a zero byte, which Postgres
/// does not keep.
pub fn check(field: &'static str, text: &str, chars_max: usize) -> Result<(), Error> {
    let blank = text.trim().is_empty();
    if blank || text.chars().count() > chars_max {
        return Err(Error::invalid(field, format!("must have 1 to {chars_max} characters")));
    }
    if text.contains('\0') {
        return Err(Error::invalid(field, "holds a zero byte"));
    }
    Ok(())
}

/// The same for a reason.
pub fn check_reason(text: &str) -> Result<(), Error> {
    check("reason", text, REASON_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_something_within_its_bound() {
        for refused in ["", " \n", "a\0b", "xxxx"] {
            assert!(check("field", refused, 3).is_err(), "{refused:?}");
        }
        assert!(check("field", "因为", 3).is_ok());
    }

    #[test]
    fn a_reason_has_its_bound() {
        assert!(check_reason(&"因".repeat(REASON_CHARS_MAX)).is_ok());
        assert!(check_reason(&"因".repeat(REASON_CHARS_MAX + 1)).is_err());
    }
}

//! Bytes as text.
//!
//! Only UTF-8 is read, with or without a mark in front. Spreadsheets also write UTF-16 and, in China,
//! GB18030; both are recognised for what they are and refused with what to do, since a guess that is
//! wrong would be a price of something else.

use super::LIST_BYTES_MAX;
use super::problem::Refused;

const UTF8_MARK: &str = "\u{feff}";

/// The text without its mark.
pub(super) fn read(bytes: &[u8]) -> Result<&str, Refused> {
    if bytes.len() > LIST_BYTES_MAX {
        return Err(Refused::one(1, "file", format!("is larger than {LIST_BYTES_MAX} bytes")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Refused::one(1, "file", "is UTF-16: save it as UTF-8"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let problem = "holds a zero byte, as UTF-16 does: save it as UTF-8";
        return Err(Refused::one(line_of(bytes, at), "file", problem));
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix(UTF8_MARK).unwrap_or(text)),
        Err(error) => {
            let line = line_of(bytes, error.valid_up_to());
            Err(Refused::one(line, "file", "is not UTF-8, but perhaps GB18030: save it as UTF-8"))
        }
    }
}

/// The line of a byte, from one.
pub(super) fn line_of(bytes: &[u8], at: usize) -> usize {
    ends(bytes.get(..at).unwrap_or(bytes)).saturating_add(1)
}

/// How many lines end in a piece of text.
#[expect(clippy::naive_bytecount, reason = "a file is gone through once, and is a few megabytes")]
pub(super) fn ends(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

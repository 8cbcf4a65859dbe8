//! What is accepted as a statement is, to the byte, what Weir writes, and its figures agree.

use meter::statement::read;

/// Reads the bytes as a statement.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok((statement, hash)) = read(text) else { return };
    assert_eq!(statement.to_text(), (text.to_owned(), hash));
    assert!(statement.charges().is_ok(), "{statement:?}");
}

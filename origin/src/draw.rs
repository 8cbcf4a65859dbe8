//! Random bytes from the operating system, and the ids made of them.

use crate::error::Error;

/// Random bytes in an id: 80 bits, so that no two are ever the same.
const ID_BYTES: usize = 10;

/// This many random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(bytes)
}

/// A new id: the prefix and 20 hexadecimal digits.
pub fn id(prefix: &str) -> Result<String, Error> {
    Ok(format!("{prefix}{}", hex(&bytes::<ID_BYTES>()?)))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

//! No header opens a door that it should not.

use meter::key::{KEY_BYTES_MAX, from_header};

/// Takes the bytes for an `Authorization` header.
pub fn check(bytes: &[u8]) {
    let Ok(header) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = from_header(Some(header)) else { return };
    assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX, "{header:?}");
    assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{header:?}");
    assert!(header.contains(key) && header.trim_start().len() > key.len(), "{header:?}");
}

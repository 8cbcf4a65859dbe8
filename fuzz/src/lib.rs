//! What arbitrary bytes may not do to Weir's rules.
//!
//! Each module has one `check`: it takes bytes that somebody made up and panics when a promise is
//! broken. `cargo xtask fuzz` lets libFuzzer look for such bytes; the ordinary tests feed the corpus,
//! and what a bounded number of small changes makes of it, to the same functions.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is a panic, which is all that a check can say"
)]

pub mod dify;
pub mod document;
pub mod journal;
pub mod key;
pub mod path;
pub mod price_list;
pub mod reading;
pub mod request;
pub mod statement;
pub mod stream;

/// A check, by the name of its target and of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every check.
pub const TARGETS: &[Target] = &[
    ("dify", dify::check),
    ("document", document::check),
    ("journal", journal::check),
    ("key", key::check),
    ("path", path::check),
    ("price_list", price_list::check),
    ("reading", reading::check),
    ("request", request::check),
    ("statement", statement::check),
    ("stream", stream::check),
];

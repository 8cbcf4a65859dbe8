//! Upstream's own bill: records come in, and calls that the wire could not name are ended by them.
//!
//! Path: callback or file → **bill** → order or correction → ledger. [`record`] keeps what came,
//! [`import`] takes it from a file, [`waiting`] asks the edge about the calls that it names,
//! [`complete`] does what follows from it, [`run`] does so again and again.
//! [`report`] holds the bill against the books.

pub mod record;
pub mod import;
pub mod waiting;
pub mod complete;
pub mod report;
pub mod run;

/// Who decides, as orders and corrections record it.
pub const ACTOR: &str = "coze bill";

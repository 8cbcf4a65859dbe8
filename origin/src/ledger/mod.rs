//! The ledger: what is written when money moves, and what was noticed on the way.
//!
//! Path: pull → **ledger** → read.

pub mod backfill;
pub(crate) mod chain;
pub mod credit;
pub mod finding;
pub mod post;
mod rows;
pub(crate) mod stored;
pub mod rerate;
pub mod self_test;

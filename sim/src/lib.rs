//! The whole journey of a call, simulated from one seed.
//!
//! Callers, isolates of the edge, journals, upstream, origins and the people who run them, on a virtual
//! clock and in one thread. The journals are the real ones, behind their real desk; what comes up is read
//! by the real reconciling and posted by the real arithmetic of the ledger. Everything around them is a
//! model, and everything goes wrong that can, in both forms: before it took effect, and after.
//!
//! # In scope
//! That nothing is lost and nothing is doubled, whatever happens between any two steps; that what cannot
//! be learned is a finding; that a storage which was put back is noticed.
//!
//! # Out of scope
//! Bytes: readers, doors and HTTP have tests of their own. The origin's SQL, too.
//!
//! # Shape
//! A [`plan`] is drawn from a seed and lived by a [`world`]; a `court` sees what became durable and holds
//! it against the laws; a plan that breaks one is made smaller by [`shrink`]. [`mutant`]s are deliberate
//! mistakes that the laws have to notice.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "what the simulation makes up itself is well-formed, and a panic is a finding of its own"
)]

pub mod dice;
pub mod fault;
pub mod plan;
pub mod mutant;
pub mod shelf;
pub mod memory;
pub mod upstream;
pub mod object;
pub mod ledger;
mod court;
pub mod world;
pub mod run;
pub mod shrink;
pub mod story;

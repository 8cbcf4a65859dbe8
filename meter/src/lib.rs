//! Weir's rules.
//!
//! Everything here is pure: a rule takes values, the time and ids included, and gives values back.
//! The shells (`edge`, `origin`) move bytes, rows and time, and ask this crate what to do.
//!
//! # In scope
//! Ids, money and prices; who may call and what a route is; what a reply says about usage and what
//! follows from it; the journal as a state machine; the pull between edge and origin; reconciling;
//! the arithmetic of the ledger.
//!
//! # Out of scope
//! I/O, async, clocks, randomness, signatures, SQL, HTTP libraries.
//!
//! The modules stand in the order of a call's path; a module uses those above it. `wire` sees all of
//! them and none of them sees `wire`, but for `price_list` behind it.

// What everything is made of.
pub mod ids;
pub mod money;
pub mod time;
mod json;

// Who may come in, and where to.
pub mod rate;
pub mod refusal;
pub mod key;
pub mod route;
pub mod header;
pub mod cors;
pub mod dify;
pub mod stamp;
pub mod credential;

// What is asked for and what came back.
pub mod request;
pub mod apart;
pub mod sse;
pub mod usage;
pub mod outcome;
pub mod outcome_table;

// Other protocols that lead to the same calls.
pub mod door;

// What it costs, who pays, and what is written down.
pub mod price;
pub mod account;
pub mod entry;
pub mod oauth;
pub mod journal;
pub mod notice;

// How the two sides agree.
pub mod reconcile;
pub mod fork;
pub mod drill;
pub mod ledger;
pub mod statement;
pub mod bill;
pub mod import;
pub mod wire;

// What people keep in files, in the words of `wire`.
pub mod price_list;

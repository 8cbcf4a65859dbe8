//! What the ledger says: balances, summaries, calls, reports, and the health of it all.
//!
//! Path: ledger → **read** → API. Everything here reads rows that were written in one transaction with
//! each other, and writes none.

pub mod account;
pub mod anomalies;
pub mod balance;
pub mod calls;
pub mod daily;
pub mod days;
pub mod drift;
pub mod explain;
pub mod health;
pub mod journals;
pub mod metrics;
pub mod open;
pub mod reconciled;
pub mod slots;
pub mod summary;

//! What the ledger says: balances, summaries, calls, and the health of it all.
//!
//! Path: ledger → **read** → API. Everything here reads rows that were written in one transaction with
//! each other, and writes none.

pub mod account;
pub mod balance;
pub mod calls;
pub mod days;
pub mod explain;
pub mod health;
pub mod metrics;
pub mod open;
pub mod reconciled;
pub mod slots;
pub mod summary;

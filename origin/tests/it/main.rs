//! The origin against a real Postgres and a real HTTP edge that is told how to behave.
//!
//! Each test has a database of its own, on the server that `DATABASE_URL` names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails; what is allowed in tests does not reach their helpers"
)]

mod accepting;
mod acting;
mod agreeing;
mod alarming;
mod auditing;
mod backfilling;
mod billing;
mod commands;
mod comparing;
mod console;
mod cutting;
mod database;
mod doctoring;
mod drawn;
mod edge;
mod exceeding;
mod explaining;
mod facts;
mod faults;
mod importing;
mod open;
mod keeping;
mod listing;
mod measuring;
mod ordering;
mod planning;
mod posting;
mod pulling;
mod reading;
mod registering;
mod refusing;
mod reporting;
mod rerating;
mod serving;
mod sheets;
mod signing_in;
mod statements;
mod tables;
mod telling;
mod tester;
mod testing_itself;

//! Weir's origin: pulls the journals at the edge, posts them to Postgres, answers and shows; and the
//! `weir` command line.
//!
//! Everything here is a shell around the rules in `meter`: it moves rows, bytes and time. It knows the
//! edge only as a URL that speaks the pull.
//!
//! # Order
//! The modules stand in the order of the path: what everything leans on, who pays and for how much,
//! what is pulled, posted, read and decided by hand, and the two ways in, HTTP and the command line.

// What everything leans on.
pub mod clock;
pub mod draw;
pub mod error;
pub mod database;
pub mod signing;
pub mod https;
pub mod text;
mod limited;
pub mod page;
pub mod audit;

// Who may sign in.
pub mod person;

// Who pays, and for how much.
pub mod journal;
pub mod account;
pub mod key;
pub mod registered;
pub mod price;

// What comes up from the edge.
pub mod alarm;
pub mod ledger;
pub mod pull;
pub mod metrics;

// What comes out of it, what a person decides, and how to ask.
pub mod read;
pub mod order;
pub mod statement;
pub mod bill;
pub mod doctor;
pub mod import;
pub mod http;
pub mod config;
pub mod cli;

//! The stand-in keeps the wire contract: its samples byte for byte, and every switch at least once.

#![expect(
    clippy::unwrap_used,
    reason = "in a test target, what cannot be unwrapped fails the test"
)]

// A stand-in, and a caller who talks to it.
mod bench;
// The contract's composed samples.
mod samples;
// How streams are spelt and cut.
mod shapes;
// How work ends.
mod outcomes;
// How usage is told.
mod usage;
// What polls give.
mod polls;
// Interrupted executions.
mod resume;
// Refusals, credentials, unknown paths.
mod refusals;
// Silence, delays, holds, cuts, and callers who leave.
mod pace;
// The record of works and requests, and the journal file.
mod record;
// Free paths, conversations, files, units other than tokens.
mod free;
// The OAuth token endpoint.
mod oauth;
// The websockets.
mod websocket;
// The callbacks of the bill.
mod callbacks;
// Dify.
mod dify;
// The stand-in as a process.
mod process;

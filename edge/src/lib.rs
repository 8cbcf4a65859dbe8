//! The Worker: Weir's way in.
//!
//! # In scope
//! Routing, authentication, forwarding to upstream, reading the copy of a reply, and the `Journal`
//! Durable Object that keeps every call. Each is a thin shell: what to do is decided in `meter`.
//!
//! # Out of scope
//! Rules, and the origin: the edge answers the origin's pull and never calls it.
//!
//! The modules stand in the order of a call's path.

// What the platform gives us.
mod platform;
mod config;
mod log;
mod tries;
mod body;
mod reply;

// The way in.
mod front;
mod cors;

// Tokens for callers who sign their own requests.
mod oauth;

// Other protocols that lead to the same calls.
mod door;

// What goes upstream in place of the caller's key.
mod credential;

// A call, step by step.
mod call;

// Where calls are kept.
mod journal;

// What else the edge answers.
mod balance;
mod explain;
mod pull;

use worker::{Context, Env, event, web_sys};

pub use journal::Journal;

/// One request.
#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    front::answer(request, env, context).await
}

//! The record of requests: what arrived on the upstream's own paths, in order.
//!
//! # Bounds
//! At most [`REQUESTS_MAX`]; the oldest is dropped and counted.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// How many requests are remembered.
pub(crate) const REQUESTS_MAX: usize = 20_000;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRequest {
    /// Its number, from 1.
    pub no: u64,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query as it came, without the question mark; a credential in it is redacted to its kind.
    pub query: Option<String>,
    /// Headers by lower-case name, several values joined with `, `; `authorization` only says of
    /// which kind the credential is, for instance `Bearer pat`.
    pub headers: BTreeMap<String, String>,
    /// The session of the token it came with: `session_name` of the JWT that was given for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The size of the body, if it arrived whole.
    pub body_bytes: Option<u64>,
    /// SHA-256 of the body in hexadecimal, if it arrived whole.
    pub body_sha256: Option<String>,
}

/// What `GET /_standin/requests` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPage {
    /// The requests, oldest first.
    pub requests: Vec<SeenRequest>,
    /// How many older ones were dropped.
    pub dropped: u64,
}

/// All requests seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    requests: VecDeque<SeenRequest>,
    last_no: u64,
    dropped: u64,
}

impl Seen {
    /// Notes a request and numbers it.
    pub(crate) fn note(&mut self, mut request: SeenRequest) -> u64 {
        self.last_no = self.last_no.saturating_add(1);
        request.no = self.last_no;
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.requests.push_back(request);
        self.last_no
    }

    /// How many came after the given number.
    pub(crate) fn count_after(&self, no: u64) -> u64 {
        self.last_no.saturating_sub(no)
    }

    pub(crate) fn page_after(&self, no: u64) -> RequestPage {
        RequestPage {
            requests: self.requests.iter().filter(|request| request.no > no).cloned().collect(),
            dropped: self.dropped,
        }
    }

    /// Forgets the requests; the numbering goes on.
    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.dropped = 0;
    }
}

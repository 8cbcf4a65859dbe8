//! The edge, as the origin knows it: one URL that speaks the pull.
//!
//! # Bounds
//! A pull takes at most [`PULL_MS_MAX`] and its answer has at most [`PULL_BYTES_MAX`] bytes. Nothing is
//! tried twice here; the loop decides when the next attempt is due.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Utc};
use http_body_util::Full;
use meter::entry::{Entry, Tail};
use meter::ids::JournalName;
use meter::journal::CallNo;
use meter::reconcile::Page;
use meter::time::UnixMs;
use meter::wire::WireError;
use meter::wire::explained::OpenDoc;
use meter::wire::pull::{
    OPEN_LISTED_MAX, PAGE_ENTRIES_MAX, PULL_BYTES_MAX, PULL_VERSION, PullReply, PullRequest,
    TailDoc,
};
use tracing::warn;

use crate::clock;
use crate::error::Error;
use crate::https::{Failure, Https, Limits};
use crate::ledger::post::Said;
use crate::signing::Signer;

/// Longest pull, from connecting to the last byte: a megabyte from the other side of the world.
pub const PULL_MS_MAX: u64 = 30_000;
/// Largest answer to the question for the time.
pub const CLOCK_BYTES_MAX: usize = 1 << 20;
/// Characters of a refusal's body that are told to the operator.
const DETAIL_CHARS_MAX: usize = 200;

/// Why a pull brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// It could not be signed, or something at the origin is wrong.
    #[error(transparent)]
    Origin(#[from] Error),
    /// The edge did not answer, or not in time, or with more than a page.
    #[error(transparent)]
    NoAnswer(#[from] Failure),
    /// The edge said no.
    #[error("the edge answered {status}: {detail}")]
    Refused {
        /// With this status.
        status: StatusCode,
        /// And these words.
        detail: String,
    },
    /// The answer is not what a pull brings.
    #[error("the edge's answer is not a page: {0}")]
    NotAPage(String),
}

impl From<WireError> for PullError {
    fn from(error: WireError) -> Self {
        Self::NotAPage(error.to_string())
    }
}

impl From<PullError> for Error {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Origin(error) => error,
            PullError::NoAnswer(failure) => Self::NoAnswer(failure),
            other @ (PullError::Refused { .. } | PullError::NotAPage(_)) => {
                Self::Pull(other.to_string())
            }
        }
    }
}

/// What a pull brought, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The page.
    pub page: Page,
    /// What the journal said of itself.
    pub said: Said,
}

/// The seam to the edge.
pub struct Edge {
    https: Https,
    signer: Arc<Signer>,
}

impl Edge {
    /// The edge at this URL, pulled with this key.
    pub fn new(url: &str, signer: Arc<Signer>) -> Result<Self, Error> {
        Ok(Self { https: Https::new(url)?, signer })
    }

    /// Pulls one page.
    pub async fn pull_page(
        &self,
        journal: &JournalName,
        request: &PullRequest,
        now: UnixMs,
    ) -> Result<Pulled, PullError> {
        let (status, body) = self.send(journal, request, now).await?;
        if status != StatusCode::OK {
            let detail = String::from_utf8_lossy(&body).chars().take(DETAIL_CHARS_MAX).collect();
            return Err(PullError::Refused { status, detail });
        }
        let reply: PullReply = serde_json::from_slice(&body)
            .map_err(|error| PullError::NotAPage(error.to_string()))?;
        read(journal, request, &reply)
    }

    /// What time it is there, to the second, as far as its answers tell.
    pub async fn clock(&self) -> Result<Option<UnixMs>, Failure> {
        let request = Request::get(self.https.url("/")).body(Full::new(Bytes::new()));
        let request = request.map_err(|error| Failure::Unreachable(error.to_string()))?;
        let limits = Limits { ms_max: PULL_MS_MAX, bytes_max: CLOCK_BYTES_MAX };
        let (parts, _) = self.https.exchange(request, limits).await?;
        let date = parts.headers.get(DATE).and_then(|date| date.to_str().ok());
        // RFC 9110 §5.6.7, whose usual form RFC 2822 reads.
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Ok(date.map(|date| clock::unix_ms(date.with_timezone(&Utc))))
    }

    async fn send(
        &self,
        journal: &JournalName,
        request: &PullRequest,
        now: UnixMs,
    ) -> Result<(StatusCode, Bytes), PullError> {
        let token = self.signer.pull_token(journal, now)?;
        let body =
            serde_json::to_vec(request).map_err(|error| Error::impossible("journal", error))?;
        let request = Request::post(self.https.url(&format!("/_weir/journals/{journal}/pull")))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Error::invalid("WEIR_EDGE_URL", error))?;
        let limits = Limits { ms_max: PULL_MS_MAX, bytes_max: PULL_BYTES_MAX };
        Ok(self.https.send(request, limits).await?)
    }
}

/// Reads an answer as a page of this journal.
fn read(
    journal: &JournalName,
    request: &PullRequest,
    reply: &PullReply,
) -> Result<Pulled, PullError> {
    let PullReply {
        v,
        journal: named,
        epoch,
        applied,
        entries,
        head,
        open_holds,
        open,
        oldest_hold_at_ms,
    } = reply;
    let not_a_page = |problem: String| Err(PullError::NotAPage(problem));
    if *v != PULL_VERSION {
        return not_a_page(format!("version {v}, {PULL_VERSION} is known"));
    }
    if named != journal.as_str() {
        return not_a_page(format!("it is of journal {named:?}"));
    }
    let limit = request.limit.min(PAGE_ENTRIES_MAX);
    if entries.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        return not_a_page(format!("{} entries, {limit} were asked for", entries.len()));
    }
    let entries = entries
        .iter()
        .map(|doc| {
            let unreadable = |error| PullError::NotAPage(format!("entry {}: {error}", doc.seq));
            Entry::try_from(doc).map_err(unreadable)
        })
        .collect::<Result<_, _>>()?;
    let epoch = epoch.parse().map_err(|error| PullError::NotAPage(format!("`epoch` {error}")))?;
    let head: &TailDoc = head;
    let page = Page { epoch, entries, head: Tail::try_from(head)? };
    let said = Said {
        applied: *applied,
        open_holds: *open_holds,
        oldest_hold_at: oldest_hold_at_ms.map(UnixMs::new),
        open: readable(journal, open),
    };
    Ok(Pulled { page, said })
}

/// The open calls that mean something. One that does not is left out and logged: being listed is no
/// reason to keep a page of finished calls from being posted.
fn readable(journal: &JournalName, open: &[OpenDoc]) -> Vec<OpenDoc> {
    let mut calls = HashSet::new();
    let mut is_readable = |open: &&OpenDoc| match open.hold.hold(CallNo::MIN) {
        Ok(hold) => calls.insert(hold.call),
        Err(error) => {
            warn!(journal = journal.as_str(), %error, "an open call cannot be read");
            false
        }
    };
    open.iter().take(OPEN_LISTED_MAX).filter(|open| is_readable(open)).cloned().collect()
}

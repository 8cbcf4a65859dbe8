//! How bytes leave: as they are, in small chunks, or cut off after a while.
//!
//! # Bounds
//! What is queued for a caller who does not read is at most the whole reply, whose events are
//! bounded by the behaviour.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;

/// How one body is cut up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spout {
    /// The most bytes in one chunk.
    pub(crate) chunk_bytes: Option<u32>,
    /// The connection is cut after this many.
    pub(crate) cut_after_bytes: Option<u64>,
}

impl Spout {
    /// Whether the bytes may leave as one piece with a content length.
    pub(crate) fn is_plain(self) -> bool {
        self.chunk_bytes.is_none() && self.cut_after_bytes.is_none()
    }
}

struct Pouring {
    source: mpsc::Receiver<Bytes>,
    waiting: Bytes,
    spout: Spout,
    poured_bytes: u64,
    is_cut: bool,
}

/// The body that brings what arrives in `source`, until its senders are gone.
pub(crate) fn body(source: mpsc::Receiver<Bytes>, spout: Spout) -> Body {
    let start = Pouring { source, waiting: Bytes::new(), spout, poured_bytes: 0, is_cut: false };
    Body::from_stream(stream::unfold(start, async |mut pouring| {
        let chunk = pouring.next().await?;
        Some((chunk, pouring))
    }))
}

impl Pouring {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.is_cut {
            return None;
        }
        let left = self.spout.cut_after_bytes.map(|cut| cut.saturating_sub(self.poured_bytes));
        if left == Some(0) {
            // Being pending once lets the server flush what was poured before the connection goes.
            tokio::task::yield_now().await;
            self.is_cut = true;
            return Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        if self.waiting.is_empty() {
            self.waiting = self.source.recv().await?;
        }
        let chunk_bytes = self.spout.chunk_bytes.map_or(u64::MAX, |bytes| u64::from(bytes).max(1));
        let size = chunk_bytes.min(left.unwrap_or(u64::MAX));
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.waiting.len());
        let chunk = self.waiting.split_to(size);
        self.poured_bytes = self.poured_bytes.saturating_add(u64::try_from(size).unwrap_or(0));
        Some(Ok(chunk))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody;
    use futures_util::StreamExt;

    use super::*;

    async fn poured(spout: Spout) -> (Vec<Bytes>, bool) {
        let (sender, source) = mpsc::channel(2);
        sender.send(Bytes::from("水ab")).await.unwrap();
        sender.send(Bytes::from("cd")).await.unwrap();
        drop(sender);
        let body = body(source, spout);
        assert!(!body.is_end_stream());
        let pieces: Vec<_> = body.into_data_stream().collect().await;
        let cut = pieces.iter().any(Result::is_err);
        (pieces.into_iter().flatten().collect(), cut)
    }

    #[tokio::test]
    async fn without_a_spout_pieces_leave_as_they_came() {
        let (chunks, cut) = poured(Spout::default()).await;
        assert_eq!(chunks, ["水ab".as_bytes(), b"cd"]);
        assert!(!cut);
    }

    #[tokio::test]
    async fn small_chunks_split_characters() {
        let (chunks, _) = poured(Spout { chunk_bytes: Some(1), ..Spout::default() }).await;
        assert_eq!(chunks.len(), 7);
        assert_eq!(chunks[0].as_ref(), &"水".as_bytes()[..1]);
    }

    #[tokio::test]
    async fn a_cut_comes_after_exactly_so_many_bytes() {
        let (chunks, cut) = poured(Spout { cut_after_bytes: Some(6), ..Spout::default() }).await;
        assert_eq!(chunks.concat(), "水abc".as_bytes());
        assert!(cut);
    }
}

//! However a stream is cut into chunks, its events are the same.
//!
//! The first byte says how: chunks of so many bytes, or of lengths drawn from the bytes themselves.

use meter::sse::{DATA_BYTES_MAX, Event, Parser};

/// An event that was kept.
type Kept = (Vec<u8>, Vec<u8>, bool);

/// Feeds the bytes in one piece and in chunks.
pub fn check(bytes: &[u8]) {
    let Some((&how, stream)) = bytes.split_first() else { return };
    let whole = events(std::iter::once(stream));
    let cut = if how == 0 {
        events(stream.chunk_by(|byte, next| byte ^ next != 7))
    } else {
        events(stream.chunks(usize::from(how)))
    };
    assert_eq!(whole, cut, "chunks of {how}");
    assert!(whole.iter().all(|(_, data, _)| data.len() <= DATA_BYTES_MAX));
}

fn events<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Kept> {
    let mut kept = Vec::new();
    let mut keep = |event: Event<'_>| {
        kept.push((event.name.to_vec(), event.data.to_vec(), event.truncated));
    };
    let mut parser = Parser::new();
    for chunk in chunks {
        parser.feed(chunk, &mut keep);
    }
    parser.finish(&mut keep);
    kept
}

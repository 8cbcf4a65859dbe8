//! However the bytes of a stream are cut, the events are the same, and so is the reading.
//!
//! Every recorded stream is cut at each of its bytes; random bytes and random text that looks like a
//! stream are cut at random. The last tests feed what would grow without end and look at the bounds.

#[cfg(test)]
mod recording;
#[cfg(test)]
#[path = "chunking/doors.rs"]
mod doors;

use meter::sse::{DATA_BYTES_MAX, Event, LINE_BYTES_MAX, Parser};
use proptest::prelude::*;
use recording::{Case, cases, describe, short};

/// Recorded streams up to this size are cut at every byte, which takes quadratic time. In longer ones
/// the bytes near line ends are, and of the others one in [`SPARSE_CUT`].
const EVERY_CUT_BYTES_MAX: usize = 16 << 10;
/// How far from a line end a byte of a long stream is near.
const NEAR_LINE_END: usize = 24;
/// The distance of the other cuts in a long stream; a prime, so that they fall anywhere.
const SPARSE_CUT: usize = 4_999;

/// An event that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    name: String,
    data: String,
    truncated: bool,
}

impl From<Event<'_>> for Kept {
    fn from(event: Event<'_>) -> Self {
        // Escaped, so that bytes which are no text differ as well.
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        Self { name: text(event.name), data: text(event.data), truncated: event.truncated }
    }
}

fn feed<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, mut take: impl FnMut(Event<'_>)) {
    let mut parser = Parser::new();
    for chunk in chunks {
        parser.feed(chunk, &mut take);
    }
    parser.finish(&mut take);
}

fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Kept> {
    let mut kept = Vec::new();
    feed(chunks, |event| kept.push(event.into()));
    kept
}

/// The events of a recorded stream, and what is read out of them.
fn events_and_reading<'a>(
    case: &Case,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Kept>, String) {
    let mut kept = Vec::new();
    let mut reading = case.dialect.read_stream();
    feed(chunks, |event| {
        kept.push(event.into());
        reading.take(event);
    });
    (kept, describe(&reading.finish()))
}

fn streams() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.is_stream)
}

fn cuts(bytes: &[u8]) -> Vec<usize> {
    let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let is_near_line_end = |at: usize| {
        let from = at.saturating_sub(NEAR_LINE_END);
        let to = bytes.len().min(at + NEAR_LINE_END);
        bytes[from..to].iter().any(is_line_end)
    };
    let every = bytes.len() <= EVERY_CUT_BYTES_MAX;
    let cut = |at: &usize| every || at.is_multiple_of(SPARSE_CUT) || is_near_line_end(*at);
    (0..=bytes.len()).filter(cut).collect()
}

#[test]
fn a_recorded_stream_cut_anywhere_gives_the_same_events_and_the_same_reading() {
    for case in streams() {
        let whole = events_and_reading(&case, [&case.bytes[..]]);
        for at in cuts(&case.bytes) {
            let (head, tail) = case.bytes.split_at(at);
            let got = events_and_reading(&case, [head, tail]);
            assert_eq!(got, whole, "{} cut at byte {at}", short(&case.path));
        }
    }
}

#[test]
fn a_recorded_stream_fed_byte_by_byte_gives_the_same_events_and_the_same_reading() {
    for case in streams() {
        let whole = events_and_reading(&case, [&case.bytes[..]]);
        let got = events_and_reading(&case, case.bytes.chunks(1));
        assert_eq!(got, whole, "{}", short(&case.path));
    }
}

/// Text made of what streams are made of, in any order.
fn any_stream_text() -> impl Strategy<Value = Vec<u8>> {
    let line_ends = ["\n", "\n\n", "\r", "\r\n"];
    let fields = ["event", "event:", "event: done", "data", "data:", "data: ", "data:{}", "id: 1"];
    let others = [":", ": ping", " ", "retry: 5", "x", "\0", "\u{feff}", "河"];
    let pieces = [&line_ends[..], &fields, &others].concat();
    let piece = prop::sample::select(pieces);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn any_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..12usize, 0..60)
}

/// The bytes in pieces of these sizes, empty ones included, and what is left in one.
fn in_pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes {
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

proptest! {
    #[test]
    fn anything_in_pieces_gives_the_events_of_the_whole(
        bytes in prop_oneof![any_stream_text(), any_bytes()],
        sizes in any_sizes(),
    ) {
        prop_assert_eq!(events(in_pieces(&bytes, &sizes)), events([&bytes[..]]));
    }

    #[test]
    fn a_stream_gives_the_same_events_with_either_line_end(text in any_stream_text()) {
        // Without a CR in it, so that every LF ends a line of its own.
        let lf = String::from_utf8(text).unwrap().replace('\r', "");
        let crlf = lf.replace('\n', "\r\n");
        prop_assert_eq!(events([crlf.as_bytes()]), events([lf.as_bytes()]));
    }
}

/// How much each event holds, and whether it was cut.
fn sizes<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(usize, bool)> {
    let mut sizes = Vec::new();
    feed(chunks, |event| sizes.push((event.name.len() + event.data.len(), event.truncated)));
    sizes
}

/// What is kept of a stream of this beginning and this again and again, without an end.
fn kept_of_endless(begin: &str, again: &str, times: usize) -> (usize, bool) {
    let rest = again.repeat(times);
    let chunks = std::iter::once(begin.as_bytes()).chain(rest.as_bytes().chunks(1 << 16));
    let sizes = sizes(chunks);
    assert_eq!(sizes.len(), 1, "{begin:?} {again:?}");
    sizes[0]
}

#[test]
fn a_line_without_end_is_kept_up_to_its_bound() {
    let field = "data:".len();
    assert_eq!(kept_of_endless("data:", "x", 2 * LINE_BYTES_MAX), (LINE_BYTES_MAX - field, true));
    let exact = LINE_BYTES_MAX - field;
    assert_eq!(kept_of_endless("data:", "x", exact), (exact, false));
    let field = "event:".len();
    assert_eq!(kept_of_endless("event:", "x", 2 * LINE_BYTES_MAX), (LINE_BYTES_MAX - field, true));
}

#[test]
fn an_event_without_end_is_kept_up_to_its_bound() {
    let begin = format!("data:{}\n", "x".repeat(DATA_BYTES_MAX - 12));
    // Each line comes with the LF that joins it to the one before.
    assert_eq!(kept_of_endless(&begin, "data:345\n", 3), (DATA_BYTES_MAX, false));
    assert_eq!(kept_of_endless(&begin, "data:345\n", 99), (DATA_BYTES_MAX, true));
    assert_eq!(kept_of_endless(&begin, "data\n", 12), (DATA_BYTES_MAX, false));
    assert_eq!(kept_of_endless(&begin, "data\n", 99), (DATA_BYTES_MAX, true));
}

#[test]
fn a_line_over_the_bound_is_cut_at_the_same_byte_however_it_came() {
    for begin in ["data:", "\u{feff}data:", ": "] {
        for over in 0..5 {
            let line = begin.to_owned() + &"x".repeat(LINE_BYTES_MAX - begin.len() + over);
            let bytes = [line.as_bytes(), b"\ndata:1\n\n"].concat();
            let (head, tail) = bytes.split_at(LINE_BYTES_MAX);
            let whole = sizes([&bytes[..]]);
            assert_eq!(sizes([head, tail]), whole, "{begin:?} {over} over, cut at the bound");
            assert_eq!(sizes(bytes.chunks(1 << 16)), whole, "{begin:?} {over} over, in pieces");
        }
    }
}

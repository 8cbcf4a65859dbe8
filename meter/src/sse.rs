//! Server-sent events out of bytes, however the bytes are cut.
//!
//! Follows the standard's parsing rules (WHATWG HTML §9.2.6): LF, CR and CRLF end a line, one space
//! after the colon is dropped, comments and unknown fields are ignored, several `data` lines are joined
//! by LF, a byte order mark at the start is skipped. Coze's three dialects are all within them
//! (upstream contract §2.1). One thing is added: an event that the end of the stream cuts short of its
//! blank line is still given, because Coze leaves the last newlines out.
//!
//! # Bounds
//! At most [`LINE_BYTES_MAX`] of a line and [`DATA_BYTES_MAX`] of an event's data are kept; what is
//! longer is read on and dropped, and the event is given with `truncated` set. Parsing cannot fail.

/// Most bytes of one line that are kept. Audio lines of 95 kB are ordinary (contract §2.1).
pub const LINE_BYTES_MAX: usize = 4 << 20;
/// Most bytes of one event's data that are kept, over all its lines.
pub const DATA_BYTES_MAX: usize = 4 << 20;

/// Most bytes of an `id` that are kept: more than a number has.
pub const ID_BYTES_MAX: usize = 32;

/// One event, borrowed from the parser for as long as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty when there was none.
    pub name: &'a [u8],
    /// The `data` lines, joined by LF.
    pub data: &'a [u8],
    /// Whether part of it was longer than the bounds and is missing.
    pub truncated: bool,
}

/// A parser that is fed chunks and gives events.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of where the parser stands")]
pub struct Parser {
    /// The line being read, when it began in an earlier chunk.
    line: Vec<u8>,
    line_truncated: bool,
    /// The last byte was a CR, so that an LF right behind it belongs to the same line end.
    after_cr: bool,
    /// A first line was completed, so that a byte order mark is one no longer.
    begun: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    /// The last `id` line's value, up to [`ID_BYTES_MAX`] of it.
    id: Vec<u8>,
    has_data: bool,
    truncated: bool,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes and gives each event that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(end);
            if self.line.is_empty() && !self.line_truncated {
                self.take_line(line, &mut on_event);
            } else {
                self.keep(line);
                let mut whole = std::mem::take(&mut self.line);
                self.take_line(&whole, &mut on_event);
                // The buffer is kept for the next line that a chunk border cuts.
                whole.clear();
                self.line = whole;
            }
            self.line_truncated = false;
            bytes = match rest {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(bytes);
    }

    /// The last `id` so far; empty when there was none.
    pub fn last_id(&self) -> &[u8] {
        &self.id
    }

    /// Gives what the end of the stream left without its blank line.
    pub fn finish(mut self, mut on_event: impl FnMut(Event<'_>)) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, &mut on_event);
        }
        self.dispatch(&mut on_event);
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        let kept = part.get(..room).unwrap_or(part);
        self.line_truncated |= kept.len() < part.len();
        self.line.extend_from_slice(kept);
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(Event<'_>)) {
        // A line inside one chunk is cut where one over several would be, so that the cut does not
        // depend on how the bytes arrived.
        self.truncated |= line.len() > LINE_BYTES_MAX;
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(line);
        let line =
            if self.begun { line } else { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            return self.dispatch(on_event);
        }
        self.truncated |= self.line_truncated;
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"data" => self.keep_data(value),
            b"id" => {
                self.id.clear();
                self.id.extend_from_slice(value.get(..ID_BYTES_MAX).unwrap_or(value));
            }
            _ => {}
        }
    }

    fn keep_data(&mut self, value: &[u8]) {
        let join: &[u8] = if self.has_data { b"\n" } else { b"" };
        self.has_data = true;
        for part in [join, value] {
            let room = DATA_BYTES_MAX.saturating_sub(self.data.len());
            let kept = part.get(..room).unwrap_or(part);
            self.truncated |= kept.len() < part.len();
            self.data.extend_from_slice(kept);
        }
    }

    /// Gives the event collected so far. One with a name and no data is given too: the standard
    /// drops it, but it tells that the stream reached it.
    fn dispatch(&mut self, on_event: &mut impl FnMut(Event<'_>)) {
        if self.has_data || !self.name.is_empty() {
            on_event(Event { name: &self.name, data: &self.data, truncated: self.truncated });
        }
        self.name.clear();
        self.data.clear();
        self.has_data = false;
        self.truncated = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        let mut keep = |event: Event<'_>| {
            seen.push(format!(
                "{}={}{}",
                String::from_utf8_lossy(event.name),
                String::from_utf8_lossy(event.data),
                if event.truncated { "…" } else { "" }
            ));
        };
        let mut parser = Parser::new();
        parser.feed(text, &mut keep);
        parser.finish(&mut keep);
        seen
    }

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        assert_eq!(events(text.as_bytes()), want, "{text:?}");
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        check("event:a\ndata:1\n\n", &["a=1"]);
        check("event: a\r\ndata: 1\r\n\r\n", &["a=1"]);
        check("event:a\rdata:1\r\r", &["a=1"]);
    }

    #[test]
    fn only_one_space_is_dropped() {
        check("data:  two\n\n", &["= two"]);
    }

    #[test]
    fn what_is_not_data_or_event_is_ignored() {
        check(": ping\n\nretry: 5\nid: 7\nevent: a\ndata\n\n", &["a="]);
        check("\u{feff}data:1\n\n", &["=1"]);
        check("nonsense\n\n", &[]);
    }

    #[test]
    fn several_data_lines_are_joined() {
        check("data:1\ndata:\ndata:2\n\n", &["=1\n\n2"]);
    }

    #[test]
    fn an_event_without_data_does_not_name_the_next() {
        check("event: ping\n\ndata: {}\n\n", &["ping=", "={}"]);
    }

    #[test]
    fn the_last_newlines_may_be_missing() {
        check("event:done\ndata:\"[DONE]\"", &["done=\"[DONE]\""]);
        check("event:done\ndata:1\n", &["done=1"]);
    }

    #[test]
    fn an_id_is_kept_up_to_its_bound() {
        let id = |bytes: usize| {
            let mut parser = Parser::new();
            parser.feed(format!("id: {}\n", "7".repeat(bytes)).as_bytes(), |_| {});
            parser.last_id().len()
        };
        assert_eq!((id(ID_BYTES_MAX), id(ID_BYTES_MAX + 1)), (ID_BYTES_MAX, ID_BYTES_MAX));
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_event_is_whole() {
        let mut text = b"data:".to_vec();
        text.resize(LINE_BYTES_MAX + 100, b'x');
        text.extend_from_slice(b"\n\ndata:1\n\n");
        let mut parser = Parser::new();
        let mut seen = Vec::new();
        for chunk in text.chunks(1 << 16) {
            parser.feed(chunk, |event| seen.push((event.data.len(), event.truncated)));
            assert!(parser.line.capacity() <= 2 * LINE_BYTES_MAX);
        }
        assert_eq!(seen, [(LINE_BYTES_MAX - 5, true), (1, false)]);
    }
}

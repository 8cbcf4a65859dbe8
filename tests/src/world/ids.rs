//! Ids and log ids, drawn from counters, so that one run of a story gives the same ids as the next.

/// The next id and the next log number.
#[derive(Debug)]
pub(crate) struct Ids {
    next: u64,
    next_log: u64,
}

impl Ids {
    pub(crate) fn starting_at(first: u64) -> Self {
        Self { next: first, next_log: 1 }
    }

    /// A fresh id: a decimal string too large for a JavaScript number.
    pub(crate) fn draw(&mut self) -> String {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        id.to_string()
    }

    /// A fresh log id: the second it belongs to, and 18 hexadecimal digits.
    pub(crate) fn draw_log(&mut self, now_seconds: i64) -> String {
        let log = self.next_log;
        self.next_log = self.next_log.saturating_add(1);
        format!("{now_seconds:014}{log:018X}")
    }
}

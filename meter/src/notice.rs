//! The event that ends a stream with what it cost, for callers who ask for it.
//!
//! Path: settle → **notice**. It comes once, behind the last event of a stream whose work ended and was
//! charged, in the stream's own dialect, as the libraries bear it (contract §6.1): one line of JSON, a
//! blank line at its end, an `id` in a workflow's stream, and never a comment.
//!
//! # Invariants
//! - A blank line stands before it, even where upstream left its last one out (contract §9 no. 29).
//! - Nothing before it is changed.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::money::Nanos;
use crate::route::Dialect;
use crate::usage::Usage;
use crate::usage::cost::{Cost, Currency};

/// The header, or a value in it, by which a caller asks for notices.
pub const EVENTS_HEADER: &str = "weir-events";
/// What the header says to ask for this one.
pub const BALANCE_EVENTS: &str = "balance";

const NAME: &str = "balance_updated";

/// Whether a request's header asks for notices. It may list several words.
pub fn is_asked_for(header: Option<&str>) -> bool {
    let words = header.unwrap_or_default().split(',');
    words.into_iter().any(|word| word.trim().eq_ignore_ascii_case(BALANCE_EVENTS))
}

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// What is left.
    pub balance: Nanos,
    /// What was charged.
    pub amount: Nanos,
    /// What was used, where that is known.
    pub usage: Option<Usage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    /// In points.
    new_balance: Box<RawValue>,
    /// In points.
    points_deducted: Box<RawValue>,
    /// Null where they are not known.
    tokens: Option<u64>,
    /// In US dollars: what upstream says the work cost, or else what was charged for it.
    cost: Box<RawValue>,
}

impl Notice {
    /// What is to be written behind a stream that ended like this.
    pub fn text(&self, dialect: Dialect, end: &StreamEnd) -> String {
        let before = end.missing();
        let data = self.data(dialect);
        match dialect {
            Dialect::Chat | Dialect::Plain => format!("{before}event:{NAME}\ndata:{data}\n\n"),
            Dialect::Workflow => {
                format!("{before}id: {}\nevent: {NAME}\ndata: {data}\n\n", end.next_id())
            }
            Dialect::Dify => format!("{before}data: {data}\n\n"),
        }
    }

    fn data(&self, dialect: Dialect) -> String {
        let usd = self.usage.and_then(|usage| usage.cost);
        let usd = usd.filter(|Cost { currency, .. }| *currency == Currency::USD);
        let cost = usd.map_or(self.amount, |cost| cost.amount);
        let data = Data {
            event: (dialect == Dialect::Dify).then_some(NAME),
            new_balance: number(&self.balance.in_points()),
            points_deducted: number(&self.amount.in_points()),
            tokens: self.usage.map(|usage| usage.total),
            cost: number(&cost.in_currency()),
        };
        // A struct of numbers always serialises.
        serde_json::to_string(&data).unwrap_or_default()
    }
}

/// An exact decimal as a JSON number.
fn number(decimal: &impl std::fmt::Display) -> Box<RawValue> {
    // A decimal without a leading plus or zeros is a JSON number as it stands.
    RawValue::from_string(decimal.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// How a stream ended, as far as something can be written behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEnd {
    /// Its last four bytes.
    last: Vec<u8>,
    /// The last `id` in it.
    id: Option<u64>,
}

impl StreamEnd {
    /// Notes the stream's next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(4);
        self.last.extend_from_slice(bytes.get(from..).unwrap_or_default());
        let over = self.last.len().saturating_sub(4);
        self.last.drain(..over);
    }

    /// Notes the last `id` that the stream had, as it was written.
    pub fn note_id(&mut self, id: &[u8]) {
        self.id = str::from_utf8(id).ok().and_then(|id| id.parse().ok()).or(self.id);
    }

    fn next_id(&self) -> u64 {
        self.id.map_or(0, |id| id.saturating_add(1))
    }

    /// The line ends that are missing before another event can begin.
    fn missing(&self) -> &'static str {
        let ends = |end: &[u8]| self.last.ends_with(end);
        if self.last.is_empty() || ends(b"\n\n") || ends(b"\r\n\r\n") || ends(b"\r\r") {
            ""
        } else if ends(b"\n") || ends(b"\r") {
            "\n"
        } else {
            "\n\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NANOS_PER_POINT;

    fn points(points: i64) -> Nanos {
        Nanos::new(points * NANOS_PER_POINT)
    }

    fn end(stream: &[u8]) -> StreamEnd {
        let mut end = StreamEnd::default();
        for byte in stream.chunks(1) {
            end.feed(byte);
        }
        let mut whole = StreamEnd::default();
        whole.feed(stream);
        assert_eq!(end, whole);
        end
    }

    fn notice() -> Notice {
        let usage = Usage::from_counts(None, None, Some(9_190));
        let usage = usage.map(|usage| Usage { cost: Cost::read("0.014704", "USD"), ..usage });
        Notice { balance: points(9_052), amount: points(148), usage }
    }

    #[test]
    fn each_dialect_has_its_form() {
        let ended = end(b"data:x\n\n");
        let data = r#"{"newBalance":9052,"pointsDeducted":148,"tokens":9190,"cost":0.014704}"#;
        let text = |dialect| notice().text(dialect, &ended);
        assert_eq!(text(Dialect::Chat), format!("event:balance_updated\ndata:{data}\n\n"));
        assert_eq!(
            text(Dialect::Workflow),
            format!("id: 0\nevent: balance_updated\ndata: {data}\n\n")
        );
        let dify = data.replacen('{', r#"{"event":"balance_updated","#, 1);
        assert_eq!(text(Dialect::Dify), format!("data: {dify}\n\n"));
    }

    #[test]
    fn a_workflows_stream_goes_on_counting() {
        let mut ended = end(b"data:x\n\n");
        ended.note_id(b"6");
        ended.note_id(b"");
        assert!(notice().text(Dialect::Workflow, &ended).starts_with("id: 7\n"));
    }

    #[test]
    fn a_blank_line_stands_before_it_whatever_upstream_left_out() {
        for (stream, missing) in [
            (&b""[..], ""),
            (b"data:x\n\n", ""),
            (b"data:x\r\n\r\n", ""),
            (b"data:x\r\r", ""),
            (b"data:x\n", "\n"),
            (b"data:x\r\n", "\n"),
            (b"data:x\r", "\n"),
            (b"data:x", "\n\n"),
        ] {
            assert_eq!(end(stream).missing(), missing, "{stream:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_null_and_what_is_not_in_dollars_is_not_shown() {
        let charged =
            Notice { balance: Nanos::new(-730_000), amount: Nanos::new(730_000), usage: None };
        assert_eq!(
            charged.data(Dialect::Chat),
            r#"{"newBalance":-7.3,"pointsDeducted":7.3,"tokens":null,"cost":0.00073}"#
        );
        let usage = Usage { total: 9, cost: Cost::read("0.1", "RMB"), ..Usage::default() };
        let data = Notice { usage: Some(usage), ..charged }.data(Dialect::Chat);
        assert!(data.ends_with(r#""tokens":9,"cost":0.00073}"#), "{data}");
    }

    #[test]
    fn the_header_may_list_several_words() {
        for asks in ["balance", "Balance", "x, balance ,y"] {
            assert!(is_asked_for(Some(asks)), "{asks}");
        }
        for other in [None, Some(""), Some("balances"), Some("usage")] {
            assert!(!is_asked_for(other), "{other:?}");
        }
    }
}

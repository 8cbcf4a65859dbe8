//! Server-sent events in Coze's three dialects and Dify's one, with the switches that bend them.
//!
//! A script says which events come in which order; writing it out adds ids, spacing, heartbeats and
//! comments. Nothing here waits or sends.

use crate::behaviour::{LineEnd, Ping, StreamShape};
use crate::wire::node::Node;
use crate::world::works::Ending;

/// A heartbeat follows the first event and every third one after it.
const PING_EVERY_EVENTS: usize = 3;

/// How a heartbeat of Dify is called here; its other events have no name outside their JSON.
const BARE_PING: &str = "ping";

/// Which grammar a path speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `event:x`, no space, no ids.
    Chat,
    /// `event: x`, one space, no ids.
    Chatflow,
    /// The same, with ids from 1 on, as the open-source server has it.
    NumberedChatflow,
    /// `id: 0`, then `event: x`, one space.
    Workflow,
    /// `data: {…}` alone; the name is in the JSON, and a heartbeat is a name alone.
    Dify,
}

/// One event before it is written out.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) data: Node,
    /// Whether it has an id line where its dialect has them.
    pub(crate) is_numbered: bool,
    /// What happens to the work just before the event leaves.
    pub(crate) ending: Option<Ending>,
}

impl Event {
    pub(crate) fn new(name: &'static str, data: Node) -> Self {
        Self { name, data, is_numbered: true, ending: None }
    }

    pub(crate) fn ends(mut self, ending: Ending) -> Self {
        self.ending = Some(ending);
        self
    }
}

/// One event written out, for a stream or a websocket.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) text: String,
    pub(crate) ending: Option<Ending>,
}

/// Writes a whole stream out.
pub(crate) fn frames(dialect: Dialect, shape: &StreamShape, events: Vec<Event>) -> Vec<Frame> {
    let mut order = shape.key_order_seed.map(fastrand::Rng::with_seed);
    let mut out: Vec<Frame> = Vec::with_capacity(events.len());
    let mut write = |name: &str, data: &str, is_numbered: bool, ending: Option<Ending>| {
        let id = Some(out.len()).filter(|_| is_numbered);
        out.push(Frame { text: frame(dialect, shape, id, name, data), ending });
    };
    for (index, mut event) in events.into_iter().enumerate() {
        if let Some(order) = order.as_mut() {
            event.data.shuffle(order);
        }
        let data = event.data.to_string();
        // Workflow servers escape the ampersand of a debug_url, as Go's encoder does by default.
        let data = if matches!(dialect, Dialect::Chat | Dialect::Dify) {
            data
        } else {
            data.replace('&', "\\u0026")
        };
        write(event.name, &data, event.is_numbered, event.ending);
        let beat = match shape.ping {
            Ping::None => None,
            Ping::Braces => Some("{}"),
            Ping::Empty => Some(""),
        };
        if let Some(beat) = beat.filter(|_| index % PING_EVERY_EVENTS == 0) {
            write(if dialect == Dialect::Dify { BARE_PING } else { "PING" }, beat, true, None);
        }
    }
    if let Some(last) = out.last_mut().filter(|_| shape.without_last_newline) {
        last.text.truncate(last.text.trim_end_matches(['\r', '\n']).len());
    }
    out
}

fn frame(
    dialect: Dialect,
    shape: &StreamShape,
    id: Option<usize>,
    name: &str,
    data: &str,
) -> String {
    let space = if shape.space.unwrap_or(dialect != Dialect::Chat) { " " } else { "" };
    let end = match shape.line_end {
        LineEnd::Lf => "\n",
        LineEnd::Crlf => "\r\n",
    };
    let comment = if shape.comments { format!(": keep-alive{end}") } else { String::new() };
    if dialect == Dialect::Dify {
        let line = if name == BARE_PING {
            format!("event:{space}ping")
        } else {
            format!("data:{space}{data}")
        };
        return format!("{comment}{line}{end}{end}");
    }
    let id = match dialect {
        Dialect::Workflow => id,
        Dialect::NumberedChatflow => id.map(|id| id.saturating_add(1)),
        Dialect::Chat | Dialect::Chatflow | Dialect::Dify => None,
    };
    let id = id.map(|id| format!("id:{space}{id}{end}")).unwrap_or_default();
    format!("{comment}{id}event:{space}{name}{end}data:{space}{data}{end}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::node::object;

    fn check(dialect: Dialect, shape: &StreamShape, expect: &str) {
        let events =
            vec![Event::new("a", object! { "u": "x&y" }), Event::new("done", "[DONE]".into())];
        let text: String =
            frames(dialect, shape, events).into_iter().map(|frame| frame.text).collect();
        assert_eq!(text, expect);
    }

    #[test]
    fn each_dialect_has_its_spacing_ids_and_ampersands() {
        let plain = StreamShape::default();
        check(
            Dialect::Chat,
            &plain,
            "event:a\ndata:{\"u\":\"x&y\"}\n\nevent:done\ndata:\"[DONE]\"\n\n",
        );
        check(
            Dialect::Chatflow,
            &plain,
            "event: a\ndata: {\"u\":\"x\\u0026y\"}\n\nevent: done\ndata: \"[DONE]\"\n\n",
        );
        check(
            Dialect::Workflow,
            &plain,
            "id: 0\nevent: a\ndata: {\"u\":\"x\\u0026y\"}\n\nid: 1\nevent: done\ndata: \"[DONE]\"\n\n",
        );
    }

    #[test]
    fn spacing_line_ends_comments_and_the_last_newline_can_be_bent() {
        let shape = StreamShape {
            space: Some(true),
            line_end: LineEnd::Crlf,
            comments: true,
            without_last_newline: true,
            ..StreamShape::default()
        };
        check(
            Dialect::Chat,
            &shape,
            ": keep-alive\r\nevent: a\r\ndata: {\"u\":\"x&y\"}\r\n\r\n\
             : keep-alive\r\nevent: done\r\ndata: \"[DONE]\"",
        );
    }

    #[test]
    fn pings_take_part_in_the_numbering() {
        let shape = StreamShape { ping: Ping::Empty, space: Some(false), ..StreamShape::default() };
        check(
            Dialect::Workflow,
            &shape,
            "id:0\nevent:a\ndata:{\"u\":\"x\\u0026y\"}\n\nid:1\nevent:PING\ndata:\n\n\
             id:2\nevent:done\ndata:\"[DONE]\"\n\n",
        );
    }
}

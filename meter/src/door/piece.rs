//! Upstream's streams, taken apart into what doors hand on.
//!
//! Path: sse → **piece** → a door's voice. Text comes from the answers of a chat and the messages of a
//! workflow; how the work went, what it used and which ids it has is read by the same readers that
//! settle it. Reading cannot fail: an event that is not understood says nothing.
//!
//! Two answers of one chat, or the output of two nodes, are parted by an empty line. An answer that came
//! whole and never bit by bit is handed on whole.
//!
//! # Bounds
//! At most [`ANSWERS_MAX`] answers of one stream are told apart.

use std::borrow::Cow;

use serde::Deserialize;

use crate::sse::Event;
use crate::usage::coze_chat::ChatStream;
use crate::usage::coze_workflow::WorkflowStream;
use crate::usage::{Observed, Stage, WorkIds};

use super::problem::Problem;

/// Most answers of one stream that are told apart. More than that are handed on only bit by bit.
pub const ANSWERS_MAX: usize = 256;
/// What stands between two answers.
const BETWEEN: &str = "\n\n";

/// Something a stream said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The work was taken on.
    Begun,
    /// A part of the answer.
    Text(&'a str),
    /// A part of what was thought aloud before the answer.
    Reasoning(&'a str),
    /// Nothing yet, and the work goes on.
    Alive,
}

/// A question that a workflow stopped with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// By which it is answered.
    pub event_id: String,
    /// Which kind of node asks.
    pub kind: i64,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// How the work went, as the settling reads it.
    pub observed: Observed,
    /// What upstream said about a failure.
    pub message: Option<String>,
    /// What the workflow wants to know before it goes on.
    pub question: Option<Question>,
}

impl End {
    /// What went wrong, if anything did.
    pub fn problem(&self) -> Option<Problem> {
        let message = self.message.as_deref().unwrap_or_default();
        match self.observed.stage {
            Stage::Completed | Stage::Interrupted => None,
            Stage::Failed => Some(Problem::of_code(self.observed.code, message)),
            Stage::Canceled => Some(Problem::canceled()),
            Stage::AwaitsTools => Some(Problem::tools_wanted()),
            Stage::Unknown | Stage::Running | Stage::Cut => Some(Problem::cut()),
        }
    }
}

/// Reads one stream.
#[derive(Debug)]
pub struct Reader {
    dialect: Dialect,
    /// Which answers were heard of, the one being spoken last.
    answers: Vec<String>,
    has_spoken: bool,
    message: Option<String>,
    question: Option<Question>,
}

#[derive(Debug)]
enum Dialect {
    Chat(ChatStream),
    Workflow {
        stream: WorkflowStream,
        /// The last message was its node's last one.
        is_finished: bool,
    },
}

/// A message of a chat.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChatMessage<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning_content: Option<Cow<'a, str>>,
}

/// What a chat, or an error in its place, says about a failure.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChatFailure {
    last_error: Option<LastError>,
    msg: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LastError {
    msg: Option<String>,
}

/// A message of a workflow.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeMessage<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node_title: Option<Cow<'a, str>>,
    node_is_finish: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RunFailure {
    error_message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interrupt {
    interrupt_data: Option<InterruptData>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InterruptData {
    event_id: Option<String>,
    r#type: Option<i64>,
    data: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    content: Option<String>,
}

impl Reader {
    /// A reader of `/v3/chat`.
    pub fn chat() -> Self {
        Self::new(Dialect::Chat(ChatStream::new()))
    }

    /// A reader of `/v1/workflow/stream_run`.
    pub fn workflow() -> Self {
        Self::new(Dialect::Workflow { stream: WorkflowStream::new(), is_finished: false })
    }

    fn new(dialect: Dialect) -> Self {
        Self { dialect, answers: Vec::new(), has_spoken: false, message: None, question: None }
    }

    /// Takes one event in and gives what it says.
    pub fn take(&mut self, event: Event<'_>, mut on_piece: impl FnMut(Piece<'_>)) {
        match &mut self.dialect {
            Dialect::Chat(stream) => {
                stream.take(event);
                self.take_chat(event, &mut on_piece);
            }
            Dialect::Workflow { stream, .. } => {
                stream.take(event);
                self.take_workflow(event, &mut on_piece);
            }
        }
    }

    /// The ids of the work, as far as they are known by now.
    pub fn ids(&self) -> &WorkIds {
        match &self.dialect {
            Dialect::Chat(stream) => &stream.so_far().ids,
            Dialect::Workflow { stream, .. } => &stream.so_far().ids,
        }
    }

    /// How the stream ended.
    pub fn finish(self) -> End {
        let observed = match self.dialect {
            Dialect::Chat(stream) => stream.finish(),
            Dialect::Workflow { stream, .. } => stream.finish(),
        };
        End { observed, message: self.message, question: self.question }
    }

    fn take_chat(&mut self, event: Event<'_>, on_piece: &mut impl FnMut(Piece<'_>)) {
        match event.name {
            b"conversation.chat.created" => on_piece(Piece::Begun),
            b"conversation.message.delta" => {
                let message: ChatMessage<'_> = parsed(event.data);
                if message.r#type.as_deref() != Some("answer") {
                    return;
                }
                if let Some(thought) = not_empty(message.reasoning_content.as_deref()) {
                    on_piece(Piece::Reasoning(thought));
                }
                if let Some(text) = not_empty(message.content.as_deref()) {
                    self.turn_to(message.id.as_deref().unwrap_or_default(), on_piece);
                    on_piece(Piece::Text(text));
                    self.has_spoken = true;
                }
            }
            b"conversation.message.completed" => {
                let message: ChatMessage<'_> = parsed(event.data);
                let id = message.id.as_deref().unwrap_or_default();
                let is_new = !self.answers.iter().any(|known| known == id);
                let (Some("answer"), true) = (message.r#type.as_deref(), is_new) else { return };
                if let Some(text) = not_empty(message.content.as_deref()) {
                    self.turn_to(id, on_piece);
                    on_piece(Piece::Text(text));
                    self.has_spoken = true;
                }
            }
            b"conversation.chat.failed" | b"error" => {
                let failure: ChatFailure = parsed(event.data);
                let last = failure.last_error.and_then(|error| error.msg);
                self.message = last.or(failure.msg).or_else(|| self.message.take());
            }
            _ => {}
        }
    }

    fn take_workflow(&mut self, event: Event<'_>, on_piece: &mut impl FnMut(Piece<'_>)) {
        match event.name {
            b"PING" => on_piece(Piece::Alive),
            b"Message" => {
                let message: NodeMessage<'_> = parsed(event.data);
                let node = message.node_id.as_deref().or(message.node_title.as_deref());
                if let Some(text) = not_empty(message.content.as_deref()) {
                    self.turn_to(node.unwrap_or_default(), on_piece);
                    on_piece(Piece::Text(text));
                    self.has_spoken = true;
                }
                if let Dialect::Workflow { is_finished, .. } = &mut self.dialect {
                    *is_finished = message.node_is_finish.unwrap_or_default();
                }
            }
            b"Error" | b"error" => {
                let failure: RunFailure = parsed(event.data);
                self.message = failure.error_message.or_else(|| self.message.take());
            }
            b"Interrupt" => {
                let data = parsed::<Interrupt>(event.data).interrupt_data.unwrap_or_default();
                if let Some(asked) = not_empty(data.data.as_deref()) {
                    let question = parsed::<Asked>(asked.as_bytes()).content;
                    self.turn_to("", on_piece);
                    on_piece(Piece::Text(question.as_deref().unwrap_or(asked)));
                    self.has_spoken = true;
                }
                let event_id = data.event_id.unwrap_or_default();
                self.question = Some(Question { event_id, kind: data.r#type.unwrap_or_default() });
            }
            _ => {}
        }
    }

    /// Turns to the answer of this id, with an empty line before it when another one was spoken.
    fn turn_to(&mut self, id: &str, on_piece: &mut impl FnMut(Piece<'_>)) {
        let begins_anew = matches!(self.dialect, Dialect::Workflow { is_finished: true, .. });
        let is_same = self.answers.last().is_some_and(|known| known == id) && !begins_anew;
        if is_same {
            return;
        }
        if self.has_spoken {
            on_piece(Piece::Text(BETWEEN));
        }
        self.answers.retain(|known| known != id);
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.remove(0);
        }
        self.answers.push(id.to_owned());
    }
}

/// The document in an event's data, or an empty one: what is not understood says nothing.
fn parsed<'a, T: Deserialize<'a> + Default>(data: &'a [u8]) -> T {
    serde_json::from_slice(data).unwrap_or_default()
}

fn not_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse;

    fn read(mut reader: Reader, stream: &str) -> (String, End) {
        let mut said = String::new();
        let mut parser = sse::Parser::new();
        let mut take = |event: Event<'_>| {
            reader.take(event, |piece| match piece {
                Piece::Begun => said.push('^'),
                Piece::Text(text) => said.push_str(text),
                Piece::Reasoning(thought) => said.extend(["(", thought, ")"]),
                Piece::Alive => said.push('.'),
            });
        };
        parser.feed(stream.as_bytes(), &mut take);
        parser.finish(&mut take);
        (said, reader.finish())
    }

    fn answer(event: &str, id: &str, text: &str) -> String {
        format!(
            "event:conversation.message.{event}\ndata:{{\"id\":\"{id}\",\"type\":\"answer\",\"content\":\"{text}\"}}\n\n"
        )
    }

    #[track_caller]
    fn check_chat(stream: &str, want: &str) {
        assert_eq!(read(Reader::chat(), stream).0, want);
    }

    #[test]
    fn an_answer_is_told_once_however_it_came() {
        let bits = [answer("delta", "1", "Hel"), answer("delta", "1", "lo")].concat();
        check_chat(&bits, "Hello");
        check_chat(&[bits.as_str(), &answer("completed", "1", "Hello")].concat(), "Hello");
        check_chat(&answer("completed", "1", "Hello"), "Hello");
    }

    #[test]
    fn two_answers_are_parted_by_an_empty_line() {
        let one = [answer("delta", "1", "a"), answer("completed", "1", "a")].concat();
        check_chat(&[one.as_str(), &answer("completed", "2", "b")].concat(), "a\n\nb");
        check_chat(
            &[one.as_str(), &answer("delta", "2", "b"), &answer("delta", "2", "c")].concat(),
            "a\n\nbc",
        );
    }

    #[test]
    fn so_many_answers_are_told_apart_and_no_more() {
        let begun = |count: usize| -> String {
            (0..count).map(|id| answer("delta", &id.to_string(), "a")).collect()
        };
        let whole = answer("completed", "0", "a");
        let told = |count| read(Reader::chat(), &(begun(count) + &whole)).0.matches('a').count();
        assert_eq!(told(ANSWERS_MAX), ANSWERS_MAX);
        // The first one was forgotten, so that its end looks like an answer of its own.
        assert_eq!(told(ANSWERS_MAX + 1), ANSWERS_MAX + 2);
    }

    #[test]
    fn only_answers_are_handed_on() {
        for kind in ["verbose", "function_call", "tool_response", "follow_up"] {
            let line = format!(r#"{{"id":"1","type":"{kind}","content":"x"}}"#);
            check_chat(&format!("event:conversation.message.completed\ndata:{line}\n\n"), "");
        }
        check_chat("event:conversation.message.delta\ndata:not JSON\n\n", "");
        check_chat(
            "event:conversation.audio.delta\ndata:{\"type\":\"answer\",\"content\":\"AAAA\"}\n\n",
            "",
        );
    }

    #[test]
    fn thoughts_come_before_the_text() {
        let line = r#"{"id":"1","type":"answer","content":"","reasoning_content":"hm"}"#;
        let stream = format!("event:conversation.message.delta\ndata:{line}\n\n");
        check_chat(&[stream.as_str(), &answer("delta", "1", "a")].concat(), "(hm)a");
    }

    #[test]
    fn a_failed_chat_tells_its_code_and_message() {
        let line = r#"{"id":"7","status":"failed","last_error":{"code":4028,"msg":"no credits"}}"#;
        let (_, end) =
            read(Reader::chat(), &format!("event:conversation.chat.failed\ndata:{line}\n\n"));
        let problem = end.problem().unwrap();
        assert_eq!((problem.code.as_str(), problem.status), ("upstream_4028", 502));
        assert!(problem.message.contains("no credits"), "{}", problem.message);
    }

    #[test]
    fn the_output_of_two_nodes_is_parted_and_a_question_is_told() {
        let stream = "event: PING\ndata: {}\n\n\
            event: Message\ndata: {\"content\":\"a\",\"node_id\":\"1\",\"node_is_finish\":false}\n\n\
            event: Message\ndata: {\"content\":\"b\",\"node_id\":\"1\",\"node_is_finish\":true}\n\n\
            event: Message\ndata: {\"content\":\"c\",\"node_id\":\"1\",\"node_is_finish\":true}\n\n\
            event: Message\ndata: {\"content\":\"d\",\"node_id\":\"2\",\"node_is_finish\":true}\n\n\
            event: Interrupt\ndata: {\"interrupt_data\":{\"event_id\":\"7/1\",\"type\":2,\"data\":\"{\\\"content\\\":\\\"Which?\\\"}\"}}\n\n";
        let (said, end) = read(Reader::workflow(), stream);
        assert_eq!(said, ".ab\n\nc\n\nd\n\nWhich?");
        assert_eq!(end.question, Some(Question { event_id: "7/1".to_owned(), kind: 2 }));
        assert_eq!(end.problem(), None);
    }

    #[test]
    fn a_stream_that_broke_off_is_a_problem() {
        assert_eq!(read(Reader::chat(), "").1.problem(), Some(Problem::cut()));
        assert_eq!(read(Reader::workflow(), "").1.problem(), Some(Problem::cut()));
    }
}

//! Front doors: other protocols that lead to the same calls.
//!
//! Path: authenticate → **door** → admission … tap → **door** → caller. A door reads a request in its own
//! protocol and makes an [`Order`] of it, which is an ordinary call of Coze's: admitted, forwarded, read
//! and settled like any other. On the way back a [`Translation`] turns what upstream said into what
//! the door's callers understand. Nothing here decides about money.
//!
//! # Shape
//! `piece` takes upstream's streams apart, `problem` names what went wrong, and each door has a voice
//! that says both in its own words. A door never asks upstream for anything but a stream where one
//! exists: a collected stream and a streamed one then tell the same text.
//!
//! # Bounds
//! A collected answer has at most [`ANSWER_BYTES_MAX`] bytes.

pub mod facade;
mod field;
pub mod guest;
pub mod openai;
pub mod piece;
pub mod problem;

use crate::route::{Dialect, Operation};
use crate::sse::Event;
use crate::usage::{Observed, WorkIds};

use piece::{End, Piece, Reader};
use problem::Problem;

/// Largest answer that is collected from a stream, in bytes. One that is longer has to be streamed.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// An ordinary call, as a door's request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is called.
    pub operation: Operation,
    /// The path that serves it.
    pub path: &'static str,
    /// The query, with its question mark, or empty.
    pub query: String,
    /// The body, as JSON.
    pub body: String,
}

/// A reply of a door's that is given whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, as JSON.
    pub body: String,
}

/// What was said in a stream, collected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// What was thought aloud before it.
    pub reasoning: String,
    /// Part of it was beyond the bound and is missing.
    pub is_cut: bool,
}

impl Answer {
    fn take(&mut self, piece: Piece<'_>) {
        let (kept, more) = match piece {
            Piece::Text(text) => (&mut self.text, text),
            Piece::Reasoning(text) => (&mut self.reasoning, text),
            Piece::Begun | Piece::Alive => return,
        };
        if kept.len().saturating_add(more.len()) > ANSWER_BYTES_MAX {
            self.is_cut = true;
        } else {
            kept.push_str(more);
        }
    }
}

/// How a door says what upstream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// In `OpenAI`'s words.
    OpenAi(openai::Voice),
    /// In the plain words of the chat facade.
    Facade(facade::Voice),
}

impl Voice {
    fn say(&mut self, piece: Piece<'_>, out: &mut String) {
        match self {
            Self::OpenAi(voice) => voice.say(piece, out),
            Self::Facade(_) => facade::Voice::say(piece, out),
        }
    }

    fn end(&mut self, end: &End, out: &mut String) {
        match self {
            Self::OpenAi(voice) => voice.end(end, out),
            Self::Facade(_) => facade::Voice::end(end, out),
        }
    }

    fn whole(&self, answer: &Answer, end: &End) -> Reply {
        match self {
            Self::OpenAi(voice) => voice.whole(answer, end),
            Self::Facade(_) => facade::Voice::whole(answer, end),
        }
    }

    fn started(&self, observed: &Observed) -> Reply {
        match self {
            Self::OpenAi(voice) => voice.started(observed),
            Self::Facade(_) => facade::Voice::started(observed),
        }
    }

    fn problem(&self, problem: &Problem) -> Reply {
        match self {
            Self::OpenAi(_) => openai::problem(problem),
            Self::Facade(_) => facade::problem(problem),
        }
    }
}

/// One call's way back through a door.
#[derive(Debug)]
pub struct Translation {
    reader: Reader,
    voice: Voice,
    answer: Answer,
    streams: bool,
}

impl Translation {
    /// The way back of an operation's reply. `streams` tells whether the caller wants it bit by bit.
    pub fn new(operation: Operation, voice: Voice, streams: bool) -> Self {
        let reader = match operation.dialect() {
            Dialect::Workflow => Reader::workflow(),
            _ => Reader::chat(),
        };
        Self { reader, voice, answer: Answer::default(), streams }
    }

    /// Whether the caller wants the reply bit by bit.
    pub fn streams(&self) -> bool {
        self.streams
    }

    /// The ids of the work, as far as they are known by now.
    pub fn ids(&self) -> &WorkIds {
        self.reader.ids()
    }

    /// Takes an event of upstream's stream and adds what it is for the caller.
    pub fn take(&mut self, event: Event<'_>, out: &mut String) {
        let Self { reader, voice, answer, streams } = self;
        reader
            .take(event, |piece| if *streams { voice.say(piece, out) } else { answer.take(piece) });
    }

    /// What ends the caller's stream.
    pub fn end(mut self, out: &mut String) {
        self.voice.end(&self.reader.finish(), out);
    }

    /// The whole reply, now that upstream's stream has ended.
    pub fn whole(self) -> Reply {
        let end = self.reader.finish();
        match end.problem() {
            Some(problem) => self.voice.problem(&problem),
            None if self.answer.is_cut => self.voice.problem(&Problem::too_long()),
            None => self.voice.whole(&self.answer, &end),
        }
    }

    /// The reply, when upstream gave JSON in place of a stream: what went wrong, or the start of a run
    /// that goes on by itself.
    pub fn reply(&self, status: u16, body: &[u8], observed: &Observed) -> Reply {
        match Problem::of_reply(status, body, observed) {
            Some(problem) => self.voice.problem(&problem),
            None => self.voice.started(observed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_collected_up_to_its_bound() {
        let collected = |bytes: usize| {
            let mut answer = Answer::default();
            answer.take(Piece::Text(&"x".repeat(bytes - 1)));
            answer.take(Piece::Text("y"));
            answer.take(Piece::Reasoning("because"));
            (answer.text.len(), answer.is_cut)
        };
        assert_eq!(collected(ANSWER_BYTES_MAX), (ANSWER_BYTES_MAX, false));
        assert_eq!(collected(ANSWER_BYTES_MAX + 1), (ANSWER_BYTES_MAX, true));
    }

    #[test]
    fn an_answer_beyond_its_bound_is_a_problem_and_never_half_of_it() {
        let voice = Voice::Facade(facade::Voice);
        let mut translation = Translation::new(Operation::Chat, voice, false);
        let text = "x".repeat(ANSWER_BYTES_MAX / 4);
        let mut parser = crate::sse::Parser::new();
        let mut out = String::new();
        // What parts them is what is too much.
        for id in 0..4 {
            let event = format!(
                "event:conversation.message.completed\ndata:{{\"id\":\"{id}\",\"type\":\"answer\",\"content\":\"{text}\"}}\n\n"
            );
            parser.feed(event.as_bytes(), |event| translation.take(event, &mut out));
        }
        let end =
            "event:conversation.chat.completed\ndata:{\"id\":\"7\",\"status\":\"completed\"}\n\n";
        parser.feed(end.as_bytes(), |event| translation.take(event, &mut out));
        assert!(translation.answer.is_cut && out.is_empty());
        let reply = translation.whole();
        assert!(reply.status >= 500 && !reply.body.contains("xxx"), "{}", reply.status);
    }
}

//! Which events a chat streams, in which order, and where its work ends.

use crate::behaviour::{Outcome, StreamError};
use crate::coze::chat::object::{
    GENERATE_ANSWER_FINISH, Place, Standing, chat as chat_object, error, stream_message, tool_call,
};
use crate::coze::envelope::pieces;
use crate::wire::node::{Node, object};
use crate::wire::sse::{Dialect, Event};
use crate::world::chats::Chat;
use crate::world::works::{Counts, Ending};

/// Into how many deltas an answer falls by itself.
const DELTAS_DEFAULT: u32 = 3;

/// The audio of one delta: 32 base64 characters of silence.
const AUDIO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A message is completed this many seconds after the chat began.
const MESSAGE_AFTER_SECONDS: i64 = 2;

/// Whether a stream tells a chat from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The chat was just created.
    Beginning,
    /// It goes on behind the output of a tool.
    Continuation,
}

/// The events of a chat, in its dialect.
pub(crate) fn events(chat: &Chat, counts: Counts, part: Part) -> (Dialect, Vec<Event>) {
    let place = if chat.execute_id.is_some() { Place::Chatflow } else { Place::Chat };
    let dialect = if place == Place::Chatflow { Dialect::Chatflow } else { Dialect::Chat };
    let telling = Telling { chat, place, counts };
    let mut events = telling.opening(part);
    match &chat.behaviour.outcome {
        // The tool gave its output, so what is left is the answer.
        _ if part == Part::Continuation => telling.completion(&mut events),
        Outcome::Complete => telling.completion(&mut events),
        Outcome::Interrupt(_) if place == Place::Chat => telling.completion(&mut events),
        Outcome::Fail(failure) => {
            let deltas = telling.deltas();
            let half = deltas.len() / 2;
            events.extend(deltas.into_iter().take(half));
            let charged = failure.charged.then_some(counts);
            let error = error(&chat.behaviour.outcome);
            let standing = Standing::failed(chat, place, error, charged);
            let event = telling.chat_event("conversation.chat.failed", standing);
            events.push(event.ends(Ending::failed(failure.charged)));
            events.push(telling.done());
        }
        Outcome::RequiresAction(_) | Outcome::Interrupt(_) => {
            let call = tool_call(&chat.behaviour.outcome);
            let standing = Standing::requires_action(chat, place, &call);
            let event = telling.chat_event("conversation.chat.requires_action", standing);
            let ending = match place {
                Place::Chatflow => Ending::interrupted(false),
                Place::Chat | Place::Reply => Ending::PAUSED,
            };
            events.push(event.ends(ending));
            events.push(telling.done());
        }
        Outcome::Error(error) => {
            telling.completion(&mut events);
            telling.break_off(&mut events, error);
        }
    }
    (dialect, events)
}

struct Telling<'a> {
    chat: &'a Chat,
    place: Place,
    counts: Counts,
}

impl Telling<'_> {
    fn opening(&self, part: Part) -> Vec<Event> {
        let begun =
            |name, status| self.chat_event(name, Standing::begun(self.chat, self.place, status));
        let mut events = Vec::new();
        if part == Part::Beginning {
            events.push(begun("conversation.chat.created", "created"));
        }
        events.push(begun("conversation.chat.in_progress", "in_progress"));
        events
    }

    fn deltas(&self) -> Vec<Event> {
        let count = self.chat.behaviour.deltas.unwrap_or(DELTAS_DEFAULT);
        pieces(&self.chat.answer, count)
            .iter()
            .map(|piece| {
                let message = self.message(&self.chat.answer_id, "answer", piece, "text");
                Event::new("conversation.message.delta", message)
            })
            .collect()
    }

    fn completion(&self, events: &mut Vec<Event>) {
        let chat = self.chat;
        events.extend(self.deltas());
        if let Some(bytes) = chat.behaviour.stream.long_line_bytes {
            events.push(self.audio(&"A".repeat(usize::try_from(bytes).unwrap_or(usize::MAX))));
        }
        let at = chat.created_at.saturating_add(MESSAGE_AFTER_SECONDS);
        let answer = self
            .message(&chat.answer_id, "answer", &chat.answer, "text")
            .and("created_at", Some(at));
        events.push(Event::new("conversation.message.completed", answer));
        let verbose = self.message(&chat.verbose_id, "verbose", GENERATE_ANSWER_FINISH, "text");
        events.push(Event::new("conversation.message.completed", verbose));
        let standing = Standing::completed(chat, self.place, self.counts);
        let completed = self.chat_event("conversation.chat.completed", standing);
        events.push(completed.ends(Ending::COMPLETED));
        for _ in 0..chat.behaviour.stream.audio_after_completed {
            events.push(self.audio(AUDIO));
        }
        events.push(self.done());
    }

    /// Replaces what comes after so many events by an error.
    fn break_off(&self, events: &mut Vec<Event>, error: &StreamError) {
        events.truncate(usize::try_from(error.after_events).unwrap_or(usize::MAX));
        let data = object! { "code": error.code, "msg": &error.msg };
        events.push(Event::new("error", data).ends(Ending::failed(error.charged)));
        if error.done {
            events.push(self.done());
        }
    }

    fn audio(&self, content: &str) -> Event {
        let message = self.message(&self.chat.answer_id, "answer", content, "audio");
        Event::new("conversation.audio.delta", message)
    }

    fn message(
        &self,
        id: &str,
        kind: &'static str,
        content: &str,
        content_type: &'static str,
    ) -> Node {
        stream_message(self.chat, self.place, id, kind, content, content_type)
    }

    fn chat_event(&self, name: &'static str, standing: Standing) -> Event {
        Event::new(name, chat_object(self.chat, self.place, standing))
    }

    fn done(&self) -> Event {
        let data = match &self.chat.execute_id {
            None => Node::from("[DONE]"),
            Some(execute_id) => {
                let workflow_id = &self.chat.bot_id;
                object! { "debug_url": format!(
                    "https://www.coze.cn/work_flow?execute_id={execute_id}&space_id=1&workflow_id={workflow_id}&execute_mode=2"
                ) }
            }
        };
        Event::new("done", data)
    }
}

//! What a bot said, in the facade's words: a JSON reply, or named events of a stream.
//!
//! A stream ends with one `done` or one `error`, so that nobody takes half an answer for a whole one.

use serde::Serialize;

use crate::door::piece::{End, Piece};
use crate::door::problem::Problem;
use crate::door::{Answer, Reply};
use crate::ids::UpstreamId;
use crate::usage::{Observed, Usage};

use super::{error_body, json, problem};

/// Says one call's answer. There is nothing that it has to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice;

#[derive(Serialize)]
struct Bit<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    /// Absent at the end of a stream, which has said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: &'a str,
    conversation_id: Option<&'a str>,
    chat_id: Option<&'a str>,
    usage: Option<Tokens>,
}

#[derive(Serialize)]
struct Tokens {
    #[serde(rename = "inputTokens")]
    input: Option<u64>,
    #[serde(rename = "outputTokens")]
    output: Option<u64>,
    #[serde(rename = "totalTokens")]
    total: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { input, output, total, .. } = usage;
        Self { input, output, total }
    }
}

impl<'a> Whole<'a> {
    fn of(answer: Option<&'a Answer>, observed: &'a Observed) -> Self {
        let ids = &observed.ids;
        Self {
            reply: answer.map(|answer| answer.text.as_str()),
            reasoning: answer.map_or("", |answer| &answer.reasoning),
            conversation_id: ids.conversation.as_ref().map(UpstreamId::as_str),
            chat_id: ids.chat.as_ref().map(UpstreamId::as_str),
            usage: observed.usage.map(Tokens::from),
        }
    }
}

impl Voice {
    pub(in crate::door) fn say(piece: Piece<'_>, out: &mut String) {
        match piece {
            Piece::Begun | Piece::Alive => out.push_str(": alive\n\n"),
            Piece::Text(text) => event("message", &json(&Bit { text }), out),
            Piece::Reasoning(text) => event("reasoning", &json(&Bit { text }), out),
        }
    }

    pub(in crate::door) fn end(end: &End, out: &mut String) {
        match end.problem() {
            Some(problem) => event("error", &error_body(&problem), out),
            None => event("done", &json(&Whole::of(None, &end.observed)), out),
        }
    }

    pub(in crate::door) fn whole(answer: &Answer, end: &End) -> Reply {
        Reply { status: 200, body: json(&Whole::of(Some(answer), &end.observed)) }
    }

    /// A chat that was asked to stream and was taken on without one: its answer will not come this way.
    pub(in crate::door) fn started(_: &Observed) -> Reply {
        problem(&Problem::cut())
    }
}

/// One event of a stream. JSON holds no line end, so it is one line.
fn event(name: &str, data: &str, out: &mut String) {
    out.extend(["event: ", name, "\ndata: ", data, "\n\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{Stage, WorkIds};

    fn end(stage: Stage) -> End {
        let ids = WorkIds {
            chat: Some("76".parse().unwrap()),
            conversation: Some("75".parse().unwrap()),
            ..WorkIds::default()
        };
        let usage = Usage::from_counts(Some(5), Some(15), Some(20));
        End { observed: Observed { stage, usage, ids, ..Observed::nothing() }, ..End::default() }
    }

    #[test]
    fn a_stream_says_bits_and_ends_with_done() {
        let mut out = String::new();
        for piece in [Piece::Begun, Piece::Reasoning("hm"), Piece::Text("a\nb")] {
            Voice::say(piece, &mut out);
        }
        Voice::end(&end(Stage::Completed), &mut out);
        assert_eq!(
            out,
            concat!(
                ": alive\n\n",
                "event: reasoning\ndata: {\"text\":\"hm\"}\n\n",
                "event: message\ndata: {\"text\":\"a\\nb\"}\n\n",
                "event: done\ndata: {\"conversationId\":\"75\",\"chatId\":\"76\",\"usage\":{\"inputTokens\":5,\"outputTokens\":15,\"totalTokens\":20}}\n\n",
            )
        );
    }

    #[test]
    fn a_stream_that_failed_ends_with_an_error() {
        let mut out = String::new();
        Voice::end(&end(Stage::Cut), &mut out);
        assert_eq!(
            out,
            "event: error\ndata: {\"error\":{\"code\":\"upstream_cut\",\"message\":\"upstream's reply broke off before its end\"}}\n\n"
        );
    }

    #[test]
    fn a_whole_reply_tells_text_ids_and_usage() {
        let answer = Answer { text: "hi".to_owned(), ..Answer::default() };
        assert_eq!(
            Voice::whole(&answer, &end(Stage::Completed)).body,
            r#"{"reply":"hi","conversationId":"75","chatId":"76","usage":{"inputTokens":5,"outputTokens":15,"totalTokens":20}}"#
        );
    }
}

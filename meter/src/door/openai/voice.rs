//! What upstream said, in `OpenAI`'s words: chunks of a stream, or a completion.
//!
//! A stream that went well ends with `data: [DONE]`; one that did not ends with an error and without it,
//! so that nobody takes half an answer for a whole one.

use serde::Serialize;

use crate::door::piece::{End, Piece, Question};
use crate::door::{Answer, Reply};
use crate::usage::{Observed, Usage};

use super::{error_body, json};

/// Says one call's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    id: String,
    call: String,
    model: String,
    created_s: u64,
    includes_usage: bool,
    begun: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    /// Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChunkUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupt: Option<Interrupt<'a>>,
}

/// The usage on a chunk.
#[derive(Serialize)]
#[serde(untagged)]
enum ChunkUsage {
    /// Null: on every chunk but the last.
    NotYet(()),
    Is(Tokens),
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
}

#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [WholeChoice<'a>; 1],
    usage: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupt: Option<Interrupt<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<Started<'a>>,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: u32,
    message: Said<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
}

/// The question that a workflow stopped with; it is answered at `/v1/workflow/stream_resume`.
#[derive(Serialize)]
struct Interrupt<'a> {
    event_id: &'a str,
    r#type: i64,
}

/// A workflow that goes on by itself, and where to look after it.
#[derive(Serialize)]
struct Started<'a> {
    id: &'a str,
    status: &'static str,
    url: String,
}

/// Usage under `OpenAI`'s names.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Tokens {
    #[serde(rename = "prompt_tokens")]
    prompt: u64,
    #[serde(rename = "completion_tokens")]
    completion: u64,
    #[serde(rename = "total_tokens")]
    total: u64,
}

impl From<Usage> for Tokens {
    /// A part that is not known is what the other leaves of the total.
    fn from(usage: Usage) -> Self {
        let rest = |part: Option<u64>| usage.total.saturating_sub(part.unwrap_or_default());
        let output = usage.output.unwrap_or_else(|| usage.input.map_or(0, |_| rest(usage.input)));
        Self {
            prompt: usage.input.unwrap_or_else(|| rest(Some(output))),
            completion: output,
            total: usage.total,
        }
    }
}

impl<'a> From<&'a Question> for Interrupt<'a> {
    fn from(question: &'a Question) -> Self {
        Self { event_id: &question.event_id, r#type: question.kind }
    }
}

impl Voice {
    /// A voice for this call, which is answered by this model.
    pub fn new(call: &str, model: &str, created_s: u64, includes_usage: bool) -> Self {
        Self {
            id: format!("chatcmpl-{call}"),
            call: call.to_owned(),
            model: model.to_owned(),
            created_s,
            includes_usage,
            begun: false,
        }
    }

    pub(in crate::door) fn say(&mut self, piece: Piece<'_>, out: &mut String) {
        let delta = match piece {
            Piece::Alive => return out.push_str(": alive\n\n"),
            Piece::Begun => return self.begin(out),
            Piece::Text(text) => Delta { content: Some(text), ..Delta::default() },
            Piece::Reasoning(text) => Delta { reasoning_content: Some(text), ..Delta::default() },
        };
        self.begin(out);
        self.chunk(delta, None, None, out);
    }

    pub(in crate::door) fn end(&mut self, end: &End, out: &mut String) {
        if let Some(problem) = end.problem() {
            return line(&error_body(&problem), out);
        }
        self.begin(out);
        self.chunk(Delta::default(), Some("stop"), end.question.as_ref(), out);
        if let (true, Some(usage)) = (self.includes_usage, end.observed.usage) {
            let chunk =
                Chunk { choices: &[], usage: Some(ChunkUsage::Is(usage.into())), ..self.bare() };
            line(&json(&chunk), out);
        }
        line("[DONE]", out);
    }

    /// The first chunk says who speaks, once.
    fn begin(&mut self, out: &mut String) {
        if !self.begun {
            self.begun = true;
            let first = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            self.chunk(first, None, None, out);
        }
    }

    fn chunk(
        &self,
        delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        question: Option<&Question>,
        out: &mut String,
    ) {
        let choices = [ChunkChoice { index: 0, delta, finish_reason }];
        let interrupt = question.map(Interrupt::from);
        line(&json(&Chunk { choices: &choices, interrupt, ..self.bare() }), out);
    }

    fn bare(&self) -> Chunk<'_> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created_s,
            model: &self.model,
            choices: &[],
            usage: self.includes_usage.then_some(ChunkUsage::NotYet(())),
            interrupt: None,
        }
    }

    pub(in crate::door) fn whole(&self, answer: &Answer, end: &End) -> Reply {
        let said = Said {
            role: "assistant",
            content: &answer.text,
            refusal: None,
            reasoning_content: &answer.reasoning,
        };
        let interrupt = end.question.as_ref().map(Interrupt::from);
        self.completion(said, end.observed.usage, interrupt, None)
    }

    /// A run that goes on by itself is named by the call that started it.
    pub(in crate::door) fn started(&self, _: &Observed) -> Reply {
        let url = format!("/v1/workflows/executions/{}", self.call);
        let started = Started { id: &self.call, status: "running", url };
        let said =
            Said { role: "assistant", content: &self.call, refusal: None, reasoning_content: "" };
        self.completion(said, None, None, Some(started))
    }

    fn completion(
        &self,
        message: Said<'_>,
        usage: Option<Usage>,
        interrupt: Option<Interrupt<'_>>,
        execution: Option<Started<'_>>,
    ) -> Reply {
        let choice = WholeChoice { index: 0, message, logprobs: None, finish_reason: "stop" };
        let body = json(&Whole {
            id: &self.id,
            object: "chat.completion",
            created: self.created_s,
            model: &self.model,
            choices: [choice],
            usage: usage.map(Tokens::from),
            interrupt,
            execution,
        });
        Reply { status: 200, body }
    }
}

/// One event of a stream. JSON holds no line end, so it is one line.
fn line(data: &str, out: &mut String) {
    out.push_str("data: ");
    out.push_str(data);
    out.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Stage;

    fn voice(includes_usage: bool) -> Voice {
        Voice::new("c1", "coze-bot", 1_764_000_000, includes_usage)
    }

    fn end(stage: Stage) -> End {
        let usage = Usage::from_counts(Some(100), Some(40), Some(140));
        End { observed: Observed { stage, usage, ..Observed::nothing() }, ..End::default() }
    }

    const HEAD: &str = r#"data: {"id":"chatcmpl-c1","object":"chat.completion.chunk","created":1764000000,"model":"coze-bot","choices":["#;

    #[track_caller]
    fn check(voice: &mut Voice, pieces: &[Piece<'_>], end: &End, want: &[&str]) {
        let mut out = String::new();
        for piece in pieces {
            voice.say(*piece, &mut out);
        }
        voice.end(end, &mut out);
        let got: Vec<_> =
            out.split_terminator("\n\n").map(|event| event.trim_start_matches(HEAD)).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn a_stream_begins_once_and_ends_with_done() {
        check(
            &mut voice(false),
            &[Piece::Begun, Piece::Alive, Piece::Reasoning("hm"), Piece::Text("a\nb")],
            &end(Stage::Completed),
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                ": alive",
                r#"{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]}"#,
                r#"{"index":0,"delta":{"content":"a\nb"},"finish_reason":null}]}"#,
                r#"{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
                "data: [DONE]",
            ],
        );
    }

    #[test]
    fn usage_is_told_in_a_chunk_of_its_own_when_asked_for() {
        check(
            &mut voice(true),
            &[],
            &end(Stage::Completed),
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
                r#"{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
                r#"],"usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140}}"#,
                "data: [DONE]",
            ],
        );
    }

    #[test]
    fn a_stream_that_failed_ends_with_the_error_and_without_done() {
        check(
            &mut voice(true),
            &[],
            &end(Stage::Cut),
            &[
                r#"data: {"error":{"message":"upstream's reply broke off before its end","type":"api_error","param":null,"code":"upstream_cut"}}"#,
            ],
        );
    }

    #[test]
    fn a_completion_is_whole() {
        let answer = Answer { text: "hi".to_owned(), ..Answer::default() };
        let question = Some(Question { event_id: "7/1".to_owned(), kind: 2 });
        let end = End { question, ..end(Stage::Interrupted) };
        assert_eq!(
            voice(false).whole(&answer, &end).body,
            r#"{"id":"chatcmpl-c1","object":"chat.completion","created":1764000000,"model":"coze-bot","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140},"interrupt":{"event_id":"7/1","type":2}}"#
        );
    }

    #[test]
    fn unknown_parts_of_a_usage_are_what_the_total_leaves() {
        let tokens = |input, output, total| {
            let tokens = Tokens::from(Usage { input, output, total, cost: None });
            [tokens.prompt, tokens.completion, tokens.total]
        };
        assert_eq!(tokens(None, None, 9), [9, 0, 9]);
        assert_eq!(tokens(Some(4), None, 9), [4, 5, 9]);
        assert_eq!(tokens(None, Some(4), 9), [5, 4, 9]);
    }
}

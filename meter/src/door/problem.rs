//! What went wrong upstream, in terms that do not depend on a door.
//!
//! Path: piece → **problem** → a door's voice. Coze tells failure by a code of its own, mostly under HTTP
//! 200 (contract §4.2). Callers of another protocol look at the HTTP status, so each code gets one. What
//! is wrong with *our* account at upstream is never blamed on the caller: it is a 502.

use serde::Deserialize;

use crate::usage::{Observed, Stage};

/// Longest message of upstream's that is handed on, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// What went wrong after the call had been let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, where one can still be given.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    msg: Option<String>,
}

impl Problem {
    fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// The stream ended before the work did.
    pub fn cut() -> Self {
        Self::new(502, "upstream_cut", "upstream's reply broke off before its end")
    }

    /// Somebody cancelled the chat.
    pub fn canceled() -> Self {
        Self::new(409, "chat_canceled", "the chat was cancelled")
    }

    /// The bot wants its caller to run a tool, which has no place in this protocol.
    pub fn tools_wanted() -> Self {
        let message = "the bot waits for tool outputs, which can only be submitted to /v3/chat";
        Self::new(422, "tool_outputs_wanted", message)
    }

    /// The answer is longer than may be collected.
    pub fn too_long() -> Self {
        Self::new(
            502,
            "answer_too_long",
            "the answer is too long to be given whole: ask for a stream",
        )
    }

    /// The failure behind a code of Coze's, with what Coze said about it.
    pub fn of_code(code: Option<i64>, message: &str) -> Self {
        let sentence = match message.trim() {
            "" => "upstream failed",
            said => clipped(said),
        };
        match code {
            None => Self::new(502, "upstream_failed", sentence),
            Some(code) => Self::new(status_of(code), &format!("upstream_{code}"), sentence),
        }
    }

    /// What is wrong with a JSON reply; `None` when nothing is.
    pub fn of_reply(status: u16, body: &[u8], observed: &Observed) -> Option<Self> {
        let failed_code = observed.code.filter(|code| *code != 0);
        if status < 400 && failed_code.is_none() && observed.stage != Stage::Failed {
            return match observed.stage {
                // A redirect, or a page that is no reply of Coze's.
                Stage::Unknown => {
                    Some(Self::of_code(None, "upstream gave a reply that is not understood"))
                }
                _ => None,
            };
        }
        let said = serde_json::from_slice::<Envelope>(body).unwrap_or_default().msg;
        let problem = Self::of_code(failed_code, said.as_deref().unwrap_or_default());
        if failed_code.is_some() {
            return Some(problem);
        }
        Some(Self {
            status: status_of_http(status),
            code: format!("upstream_http_{status}"),
            ..problem
        })
    }
}

/// The HTTP status for a code of Coze's.
///
/// 4013 is a model's error and not a matter of asking more slowly (contract §9 no. 20).
const fn status_of(code: i64) -> u16 {
    match code {
        4000 | 4003 | 4004 | 4007 | 4010 | 4014 | 4105 | 4300..=4304 | 6003 => 400,
        4101 | 4102 => 403,
        4001 | 4002 | 4005 | 4006 | 4015 | 4021 | 4200 | 4314 => 404,
        4016 | 4104 | 4201 | 4315 => 409,
        4008 | 4020 => 429,
        4009 => 503,
        _ => 502,
    }
}

/// The HTTP status for a status of upstream's that came without a code. Upstream's 401 is about our
/// credential and not about the caller's key.
const fn status_of_http(status: u16) -> u16 {
    match status {
        403 | 404 | 409 | 413 | 429 => status,
        401 | 402 | 407 => 502,
        400..=499 => 400,
        _ => 502,
    }
}

fn clipped(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::coze_chat;

    #[track_caller]
    fn check(status: u16, body: &str, want: Option<(u16, &str)>) {
        let observed = coze_chat::read_reply(body.as_bytes());
        let got = Problem::of_reply(status, body.as_bytes(), &observed);
        let got = got.as_ref().map(|problem| (problem.status, problem.code.as_str()));
        assert_eq!(got, want, "{status} {body}");
    }

    #[test]
    fn a_code_decides_and_without_one_the_status_does() {
        check(200, r#"{"code":4200,"msg":"not found"}"#, Some((404, "upstream_4200")));
        check(200, r#"{"code":"4000","msg":"x"}"#, Some((400, "upstream_4000")));
        check(429, r#"{"code":4013,"msg":"model"}"#, Some((502, "upstream_4013")));
        check(401, r#"{"code":4100,"msg":"token"}"#, Some((502, "upstream_4100")));
        check(401, "{}", Some((502, "upstream_http_401")));
        check(429, "<html>", Some((429, "upstream_http_429")));
        check(500, "", Some((502, "upstream_http_500")));
        check(302, "", Some((502, "upstream_failed")));
        check(200, r#"{"code":0,"data":{"id":"7","status":"in_progress"}}"#, None);
    }

    #[test]
    fn what_upstream_says_of_our_account_is_not_the_callers_fault() {
        for code in [4011, 4019, 4022, 4027, 4028, 4100, 700_012_006] {
            assert_eq!(Problem::of_code(Some(code), "x").status, 502, "{code}");
        }
    }

    #[test]
    fn a_long_message_is_clipped_between_characters() {
        let length = |text: &str| Problem::of_code(Some(4000), text).message.len();
        assert_eq!(length(&"x".repeat(MESSAGE_BYTES_MAX)), MESSAGE_BYTES_MAX);
        assert_eq!(length(&"x".repeat(MESSAGE_BYTES_MAX + 1)), MESSAGE_BYTES_MAX);
        // A character of three bytes is kept whole or not at all.
        let kept = MESSAGE_BYTES_MAX - MESSAGE_BYTES_MAX % 3;
        assert_eq!(length(&"你".repeat(MESSAGE_BYTES_MAX)), kept);
    }
}

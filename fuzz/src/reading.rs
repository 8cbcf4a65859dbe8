//! Whatever upstream answers, reading it ends, and the outcome follows the one rule that money rests
//! on: nothing is billed by usage that was not read.
//!
//! The first byte chooses the dialect and the HTTP status.

use meter::outcome::{self, Outcome, Reading, Told};
use meter::sse::Parser;
use meter::usage::{Observed, Stage, Usage, coze_chat, coze_plain, coze_socket, coze_workflow};

/// Reads the bytes as every kind of reply there is.
pub fn check(bytes: &[u8]) {
    let Some((&how, body)) = bytes.split_first() else { return };
    let status = if how & 0x80 == 0 { 200 } else { 500 };
    let observed = match how & 0x7f {
        0 => streamed(body, coze_chat::ChatStream::new(), coze_chat::ChatStream::take).finish(),
        1 => streamed(
            body,
            coze_workflow::WorkflowStream::new(),
            coze_workflow::WorkflowStream::take,
        )
        .finish(),
        2 => coze_chat::read_reply(body),
        3 => coze_chat::read_retrieved(body),
        4 => coze_workflow::read_run(body),
        5 => coze_workflow::read_history(body),
        6 => coze_plain::read_reply(status, true, body),
        7 => coze_plain::read_reply(status, false, body),
        _ => return frame(body),
    };
    judge(&observed, status);
}

fn streamed<R>(body: &[u8], mut reader: R, take: fn(&mut R, meter::sse::Event<'_>)) -> R {
    let mut parser = Parser::new();
    parser.feed(body, |event| take(&mut reader, event));
    parser.finish(|event| take(&mut reader, event));
    reader
}

/// What is billed was read; work that failed without usage costs nothing.
fn judge(observed: &Observed, status: u16) {
    for (told, can_ask) in [
        (Told::ByReply, true),
        (Told::ByReply, false),
        (Told::ByAsking, true),
        (Told::ByAsking, false),
    ] {
        match outcome::decide(Some(status), observed, told, can_ask) {
            Outcome::Bill(Reading { usage, .. }) => {
                assert_eq!(usage, observed.usage);
                let is_used = usage.is_some_and(Usage::is_some_used);
                assert!(observed.stage == Stage::Completed || usage.is_some(), "{observed:?}");
                assert!(status < 400 || is_used, "an error reply was billed: {observed:?}");
            }
            Outcome::AskLater => assert!(can_ask || told == Told::ByAsking, "{observed:?}"),
            Outcome::Release | Outcome::GiveUp => {}
        }
    }
}

/// A frame of a websocket: read, and what the subscriptions are extended by is JSON again.
fn frame(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let _ = coze_socket::read_frame(text);
    let _ = coze_socket::may_begin_chat(text);
    if let Ok(Some(extended)) = coze_socket::Subscriptions::new().extend(text) {
        let extended: serde_json::Value =
            serde_json::from_str(&extended).expect("an extended frame is JSON");
        let before: serde_json::Value = serde_json::from_str(text).expect("so was the one before");
        assert_eq!(before["event_type"], extended["event_type"]);
    }
}

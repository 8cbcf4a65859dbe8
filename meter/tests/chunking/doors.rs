//! What a door makes of a stream does not depend on how its bytes are cut, and a stream tells the same
//! text as a whole answer.

use meter::door::openai::Voice;
use meter::door::{Reply, Translation};
use meter::route::Operation;
use meter::sse::Parser;
use proptest::prelude::*;
use serde_json::Value;

use crate::recording::{Case, Dialect, cases, short};

fn translation(operation: Operation, streams: bool) -> Translation {
    let voice = Voice::new("c1", "coze-bot", 0, true);
    Translation::new(operation, meter::door::Voice::OpenAi(voice), streams)
}

fn stream<'a>(operation: Operation, chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut translation = translation(operation, true);
    let (mut parser, mut out) = (Parser::new(), String::new());
    for chunk in chunks {
        parser.feed(chunk, |event| translation.take(event, &mut out));
    }
    parser.finish(|event| translation.take(event, &mut out));
    translation.end(&mut out);
    out
}

fn whole(operation: Operation, bytes: &[u8]) -> Reply {
    let mut translation = translation(operation, false);
    let (mut parser, mut out) = (Parser::new(), String::new());
    parser.feed(bytes, |event| translation.take(event, &mut out));
    parser.finish(|event| translation.take(event, &mut out));
    assert_eq!(out, "", "a collected stream says nothing on the way");
    translation.whole()
}

/// The text of a stream, whether it ended well, and its error.
fn heard(stream: &str) -> (String, bool, Option<Value>) {
    let (mut text, mut done, mut error) = (String::new(), false, None);
    for event in stream.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
        assert!(!done, "something behind [DONE]: {event}");
        let data = event.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        if let Some(told) = chunk.get("error") {
            error = Some(told.clone());
            continue;
        }
        if let Some(said) = chunk["choices"][0]["delta"]["content"].as_str() {
            text.push_str(said);
        }
    }
    (text, done, error)
}

fn operation(case: &Case) -> Option<Operation> {
    match case.dialect {
        Dialect::Chat | Dialect::Chatflow if case.is_stream => Some(Operation::Chat),
        Dialect::Workflow if case.is_stream => Some(Operation::WorkflowStreamRun),
        _ => None,
    }
}

#[test]
fn every_recorded_stream_ends_well_or_with_an_error_and_never_both() {
    let mut seen = 0;
    for case in cases() {
        let Some(operation) = operation(&case) else { continue };
        let streamed = stream(operation, [case.bytes.as_slice()]);
        let (text, done, error) = heard(&streamed);
        assert_ne!(done, error.is_some(), "{}: {streamed}", short(&case.path));
        let reply = whole(operation, &case.bytes);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        if let Some(error) = error {
            assert_eq!(body["error"], error, "{}", short(&case.path));
        } else {
            let said = body["choices"][0]["message"]["content"].as_str();
            assert_eq!(said, Some(text.as_str()), "{}", short(&case.path));
        }
        seen += 1;
    }
    assert!(seen > 50, "{seen} streams are recorded");
}

proptest! {
    #[test]
    fn a_stream_says_the_same_however_it_is_cut(
        pick in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let cases: Vec<_> = cases().into_iter().filter(|case| operation(case).is_some()).collect();
        let case = pick.get(&cases);
        let Some(operation) = operation(case) else { return Ok(()) };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(case.bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([case.bytes.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let chunks = starts.zip(ends).map(|(start, end)| &case.bytes[start..end]);
        prop_assert_eq!(stream(operation, chunks), stream(operation, [case.bytes.as_slice()]));
    }

    #[test]
    fn what_is_said_to_a_request_is_always_an_order_or_names_what_is_wrong(body in any::<Vec<u8>>()) {
        let key = "key_1".parse().unwrap();
        let defaults = meter::door::openai::Defaults { bot: None, key: &key };
        let read = meter::door::openai::read(&body, &defaults);
        prop_assert!(read.is_err_and(|refusal| refusal.detail.is_some()));
    }

    #[test]
    fn any_text_reaches_the_bot_and_comes_back_as_it_is(text in any::<String>()) {
        let key = "key_1".parse().unwrap();
        let bot = "7490".parse().unwrap();
        let defaults = meter::door::openai::Defaults { bot: Some(&bot), key: &key };
        let messages = serde_json::json!([{"role": "user", "content": text}]);
        let body = serde_json::json!({"model": "coze-bot", "messages": messages}).to_string();
        let order = meter::door::openai::read(body.as_bytes(), &defaults).unwrap().order;
        let up: Value = serde_json::from_str(&order.body).unwrap();
        prop_assert_eq!(up["additional_messages"][0]["content"].as_str(), Some(text.as_str()));
        let delta = serde_json::json!({"id": "1", "type": "answer", "content": text});
        let events = format!(
            "event:conversation.message.delta\ndata:{delta}\n\nevent:conversation.chat.completed\ndata:{{\"status\":\"completed\"}}\n\n"
        );
        let (said, done, _) = heard(&stream(Operation::Chat, [events.as_bytes()]));
        prop_assert_eq!((said, done), (text, true));
    }
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::body::MESSAGES_MAX;
use super::*;

fn parts<'a>(path: &'a str, query: &'a str, body: &'a str) -> Parts<'a> {
    Parts { path, query, body: body.as_bytes() }
}

fn names(said: &Said) -> Vec<String> {
    said.names.iter().map(|named| format!("{} {}", named.kind.name(), named.id)).collect()
}

#[track_caller]
fn check(parts: Parts<'_>, want: Result<&[&str], &str>) {
    match (read(parts).map(|said| names(&said)), want) {
        (Ok(got), Ok(want)) => assert_eq!(got, want),
        (Err(got), Err(want)) => {
            let got = got.detail.unwrap_or_default();
            assert!(got.contains(want), "{got:?} lacks {want:?}");
        }
        (got, want) => panic!("{got:?}, wanted {want:?}"),
    }
}

#[track_caller]
fn body(body: &str, want: Result<&[&str], &str>) {
    check(parts("/v3/chat", "", body), want);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let query = |query| check(parts("/v3/chat", query, ""), Err("could be read in two ways"));
    query("?conversation_id=1&conversation_id=2");
    query("?conversation_id=&conversation_id=2");
    query("?conversation%5Fid=1");
    query("?%63onversation_id=1");
    query("?a=1;Conversation_id=2");
    query("?conver%C5%BFation_id=1");
    body(r#"{"conversation_id":"1","conversation_id":"2"}"#, Err("duplicate field"));
    body(r#"{"conversation_id":"1","conversation\u005fid":"2"}"#, Err("duplicate field"));
    body(r#"{"Conversation_Id":"1"}"#, Err("no way to spell `conversation_id`"));
    body("{\"conver\u{17f}ation_id\":\"1\"}", Err("no way to spell `conversation_id`"));
    body(r#"{"conversation_id":7501}"#, Err("`conversation_id` is not a string"));
    body(r#"{"PARAMETERS":{}}"#, Err("no way to spell `parameters`"));
    body("conversation_id=7501", Err("not a JSON object"));
    body(r#"["7501"]"#, Err("not a JSON object"));
    let bytes = Parts { path: "/v3/chat", query: "", body: b"{\"a\":\"\xff\"}" };
    check(bytes, Err("not a JSON object"));
}

#[test]
fn ids_are_found_wherever_upstream_could_read_them() {
    check(parts("/v1/conversations/7501", "", ""), Ok(&["conversation 7501"]));
    let feedback = "/v1/conversations/7501/messages/9/feedback";
    check(parts(feedback, "", "{}"), Ok(&["conversation 7501"]));
    let node = "/v1/workflows/7480/run_histories/7502/execute_nodes/u-1";
    check(parts(node, "", ""), Ok(&["execution 7502"]));
    let query = "?conversation_id=1&chat_id=2&x=3;file_id=4";
    check(parts("/v3/chat", query, ""), Ok(&["conversation 1", "chat 2", "file 4"]));
    check(parts("/v3/chat", "?conversation_id=", ""), Ok(&[]));
    body(
        r#"{"conversation_id":"1","chat_id":"2","x":{"chat_id":"3"}}"#,
        Ok(&["conversation 1", "chat 2"]),
    );
    body(r#"{"conversation_id":null,"chat_id":""}"#, Ok(&[]));
    body(r#"{"event_id":"7502/3","execute_id":"7502"}"#, Ok(&["execution 7502"]));
    body(r#"{"file_ids":["1","2","1"]}"#, Ok(&["file 1", "file 2"]));
    body(r#"{"conversation_id":"75 01"}"#, Err("conversation"));
}

fn chat(content: &Value, content_type: &str) -> String {
    let message = json!({"role": "user", "content": content, "content_type": content_type});
    json!({"bot_id": "1", "additional_messages": [message, null]}).to_string()
}

#[test]
fn files_are_found_in_messages_that_are_not_plain_text() {
    let list = r#"[{"type":"text","text":"hi"},{"type":"image","file_id":"5"}]"#;
    body(&chat(&list.into(), "object_string"), Ok(&["file 5"]));
    body(&chat(&list.into(), ""), Ok(&["file 5"]));
    body(&chat(&list.into(), "TEXT"), Ok(&["file 5"]));
    body(&chat(&json!([{"file_id": "6"}]), "object_string"), Ok(&["file 6"]));
    body(&chat(&list.into(), "text"), Ok(&[]));
    let hidden = r#"[{"type":"image","\u0066ile_id":"5"},{"File_ID":"7"}]"#;
    body(&chat(&hidden.into(), "object_string"), Ok(&["file 5", "file 7"]));
    body(&chat(&r#"[{"file_id":5}]"#.into(), "object_string"), Err("`file_id` is not a string"));
    // Not JSON, so that there is no list in it.
    body(&chat(&r#"[{"file_id":"5"}"#.into(), "object_string"), Ok(&[]));
    let alone = json!({"content": list, "content_type": "object_string"}).to_string();
    check(
        parts("/v1/conversation/message/create", "?conversation_id=1", &alone),
        Ok(&["conversation 1", "file 5"]),
    );
}

#[test]
fn files_are_found_in_parameters_and_a_parameter_may_have_any_name() {
    let file = r#"{"file_id":"5"}"#;
    let run = |parameters: Value| json!({"workflow_id": "1", "parameters": parameters}).to_string();
    body(&run(json!({"image": file})), Ok(&["file 5"]));
    body(&run(json!({"images": [file, {"file_id": "6"}]})), Ok(&["file 5", "file 6"]));
    body(&run(json!({"file_id": "my own"})), Ok(&[]));
    body(&run(json!({"file_id": file})), Ok(&["file 5"]));
    // The same, written as a string.
    body(&run(json!({"image": file}).to_string().into()), Ok(&["file 5"]));
    body(&run(json!({"file_id": "my own"}).to_string().into()), Ok(&[]));
    body(&run(json!([file])), Ok(&["file 5"]));
    let resumed = json!({"workflow_id": "1", "event_id": "7/1", "resume_data": file}).to_string();
    body(&resumed, Ok(&["execution 7", "file 5"]));
    let shortcut = json!({"shortcut_command": {"parameters": {"f": [file]}}}).to_string();
    body(&shortcut, Ok(&["file 5"]));
}

#[test]
fn json_within_strings_is_looked_for_so_deep_and_no_deeper() {
    let nested = |times: usize| {
        let mut text = r#"{"file_id":"5"}"#.to_owned();
        for _ in 0..times {
            text = json!([text]).to_string();
        }
        json!({"resume_data": text}).to_string()
    };
    body(&nested(FILES_DEPTH_MAX - 1), Ok(&["file 5"]));
    body(&nested(FILES_DEPTH_MAX), Err("JSON is written as a string within another"));
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    body(&format!(r#"{{"resume_data":{deep},"x":"file_id"}}"#), Ok(&[]));
}

#[test]
fn a_request_names_so_many_ids_and_no_more() {
    let ids = |count: usize| {
        let ids: Vec<String> = (0..count).map(|id| id.to_string()).collect();
        json!({"file_ids": ids}).to_string()
    };
    assert_eq!(read(parts("/", "", &ids(NAMES_MAX))).unwrap().names.len(), NAMES_MAX);
    body(&ids(NAMES_MAX + 1), Err("more than 256 ids"));
}

#[test]
fn no_more_messages_go_up_than_are_looked_at() {
    let said = |count: usize| {
        let mut messages = vec![json!({"content": "hi", "content_type": "text"}); count - 1];
        messages.push(json!({"content": r#"{"file_id":"5"}"#, "content_type": "object_string"}));
        messages
    };
    for list in ["additional_messages", "messages"] {
        body(&json!({list: said(MESSAGES_MAX)}).to_string(), Ok(&["file 5"]));
        let want = format!("more than {MESSAGES_MAX} messages");
        body(&json!({list: said(MESSAGES_MAX + 1)}).to_string(), Err(&want));
    }
}

#[test]
fn what_has_to_be_named_is_missed_by_its_field() {
    let said = read(parts("/v3/chat/cancel", "", r#"{"conversation_id":"1"}"#)).unwrap();
    assert_eq!(said.check_names(&[Kind::Conversation]), Ok(()));
    let refusal = said.check_names(&[Kind::Conversation, Kind::Chat]).unwrap_err();
    assert_eq!(refusal.detail.as_deref(), Some("`chat_id` is missing"));
}

#[track_caller]
fn users(body: &str, want: &str) {
    let said = read(parts("/v3/chat", "", body)).unwrap();
    let got = with_users(body.as_bytes(), &said.users, "acc_1.");
    assert_eq!(String::from_utf8(got).unwrap(), want);
}

#[test]
fn the_account_is_put_in_front_of_its_users_and_nothing_else_changes() {
    users(r#"{"bot_id":"1"}"#, r#"{"bot_id":"1"}"#);
    users(
        r#" { "user_id" : "\u00fc水", "x":1.0, "ext":{"latitude":"1","user_id":""},"uid":"b" }"#,
        r#" { "user_id" : "acc_1.\u00fc水", "x":1.0, "ext":{"latitude":"1","user_id":"acc_1."},"uid":"acc_1.b" }"#,
    );
    users(
        r#"{"parameters":{"CONVERSATION_NAME":"Default","user_id":"mine"},"user_id":null}"#,
        r#"{"parameters":{"CONVERSATION_NAME":"acc_1.Default","user_id":"mine"},"user_id":null}"#,
    );
    users(
        r#"{"parameters":"{\"\u00e4\":1,\"CONVERSATION_NAME\":\"\\u00e9\"}"}"#,
        r#"{"parameters":"{\"\u00e4\":1,\"CONVERSATION_NAME\":\"acc_1.\\u00e9\"}"}"#,
    );
    // Another parameter, as upstream sees it.
    users(
        r#"{"parameters":{"conversation_name":"x"}}"#,
        r#"{"parameters":{"conversation_name":"x"}}"#,
    );
    body(r#"{"user_id":7}"#, Err("`user_id` is not a string"));
    body(r#"{"ext":{"user_id":7}}"#, Err("`ext.user_id` is not a string"));
    body(r#"{"ext":{"User_id":"7"}}"#, Err("no way to spell `user_id`"));
}

#[test]
fn a_frame_is_looked_into_where_upstream_does() {
    let frame = r#"{"id":"1","event_type":"chat.update","data":{"chat_config":{"user_id":"u","conversation_id":"7"}}}"#;
    let said = in_frame(frame).unwrap();
    assert_eq!(names(&said), ["conversation 7"]);
    let sent = with_users(frame.as_bytes(), &said.users, "acc_1.");
    assert!(String::from_utf8(sent).unwrap().contains(r#""user_id":"acc_1.u","conv"#));
    let content = r#"{"data":{"content_type":"object_string","content":"[{\"file_id\":\"5\"}]","chat_id":"8"}}"#;
    assert_eq!(names(&in_frame(content).unwrap()), ["chat 8", "file 5"]);
    assert_eq!(in_frame(r#"{"data":{"delta":"AAAA"}}"#), Ok(Said::default()));
    assert_eq!(in_frame(r#"{"data":7}"#), Ok(Said::default()));
    for bad in ["", "x", "[]", r#"{"Data":{}}"#, r#"{"data":{"Chat_config":{}}}"#] {
        assert!(in_frame(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_was_made_is_told_by_a_reply_that_says_so() {
    let made = |status, body: &str| made(status, body.as_bytes()).map(|id| id.to_string());
    assert_eq!(made(200, r#"{"code":0,"data":{"id":"7501"}}"#).as_deref(), Some("7501"));
    assert_eq!(made(200, r#"{"data":{"id":7501}}"#).as_deref(), Some("7501"));
    for (status, body) in [
        (200, r#"{"code":4000,"data":{"id":"7501"}}"#),
        (500, r#"{"code":0,"data":{"id":"7501"}}"#),
        (200, r#"{"code":0}"#),
        (200, r#"{"code":0,"data":{"id":""}}"#),
        (200, "<html>"),
    ] {
        assert_eq!(made(status, body), None, "{body}");
    }
}

/// A JSON value that names this file somewhere, itself or in a string that holds JSON.
fn any_hiding_place() -> impl Strategy<Value = Value> {
    let leaf = Just(json!({"file_id": "5"}));
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| json!({"a": [1, null, "file"], "b": inner})),
            inner.clone().prop_map(|inner| json!(["x\"y\\", inner, {"file_idx": "6"}])),
            inner.prop_map(|inner| Value::String(inner.to_string())),
        ]
    })
}

proptest! {
    #[test]
    fn a_file_is_found_wherever_it_is_hidden(hidden in any_hiding_place()) {
        let text = json!({"resume_data": hidden}).to_string();
        // What is hidden too deep is refused, which does as well.
        if let Ok(said) = read(parts("/v1/workflow/stream_resume", "", &text)) {
            prop_assert_eq!(names(&said), ["file 5"]);
        }
    }

    #[test]
    fn nothing_that_is_read_makes_it_panic(path in ".{0,60}", query in ".{0,60}", body in any::<Vec<u8>>()) {
        let _ = read(Parts { path: &path, query: &query, body: &body });
        let _ = in_frame(&query);
        let _ = made(200, &body);
    }

    #[test]
    fn only_the_prefix_is_added(user in ".{0,20}", name in ".{0,20}", extra in "[a-z ]{0,10}") {
        let inner = json!({"é": extra, "CONVERSATION_NAME": name}).to_string();
        let text = json!({"extra": extra, "user_id": user, "parameters": inner}).to_string();
        let said = read(parts("/v1/workflows/chat", "", &text)).unwrap();
        let sent = with_users(text.as_bytes(), &said.users, "a.");
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        prop_assert_eq!(&sent["user_id"], &json!(format!("a.{user}")));
        let inner: Value = serde_json::from_str(sent["parameters"].as_str().unwrap()).unwrap();
        prop_assert_eq!(&inner["CONVERSATION_NAME"], &json!(format!("a.{name}")));
        prop_assert_eq!(&inner["é"], &json!(extra));
    }
}

//! What is refused, field by field, and what goes up.

use serde_json::{Value, json};

use super::*;

fn completion(body: &Value) -> Result<Completion, Refusal> {
    let bot = "7490".parse().unwrap();
    let key = "key_1".parse().unwrap();
    read(body.to_string().as_bytes(), &Defaults { bot: Some(&bot), key: &key })
}

/// A request like the smallest one, with these fields set.
fn with(model: &str, fields: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[track_caller]
fn refused(body: &Value, want: &str) {
    let refusal = completion(body).unwrap_err();
    let detail = refusal.detail.unwrap_or_default();
    assert!(detail.contains(want), "{detail:?} lacks {want:?}");
}

#[track_caller]
fn ordered(body: &Value, path: &str, query: &str, want: &Value) {
    let Order { path: got_path, query: got_query, body: got, .. } = completion(body).unwrap().order;
    assert_eq!((got_path, got_query.as_str()), (path, query));
    assert_eq!(&serde_json::from_str::<Value>(&got).unwrap(), want);
}

#[test]
fn a_refusal_names_the_field() {
    refused(&json!([1]), "`model` is not a string");
    refused(&json!({}), "`model` is missing");
    refused(&json!({"model": "gpt-4o"}), "`model` is none of");
    refused(&json!({"model": "coze-bot:a&b=c", "messages": []}), "`model` holds a character");
    refused(&json!({"model": "coze-bot"}), "`messages` is missing");
    refused(&json!({"model": "coze-bot", "messages": []}), "`messages` is empty");
    refused(&json!({"model": "coze-workflow", "messages": []}), "`workflow_id` is missing");
    let many = vec![json!({"role": "user", "content": "x"}); MESSAGES_MAX + 1];
    refused(&json!({"model": "coze-bot", "messages": many}), "`messages` has 101");
    assert!(completion(&json!({"model": "coze-bot", "messages": many[1..]})).is_ok());
    for (field, value) in [
        ("n", json!(2)),
        ("tools", json!([{"type": "function"}])),
        ("functions", json!([{}])),
        ("tool_choice", json!("required")),
        ("function_call", json!({"name": "f"})),
        ("response_format", json!({"type": "json_object"})),
        ("stop", json!(["x"])),
        ("logit_bias", json!({"1": 1})),
        ("logprobs", json!(true)),
        ("modalities", json!(["text", "audio"])),
        ("audio", json!({"voice": "a"})),
        ("web_search_options", json!({"a": 1})),
    ] {
        refused(&with("coze-bot", &json!({field: value})), &format!("`{field}` is not supported"));
    }
    for (field, value) in [
        ("stream", json!("yes")),
        ("stream_options", json!(1)),
        ("user", json!(1)),
        ("bot_id", json!(7490)),
        ("bot_id", json!("")),
        ("conversation_id", json!("a&bot_id=1")),
    ] {
        refused(&with("coze-bot", &json!({field: value})), &format!("`{field}`"));
    }
    let user = |bytes: usize| with("coze-bot", &json!({"user": "u".repeat(bytes)}));
    refused(&user(USER_BYTES_MAX + 1), "`user` is longer");
    assert!(completion(&user(USER_BYTES_MAX)).is_ok());
    refused(&with("7490", &json!({"bot_id": "7491"})), "`bot_id` is another");
    refused(&with("coze-workflow:7", &json!({"workflow_parameters": 7})), "`workflow_parameters`");
    refused(&with("coze-workflow-async:7", &json!({"stream": true})), "`stream` is not supported");
}

#[test]
fn what_only_tunes_the_answer_is_ignored() {
    let tuned = json!({"temperature": 0.5, "top_p": 1, "max_tokens": 9, "seed": 1, "n": 1,
        "presence_penalty": 0.1, "tools": [], "stop": null, "logprobs": false,
        "response_format": {"type": "text"}, "tool_choice": "auto", "store": true});
    assert_eq!(completion(&with("coze-bot", &tuned)), completion(&with("coze-bot", &json!({}))));
}

#[test]
fn a_bot_is_found_by_model_field_or_default() {
    let body = |bot: &str, user: &str| {
        json!({"bot_id": bot, "user_id": user, "stream": true, "auto_save_history": true,
            "additional_messages": [
                {"role": "user", "type": "question", "content": "hello", "content_type": "text"}]})
    };
    ordered(&with("coze-bot", &json!({})), "/v3/chat", "", &body("7490", "key_1"));
    ordered(&with("7491", &json!({"user": "anna"})), "/v3/chat", "", &body("7491", "anna"));
    ordered(&with("coze-bot:7491", &json!({"user": ""})), "/v3/chat", "", &body("7491", "key_1"));
    let in_conversation = with("coze-bot", &json!({"bot_id": "7492", "conversation_id": "7509"}));
    ordered(&in_conversation, "/v3/chat", "?conversation_id=7509", &body("7492", "key_1"));
    let key = "key_1".parse().unwrap();
    let no_default = Defaults { bot: None, key: &key };
    let body = with("coze-bot", &json!({})).to_string();
    let refusal = read(body.as_bytes(), &no_default).unwrap_err();
    assert!(refusal.detail.unwrap().contains("`bot_id` is missing"));
}

#[test]
fn a_workflow_gets_its_parameters_or_what_was_said_last() {
    let stream_run = "/v1/workflow/stream_run";
    let said = json!({"workflow_id": "7480", "parameters": {"BOT_USER_INPUT": "hello"}});
    ordered(&with("coze-workflow:7480", &json!({})), stream_run, "", &said);
    let given = json!({"workflow_id": "7480", "workflow_parameters": {"a": 1}, "messages": []});
    let body = json!({"workflow_id": "7480", "parameters": {"a": 1}});
    ordered(&with("coze-workflow", &given), stream_run, "", &body);
    let body = json!({"workflow_id": "7480", "parameters": {"a": 1}, "is_async": true});
    ordered(&with("coze-workflow-async", &given), "/v1/workflow/run", "", &body);
    let image = json!([{"type": "image_url", "image_url": {"url": "https://x/y"}}]);
    let messages = json!({"messages": [{"role": "user", "content": image}]});
    refused(&with("coze-workflow:7480", &messages), "`messages` holds more than text");
}

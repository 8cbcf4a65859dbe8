//! Free paths, conversations and files, and the calls billed in other units.

use reqwest::Method;
use serde_json::{Value, json};
use stand_in::Kind;

use crate::bench::{Bench, Reply, read};

/// A form of one file, written out.
async fn form(bench: &Bench, path: &str, fields: &[(&str, Option<&str>, &str)]) -> Reply {
    let mut body = String::new();
    for (name, file_name, content) in fields {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let disposition = format!("content-disposition: form-data; name=\"{name}\"{file_name}");
        body = format!("{body}--edge\r\n{disposition}\r\n\r\n{content}\r\n");
    }
    body.push_str("--edge--\r\n");
    let request = bench.request(Method::POST, path);
    read(request.header("content-type", "multipart/form-data; boundary=edge").body(body)).await
}

#[tokio::test]
async fn other_units_are_recorded_by_their_own_kinds_and_subjects() {
    let bench = Bench::start().await;
    let speech = json!({ "input": "你好", "voice_id": "v1" });
    let reply = bench.post("/v1/audio/speech", speech).await;
    assert_eq!(reply.content_type, "audio/mpeg");
    let file = ("file", Some("a.wav"), "sound");
    let reply = form(&bench, "/v1/audio/transcriptions", &[file]).await;
    assert_eq!(reply.json()["data"]["text"], "Hello");
    let reply = bench.post("/v1/audio/rooms", json!({ "bot_id": "b1", "uid": "u" })).await;
    assert_eq!(reply.json()["data"]["uid"], "u");
    let reply = form(&bench, "/v1/audio/voices/clone", &[("voice_name", None, "mine"), file]).await;
    assert!(reply.json()["data"]["voice_id"].is_string());
    let reply = bench.post("/v1/plugins/p1/tools/call", json!({ "tool_name": "t" })).await;
    assert_eq!(reply.code(), Some(0));
    let works = bench.works().await;
    let seen: Vec<_> = works.iter().map(|work| (work.kind, work.subject.as_str())).collect();
    let expected = [
        (Kind::Speech, "v1"),
        (Kind::Transcription, "transcriptions"),
        (Kind::Room, "b1"),
        (Kind::VoiceClone, "mine"),
        (Kind::PluginTool, "p1"),
    ];
    assert_eq!(seen, expected);
    assert!(works.iter().all(|work| work.billable));
    assert_eq!(works[0].input_count, 2);
}

#[tokio::test]
async fn files_are_uploaded_one_at_a_time_and_found_again() {
    let bench = Bench::start().await;
    let file = ("file", Some("note.txt"), "12345");
    let uploaded = form(&bench, "/v1/files/upload", &[file]).await.json();
    let id = uploaded["data"]["id"].as_str().unwrap();
    let found = bench.get(&format!("/v1/files/retrieve?file_id={id}")).await.json();
    assert_eq!(
        (&found["data"]["file_name"], &found["data"]["bytes"]),
        (&json!("note.txt"), &json!(5))
    );
    assert_eq!(form(&bench, "/v1/files/upload", &[]).await.code(), Some(4300));
    assert_eq!(form(&bench, "/v1/files/upload", &[file, file]).await.code(), Some(4301));
    assert_eq!(bench.get("/v1/files/retrieve?file_id=1").await.code(), Some(4200));
    assert_eq!(bench.works().await, []);
}

#[tokio::test]
async fn a_conversation_keeps_what_was_said_page_by_page() {
    let bench = Bench::start().await;
    let body = json!({ "bot_id": "bot", "meta_data": { "shop": "s1" } });
    let created = bench.post("/v1/conversation/create", body).await.json();
    let id = created["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(created["data"]["meta_data"]["shop"], "s1");
    let chat = json!({
        "bot_id": "bot", "user_id": "u", "stream": true,
        "additional_messages": [{ "role": "user", "content": "Hi" }],
    });
    bench.post(&format!("/v3/chat?conversation_id={id}"), chat).await;
    let list = async |body: Value| {
        let path = format!("/v1/conversation/message/list?conversation_id={id}");
        bench.post(&path, body).await.json()
    };
    let newest = list(json!({ "limit": 1 })).await;
    assert_eq!(newest["data"][0]["content"], "You said: Hi");
    assert_eq!(newest["has_more"], true);
    let older = list(json!({ "limit": 1, "after_id": newest["last_id"] })).await;
    assert_eq!((&older["data"][0]["content"], &older["has_more"]), (&json!("Hi"), &json!(false)));
    let oldest_first = list(json!({ "order": "asc" })).await;
    assert_eq!(oldest_first["first_id"], older["last_id"]);
}

#[tokio::test]
async fn conversations_and_messages_can_be_changed_and_removed() {
    let bench = Bench::start().await;
    let created = bench.post("/v1/conversation/create", json!({ "bot_id": "bot" })).await.json();
    let id = created["data"]["id"].as_str().unwrap();
    let message = format!("/v1/conversation/message/create?conversation_id={id}");
    let said = json!({ "role": "user", "content": "a", "content_type": "text" });
    let said = bench.post(&message, said).await.json();
    let query = format!("conversation_id={id}&message_id={}", said["data"]["id"].as_str().unwrap());
    let modify = format!("/v1/conversation/message/modify?{query}");
    let modified = bench.post(&modify, json!({ "content": "b" })).await.json();
    assert_eq!(modified["message"]["content"], "b");
    let found = bench.get(&format!("/v1/conversation/message/retrieve?{query}")).await.json();
    assert_eq!(found["data"]["content"], "b");
    let deleted = format!("/v1/conversation/message/delete?{query}");
    assert_eq!(bench.post(&deleted, json!({})).await.code(), Some(0));
    assert_eq!(bench.post(&deleted, json!({})).await.code(), Some(4005));

    let path = format!("/v1/conversations/{id}");
    let renamed = read(bench.request(Method::PUT, &path).json(&json!({ "name": "n" }))).await;
    assert_eq!(renamed.json()["data"]["name"], "n");
    let cleared = bench.post(&format!("{path}/clear"), json!({})).await.json();
    assert_eq!(cleared["data"]["conversation_id"], id);
    let list = bench.get("/v1/conversations?bot_id=bot&page_num=1&page_size=10").await.json();
    assert_eq!(list["data"]["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(read(bench.request(Method::DELETE, &path)).await.code(), Some(0));
    let gone = bench.get(&format!("/v1/conversation/retrieve?conversation_id={id}")).await;
    assert_eq!(gone.code(), Some(4002));
}

#[tokio::test]
async fn paths_that_are_only_passed_through_succeed_and_cost_nothing() {
    let bench = Bench::start().await;
    for path in [
        "/v1/users/me",
        "/v1/bots",
        "/v1/bots/1",
        "/v1/bots/1/versions",
        "/v1/bot/get_online_info?bot_id=1",
        "/v1/space/published_bots_list",
        "/v1/workspaces",
        "/v1/workflows/1",
        "/v1/audio/voices",
        "/v1/commerce/benefit/benefits/get",
        "/v1/entities/copy_tasks/1",
    ] {
        assert_eq!(bench.get(path).await.code(), Some(0), "{path}");
    }
    for path in ["/open_api/knowledge/document/list", "/v1/connectors/1/install"] {
        assert_eq!(bench.post(path, json!({})).await.code(), Some(0), "{path}");
    }
    assert_eq!(bench.works().await, []);
}

//! Two accounts behind one credential: neither sees, changes, uses or pays for what the other made.

use std::collections::BTreeMap;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use xtask::stack::Key;

use crate::tester::{Tester, chat, shared};

/// What an account made: an id of each kind.
struct Made {
    bot: String,
    workflow: String,
    conversation: String,
    chat: String,
    message: String,
    execution: String,
    event: String,
    file: String,
}

/// Makes one of everything.
async fn make(tester: &Tester) -> Made {
    let (bot, workflow, asking) = (tester.subject(1), tester.subject(2), tester.subject(3));
    let said = tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
    let first = said.split("data:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let first: Value = serde_json::from_str(first).unwrap();
    let (conversation, chat) = (text(&first["conversation_id"]), text(&first["id"]));
    let list = format!("/v3/chat/message/list?conversation_id={conversation}&chat_id={chat}");
    let messages = json(tester.ask(Method::GET, &list)).await;
    let run = json!({"workflow_id": workflow, "parameters": {}, "is_async": true});
    let run: Value = tester.call("/v1/workflow/run", &run).await.json().await.unwrap();
    tester.behave(&asking, json!({"outcome": {"interrupt": {"charged": true}}})).await;
    let asked = json!({"workflow_id": asking, "parameters": {}});
    let asked: Value = tester.call("/v1/workflow/run", &asked).await.json().await.unwrap();
    let form = Form::new().part("file", Part::bytes(b"hello".to_vec()).file_name("a.txt"));
    let file = json(tester.ask(Method::POST, "/v1/files/upload").multipart(form)).await;
    Made {
        bot,
        workflow,
        conversation,
        chat,
        message: text(&messages["data"][0]["id"]),
        execution: text(&run["execute_id"]),
        event: text(&asked["interrupt_data"]["event_id"]),
        file: text(&file["data"]["id"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:#} is no text")).to_owned()
}

async fn json(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

/// Weir's own code of a reply, if Weir refused the request.
async fn refused(reply: Response) -> (u16, String) {
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap_or_default();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

impl Made {
    /// Every id, but those that everybody may name.
    fn ids(&self) -> [&str; 6] {
        let Self { conversation, chat, message, execution, event, file, .. } = self;
        [conversation, chat, message, execution, event, file]
    }

    /// A path of the table with these ids in its open places.
    fn path(&self, pattern: &str) -> String {
        let mut before = String::new();
        let segments = pattern.split('/').map(|segment| {
            let id = match (segment, before.as_str()) {
                ("{}", "conversations") => &self.conversation,
                ("{}", "run_histories") => &self.execution,
                ("{}", "messages") => &self.message,
                ("{}", "bots") => &self.bot,
                ("{}", _) => &self.workflow,
                _ => segment,
            };
            segment.clone_into(&mut before);
            id.to_owned()
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn query(&self) -> String {
        let Self { bot, conversation, chat, message, file, .. } = self;
        format!(
            "?bot_id={bot}&conversation_id={conversation}&chat_id={chat}&message_id={message}&file_id={file}"
        )
    }

    /// A body that does for every route.
    fn body(&self) -> Value {
        let parts = json!([{"type": "file", "file_id": self.file}]).to_string();
        let content = json!({"role": "user", "content": parts, "content_type": "object_string"});
        json!({
            "bot_id": self.bot, "workflow_id": self.workflow, "user_id": "u1", "uid": "u1",
            "conversation_id": self.conversation, "chat_id": self.chat, "event_id": self.event,
            "additional_messages": [content], "messages": [content], "role": "user",
            "content": parts, "content_type": "object_string", "parameters": {"file": parts},
            "resume_data": "x", "interrupt_type": 2, "tool_outputs": [], "stream": true,
            "voice_id": "v", "input": "hello", "tool_name": "t", "name": "n",
        })
    }
}

/// A request by this account to one of the table's routes, with the ids of what was made. The stand-in
/// finds it again by its user agent.
fn visit(tester: &Tester, method: &str, pattern: &str, made: &Made) -> RequestBuilder {
    let method: Method = method.parse().unwrap();
    let path = format!("{}{}", made.path(pattern), made.query());
    let request = tester.ask(method.clone(), &path).header("user-agent", agent(tester));
    let takes_form = ["/v1/files/upload", "/v1/audio/transcriptions", "/v1/audio/voices/clone"];
    if method != Method::GET && takes_form.contains(&pattern) {
        let part = || Part::bytes(b"hello".to_vec()).file_name("a.txt");
        return request.multipart(Form::new().part("file", part()).part("audio", part()));
    }
    if method == Method::GET { request } else { request.json(&made.body()) }
}

fn agent(tester: &Tester) -> String {
    format!("apart-{}", tester.account)
}

/// Each of Coze's routes, by its methods, its pattern and its class. Dify's have stories of their own
/// (`dify_apart`).
fn routes() -> Vec<(String, String, String)> {
    let routes: Vec<Value> = shared().weir_json(&["routes"]).unwrap();
    let each = |route: &Value| {
        let (path, class) = (text(&route["path"]), text(&route["class"]));
        let methods = route["methods"].as_array().unwrap().clone();
        methods.into_iter().map(move |method| (text(&method), path.clone(), class.clone()))
    };
    let is_coze = |(_, path, _): &(String, String, String)| !path.starts_with("/dify/");
    routes.iter().flat_map(each).filter(is_coze).collect()
}

/// Every route of the table, as one account with the ids of what another account made.
#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_or_changes_or_bills_what_another_account_made() {
    let (alice, bob) = (Tester::new("apart, alice"), Tester::new("apart, bob"));
    let made = make(&alice).await;
    let before = alice.calls(3).await.len();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (method, pattern, class) in routes() {
        let what = format!("{method} {pattern}");
        let reply = visit(&bob, &method, &pattern, &made).send().await.unwrap();
        if class == "common" {
            let (status, body) = (reply.status(), reply.text().await.unwrap());
            assert_eq!(status, StatusCode::OK, "{what}: {body}");
            for id in made.ids() {
                assert!(!body.contains(id), "{what} shows {id}: {body}");
            }
        } else {
            let wanted = match class.as_str() {
                "billable" | "follow_up" | "own" => (404, "id_unknown"),
                "operator" => (403, "key_scope"),
                // Without an upgrade it is no route; with one it is another story.
                "billable_websocket" => (404, "route_unknown"),
                other => panic!("{other}"),
            };
            let (status, code) = refused(reply).await;
            assert_eq!((status, code.as_str()), wanted, "{what}");
        }
        *seen.entry(class).or_default() += 1;
    }
    assert!(seen["own"] > 15 && seen["operator"] > 40 && seen["billable"] > 10, "{seen:?}");
    // Nothing but what everybody may look at went upstream.
    let agent = agent(&bob);
    let upstream = bob.requests_after(0).await;
    let went_up: Vec<&str> = upstream
        .iter()
        .filter(|seen| seen["headers"]["user-agent"] == agent)
        .map(|seen| seen["path"].as_str().unwrap())
        .collect();
    assert_eq!(went_up.len(), seen["common"], "{went_up:?}");
    // Nobody paid for any of it, nothing is held, and the one who made it all has it still.
    assert_eq!(bob.balance_at_edge().await["held_nanos"], 0);
    bob.calls(0).await;
    assert_eq!(alice.calls(3).await.len(), before);
    let mut answered = 0;
    for (method, pattern, class) in routes() {
        if matches!(class.as_str(), "own" | "follow_up") {
            let reply = visit(&alice, &method, &pattern, &made).send().await.unwrap();
            // What upstream says is its own; here it is not served under each method.
            let (status, code) = refused(reply).await;
            assert_eq!(code, "", "{method} {pattern}: {status}");
            answered += usize::from(status == 200);
        }
    }
    assert!(answered > 15, "{answered} requests of the one who made it all were answered");
}

/// A place where an id may stand: a path with its query, and a body.
type Place<'a> = (&'a str, String, Option<Value>);

fn places(made: &Made, own: &Made) -> Vec<Place<'static>> {
    let Made { conversation, chat, execution, event, file, .. } = made;
    let Made { bot, workflow, conversation: own_conversation, .. } = own;
    let say = |content: Value, content_type: &str| {
        let message = json!({"role": "user", "content": content, "content_type": content_type});
        json!({"bot_id": bot, "user_id": "u", "stream": false, "additional_messages": [message]})
    };
    let parts = json!([{"type": "image", "file_id": file}]).to_string();
    let object = json!({"file_id": file}).to_string();
    let run = |parameters: Value| json!({"workflow_id": workflow, "parameters": parameters});
    let chatflow = json!({"workflow_id": workflow, "conversation_id": conversation});
    let resume = json!({"workflow_id": workflow, "event_id": event, "resume_data": "x", "interrupt_type": 2});
    let room = json!({"bot_id": bot, "conversation_id": conversation});
    let openai = |extra: Value| {
        let mut body = json!({"model": bot, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        body
    };
    let file_part = json!([{"type": "file", "file": {"file_id": file}}]);
    let in_chat = format!("/v3/chat?conversation_id={conversation}");
    let twice =
        format!("/v3/chat?conversation_id={own_conversation}&conversation_id={conversation}");
    let add = format!("/v1/conversation/message/create?conversation_id={own_conversation}");
    let cancel = json!({"conversation_id": own_conversation, "chat_id": chat});
    let tools = format!("conversation_id={own_conversation}&chat_id={chat}");
    let history = format!("/v1/workflows/{workflow}/run_histories/{execution}");
    let message = json!({"role": "user", "content": parts, "content_type": "object_string"});
    vec![
        ("POST", in_chat, Some(say("hi".into(), "text"))),
        ("POST", twice, Some(say("hi".into(), "text"))),
        ("POST", "/v3/chat".into(), Some(say(parts.clone().into(), "object_string"))),
        ("POST", "/v3/chat".into(), Some(say(parts.clone().into(), "image"))),
        ("POST", "/v1/workflow/run".into(), Some(run(json!({"image": object})))),
        ("POST", "/v1/workflow/stream_run".into(), Some(run(json!({"a": [object]})))),
        ("POST", "/v1/workflow/run".into(), Some(run(json!({"a": object}).to_string().into()))),
        ("POST", "/v1/workflow/stream_resume".into(), Some(resume.clone())),
        ("POST", "/v1/workflows/resume".into(), Some(resume)),
        ("POST", "/v1/workflows/chat".into(), Some(chatflow)),
        ("POST", "/v1/audio/rooms".into(), Some(room)),
        (
            "POST",
            format!("/v3/chat/submit_tool_outputs?{tools}"),
            Some(json!({"tool_outputs": []})),
        ),
        ("POST", "/v3/chat/cancel".into(), Some(cancel)),
        ("GET", format!("/v3/chat/retrieve?{tools}"), None),
        ("POST", format!("/v3/chat/retrieve?{tools}"), None),
        ("GET", format!("/v3/chat/message/list?{tools}"), None),
        ("GET", history.clone(), None),
        ("GET", format!("{history}/execute_nodes/7503"), None),
        ("POST", add, Some(message.clone())),
        ("POST", "/v1/conversation/create".into(), Some(json!({"messages": [message]}))),
        ("GET", format!("/v1/files/retrieve?file_id={file}"), None),
        (
            "POST",
            "/v1/chat/completions".into(),
            Some(openai(json!({"conversation_id": conversation}))),
        ),
        (
            "POST",
            "/v1/chat/completions".into(),
            Some(openai(json!({"messages": [{"role": "user", "content": file_part}]}))),
        ),
    ]
}

/// One id at a time, and the answer is the same as for an id that nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_account_is_unknown_wherever_it_stands() {
    let (alice, bob) = (Tester::new("places, alice"), Tester::new("places, bob"));
    let (made, own) = (make(&alice).await, make(&bob).await);
    let unknown = "7599999999999999999".to_owned();
    let nobodys = Made {
        bot: own.bot.clone(),
        workflow: own.workflow.clone(),
        conversation: unknown.clone(),
        chat: unknown.clone(),
        message: unknown.clone(),
        execution: unknown.clone(),
        event: format!("{unknown}/1"),
        file: unknown,
    };
    let held = bob.balance_at_edge().await;
    let (foreign, nobody) = (places(&made, &own), places(&nobodys, &own));
    for ((method, path, body), (_, other_path, other_body)) in foreign.into_iter().zip(nobody) {
        let ask = async |path: &str, body: &Option<Value>| {
            let request = bob.ask(method.parse().unwrap(), path);
            let request = body.iter().fold(request, RequestBuilder::json);
            let reply = request.send().await.unwrap();
            let status = reply.status().as_u16();
            let mut body: Value = reply.json().await.unwrap();
            body["detail"]["logid"].take();
            (status, body)
        };
        let (status, answer) = ask(&path, &body).await;
        let wanted = if path.matches("conversation_id").count() > 1 { 400 } else { 404 };
        assert_eq!(status, wanted, "{method} {path}: {answer:#}");
        let code = if wanted == 400 { "body_invalid" } else { "id_unknown" };
        assert_eq!(answer["error"]["code"], code, "{method} {path}");
        assert_eq!((status, answer), ask(&other_path, &other_body).await, "{method} {path}");
    }
    assert_eq!(bob.balance_at_edge().await, held);
    bob.calls(3).await;
    // The same with what is bob's own is let in.
    for (method, path, body) in places(&own, &own) {
        let request = bob.ask(method.parse().unwrap(), &path);
        let request = body.iter().fold(request, RequestBuilder::json);
        let (_, code) = refused(request.send().await.unwrap()).await;
        assert_ne!(code, "id_unknown", "{method} {path}");
    }
}

/// What belongs to the operator takes a key that names it, and such a key is still of one account.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_operators_takes_a_key_that_names_it() {
    let (alice, bob) = (Tester::new("rights, alice"), Tester::new("rights, bob"));
    let made = make(&alice).await;
    let issue = |right: &str| -> Key {
        let options = ["--name", "right", "--allow-operation", right];
        shared().weir_json(&[&["key", "issue", &bob.account], &options[..]].concat()).unwrap()
    };
    let (reads, changes) = (issue("operator_read").key, issue("operator_change").key);
    let ask = async |key: &str, method: Method, path: &str| {
        let request = bob.ask_without_key(method, path).bearer_auth(key);
        refused(request.json(&json!({})).send().await.unwrap()).await.1
    };
    let listed = bob.ask_without_key(Method::GET, "/v1/conversations").bearer_auth(&reads);
    let listed = listed.send().await.unwrap().text().await.unwrap();
    assert!(listed.contains(&made.conversation), "{listed}");
    assert_eq!(ask(&changes, Method::GET, "/v1/conversations").await, "key_scope");
    assert_eq!(ask(&bob.key, Method::GET, "/v1/conversations").await, "key_scope");
    assert_eq!(ask(&changes, Method::POST, "/v1/bot/publish").await, "");
    assert_eq!(ask(&reads, Method::POST, "/v1/bot/publish").await, "key_scope");
    let conversation = format!("/v1/conversations/{}", made.conversation);
    assert_eq!(ask(&reads, Method::DELETE, &conversation).await, "id_unknown");
    assert_eq!(ask(&changes, Method::DELETE, &conversation).await, "id_unknown");
    bob.calls(0).await;
}

/// Users are kept apart by their names, unless the account says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_stands_in_front_of_its_users_unless_it_is_told_not_to() {
    let tester = Tester::new("users apart");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let flow = json!({
        "workflow_id": workflow, "app_id": "7700", "parameters": {}, "ext": {"user_id": "u1"},
        "additional_messages": [{"role": "user", "content": "hi", "content_type": "text"}],
    });
    tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
    tester.call("/v1/workflows/chat", &flow).await.text().await.unwrap();
    let completion =
        json!({"model": bot, "user": "u2", "messages": [{"role": "user", "content": "hi"}]});
    tester.call("/v1/chat/completions", &completion).await.text().await.unwrap();
    let users = async |subject: &str| -> Vec<String> {
        tester.works(subject).await.iter().map(|work| text(&work["user_id"])).collect()
    };
    let account = &tester.account;
    assert_eq!(users(&bot).await, [format!("{account}.u1"), format!("{account}.u2")]);
    assert_eq!(users(&workflow).await, [format!("{account}.u1")]);
    let set = ["account", "set", account, "--keep-user-ids", "true", "--wait", "30"];
    shared().weir(&set).unwrap();
    tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
    assert_eq!(users(&bot).await.last().unwrap(), "u1");
    tester.calls(4).await;
}

/// A caller sees what upstream made before the journal hears of it, and may name it at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_made_can_be_named_at_once() {
    let tester = Tester::new("named at once");
    let (bot, slow) = (tester.subject(1), tester.subject(2));
    let mut path = "/v3/chat".to_owned();
    for _ in 0..30 {
        let said = tester.call(&path, &chat(&bot, true, "hello")).await.text().await.unwrap();
        let conversation = said.split("\"conversation_id\":\"").nth(1).unwrap();
        let conversation = conversation.split('"').next().unwrap();
        path = format!("/v3/chat?conversation_id={conversation}");
    }
    tester.calls(30).await;
    // While the stream still comes, its chat is retrieved and cancelled.
    tester.behave(&slow, json!({"pace": {"hold_after_events": [1]}})).await;
    let mut reply = tester.call("/v3/chat", &chat(&slow, true, "hello")).await;
    let first = String::from_utf8(reply.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let first = first.split("data:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let first: Value = serde_json::from_str(first).unwrap();
    let ids = json!({"conversation_id": first["conversation_id"], "chat_id": first["id"]});
    let canceled = tester.call("/v3/chat/cancel", &ids).await;
    assert_eq!(refused(canceled).await, (200, String::new()));
    tester.release(&slow).await;
    while reply.chunk().await.unwrap().is_some() {}
    tester.calls(31).await;
}

async fn connect(tester: &Tester, path: &str) -> Result<crate::sockets::Socket, u16> {
    let url = format!("{}{path}", tester.edge.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {}", tester.key).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(reply)) => Err(reply.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// A websocket names things when it is opened and in its frames, as text and as bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_names_only_what_is_its_accounts() {
    let (alice, bob) = (Tester::new("sockets, alice"), Tester::new("sockets, bob"));
    let made = make(&alice).await;
    let bot = bob.subject(1);
    let path = format!("/v1/chat?bot_id={bot}");
    let named = format!("{path}&conversation_id={}", made.conversation);
    assert_eq!(connect(&bob, &named).await.err(), Some(404));
    let config = json!({"chat_config": {"conversation_id": made.conversation, "user_id": "u"}});
    let update = json!({"id": "1", "event_type": "chat.update", "data": config}).to_string();
    let parts = json!([{"type": "file", "file_id": made.file}]).to_string();
    let content = json!({"role": "user", "content_type": "object_string", "content": parts});
    let say = json!({"id": "1", "event_type": "conversation.message.create", "data": content});
    let tools = json!({"id": "1", "event_type": "conversation.chat.submit_tool_outputs", "data": {"chat_id": made.chat}});
    let spelled = update.replace("\"conversation_id\"", "\"Conversation_ID\"");
    for (frame, code) in [
        (Message::text(update.clone()), "id_unknown"),
        (Message::binary(update.into_bytes()), "body_invalid"),
        (Message::text(say.to_string()), "id_unknown"),
        (Message::text(tools.to_string()), "id_unknown"),
        (Message::text(spelled), "body_invalid"),
    ] {
        let mut socket = connect(&bob, &path).await.unwrap();
        socket.send(frame.clone()).await.unwrap();
        let mut refusal = None;
        while let Some(Ok(message)) = socket.next().await {
            let told = message.to_text().unwrap_or_default().to_owned();
            let told: Value = serde_json::from_str(&told).unwrap_or_default();
            refusal = told["data"]["error"]["code"].as_str().map(str::to_owned).or(refusal);
        }
        assert_eq!(refusal.as_deref(), Some(code), "{frame:?}");
    }
    assert_eq!(bob.works(&bot).await.len(), 0);
    // The same frames do for the account's own.
    let own = make(&bob).await;
    let mut socket = connect(&bob, &path).await.unwrap();
    let config = json!({"chat_config": {"conversation_id": own.conversation, "user_id": "u"}});
    let update = json!({"id": "1", "event_type": "chat.update", "data": config});
    socket.send(Message::text(update.to_string())).await.unwrap();
    let content = json!({"role": "user", "content_type": "text", "content": "hi"});
    let say = json!({"id": "2", "event_type": "conversation.message.create", "data": content});
    socket.send(Message::text(say.to_string())).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if message.to_text().unwrap_or_default().contains("conversation.chat.completed") {
            break;
        }
    }
    let works = bob.works(&bot).await;
    assert_eq!(text(&works.last().unwrap()["user_id"]), format!("{}.u", bob.account));
}

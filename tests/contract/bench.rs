//! A stand-in on a port of its own, and a caller who talks to it.

use futures_util::StreamExt;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use stand_in::{Clock, Config, RequestPage, StandIn, TOKEN_DEFAULT, Work, WorkPage};

/// The second at which the contract's samples play.
pub(crate) const NOW: i64 = 1_764_000_000;

/// A stand-in and its caller.
pub(crate) struct Bench {
    stand_in: StandIn,
    client: Client,
}

/// What came back, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) logid: String,
    pub(crate) chunks: Vec<Vec<u8>>,
    /// The connection broke before the body was whole.
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.chunks.concat()).unwrap()
    }

    /// The business code; absent counts as none.
    pub(crate) fn code(&self) -> Option<i64> {
        self.json()["code"].as_i64()
    }

    /// The events of a stream: name and data, read as the standard says.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let text = self.text().replace("\r\n", "\n");
        let value = |line: &str, field: &str| {
            let rest = line.strip_prefix(field)?.strip_prefix(':')?;
            Some(rest.strip_prefix(' ').unwrap_or(rest).to_owned())
        };
        text.split("\n\n")
            .filter(|block| !block.is_empty())
            .map(|block| {
                let find = |field| block.lines().find_map(|line| value(line, field));
                (find("event").unwrap_or_default(), find("data").unwrap_or_default())
            })
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, _)| name).collect()
    }

    /// The data of the first event of this name.
    pub(crate) fn data(&self, name: &str) -> Value {
        let (_, data) = self.events().into_iter().find(|(known, _)| known == name).unwrap();
        serde_json::from_str(&data).unwrap()
    }
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config { clock: Clock::Fixed(NOW), ..Config::default() }).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let stand_in = StandIn::start(config).await.unwrap();
        Self { stand_in, client: Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) async fn stop(self) {
        self.stand_in.stop().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stand_in.url())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(TOKEN_DEFAULT, method, path)
    }

    /// The same with another credential.
    pub(crate) fn request_as(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(token)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        read(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        read(self.request(Method::GET, path)).await
    }

    /// Tells a subject how to behave.
    pub(crate) async fn tell(&self, subject: &str, behaviour: Value) {
        let path = format!("/_standin/subjects/{subject}");
        let reply = read(self.request(Method::PUT, &path).json(&behaviour)).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text());
    }

    pub(crate) async fn release(&self, subject: &str) {
        let reply = self.post(&format!("/_standin/subjects/{subject}/release"), json!({})).await;
        assert_eq!(reply.status, StatusCode::OK);
    }

    /// Waits until a reply of this subject is held.
    pub(crate) async fn held(&self, subject: &str) {
        let reply = self.get(&format!("/_standin/subjects/{subject}/held")).await;
        assert_eq!(reply.status, StatusCode::OK, "nothing was held");
    }

    /// The record of work.
    pub(crate) async fn works(&self) -> Vec<Work> {
        self.works_ended(0).await
    }

    /// The record of work, once so many works have come to their end.
    pub(crate) async fn works_ended(&self, count: usize) -> Vec<Work> {
        let reply = self.get(&format!("/_standin/works?final_at_least={count}")).await;
        assert_eq!(reply.status, StatusCode::OK, "fewer than {count} works ended");
        let page: WorkPage = serde_json::from_value(reply.json()).unwrap();
        assert_eq!((page.dropped, page.journal_failures), (0, 0));
        page.works
    }

    pub(crate) async fn requests(&self) -> RequestPage {
        serde_json::from_value(self.get("/_standin/requests").await.json()).unwrap()
    }

    pub(crate) async fn chat(&self, bot_id: &str) -> Reply {
        self.post("/v3/chat", chat_body(bot_id, true)).await
    }

    pub(crate) async fn chat_polled(&self, bot_id: &str) -> Reply {
        self.post("/v3/chat", chat_body(bot_id, false)).await
    }

    pub(crate) async fn run(&self, workflow_id: &str) -> Reply {
        self.post("/v1/workflow/run", run_body(workflow_id)).await
    }

    pub(crate) async fn stream_run(&self, workflow_id: &str) -> Reply {
        self.post("/v1/workflow/stream_run", run_body(workflow_id)).await
    }

    /// The state of a chat as `/v3/chat/retrieve` tells it.
    pub(crate) async fn retrieve(&self, chat: &Value) -> Reply {
        self.get(&format!("/v3/chat/retrieve?{}", chat_query(chat))).await
    }

    pub(crate) async fn history(&self, workflow_id: &str, execute_id: &str) -> Reply {
        self.get(&format!("/v1/workflows/{workflow_id}/run_histories/{execute_id}")).await
    }
}

/// The query that names a chat, from its object.
pub(crate) fn chat_query(chat: &Value) -> String {
    let text = |key: &str| chat[key].as_str().unwrap().to_owned();
    format!("conversation_id={}&chat_id={}", text("conversation_id"), text("id"))
}

pub(crate) fn chat_body(bot_id: &str, stream: bool) -> Value {
    let message = json!({ "role": "user", "content": "Hello", "content_type": "text" });
    json!({ "bot_id": bot_id, "user_id": "u1", "stream": stream, "additional_messages": [message] })
}

pub(crate) fn run_body(workflow_id: &str) -> Value {
    json!({ "workflow_id": workflow_id, "parameters": { "input": "Hello" } })
}

/// Sends a request and reads its reply to the end, or to the break.
pub(crate) async fn read(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let (status, content_type, logid) =
        (response.status(), header("content-type"), header("x-tt-logid"));
    let mut body = response.bytes_stream();
    let mut reply = Reply { status, content_type, logid, chunks: Vec::new(), cut: false };
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => reply.chunks.push(chunk.to_vec()),
            Err(_) => reply.cut = true,
        }
    }
    reply
}

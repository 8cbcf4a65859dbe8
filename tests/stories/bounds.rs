//! What comes and goes at the edge, as large as it may be and one byte larger.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::refusals::{parts, signed};
use crate::tester::Tester;

// The edge's own, written down once more.
const DRAIN_BYTES_MAX: usize = 2 * (20 << 20);
const IDEMPOTENT_REPLY_BYTES_MAX: usize = 256 << 10;
const PULL_BYTES_MAX: usize = 8 << 20;
const REPLY_BYTES_MAX: usize = 32 << 20;

/// How much a body without end has in one chunk.
const PIECE_BYTES: usize = 1 << 16;
/// Chunks that are twice what is read on, and what both sides may have in their buffers.
const PIECES_MAX: usize = (2 * DRAIN_BYTES_MAX + (16 << 20)) / PIECE_BYTES;

/// Runs a workflow that says again what it is told: so many quotes, each of which upstream writes as many
/// bytes, and so many plain letters.
async fn run(tester: &Tester, key: Option<&str>, quotes: usize, plain: usize) -> reqwest::Response {
    let text = "\"".repeat(quotes) + &"x".repeat(plain);
    let body = json!({"workflow_id": tester.subject(1), "parameters": {"text": text}});
    let mut request = tester.ask(Method::POST, "/v1/workflow/run").json(&body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.send().await.unwrap()
}

/// How many bytes the reply has.
async fn bytes(tester: &Tester, quotes: usize, plain: usize) -> usize {
    let reply = run(tester, None, quotes, plain).await;
    assert_eq!(reply.status(), StatusCode::OK);
    reply.bytes().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_passed_on_up_to_its_bound() {
    let tester = Tester::new("large replies");
    let bare = bytes(&tester, 0, 1).await;
    let quote = bytes(&tester, 1, 1).await - bare;
    // Some room is left for numbers that get longer, and then filled to the byte.
    let quotes = (REPLY_BYTES_MAX - bare - 1_000) / quote;
    let almost = bytes(&tester, quotes, 1).await;
    let plain = REPLY_BYTES_MAX - almost + 1;
    assert_eq!(bytes(&tester, quotes, plain).await, REPLY_BYTES_MAX);
    let beyond = run(&tester, None, quotes, plain + 1).await;
    assert_eq!(beyond.status(), StatusCode::BAD_GATEWAY);
    let told: Value = beyond.json().await.unwrap();
    assert_eq!(told["error"]["code"], "upstream_unreachable", "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_kept_for_its_key_up_to_its_bound() {
    let tester = Tester::new("large replays");
    let plain = IDEMPOTENT_REPLY_BYTES_MAX - bytes(&tester, 0, 100_001).await + 100_001;
    for (key, plain, again) in [("fits", plain, 200), ("beyond", plain + 1, 409)] {
        let first = run(&tester, Some(key), 0, plain).await;
        assert_eq!(first.status(), StatusCode::OK);
        let length = first.bytes().await.unwrap().len();
        assert_eq!(length > IDEMPOTENT_REPLY_BYTES_MAX, again == 409, "{length}");
        assert_eq!(run(&tester, Some(key), 0, plain).await.status(), again, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_read_up_to_its_bound() {
    let tester = Tester::new("large pulls");
    let (_, claims, _) = parts(&tester.key);
    let in_a_minute = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    let in_a_minute = in_a_minute.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let pull = signed(&json!({"aud": "weir-edge", "jnl": claims["jnl"], "exp": in_a_minute}));
    let path = format!("/_weir/journals/{}/pull", claims["jnl"].as_str().unwrap());
    let body = json!({"v": 1, "ack": 0, "limit": 1}).to_string();
    let request = tester.ask_without_key(Method::POST, &path).bearer_auth(&pull);
    let request = request.body(body.clone() + &" ".repeat(PULL_BYTES_MAX - body.len()));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

    // The announced length is enough to be refused. The edge closes then, so nothing more is sent.
    let address = tester.edge.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = PULL_BYTES_MAX + 1;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {pull}\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, *b"HTTP/1.1 413");
}

/// A body that is too large is read on, so that whoever sends it hears why it is refused; one without end
/// is answered all the same, and its connection given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_read_up_to_a_bound() {
    let tester = Tester::new("a body without end");
    let body = vec![b' '; DRAIN_BYTES_MAX];
    let reply = tester.ask(Method::POST, "/v3/chat").body(body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let address = tester.edge.strip_prefix("http://").unwrap().to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let head = format!(
        "POST /v3/chat HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        tester.key
    );
    writing.write_all(head.as_bytes()).await.unwrap();
    let sending = tokio::spawn(async move {
        let size = format!("{PIECE_BYTES:x}\r\n");
        let piece = [size.as_bytes(), &vec![b' '; PIECE_BYTES], b"\r\n"].concat();
        // Whoever has had enough closes, or does not read on.
        for _ in 0..PIECES_MAX {
            if writing.write_all(&piece).await.is_err() {
                return;
            }
        }
        panic!("more than {} bytes were taken", PIECES_MAX * PIECE_BYTES);
    });
    let mut answer = [0; 12];
    // Whoever goes on sending may be cut off before the answer is read.
    if reading.read_exact(&mut answer).await.is_ok() {
        assert_eq!(answer, *b"HTTP/1.1 413");
    }
    // The other side closes behind its answer, or waits for us to go.
    match tokio::time::timeout(std::time::Duration::from_secs(1), sending).await {
        Ok(sent) => sent.unwrap(),
        Err(_waiting) => {}
    }
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
}

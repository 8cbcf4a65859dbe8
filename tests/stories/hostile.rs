//! Requests that are not what they should be, byte by byte: each is refused with the combined body of
//! contract §6.2, nothing goes upstream, and the ledger never hears of it.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::tester::{Tester, chat};

/// One raw request, and how it is refused.
struct Case {
    what: &'static str,
    /// The lines between the request line and the length, each with its line end.
    headers: Vec<u8>,
    path: String,
    body: String,
    status: u16,
    code: &'static str,
}

/// Sends bytes and reads one answer: status, headers in lower case, the JSON of its body. The other side
/// may keep the connection open for a body that it did not want, so the end is not waited for.
async fn send(address: &str, bytes: &[u8]) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Some(json) = json(body)
        {
            return (head.get(9..12).unwrap().parse().unwrap(), head.to_ascii_lowercase(), json);
        }
        assert_ne!(read, 0, "the answer ended early: {text}");
    }
}

fn request(case: &Case) -> Vec<u8> {
    let Case { headers, path, body, .. } = case;
    let mut bytes = format!("POST {path} HTTP/1.1\r\n").into_bytes();
    bytes.extend_from_slice(headers);
    let end = format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

/// The JSON inside a body that may have come in chunks, once all of it is there.
fn json(body: &str) -> Option<Value> {
    let (from, to) = (body.find('{')?, body.rfind('}')?);
    serde_json::from_str(body.get(from..=to)?).ok()
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn cases(tester: &Tester, host: &str, bot: &str) -> Vec<Case> {
    let good = chat(bot, true, "hello").to_string();
    let key = &tester.key;
    let case = |what, headers: &[u8], status, code| Case {
        what,
        headers: [format!("Host: {host}\r\n").as_bytes(), headers].concat(),
        path: "/v3/chat".to_owned(),
        body: good.clone(),
        status,
        code,
    };
    let authorization = |value: &str| format!("Authorization: {value}\r\n").into_bytes();
    let with_key = authorization(&format!("Bearer {key}"));
    let (head, signature) = key.rsplit_once('.').unwrap();
    let body =
        |what, body: String, code, status| Case { body, ..case(what, &with_key, status, code) };
    vec![
        case("no key", b"", 401, "key_missing"),
        case("an empty header", b"Authorization:\r\n", 401, "key_missing"),
        case("a scheme alone", &authorization("Bearer"), 401, "key_missing"),
        case("another scheme", &authorization("Basic YTpi"), 401, "key_invalid"),
        case("a key as a password", &authorization(&format!("Basic {key}")), 401, "key_invalid"),
        case("a JSON value", &authorization("Bearer {\"sub\":1}"), 401, "key_invalid"),
        case("a number", &authorization("Bearer 42"), 401, "key_invalid"),
        case(
            "a huge key",
            &authorization(&format!("Bearer {}", "a".repeat(8_000))),
            401,
            "key_invalid",
        ),
        case(
            "a huge third part",
            &authorization(&format!("Bearer {head}.{}", "A".repeat(3_500))),
            401,
            "key_invalid",
        ),
        case("two dots and nothing", &authorization("Bearer .."), 401, "key_invalid"),
        case("UTF-8", &authorization("Bearer ключ"), 401, "key_invalid"),
        case(
            "bytes that are no text",
            b"Authorization: Bearer \xff\xfe\x80\r\n",
            401,
            "key_invalid",
        ),
        case(
            "a key with a space",
            &authorization(&format!("Bearer {head} {signature}")),
            401,
            "key_invalid",
        ),
        case(
            "two keys in two headers",
            &[with_key.clone(), authorization("Bearer other")].concat(),
            401,
            "key_invalid",
        ),
        case(
            "the same key twice",
            &[with_key.clone(), with_key.clone()].concat(),
            401,
            "key_invalid",
        ),
        case(
            "two keys in one header",
            &authorization(&format!("Bearer {key}, Bearer {key}")),
            401,
            "key_invalid",
        ),
        case(
            "an idempotency key that is too long",
            &[with_key.clone(), format!("Idempotency-Key: {}\r\n", "k".repeat(300)).into()]
                .concat(),
            400,
            "idempotency_invalid",
        ),
        case(
            "an idempotency key that is no text",
            &[&with_key[..], b"Idempotency-Key: caf\xc3\xa9\r\n"].concat(),
            400,
            "idempotency_invalid",
        ),
        Case {
            headers: [b"Host: evil.example\r\n", &with_key[..]].concat(),
            ..case("another domain", b"", 421, "host_unknown")
        },
        Case {
            headers: [format!("Host: {host}.evil.example\r\n").as_bytes(), &with_key[..]].concat(),
            ..case("a domain that begins like ours", b"", 421, "host_unknown")
        },
        Case {
            path: "/v3/chat%0d%0aX-Injected:%201".to_owned(),
            ..case("a line end in the path", &with_key, 404, "route_unknown")
        },
        Case {
            path: "/_weir/journals/j0/pull".to_owned(),
            ..case("a caller who pulls", &with_key, 401, "key_invalid")
        },
        body("no body", String::new(), "body_invalid", 400),
        body("a list", "[]".to_owned(), "body_invalid", 400),
        body("a bot of the wrong type", r#"{"bot_id":{"$ne":""}}"#.to_owned(), "body_invalid", 400),
        body(
            "a bot with a line end",
            r#"{"bot_id":"1\r\nX-Injected: 1"}"#.to_owned(),
            "body_invalid",
            400,
        ),
        body("a bot in another script", r#"{"bot_id":"бот"}"#.to_owned(), "body_invalid", 400),
        body(
            "a huge bot",
            format!(r#"{{"bot_id":"{}"}}"#, "7".repeat(10_000)),
            "body_invalid",
            400,
        ),
        body(
            "deep nesting",
            format!(r#"{{"bot_id":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)),
            "body_invalid",
            400,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_request_is_refused_in_the_words_of_all_libraries() {
    let tester = Tester::new("hostile");
    let host = tester.edge.trim_start_matches("http://").to_owned();
    let bot = tester.subject(1);
    for case in cases(&tester, &host, &bot) {
        let (status, head, body) = send(&host, &request(&case)).await;
        assert_eq!(status, case.status, "{}: {body:#}", case.what);
        assert!(!head.contains("x-injected"), "{}: {head}", case.what);
        assert!(head.contains("content-type: application/json"), "{}: {head}", case.what);
        assert_eq!(body["error"]["code"], case.code, "{}: {body:#}", case.what);
        assert!(body["code"].as_i64().is_some_and(|code| code != 0), "{}: {body:#}", case.what);
        assert_eq!(body["msg"], body["error"]["message"], "{}", case.what);
        let log_id = body["detail"]["logid"].as_str().unwrap();
        assert!(head.contains(&format!("weir-call-id: {log_id}")), "{}: {head}", case.what);
        assert!(body["error"]["type"].is_string(), "{}", case.what);
    }
    assert_eq!(tester.works(&bot).await.len(), 0, "something went upstream");
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0, "a hold was left behind");
    tester.calls(0).await;
    let open = tester.origin("/api/v1/calls/open").await;
    assert_eq!(open["calls"].as_array().unwrap().len(), 0);
    // After all of that, the same key is as good as before.
    assert_eq!(tester.call("/v3/chat", &chat(&bot, false, "hello")).await.status(), 200);
    tester.calls(1).await;
}

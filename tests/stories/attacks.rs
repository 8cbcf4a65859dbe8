//! Connections that mean harm: requests hidden in requests, names of other hosts, bytes that never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::tester::{Tester, chat};

/// How many connections dawdle at the same time.
const DAWDLERS: usize = 200;
/// How long one answer is waited for where the other side may give none.
const ANSWER_MAX: Duration = Duration::from_secs(5);

fn host(tester: &Tester) -> String {
    tester.edge.trim_start_matches("http://").to_owned()
}

/// Sends bytes, and reads what comes until the other side has had enough or nothing comes any more.
async fn exchange(tester: &Tester, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host(tester)).await.unwrap();
    // It may close before it was told everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(ANSWER_MAX, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request as bytes, its headers as they are given.
fn request(tester: &Tester, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let (host, key) = (host(tester), &tester.key);
    let start = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n");
    format!("{start}{headers}\r\n{body}").into_bytes()
}

/// A request that two parsers could cut in two ways hides another one, for a bot that nothing else
/// calls. However it is read, what is hidden never reaches upstream, and what does is on the bill.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_hidden_in_another_never_goes_up() {
    let tester = Tester::new("smuggling");
    let (bot, hidden) = (tester.subject(1), tester.subject(2));
    let before = tester.requests_upstream().await;
    let good = chat(&bot, false, "hello").to_string();
    let inner_body = chat(&hidden, false, "boo").to_string();
    let inner_headers = format!("X-Hidden: 1\r\nContent-Length: {}\r\n", inner_body.len());
    // It has no key: whoever takes it for a request of its own is not the edge, which would refuse it.
    let inner = format!(
        "POST /v3/chat HTTP/1.1\r\nHost: {}\r\n{inner_headers}\r\n{inner_body}",
        host(&tester)
    );
    let whole = good.len() + inner.len();
    let chunked = format!("{:x}\r\n{good}\r\n0\r\n\r\n", good.len());
    for (headers, body) in [
        // A length and chunks (RFC 9112 §6.3): the length covers the hidden request.
        (
            format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
                chunked.len() + inner.len()
            ),
            format!("{chunked}{inner}"),
        ),
        (
            format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", good.len()),
            format!("{good}{inner}"),
        ),
        // Two lengths, and one that is a list.
        (
            format!("Content-Length: {}\r\nContent-Length: {whole}\r\n", good.len()),
            format!("{good}{inner}"),
        ),
        (format!("Content-Length: {}, {whole}\r\n", good.len()), format!("{good}{inner}")),
        // Encodings that only one of two parsers knows.
        ("Transfer-Encoding: xchunked\r\n".to_owned(), format!("{chunked}{inner}")),
        ("Transfer-Encoding : chunked\r\n".to_owned(), format!("{chunked}{inner}")),
        ("Transfer-Encoding:\x0bchunked\r\n".to_owned(), format!("{chunked}{inner}")),
        // A header folded over two lines, and a line feed alone.
        (
            format!("X-A: 1\r\n Content-Length: {whole}\r\nContent-Length: {}\r\n", good.len()),
            format!("{good}{inner}"),
        ),
        (format!("X-A: 1\nContent-Length: {}\r\n", good.len()), format!("{good}{inner}")),
    ] {
        exchange(&tester, &request(&tester, "/v3/chat", &headers, &body)).await;
        assert_eq!(tester.works(&hidden).await.len(), 0, "{headers:?}");
    }
    let seen = tester.requests_after(before).await;
    assert!(!seen.iter().any(|request| request["headers"]["x-hidden"].is_string()), "{seen:#?}");
    let works = tester.works(&bot).await.len();
    let calls = tester.calls(works).await;
    assert!(calls.iter().all(|call| call["subject"] == bot), "{calls:#?}");
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
}

/// Whatever names a host, in the request line, in a header or in a field, nobody is called but upstream.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_another_host_leads_there() {
    let tester = Tester::new("other hosts");
    let bot = tester.subject(1);
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = trap.local_addr().unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let watching = {
        let visits = Arc::clone(&visits);
        tokio::spawn(async move {
            while trap.accept().await.is_ok() {
                visits.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let url = format!("http://{there}/v3/chat");
    for header in [
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Forwarded-Proto",
        "X-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "Forwarded",
        "Referer",
        "Origin",
        "Location",
        "Destination",
        "Proxy",
        "X-Upstream-Url",
        "X-Coze-Base-Url",
    ] {
        let request = tester.ask(Method::POST, "/v3/chat").header(header, &url);
        let reply = request.json(&chat(&bot, false, "hello")).send().await.unwrap();
        assert!(reply.status() == 200 || reply.status() == 403, "{header}: {}", reply.status());
    }
    for field in ["url", "base_url", "upstream", "host", "webhook", "callback_url", "redirect_uri"]
    {
        let mut body = chat(&bot, false, "hello");
        body[field] = json!(url);
        body["extra_params"] = json!({ field: url });
        assert_eq!(tester.call("/v3/chat", &body).await.status(), 200, "{field}");
    }
    let target = format!("http://{there}/v3/chat");
    let body = chat(&bot, false, "hello").to_string();
    for path in [
        target.as_str(),
        "//127.0.0.1/v3/chat",
        "/v3/chat@127.0.0.1",
        "/\\127.0.0.1/v3/chat",
        "/v1/conversations/..%2f..%2f..%2fhttp:%2f%2f127.0.0.1",
        "/v1/bots/http:%2f%2f127.0.0.1%2f",
    ] {
        let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        let answer = exchange(&tester, &request(&tester, path, &length, &body)).await;
        let is_refused = answer.starts_with("HTTP/1.1 4");
        // An absolute form names our host or another; the path is all that is looked at then.
        assert!(is_refused || path == target, "{path}: {answer}");
    }
    assert_eq!(visits.load(Ordering::Relaxed), 0, "somebody was called");
    watching.abort();
    tester.calls(tester.works(&bot).await.len()).await;
}

/// Two hundred connections send their requests a byte at a time or stop half-way. Others are served
/// meanwhile, nothing is held for those who dawdle, and nothing of theirs goes upstream.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_dawdle_hold_up_nobody_and_hold_nothing() {
    let tester = Tester::new("slow");
    let (bot, slow) = (tester.subject(1), tester.subject(2));
    let body = chat(&slow, false, "hello").to_string();
    let length = format!("Content-Length: {}\r\n", body.len());
    let whole = request(&tester, "/v3/chat", &length, &body);
    let mut dawdlers = Vec::new();
    for dawdler in 0..DAWDLERS {
        let mut stream = TcpStream::connect(host(&tester)).await.unwrap();
        // Some stop in the head, some in the body, some before the last byte.
        let sent = match dawdler % 3 {
            0 => 20 + dawdler % 60,
            1 => whole.len() - body.len() + dawdler % body.len(),
            _ => whole.len() - 1,
        };
        stream.write_all(&whole[..sent]).await.unwrap();
        dawdlers.push(stream);
    }
    for _ in 0..20 {
        let reply = tester.call("/v3/chat", &chat(&bot, false, "hello")).await;
        assert_eq!(reply.status(), 200);
        for dawdler in dawdlers.iter_mut().step_by(3) {
            // One more byte of the head: it may have been told to go.
            let _ = dawdler.write_all(b"x").await;
        }
    }
    tester.calls(20).await;
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
    assert_eq!(tester.works(&slow).await.len(), 0);
    drop(dawdlers);
    assert_eq!(tester.works(&slow).await.len(), 0, "half a request went up");
    tester.calls(20).await;
}

/// Keys that are wrong in different ways cost the same kind of answer: what differs is a code and a
/// sentence, never a header or a field more, so that nothing about keys of others can be read from it.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_keys_look_alike() {
    let tester = Tester::new("alike");
    let body = chat(&tester.subject(1), false, "hello");
    let (head, _) = tester.key.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));
    let mut shapes = Vec::new();
    for key in ["sk-unknown", "a.b.c", forged.as_str()] {
        let request = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(key);
        let reply = request.json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 401);
        let mut headers: Vec<String> =
            reply.headers().keys().map(|name| name.as_str().to_owned()).collect();
        headers.sort();
        let said: Value = reply.json().await.unwrap();
        let fields: Vec<String> = said.as_object().unwrap().keys().cloned().collect();
        shapes.push((headers, fields, said["code"].clone(), said["error"]["code"].clone()));
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:#?}");
}

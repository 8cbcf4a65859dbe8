//! No secret is written anywhere: every log line, every answer, every row of Postgres and of the
//! journals is searched for each secret that was used.
//!
//! What is searched is bytes: the files of both databases as they lie on the disk, their write-ahead
//! logs included, so that also what was deleted again is found.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use xtask::stack::{Plan, Stack};

use crate::rsa_pair::RsaPair;
use crate::tester::{Tester, chat, until};

/// A secret, by what it is called.
type Secret = (&'static str, String);

/// All files in a folder and the folders in it.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The secrets that a file holds.
fn held<'a>(file: &Path, secrets: &'a [Secret]) -> Vec<&'a str> {
    let bytes = fs::read(file).unwrap();
    let holds =
        |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    secrets.iter().filter(|(_, secret)| holds(secret)).map(|(name, _)| *name).collect()
}

/// Everything that an answer says.
async fn said(reply: Response) -> String {
    let headers = format!("{:?}", reply.headers());
    headers + &reply.text().await.unwrap()
}

/// What a Dify app's key holds behind its kind. The stand-in takes it for the app's name.
const DIFY_KEY: &str = "q8Zt3nVx7LbD2mWk";

/// Asks for all sorts of things, good and bad, and gives back everything that was answered.
async fn ask_around(tester: &Tester, stack: &mut Stack) -> Vec<String> {
    let (bot, failing) = (tester.subject(1), tester.subject(2));
    let refuse = json!({"refuse": {"http_status": 401, "code": 4100, "msg": "token is invalid"}});
    tester.behave(&failing, refuse).await;
    let mut answers = Vec::new();
    for body in
        [chat(&bot, true, "hi"), chat(&bot, false, "hi"), chat(&failing, true, "hi"), json!({})]
    {
        answers.push(said(tester.call("/v3/chat", &body).await).await);
    }
    let dify = json!({"query": "hi", "inputs": {}, "user": "u1", "response_mode": "streaming"});
    for (path, body) in [
        ("/dify/v1/chat-messages", &dify),
        ("/dify/none/v1/chat-messages", &dify),
        ("/dify/v1/chat-messages", &json!({})),
    ] {
        answers.push(said(tester.call(path, body).await).await);
    }
    let path = "/dify/v1/conversations?user=u1";
    answers.push(said(tester.ask(Method::GET, path).send().await.unwrap()).await);
    for key in
        [format!("{}x", tester.key), tester.key.replace('.', ""), format!("sk-{}", tester.key)]
    {
        let request = tester.ask_without_key(Method::POST, "/v3/chat").bearer_auth(key);
        answers.push(said(request.json(&chat(&bot, true, "hi")).send().await.unwrap()).await);
    }
    for path in ["/v1/users/me", "/api/v1/token-usage/balance", "/health", "/nowhere"] {
        answers.push(said(tester.ask(Method::GET, path).send().await.unwrap()).await);
    }
    let query = format!("/v1/chat?bot_id={bot}&authorization=Bearer%20{}", tester.key);
    answers.push(said(tester.ask_without_key(Method::GET, &query).send().await.unwrap()).await);
    let (user, password) = stack.admin();
    for path in
        ["/health", "/metrics", "/openapi.json", "/api/v1/calls", "/api/v1/accounts", "/nowhere"]
    {
        let url = format!("{}{path}", tester.origin);
        let http = Client::new();
        answers.push(
            said(http.get(&url).basic_auth(user, Some(password)).send().await.unwrap()).await,
        );
        let wrong = format!("{password}x");
        answers
            .push(said(http.get(&url).basic_auth(user, Some(wrong)).send().await.unwrap()).await);
        answers.push(said(http.get(&url).bearer_auth(&tester.key).send().await.unwrap()).await);
    }
    for arguments in
        [&["key", "list"][..], &["account", "list"], &["reconcile"], &["serve", "--help"]]
    {
        answers.push(stack.weir(arguments).unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_line_answer_or_row() {
    let app = RsaPair::draw();
    let mut plan = Plan::for_test().unwrap();
    plan.secrets.insert("COZE_API_TOKEN", xtask::stack::STAND_IN_TOKEN.to_owned());
    plan.secrets.insert("DIFY_APPS", json!({"help": format!("app-{DIFY_KEY}")}).to_string());
    let named = json!({"app": {"client_id": "app-1", "kid": "kid-1", "private_key": app.pkcs8}});
    plan.secrets.insert("COZE_CREDENTIALS", named.to_string());
    let mut stack = Stack::start(plan).unwrap();
    let tester = Tester::on(&stack, "secrets");
    let mut secrets: Vec<Secret> = vec![
        ("the upstream token", xtask::stack::STAND_IN_TOKEN.to_owned()),
        ("the administrator's password", stack.admin().1.to_owned()),
        ("the key's signature", tester.key.rsplit('.').next().unwrap().to_owned()),
        ("the key of a Dify app", DIFY_KEY.to_owned()),
        ("the app's private key", app.pkcs8.lines().nth(2).unwrap().to_owned()),
    ];
    for (name, file) in [
        ("the origin's signing key", "signing-key.json"),
        ("the edge's signing key", "edge-signing-key.json"),
    ] {
        let pair: Value =
            serde_json::from_slice(&fs::read(stack.folder().join(file)).unwrap()).unwrap();
        secrets.push((name, pair["d"].as_str().unwrap().to_owned()));
        assert_eq!(
            held(&stack.folder().join(file), &secrets),
            [name],
            "the search finds what is there"
        );
    }

    let mut answers = ask_around(&tester, &mut stack).await;
    // A signing key that cannot be read is not repeated to whoever mistyped it.
    let mistyped = fs::read_to_string(stack.folder().join("signing-key.json")).unwrap() + "}";
    let issue = ["key", "issue", &tester.account, "--name", "k", "--signing-key", &mistyped];
    answers.push(format!("{:#}", stack.weir(&issue).unwrap_err()));
    // Keys that are rotated and revoked leave no more behind than others.
    let issued = stack.issue_key(&tester.account, "second").unwrap();
    let rotate = ["--json", "key", "rotate", &issued.key_id, "--overlap", "0"];
    let rotated: xtask::stack::Key = serde_json::from_str(&stack.weir(&rotate).unwrap()).unwrap();
    stack.weir(&["key", "revoke", &rotated.key_id, "--wait", "30"]).unwrap();
    for (name, key) in [("a replaced key", issued.key), ("a revoked key", rotated.key)] {
        secrets.push((name, key.rsplit('.').next().unwrap().to_owned()));
        let request = tester.ask_without_key(Method::GET, "/v1/users/me").bearer_auth(&key);
        answers.push(said(request.send().await.unwrap()).await);
    }
    // Nothing answers: upstream, then the edge.
    let bot = tester.subject(3);
    stack.upstream.as_mut().unwrap().kill().unwrap();
    answers.push(said(tester.call("/v3/chat", &chat(&bot, true, "hi")).await).await);
    stack.edge.kill().unwrap();
    until("the origin to miss the edge", async || {
        let health = tester.origin_as_admin("/health").await;
        let journals = health["journals"].as_array().unwrap().clone();
        journals.iter().any(|journal| journal["last_error"].is_string()).then_some(())
    })
    .await;
    stack.stop().unwrap();

    let mut searched = Vec::new();
    // What the stand-in writes is upstream's own.
    let database = stack.postgres.as_ref().unwrap().data().to_owned();
    for folder in [stack.folder().join("log"), stack.folder().join("journals"), database] {
        files(&folder, &mut searched);
    }
    searched.retain(|file| !file.ends_with("upstream.log"));
    assert!(searched.iter().any(|file| file.ends_with("edge.log")), "{searched:#?}");
    let has = |end: &str| searched.iter().any(|file| file.to_string_lossy().ends_with(end));
    assert!(has(".sqlite") && has("PG_VERSION"), "{searched:#?}");
    let found: Vec<_> = searched
        .iter()
        .map(|file| (file, held(file, &secrets)))
        .filter(|(_, held)| !held.is_empty())
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    for answer in &answers {
        for (name, secret) in &secrets {
            assert!(!answer.contains(secret.as_str()), "{name} is in {answer}");
        }
    }
    println!(
        "{} files and {} answers hold none of {} secrets",
        searched.len(),
        answers.len(),
        secrets.len()
    );
}

//! The stand-in as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::bench::{chat_body, run_body};

/// A process that is ended with the test, however the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stand-in"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    (Process(child), line["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn it_prints_its_address_takes_its_options_and_ends_at_sigterm_even_while_it_holds() {
    let (mut process, url) = start(&["--token", "pat_mine", "--first-id", "9000000000000000001"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let run = client.post(format!("{url}/v1/workflow/run")).json(&run_body("wf"));
    let run: Value = run.bearer_auth("pat_mine").send().await.unwrap().json().await.unwrap();
    assert!(run["debug_url"].as_str().unwrap().contains("execute_id=9000000000000000001"));

    let hold = json!({ "pace": { "hold_after_events": [1] } });
    let told = client.put(format!("{url}/_standin/subjects/bot")).json(&hold).send().await;
    assert_eq!(told.unwrap().status(), 204);
    let chat = client.post(format!("{url}/v3/chat")).json(&chat_body("bot", true));
    let mut body = chat.bearer_auth("pat_mine").send().await.unwrap().bytes_stream();
    assert!(body.next().await.unwrap().is_ok());

    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = tokio::task::spawn_blocking(move || process.0.wait().unwrap()).await.unwrap();
    assert!(status.success());
    assert!(body.next().await.is_none_or(|chunk| chunk.is_err()), "the held stream is cut");
}

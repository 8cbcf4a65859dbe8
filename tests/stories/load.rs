//! Many mixed calls: callers who leave, and bots and workflows that misbehave.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::tester::{Tester, chat};

/// How many callers make calls at the same time.
const CALLERS: u64 = 12;

/// Who is called, and how often.
pub(crate) struct Load {
    pub(crate) tester: Arc<Tester>,
    pub(crate) subjects: Arc<Vec<String>>,
    /// The longest pause of a caller between two calls, in milliseconds.
    pub(crate) pause_ms_max: u64,
}

/// What the subjects do.
fn behaviours() -> Vec<Value> {
    vec![
        json!({}),
        json!({"pace": {"delay_ms": 3}}),
        json!({"pace": {"cut_after_bytes": 900}}),
        json!({"outcome": {"fail": {"code": 4028}}}),
        json!({"outcome": {"error": {"after_events": 2}}}),
        json!({"refuse": {"http_status": 200, "code": 4200}}),
        json!({"refuse": {"http_status": 500, "body": "html"}}),
        // Nobody polls a chat whose edge died before its id was noted, and it ends all the same.
        json!({"polls": {"before_done": 2, "done_after_ms": 5_000}}),
        json!({"stream": {"chunk_bytes": 7, "ping": "braces"}}),
        json!({"usage": {"form": "strings"}}),
    ]
}

impl Load {
    /// A load on subjects of this tester's own.
    pub(crate) async fn new(tester: Tester, pause_ms_max: u64) -> Self {
        let subjects = (0..).zip(behaviours()).map(|(number, _)| tester.subject(number)).collect();
        let (tester, subjects) = (Arc::new(tester), Arc::new(subjects));
        let load = Self { tester, subjects, pause_ms_max };
        load.teach().await;
        load
    }

    /// Tells upstream how the subjects behave; again after it has forgotten.
    pub(crate) async fn teach(&self) {
        for (subject, behaviour) in self.subjects.iter().zip(behaviours()) {
            self.tester.behave(subject, behaviour).await;
        }
    }

    /// Makes calls as long as there is another one to make. What becomes of each is fine.
    pub(crate) async fn run(&self, another: impl Fn() -> bool + Clone + Send + 'static) {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (tester, subjects) = (Arc::clone(&self.tester), Arc::clone(&self.subjects));
                let (another, pause_ms_max) = (another.clone(), self.pause_ms_max);
                tokio::spawn(async move {
                    let mut draw = fastrand::Rng::with_seed(caller + 7);
                    while another() {
                        one_call(&tester, &subjects, &mut draw).await;
                        let pause = Duration::from_millis(draw.u64(..pause_ms_max));
                        tokio::time::sleep(pause).await;
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }
}

/// One call, of a kind and with a patience drawn from the seed.
async fn one_call(tester: &Tester, subjects: &[String], draw: &mut fastrand::Rng) {
    let subject = &subjects[draw.usize(..subjects.len())];
    let workflow = json!({"workflow_id": subject, "parameters": {"n": draw.u32(..1_000)}});
    let text = "x".repeat(draw.usize(1..40));
    let (path, body) = match draw.u8(..5) {
        0 => ("/v3/chat", chat(subject, true, &text)),
        1 => ("/v3/chat", chat(subject, false, &text)),
        2 => ("/v1/workflow/run", workflow),
        3 => ("/v1/workflow/stream_run", workflow),
        _ => {
            let mut body = workflow;
            body["is_async"] = json!(true);
            ("/v1/workflow/run", body)
        }
    };
    let patience = if draw.u8(..4) == 0 { draw.usize(1..1_500) } else { usize::MAX };
    let request = tester.ask(Method::POST, path).json(&body).timeout(CALLER_WAITS_MAX);
    let Ok(mut reply) = request.send().await else { return };
    let mut seen = 0;
    while let Ok(Some(chunk)) = reply.chunk().await {
        seen += chunk.len();
        if seen >= patience {
            return;
        }
    }
}

/// How long a caller waits for a reply to end.
const CALLER_WAITS_MAX: Duration = Duration::from_secs(20);

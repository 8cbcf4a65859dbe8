//! How a workflow stands that goes on by itself: the page that a task's caller reads.

use serde::{Deserialize, Serialize};

use crate::door::Reply;
use crate::door::problem::Problem;
use crate::usage::{Stage, coze_workflow};

use super::json;
use super::voice::Tokens;

#[derive(Serialize)]
struct Execution<'a> {
    id: &'a str,
    object: &'static str,
    status: &'static str,
    workflow_id: &'a str,
    execute_id: &'a str,
    output: Option<&'a str>,
    error: Option<Failure<'a>>,
    usage: Option<Tokens>,
    created_at: Option<u64>,
    updated_at: Option<u64>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: String,
    message: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct History {
    data: Option<Vec<Record>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    output: Option<String>,
    error_message: Option<String>,
    error_msg: Option<String>,
    create_time: Option<u64>,
    update_time: Option<u64>,
}

/// The page, out of upstream's run history.
pub fn execution(task: &str, workflow: &str, execute: &str, status: u16, body: &[u8]) -> Reply {
    let observed = coze_workflow::read_history(body);
    let failed_run = observed.stage == Stage::Failed;
    if !failed_run && let Some(problem) = Problem::of_reply(status, body, &observed) {
        return super::problem(&problem);
    }
    let history: History = serde_json::from_slice(body).unwrap_or_default();
    let Some(record) = history.data.unwrap_or_default().into_iter().next() else {
        // A failure without a record is the question's and not the run's.
        let problem = Problem::of_reply(status, body, &observed).unwrap_or_else(Problem::cut);
        return super::problem(&problem);
    };
    let message = record.error_message.as_deref().or(record.error_msg.as_deref());
    let failure = failed_run.then(|| {
        let code = observed.code.map_or_else(|| "failed".to_owned(), |code| code.to_string());
        Failure { code: format!("upstream_{code}"), message: message.unwrap_or_default() }
    });
    let body = json(&Execution {
        id: task,
        object: "workflow.execution",
        status: match observed.stage {
            Stage::Completed => "succeeded",
            Stage::Failed => "failed",
            Stage::Interrupted => "interrupted",
            _ => "running",
        },
        workflow_id: workflow,
        execute_id: execute,
        output: record.output.as_deref().filter(|output| !output.is_empty()),
        error: failure,
        usage: observed.usage.map(Tokens::from),
        created_at: record.create_time,
        updated_at: record.update_time,
    });
    Reply { status: 200, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: &str) {
        let reply = execution("c1", "7480", "7502", status, body.as_bytes());
        assert!(reply.body.contains(want), "{} lacks {want}", reply.body);
        assert_eq!(reply.status == 200, reply.body.contains("workflow.execution"), "{body}");
    }

    #[test]
    fn each_state_of_a_run_has_its_word() {
        check(200, r#"{"code":0,"data":[{"execute_status":"Running"}]}"#, r#""status":"running""#);
        let done = r#"{"code":0,"data":[{"execute_status":"Success","output":"o","usage":{"input_count":1,"output_count":2,"token_count":3}}]}"#;
        check(200, done, r#""status":"succeeded""#);
        check(
            200,
            done,
            r#""output":"o","error":null,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#,
        );
        let failed = r#"{"code":0,"data":[{"execute_status":"Fail","error_code":"4000","error_message":"bad"}]}"#;
        check(200, failed, r#""status":"failed""#);
        check(200, failed, r#""error":{"code":"upstream_4000","message":"bad"}"#);
    }

    #[test]
    fn a_question_that_failed_says_nothing_of_the_run() {
        check(200, r#"{"code":4314,"msg":"not found"}"#, "upstream_4314");
        check(500, "", "upstream_http_500");
        check(200, r#"{"code":0,"data":[]}"#, "upstream_failed");
    }
}

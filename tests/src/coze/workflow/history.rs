//! GET run histories: how an execution stands and what it used. Nothing here starts work.

use axum::extract::{Path, State};
use axum::response::Response;

use crate::behaviour::{Outcome, UsageForm};
use crate::coze::chat::object::error;
use crate::coze::deviation;
use crate::coze::envelope::{detail, json, success};
use crate::coze::fault::{Fault, Refused};
use crate::coze::usage::{Order, told, untold};
use crate::coze::workflow::told::{debug_url, interrupt_data, run_data};
use crate::visit::Visit;
use crate::wire::node::{Node, object};
use crate::world::chats::Session;
use crate::world::executions::Execution;
use crate::world::subjects::Refusable;
use crate::world::works::{Counts, Status, Work};
use crate::world::{Upstream, World};

/// An execution is updated last this many seconds after its start.
const UPDATED_AFTER_SECONDS: i64 = 3;

pub(crate) async fn history(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path((workflow_id, execute_id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(&workflow_id, Refusable::Poll) {
            return Err(Refused::ordered(&refusal, &visit.logid));
        }
        let execution = find(world, &workflow_id, &execute_id, &visit.session).map_err(refused)?;
        let work = world.poll(execution.work).ok_or_else(|| refused(Fault::UNKNOWN_EXECUTION))?;
        let record = record(&execution, &work, &visit.logid);
        let body = object! {
            "code": 0_i64, "msg": "", "detail": detail(&visit.logid),
            "data": Node::List(vec![record]),
        };
        Ok(json(deviation::reply(&execution.behaviour, body).to_string()))
    })
}

/// The output of one node.
pub(crate) async fn node(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path((workflow_id, execute_id, _)): Path<(String, String, String)>,
) -> Result<Response, Refused> {
    upstream
        .read(|world| {
            let execution = find(world, &workflow_id, &execute_id, &visit.session)?;
            let data = object! { "is_finish": true, "node_output": run_data(&execution) };
            Ok(json(success(data, &visit.logid).to_string()))
        })
        .map_err(|fault| Refused::new(fault, &visit.logid))
}

fn find(
    world: &World,
    workflow_id: &str,
    execute_id: &str,
    session: &Session,
) -> Result<Execution, Fault> {
    world
        .executions
        .get(execute_id, session)
        .filter(|execution| execution.workflow_id == workflow_id)
        .filter(|execution| !execution.behaviour.polls.history_forgotten)
        .cloned()
        .ok_or(Fault::UNKNOWN_EXECUTION)
}

fn record(execution: &Execution, work: &Work, logid: &str) -> Node {
    let status = match work.status {
        Status::Running | Status::Interrupted | Status::RequiresAction => "Running",
        Status::Completed | Status::Canceled => "Success",
        Status::Failed => "Fail",
    };
    let output = match status {
        "Success" => object! { "Output": run_data(execution) }.to_string(),
        _ => String::new(),
    };
    let (error_code, error_message) = match status {
        "Fail" => {
            let (code, msg) = error(&execution.behaviour.outcome);
            (code.to_string(), msg)
        }
        _ => (String::new(), String::new()),
    };
    let interrupt = match (&execution.behaviour.outcome, work.status) {
        (Outcome::Interrupt(interruption), Status::Interrupted) => {
            Some(interrupt_data(execution, interruption))
        }
        _ => None,
    };
    object! {
        "execute_id": &execution.id, "execute_status": status, "bot_id": "0",
        "connector_id": "1024", "connector_uid": "223000000000",
        "run_mode": execution.run_mode.number(), "logid": logid,
        "create_time": execution.created_at,
        "update_time": execution.created_at.saturating_add(UPDATED_AFTER_SECONDS),
        "output": output,
    }
    .joined(usage(execution.behaviour.usage.form, work))
    .joined(object! {
        "error_code": error_code, "error_message": error_message,
        "debug_url": debug_url(execution), "is_output_trimmed": false,
        "node_execute_status": object! {},
    })
    .and("interrupt_data", interrupt)
}

/// The legacy `token` is a string here, beside the usage object.
fn usage(form: UsageForm, work: &Work) -> Node {
    let counts =
        Counts { input: work.input_count, output: work.output_count, token: work.token_count };
    let token = match form {
        UsageForm::Absent | UsageForm::Zero => "0".to_owned(),
        _ => counts.token.to_string(),
    };
    let usage = match form {
        UsageForm::Token => object! {},
        form if work.billable => told(form, Order::Workflow, counts),
        form => untold(form, Order::Workflow),
    };
    object! { "token": token, "cost": "0.00000" }.joined(usage)
}

//! What a door has to find again: which run a task is.
//!
//! The account's journal keeps it, so that it outlives isolates, and nobody else's account finds it.

use meter::ids::{AccountId, CallId, UpstreamId};
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::usage::WorkIds;
use meter::wire::command::{CommandDoc, ReplyDoc};

use crate::journal::Handle;
use crate::log;
use crate::reply::Failure;

/// How often keeping is tried before it is given up.
const TRIES_MAX: u32 = 3;

/// What is to be kept once upstream has named it.
pub(crate) struct Memo {
    account: AccountId,
    name: String,
    kind: Kind,
}

enum Kind {
    /// The run behind a task.
    Task { workflow: UpstreamId },
}

/// The run behind a task.
pub(super) struct Task {
    pub(super) workflow: UpstreamId,
    pub(super) execution: UpstreamId,
}

impl Memo {
    /// Which run the task of this call is.
    pub(super) fn task(account: &AccountId, call: &CallId, workflow: UpstreamId) -> Self {
        Self { account: account.clone(), name: task_name(call), kind: Kind::Task { workflow } }
    }

    /// Keeps what upstream has named. Where it named nothing there is nothing to keep.
    ///
    /// A task that could not be kept cannot be read again, so its caller has to know: sending the
    /// request once more would start a second run.
    pub(crate) async fn keep(&self, journal: &Handle, ids: &WorkIds) -> Result<(), Failure> {
        let value = match &self.kind {
            Kind::Task { workflow } => {
                ids.execution.as_ref().map(|execution| format!("{workflow} {execution}"))
            }
        };
        let Some(value) = value else { return Ok(()) };
        let (account, name) = (self.account.to_string(), self.name.clone());
        let command = CommandDoc::KeepMemo { account, name, value: Some(value) };
        for _ in 0..TRIES_MAX {
            if matches!(journal.command(&command).await, Ok(ReplyDoc::Ok { .. })) {
                return Ok(());
            }
        }
        log::error("memo_lost", None, &self.name);
        Err(Reason::Internal.into())
    }
}

/// The run behind a task, when this account made it.
pub(super) async fn recall_task(
    journal: &Handle,
    caller: &Caller,
    task: &CallId,
) -> Result<Task, Failure> {
    let value = recall(journal, caller, task_name(task)).await?.ok_or(Reason::WorkUnknown)?;
    let (workflow, execution) = value.split_once(' ').ok_or(Reason::Internal)?;
    Ok(Task {
        workflow: workflow.parse().map_err(|_| Reason::Internal)?,
        execution: execution.parse().map_err(|_| Reason::Internal)?,
    })
}

async fn recall(
    journal: &Handle,
    caller: &Caller,
    name: String,
) -> Result<Option<String>, Failure> {
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    match journal.command(&CommandDoc::RecallMemo { account, key, name }).await? {
        ReplyDoc::Memo { value, .. } => Ok(Some(value)),
        ReplyDoc::Unknown => Ok(None),
        ReplyDoc::Refused(refusal) => Err(Refusal::from(refusal).into()),
        _ => Err(Reason::Internal.into()),
    }
}

fn task_name(call: &CallId) -> String {
    format!("task/{call}")
}

//! What a door has to find again: which run a task is, which conversation a person is in.
//!
//! The account's journal keeps it, so that it outlives isolates, and nobody else's account finds it.

use std::cell::Cell;

use meter::ids::{AccountId, CallId, UpstreamId};
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::time::UnixMs;
use meter::usage::WorkIds;
use meter::wire::command::{CommandDoc, ReplyDoc};

use crate::journal::Handle;
use crate::reply::Failure;
use crate::{log, platform, tries};

/// How often keeping is tried before it is given up.
pub(crate) const TRIES_MAX: u32 = 3;
/// How old a memo gets before it is written again, so that it outlives its conversation: a day.
const REFRESH_MS: u64 = 24 * 60 * 60 * 1_000;

/// What is to be kept once upstream has named it.
pub(crate) struct Memo {
    account: AccountId,
    name: String,
    kind: Kind,
    /// Both halves of a stream keep what they hear of first.
    is_kept: Cell<bool>,
}

enum Kind {
    /// The run behind a task.
    Task { workflow: UpstreamId },
    /// The conversation that a person is in, and what is known of it.
    Conversation { known: Option<Known> },
}

/// The run behind a task.
pub(super) struct Task {
    pub(super) workflow: UpstreamId,
    pub(super) execution: UpstreamId,
}

/// The conversation that a person is in.
pub(super) struct Known {
    pub(super) conversation: UpstreamId,
    kept_at: UnixMs,
}

impl Memo {
    /// Which run the task of this call is.
    pub(super) fn task(account: &AccountId, call: &CallId, workflow: UpstreamId) -> Self {
        Self::new(account, task_name(call), Kind::Task { workflow })
    }

    /// Which conversation a person is in, after the one that is known.
    pub(super) fn conversation(account: &AccountId, name: String, known: Option<Known>) -> Self {
        Self::new(account, name, Kind::Conversation { known })
    }

    fn new(account: &AccountId, name: String, kind: Kind) -> Self {
        Self { account: account.clone(), name, kind, is_kept: Cell::new(false) }
    }

    /// Keeps what upstream has named. Where it named nothing there is nothing to keep.
    ///
    /// A task that could not be kept cannot be read again, so its caller has to know: sending the
    /// request once more would start a second run. A conversation that could not be kept is begun anew by
    /// the next message, which is no reason to take back an answer.
    pub(crate) async fn keep(&self, journal: &Handle, ids: &WorkIds) -> Result<(), Failure> {
        if self.is_kept.get() {
            return Ok(());
        }
        let value = match &self.kind {
            Kind::Task { workflow } => {
                ids.execution.as_ref().map(|execution| format!("{workflow} {execution}"))
            }
            Kind::Conversation { known } => {
                let is_known =
                    |now: &&UpstreamId| known.as_ref().is_some_and(|k| k.still_says(now));
                ids.conversation.as_ref().filter(|now| !is_known(now)).map(ToString::to_string)
            }
        };
        let Some(value) = value else { return Ok(()) };
        let (account, name) = (self.account.to_string(), self.name.clone());
        let command = CommandDoc::KeepMemo { account, name, value: Some(value) };
        let kept = tries::up_to(TRIES_MAX, async |_| {
            matches!(journal.command(&command).await, Ok(ReplyDoc::Ok { .. })).then_some(())
        });
        if kept.await.is_some() {
            self.is_kept.set(true);
            return Ok(());
        }
        log::error("memo_lost", None, &self.name);
        match self.kind {
            Kind::Task { .. } => Err(Reason::Internal.into()),
            Kind::Conversation { .. } => Ok(()),
        }
    }
}

impl Known {
    /// Whether this conversation was kept, and not so long ago that it has to be kept again.
    fn still_says(&self, conversation: &UpstreamId) -> bool {
        self.conversation == *conversation && platform::now().since(self.kept_at) < REFRESH_MS
    }
}

/// The conversation that a person of this account's is in.
pub(super) async fn recall_conversation(
    journal: &Handle,
    caller: &Caller,
    name: &str,
) -> Result<Option<Known>, Failure> {
    let Some((value, kept_at)) = recall(journal, caller, name.to_owned()).await? else {
        return Ok(None);
    };
    let conversation = value.parse().map_err(|_| Reason::Internal)?;
    Ok(Some(Known { conversation, kept_at }))
}

/// The run behind a task, when this account made it.
pub(super) async fn recall_task(
    journal: &Handle,
    caller: &Caller,
    task: &CallId,
) -> Result<Task, Failure> {
    let recalled = recall(journal, caller, task_name(task)).await?;
    let (value, _) = recalled.ok_or(Reason::WorkUnknown)?;
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
) -> Result<Option<(String, UnixMs)>, Failure> {
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    match journal.command(&CommandDoc::RecallMemo { account, key, name }).await? {
        ReplyDoc::Memo { value, kept_at_ms } => Ok(Some((value, UnixMs::new(kept_at_ms)))),
        ReplyDoc::Unknown => Ok(None),
        ReplyDoc::Refused(refusal) => Err(Refusal::from(refusal).into()),
        _ => Err(Reason::Internal.into()),
    }
}

fn task_name(call: &CallId) -> String {
    format!("task/{call}")
}

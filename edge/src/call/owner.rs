//! Whose a run or a task of Dify's is.
//!
//! Dify gives a run's detail to whoever has the app's key, and stops a workflow for whoever names its task
//! (contract §7.1), and all accounts share that key. So what a call's reply names is kept as a memo in its
//! account's journal, and asked for by others it is not there.

use std::time::Duration;

use meter::dify;
use meter::ids::UpstreamId;
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::wire::command::{CommandDoc, ReplyDoc};
use worker::{Delay, Env};

use crate::credential::App;
use crate::journal::Handle;
use crate::reply::Failure;
use crate::{log, tries};

use super::admit::Admitted;

/// How often keeping is tried before it is given up.
pub(crate) const TRIES_MAX: u32 = 3;
/// How often it is looked for, since its caller may hear of it a moment before it is kept.
pub(crate) const LOOKS_MAX: u32 = 3;
/// The pause between two looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What was kept of one reply so far. Each of it is kept once.
pub(super) struct Owned {
    run: bool,
    task: bool,
}

impl Owned {
    /// At the start of a reply.
    pub(super) const fn nothing() -> Self {
        Self { run: false, task: false }
    }

    /// Keeps what the reply has named by now as its account's own.
    pub(super) async fn keep(
        &mut self,
        admitted: &Admitted,
        run: Option<&UpstreamId>,
        task: Option<&UpstreamId>,
    ) {
        let Some(app) = &admitted.app else { return };
        if let Some(run) = run.filter(|_| !self.run) {
            self.run = true;
            keep(admitted, app, dify::Owned::Run(run.as_str())).await;
        }
        if let Some(task) = task.filter(|_| !self.task) {
            self.task = true;
            keep(admitted, app, dify::Owned::Task(task.as_str())).await;
        }
    }
}

async fn keep(admitted: &Admitted, app: &App, owned: dify::Owned<'_>) {
    let (account, name) = (admitted.account.to_string(), owned.to_string());
    let value = Some(app.name.to_string());
    let command = CommandDoc::KeepMemo { account, name, value };
    let kept = tries::up_to(TRIES_MAX, async |_| {
        matches!(admitted.journal.command(&command).await, Ok(ReplyDoc::Ok { .. })).then_some(())
    });
    if kept.await.is_none() {
        let problem = "whose the work is could not be kept";
        // The call is settled all the same; its caller cannot ask about it later.
        log::error("memo_lost", Some(admitted.call.as_str()), problem);
    }
}

/// Refuses when a call of this account's to this app has not named it.
pub(crate) async fn check(
    env: &Env,
    caller: &Caller,
    app: &App,
    owned: dify::Owned<'_>,
) -> Result<(), Failure> {
    let journal = Handle::of(env, &caller.journal)?;
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    let command = CommandDoc::RecallMemo { account, key, name: owned.to_string() };
    let found = tries::up_to(LOOKS_MAX, async |look| {
        if look > 1 {
            Delay::from(LOOK_AGAIN_AFTER).await;
        }
        let found = journal.command(&command).await;
        Some(found).filter(|found| !matches!(found, Ok(ReplyDoc::Unknown)))
    });
    match found.await.transpose()? {
        Some(ReplyDoc::Memo { value, .. }) if value == app.name.as_str() => Ok(()),
        Some(ReplyDoc::Refused(refusal)) => Err(Refusal::from(refusal).into()),
        Some(ReplyDoc::Memo { .. }) | None => Err(Reason::WorkUnknown.into()),
        Some(_) => Err(Reason::Internal.into()),
    }
}

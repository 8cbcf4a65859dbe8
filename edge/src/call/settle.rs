//! (5) The journal learns how the call went.
//!
//! When it cannot be reached it is tried again a few times; after that the hold stays, and the journal's
//! own alarm asks upstream.

use meter::journal::{Report, Settled};
use meter::usage::{Observed, Stage, WorkIds};
use meter::wire::command::{CommandDoc, KeptReplyDoc};

use crate::{log, tries};

use super::admit::Admitted;

/// How often a settlement is tried before it is left to the alarm.
pub(crate) const TRIES_MAX: u32 = 4;

/// Reports what was read. `None` when the journal could not be told.
///
/// `reply` is what a second request with the same idempotency key is to get.
pub(super) async fn settle(
    admitted: &Admitted,
    report: &Report,
    reply: Option<KeptReplyDoc>,
) -> Option<Settled> {
    let call = admitted.call.to_string();
    let stamped = admitted.stamped;
    let command = CommandDoc::Settle { call: call.clone(), report: report.into(), reply, stamped };
    let settled = tries::up_to(TRIES_MAX, async |_| {
        match admitted.journal.command(&command).await {
            Ok(reply) => match reply.settled() {
                Ok(settled) => return Some(settled),
                Err(error) => log::error("settle_misunderstood", Some(&call), &error.to_string()),
            },
            Err(_) => log::warn("settle_retried", Some(&call), "the journal did not answer"),
        }
        None
    });
    let settled = settled.await;
    if settled.is_none() {
        log::error("settle_left_to_alarm", Some(&call), "the journal could not be told");
    }
    settled
}

/// Gives a sign of life, with the ids known by now.
pub(super) async fn note(admitted: &Admitted, ids: WorkIds) {
    let call = admitted.call.to_string();
    let command = CommandDoc::Note { call: call.clone(), ids: (&ids).into() };
    if admitted.journal.command(&command).await.is_err() {
        log::warn("note_lost", Some(&call), "the journal did not answer");
    }
}

/// Tells which ids the caller sees while the reply comes. Nothing is stored, so what is lost here is told by
/// the note or the settlement.
pub(super) async fn sight(admitted: &Admitted, ids: WorkIds) {
    let call = admitted.call.to_string();
    let command = CommandDoc::Sight { call: call.clone(), ids: (&ids).into() };
    if admitted.journal.command(&command).await.is_err() {
        log::warn("sight_lost", Some(&call), "the journal did not answer");
    }
}

/// Lets a call go for which no work began.
pub(super) async fn release(admitted: &Admitted, status: Option<u16>) {
    let observed = Observed { stage: Stage::Failed, ..Observed::nothing() };
    settle(admitted, &Report { status, observed }, None).await;
}

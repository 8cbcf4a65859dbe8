//! The legs of one run: a run that was interrupted goes on under a call of its own, and when upstream is
//! asked about it, it states the run as a whole.
//!
//! Each leg's own reply tells what that leg used. What an answer states is billed less what was billed
//! under other calls, so that however the legs' ends come in, their sum is the whole. Where it is not known
//! what was billed for the first leg, since that is too long ago or never had a name, the share of a later
//! one is not known either, and not guessed.

use crate::entry::{Ending, Entry, Facts};
use crate::outcome::{Source, Told};
use crate::usage::{Stage, Usage, WorkIds};

use super::recent::Billed;
use super::{Effect, Hold, Journal};

impl Journal {
    /// Whether an answer about an interrupted run leaves open which legs are in it: this call is a resume,
    /// which may not have reached upstream yet, or there is another leg that is not finished.
    pub(super) fn is_one_of_legs(&self, hold: &Hold) -> bool {
        let Some(execution) = hold.ids.execution.as_ref() else { return false };
        let calls = self.by_work.get(execution).into_iter().flatten();
        let mut others = calls.filter_map(|no| self.open.get(no)).map(|open| &open.hold);
        hold.asked.resumes.is_some()
            || others.any(|it| it.call_no != hold.call_no && it.account == hold.account)
    }

    /// Whether what upstream states of a whole run leaves open how much of it this call used: another leg of
    /// it is left to the bill, or it is a resume and nothing is known of the call that began the run.
    pub(super) fn has_unknown_share(&self, hold: &Hold) -> bool {
        let is_left_to_bill = |run| self.recent.billed(&hold.account, run).lacks_usage;
        hold.ids.execution.as_ref().is_some_and(is_left_to_bill) || self.lacks_beginning(hold)
    }

    fn lacks_beginning(&self, hold: &Hold) -> bool {
        hold.asked.resumes.is_some() && hold.billed.is_none() && self.beginning(hold).is_none()
    }

    /// The call that began the run of this resume, while it is open and known by the run's name.
    fn beginning(&self, hold: &Hold) -> Option<&Hold> {
        let execution = hold.asked.resumed_execution()?;
        let calls = self.by_work.get(&execution).into_iter().flatten();
        let mut others = calls.filter_map(|no| self.open.get(no)).map(|open| &open.hold);
        others.find(|it| it.asked.resumes.is_none() && it.account == hold.account)
    }

    /// Whether an open call that has no name yet may be the one that began the run of this resume.
    pub(super) fn may_have_begun(&self, hold: &Hold) -> bool {
        self.lacks_beginning(hold)
            && self.open.values().map(|open| &open.hold).any(|it| {
                let is_unnamed_run = it.asked.resumes.is_none() && it.ids.execution.is_none();
                is_unnamed_run
                    && it.account == hold.account
                    && it.asked.subject == hold.asked.subject
                    && it.call_no < hold.call_no
            })
    }

    /// What is known of a running call, now that these are the ids of its work. A run that had no name
    /// until now may have been resumed and billed meanwhile; and while the call that began a run is open,
    /// it knows what was billed for all other legs.
    pub(super) fn named(&self, hold: &Hold, ids: WorkIds) -> Hold {
        let is_new = hold.ids.execution.is_none();
        let execution = ids.execution.as_ref().filter(|_| is_new);
        let billed = execution.map(|run| self.recent.billed(&hold.account, run));
        let Billed { usage, is_whole, .. } = billed.unwrap_or_default();
        let beginning = || self.beginning(hold).map(|first| first.billed.unwrap_or_default());
        Hold {
            ids,
            billed: hold.billed.or(usage).or_else(beginning),
            is_billed_whole: hold.is_billed_whole || is_whole,
            ..hold.clone()
        }
    }

    /// Tells the open calls of the same execution what was billed for it here, so that it is not billed
    /// again when upstream states the whole. Where it was the whole that was billed here, what a leg says
    /// of itself later was billed with it.
    ///
    /// `before` is what was billed under the others before this one ended.
    pub(super) fn tell_other_legs(
        &mut self,
        entry: &Entry,
        stage: Stage,
        before: Option<Usage>,
    ) -> Vec<Effect> {
        let Facts { ending, reading, ids, account, .. } = &entry.facts;
        let usage = reading.usage.filter(|_| *ending == Ending::Settled);
        let Some((usage, execution)) = usage.zip(ids.execution.as_ref()) else { return Vec::new() };
        // A question is answered for the whole execution; while it goes on, more legs may follow.
        let is_whole = reading.source == Source::Retrieved
            && matches!(stage, Stage::Completed | Stage::Failed | Stage::Canceled);
        let others = self.by_work.get(execution).cloned().unwrap_or_default();
        let mut effects = Vec::new();
        for call_no in others {
            let other = self.open.get_mut(&call_no).map(|open| &mut open.hold);
            let Some(hold) = other.filter(|hold| hold.account == *account) else { continue };
            let is_beginning = entry.facts.asked.resumes.is_none() || is_whole;
            hold.billed = match hold.billed {
                Some(billed) => Some(billed.plus(usage)),
                None if hold.asked.resumes.is_none() => Some(usage),
                // Now that the first leg is billed, what was billed for all of them is known.
                None if is_beginning => Some(before.map_or(usage, |before| before.plus(usage))),
                None => None,
            };
            hold.is_billed_whole |= is_whole;
            effects.push(Effect::UpdateHold(hold.clone()));
        }
        effects
    }
}

impl Hold {
    /// What a report says was used, seen together with what was known before.
    ///
    /// What upstream states of a whole execution is billed less its other legs; a chat that went on
    /// after its tools is billed by the larger of what was seen (contract §4.3).
    pub(super) fn usage_in_all(&self, told: Told, usage: Option<Usage>) -> Option<Usage> {
        let is_in_what_was_billed = told == Told::ByAsking || self.is_billed_whole;
        let own = match self.billed.filter(|_| is_in_what_was_billed) {
            Some(billed) => usage.map(|usage| usage.less(billed)),
            None => usage,
        };
        match (own, self.used) {
            (Some(own), Some(used)) => Some(own.larger(used)),
            (own, _) => own,
        }
    }
}

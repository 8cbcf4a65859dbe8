//! Which callbacks of the bill are owed, and how many were taken.
//!
//! An enterprise account has each of its charges told to a URL of its own (contract §1.7). The stand-in
//! does so once it is given one, by `PUT /_standin/callbacks`; until then nothing is owed.
//!
//! # Bounds
//! At most [`OWED_MAX`] works wait for their callbacks; further ones are counted and left out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::world::works::Work;

/// How many works may wait for their callbacks.
pub(crate) const OWED_MAX: usize = 100_000;
/// In how many records a work's tokens fall at most.
pub(crate) const RECORDS_MAX: u32 = 100;
/// How often the same record is sent at most.
pub(crate) const TIMES_MAX: u32 = 10;
/// How long a charge is held back at most.
pub(crate) const DELAY_MS_MAX: u64 = 10 * 60 * 1_000;

/// Where charges are told, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Where to.
    pub url: String,
    /// What callbacks are signed with, as a callback app is. Unset: they are not signed.
    #[serde(default)]
    pub token: Option<String>,
    /// How often each record is sent.
    #[serde(default = "one")]
    pub times: u32,
    /// How long after the end of its work a charge is told.
    #[serde(default)]
    pub delay_ms: u64,
    /// In how many records the tokens of one work fall, as when it calls several models.
    #[serde(default = "one")]
    pub records: u32,
    /// How many output tokens the bill counts beyond what the wire told, per work.
    #[serde(default)]
    pub unseen_output: i64,
    /// Tell what was charged before, too, as a bill that is downloaded does.
    #[serde(default)]
    pub from_the_start: bool,
}

fn one() -> u32 {
    1
}

impl Subscription {
    /// Says which number is out of its bounds, if one is.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { times, .. } if !(1..=TIMES_MAX).contains(times) => Err("times is out of bounds"),
            Self { records, .. } if !(1..=RECORDS_MAX).contains(records) => {
                Err("records is out of bounds")
            }
            Self { delay_ms, .. } if *delay_ms > DELAY_MS_MAX => Err("delay_ms is out of bounds"),
            Self { unseen_output, .. } if *unseen_output < 0 => Err("unseen_output is negative"),
            _ => Ok(()),
        }
    }
}

/// What `GET /_standin/callbacks` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackCount {
    /// Works whose charges are still to be told.
    pub owed: u64,
    /// Callbacks that were answered 200.
    pub taken: u64,
    /// Callbacks that were given up.
    pub failed: u64,
}

/// The callbacks of the bill.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    subscription: Option<Subscription>,
    due: VecDeque<(Subscription, Work)>,
    count: CallbackCount,
}

impl Callbacks {
    /// From now on charges are told there; `None` ends it.
    pub(crate) fn subscribe(&mut self, subscription: Option<Subscription>) {
        self.subscription = subscription;
    }

    /// A work was charged.
    pub(crate) fn owe(&mut self, work: &Work) {
        let Some(subscription) = &self.subscription else { return };
        if self.due.len() >= OWED_MAX {
            self.count.failed = self.count.failed.saturating_add(1);
            return;
        }
        self.due.push_back((subscription.clone(), work.clone()));
        self.count.owed = self.count.owed.saturating_add(1);
    }

    /// Whether there is nothing to begin with.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    /// The next work to be told. It stays owed until [`Callbacks::told`].
    pub(crate) fn next(&mut self) -> Option<(Subscription, Work)> {
        self.due.pop_front()
    }

    /// The charges of one work were told.
    pub(crate) fn told(&mut self, taken: u64, failed: u64) {
        self.count.owed = self.count.owed.saturating_sub(1);
        self.count.taken = self.count.taken.saturating_add(taken);
        self.count.failed = self.count.failed.saturating_add(failed);
    }

    pub(crate) fn count(&self) -> CallbackCount {
        self.count
    }
}

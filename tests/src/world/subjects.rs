//! Behaviours per bot or workflow, and the gates that hold replies until somebody releases them.
//!
//! The gates make stories wait for events instead of sleeping: a held reply is counted, whoever waits
//! for it sees the count, and a release lets it go on. A release is remembered, so it does not matter
//! whether it comes before or after the reply reaches the gate.
//!
//! # Bounds
//! At most [`SUBJECTS_MAX`] behaviours; a hold opens by itself after [`HOLD_SECONDS_MAX`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::behaviour::{Behaviour, HOLD_SECONDS_MAX, Refusal};

/// How many subjects can have a behaviour at once.
pub(crate) const SUBJECTS_MAX: usize = 10_000;

/// One subject that was told how to behave.
#[derive(Debug)]
struct Subject {
    behaviour: Arc<Behaviour>,
    releases: watch::Sender<u32>,
    held: watch::Sender<u32>,
    refused: u32,
    polls_refused: u32,
}

/// Which kind of call may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusable {
    Call,
    Poll,
}

/// All subjects with a behaviour of their own.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    subjects: HashMap<String, Subject>,
}

/// A subject's behaviour, and what can hold it.
#[derive(Clone, Debug)]
pub(crate) struct Engaged {
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) gate: Gate,
}

impl Subjects {
    /// Gives a subject a behaviour; what its former one still holds is let go. Says whether there was
    /// room for it.
    pub(crate) fn put(&mut self, id: String, behaviour: Behaviour) -> bool {
        if self.subjects.len() >= SUBJECTS_MAX && !self.subjects.contains_key(&id) {
            return false;
        }
        let subject = Subject {
            behaviour: Arc::new(behaviour),
            releases: watch::Sender::new(0),
            held: watch::Sender::new(0),
            refused: 0,
            polls_refused: 0,
        };
        self.subjects.insert(id, subject);
        true
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.subjects.remove(id).is_some()
    }

    /// The behaviour of a subject; one that nobody told anything has the default.
    pub(crate) fn engage(&self, id: &str) -> Engaged {
        let subject = self.subjects.get(id);
        Engaged {
            behaviour: subject.map_or_else(Arc::default, |subject| Arc::clone(&subject.behaviour)),
            gate: Gate {
                passed: 0,
                latch: subject.map(|subject| (subject.releases.subscribe(), subject.held.clone())),
            },
        }
    }

    /// The refusal this call meets, if it meets one; a limited refusal is used up by it.
    pub(crate) fn refusal(&mut self, id: &str, which: Refusable) -> Option<Refusal> {
        let subject = self.subjects.get_mut(id)?;
        let (refusal, used) = match which {
            Refusable::Call => (subject.behaviour.refuse.as_ref()?, &mut subject.refused),
            Refusable::Poll => {
                (subject.behaviour.refuse_polls.as_ref()?, &mut subject.polls_refused)
            }
        };
        if refusal.times.is_some_and(|times| *used >= times) {
            return None;
        }
        *used = used.saturating_add(1);
        Some(refusal.clone())
    }

    /// Opens the next gate of every reply of this subject; says how many releases there were.
    pub(crate) fn release(&mut self, id: &str) -> Option<u32> {
        let subject = self.subjects.get(id)?;
        subject.releases.send_modify(|count| *count = count.saturating_add(1));
        Some(*subject.releases.borrow())
    }

    /// A view of how many replies of this subject are held.
    pub(crate) fn held(&self, id: &str) -> Option<watch::Receiver<u32>> {
        self.subjects.get(id).map(|subject| subject.held.subscribe())
    }
}

/// What holds one reply, as often as its behaviour says.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    passed: u32,
    latch: Option<(watch::Receiver<u32>, watch::Sender<u32>)>,
}

impl Gate {
    /// Waits for the next release: the first pass for the first one since the behaviour was put, and
    /// so on. Goes on when the subject gets another behaviour or none.
    pub(crate) async fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
        let passed = self.passed;
        let Some((releases, held)) = &mut self.latch else { return };
        if *releases.borrow() >= passed {
            return;
        }
        held.send_modify(|count| *count = count.saturating_add(1));
        let release = releases.wait_for(|count| *count >= passed);
        let _opened = tokio::time::timeout(Duration::from_secs(HOLD_SECONDS_MAX), release).await;
        held.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_release_is_remembered_and_opens_one_gate_of_each_reply() {
        let mut subjects = Subjects::default();
        assert!(subjects.put("bot".to_owned(), Behaviour::default()));
        assert_eq!(subjects.release("bot"), Some(1));
        let mut gate = subjects.engage("bot").gate;
        gate.pass().await;
        let mut held = subjects.held("bot").unwrap();
        let second = tokio::spawn(async move { gate.pass().await });
        held.wait_for(|count| *count == 1).await.unwrap();
        subjects.release("bot");
        second.await.unwrap();
        assert_eq!(*held.borrow(), 0);
    }

    #[tokio::test]
    async fn a_removed_subject_holds_nothing() {
        let mut subjects = Subjects::default();
        subjects.put("bot".to_owned(), Behaviour::default());
        let mut gate = subjects.engage("bot").gate;
        subjects.remove("bot");
        gate.pass().await;
    }

    #[test]
    fn a_limited_refusal_is_used_up() {
        let mut subjects = Subjects::default();
        let refuse = Some(Refusal { times: Some(1), ..Refusal::default() });
        subjects.put("bot".to_owned(), Behaviour { refuse, ..Behaviour::default() });
        assert!(subjects.refusal("bot", Refusable::Poll).is_none());
        assert!(subjects.refusal("bot", Refusable::Call).is_some());
        assert!(subjects.refusal("bot", Refusable::Call).is_none());
    }
}

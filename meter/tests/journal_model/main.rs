//! Random commands to a journal, against a naive second opinion.
//!
//! The journal, a store that keeps its effects and the [`opinion`] are told the same. After every event
//! the laws of `meter::journal` hold; every command comes twice, and the second changes nothing; at any
//! point memory may be lost and is rebuilt from the store. In the end time runs out, and every call that
//! was ever admitted has exactly one entry.

#[cfg(test)]
mod news;
#[cfg(test)]
mod command;
#[cfg(test)]
mod opinion;
#[cfg(test)]
mod store;
#[cfg(test)]
mod world;

use meter::journal::{Entrance, HOLDS_MAX, Journal, Stored};
use meter::refusal::Reason;
use meter::time::UnixMs;
use proptest::prelude::*;

use command::{Command, Event, FIRST_BURST_CALL, Reply, any_event, any_event_or_burst, put};
use news::first_change;
use world::{WELL, World};

fn live(events: Vec<Event>) {
    let mut world = World::new();
    for event in events {
        world.meet(event);
    }
    world.run_out_of_time();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_are_right(events in prop::collection::vec(any_event(), 0..120)) {
        live(events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_around_marks_the_books_are_right(
        events in prop::collection::vec(any_event_or_burst(), 0..50),
    ) {
        live(events);
    }
}

#[test]
fn no_more_calls_run_at_once_than_the_bound() {
    let now = UnixMs::new(0);
    let mut journal = Journal::load(Stored::nothing(), 1, now);
    let _ = journal.apply(first_change());
    let admit = |journal: &mut Journal, call| {
        let decision = put(journal, None, &Command::Admit(call), now);
        match decision.reply {
            Reply::Entrance(Entrance::Refused(refusal)) => Some(refusal.reason),
            _ => None,
        }
    };
    for call in (FIRST_BURST_CALL..).take(HOLDS_MAX) {
        assert_eq!(admit(&mut journal, call), None);
    }
    assert_eq!(admit(&mut journal, 0), Some(Reason::JournalFull));
    let _ = put(&mut journal, None, &Command::Settle(FIRST_BURST_CALL, WELL), now);
    assert_eq!(admit(&mut journal, 0), None);
}

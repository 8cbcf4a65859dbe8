//! The whole journey of calls in memory, from seeds, with every fault in two forms: lost before it took
//! effect, and lost after.
//!
//! What is simulated, and which laws hold, is in the crate `sim`; here about one in a hundred of the
//! worlds that `cargo xtask sim` lives are lived by every test run.

#[cfg(test)]
mod kept_seeds;
#[cfg(test)]
mod mistakes;

use std::num::NonZeroUsize;
use std::thread;

use sim::plan::Plan;
use sim::run::{Survey, live};
use sim::world::Tally;
use sim::{shrink, story};

/// Lives these worlds on all processors; a seed that fails is told as a short story.
#[track_caller]
#[expect(clippy::panic, reason = "a story is read as it is written")]
fn lived(seeds: std::ops::Range<u64>, calls: usize) -> Tally {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    match Survey::of(seeds, calls).run(threads, None) {
        Ok(tally) => tally,
        Err(failed) => {
            let plan = Plan::draw(failed.seed, calls);
            let (smaller, _) =
                shrink::shrink(&plan, &failed.broken, |plan| live(plan, None).broken);
            let replay = story::how_to_replay(failed.seed, calls, &failed.broken);
            panic!("{replay}\n{}", story::tell(&smaller, None));
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_is_doubled_whatever_goes_wrong() {
    let tally = lived(1..21, 5_000);
    assert!(tally.calls >= 100_000, "{} calls", tally.calls);
    // Most of it really happened: calls were let in and posted, and things went wrong in every way.
    assert!(tally.posted > 50_000, "{} entries were posted", tally.posted);
    assert!(tally.faults.len() > 30, "{:?}", tally.faults);
    let page = include_str!("../../../docs/simulation.md");
    for fault in tally.faults.keys() {
        assert!(page.contains(fault), "docs/simulation.md lacks: {fault}");
    }
    assert_eq!((tally.tokens.lost(), tally.tokens.doubled()), (0, 0), "{:?}", tally.tokens);
    // What nobody could learn stays the exception.
    assert!(tally.unknown < tally.posted / 8, "{} of {}", tally.unknown, tally.posted);
}

/// Each call uses a power of two of tokens here, so that a wrong sum would spell out the call.
#[test]
fn in_small_worlds_every_call_is_its_own_power_of_two() {
    let tally = lived(1..301, 24);
    assert!(tally.posted > 2_000, "{} entries were posted", tally.posted);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let once = live(&Plan::draw(7, 2_000), None);
    let again = live(&Plan::draw(7, 2_000), None);
    assert_eq!(once.broken, None);
    assert_eq!(once.tally, again.tally);
}

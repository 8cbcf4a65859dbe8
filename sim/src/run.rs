//! Living plans to their end, one after another and several at once.

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::plan::Plan;
use crate::shelf::Shelf;
use crate::world::{Broken, Outcome, Tally, World};

/// Lives a plan over storages in memory.
pub fn live(plan: &Plan, mutant: Option<Mutant>) -> Outcome {
    live_over(plan, mutant, |_| Memory::default())
}

/// Lives a plan over storages of any kind.
pub fn live_over<S: Shelf>(
    plan: &Plan,
    mutant: Option<Mutant>,
    shelf: impl FnMut(usize) -> S,
) -> Outcome {
    caught(|| World::new(plan.clone(), mutant, shelf).run())
}

/// Lives a plan over storages in memory, and tells what happened.
pub fn tell(plan: &Plan, mutant: Option<Mutant>) -> Outcome {
    caught(|| World::new(plan.clone(), mutant, |_| Memory::default()).telling().run())
}

/// A panic is a broken law, too.
fn caught(live: impl FnOnce() -> Outcome) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let detail = words.unwrap_or_else(|| "without a word".to_owned());
        let broken = Broken { law: "nothing panics", detail, at: 0 };
        Outcome { tally: Tally::default(), broken: Some(broken), story: Vec::new() }
    })
}

/// A seed whose world broke a law.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// The law.
    pub broken: Broken,
}

/// Many worlds, and how far they have come. One thread lives one world at a time.
#[derive(Debug)]
pub struct Survey {
    seeds: Range<u64>,
    calls: usize,
    next: AtomicU64,
    stops: AtomicBool,
    tally: Mutex<(u64, Tally)>,
    failed: Mutex<Option<Failed>>,
}

impl Survey {
    /// The worlds of these seeds, each with so many calls.
    pub fn of(seeds: Range<u64>, calls: usize) -> Self {
        let next = AtomicU64::new(seeds.start);
        let (stops, tally) = (AtomicBool::new(false), Mutex::new((0, Tally::default())));
        Self { seeds, calls, next, stops, tally, failed: Mutex::new(None) }
    }

    /// How many worlds have been lived, and what was counted in them.
    pub fn so_far(&self) -> (u64, Tally) {
        self.tally.lock().map(|tally| tally.clone()).unwrap_or_default()
    }

    /// Lives every world, or all up to the first that breaks a law.
    pub fn run(&self, threads: usize, mutant: Option<Mutant>) -> Result<Tally, Failed> {
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| self.work(mutant));
            }
        });
        let failed = self.failed.lock().ok().and_then(|failed| failed.clone());
        failed.map_or_else(|| Ok(self.so_far().1), Err)
    }

    fn work(&self, mutant: Option<Mutant>) {
        while !self.stops.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let Outcome { tally, broken, .. } = live(&Plan::draw(seed, self.calls), mutant);
            if let Ok(mut sum) = self.tally.lock() {
                sum.0 += 1;
                sum.1.add(&tally);
            }
            let Some(broken) = broken else { continue };
            self.stops.store(true, Ordering::Relaxed);
            if let Ok(mut failed) = self.failed.lock()
                && failed.as_ref().is_none_or(|known| known.seed > seed)
            {
                *failed = Some(Failed { seed, broken });
            }
        }
    }
}

/// The first of so many seeds in whose world a mistake is noticed.
pub fn catch(mutant: Mutant, seeds: Range<u64>) -> Option<Failed> {
    seeds.into_iter().find_map(|seed| {
        let broken = live(&Plan::draw(seed, mutant.calls()), Some(mutant)).broken?;
        Some(Failed { seed, broken })
    })
}

//! The laws notice deliberate mistakes; otherwise they would prove nothing.

use sim::mutant::Mutant;
use sim::plan::Plan;
use sim::run::{catch, live};
use sim::shrink;

/// Within so many worlds each mistake is noticed.
const SEEDS: u64 = 12;

#[test]
fn every_deliberate_mistake_is_noticed_within_a_few_worlds() {
    for mutant in Mutant::ALL {
        let caught = catch(mutant, 1..SEEDS + 1);
        assert!(caught.is_some(), "nobody notices that somebody {mutant}");
        // Without the mistake the same world is right.
        let seed = caught.map_or(0, |caught| caught.seed);
        let plan = Plan::draw(seed, mutant.calls());
        assert_eq!(live(&plan, None).broken, None, "seed {seed}");
    }
}

#[test]
fn the_page_on_the_simulation_lists_every_mistake() {
    let page = include_str!("../../../docs/simulation.md");
    for mutant in Mutant::ALL {
        assert!(page.contains(&format!("| {mutant} |")), "docs/simulation.md lacks: {mutant}");
    }
}

#[test]
fn a_plan_that_breaks_a_law_is_made_small() {
    let mutant = Some(Mutant::ReleasesInsteadOfAsking);
    let plan = Plan::draw(1, 300);
    let broken = live(&plan, mutant).broken.expect("a law is broken");
    let (smaller, still) = shrink::shrink(&plan, &broken, |plan| live(plan, mutant).broken);
    assert_eq!(still.law, broken.law);
    assert!(smaller.steps.len() <= 3, "{} steps are left", smaller.steps.len());
    assert!(smaller.faults.len() <= 1, "{} faults are left", smaller.faults.len());
}

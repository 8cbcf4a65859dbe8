//! A plan that breaks a law, as a short story.

use std::fmt::Write as _;

use crate::mutant::Mutant;
use crate::plan::{Act, Plan};
use crate::run;
use crate::world::Broken;

/// Most lines that are told; the last ones matter most.
const LINES_MAX: usize = 60;

/// What happened, to the end that broke the law.
pub fn tell(plan: &Plan, mutant: Option<Mutant>) -> String {
    let outcome = run::tell(plan, mutant);
    let mut story = String::new();
    let acts = plan.steps.iter().filter(|step| step.act != Act::Call).count();
    // Writing to a text cannot fail.
    let _ = writeln!(
        story,
        "{} calls, {acts} other acts and {} faults are left of the plan; {:?}",
        plan.calls(),
        plan.faults.len(),
        plan.shape
    );
    let skipped = outcome.story.len().saturating_sub(LINES_MAX);
    if skipped > 0 {
        let _ = writeln!(story, "  … {skipped} lines before");
    }
    for line in outcome.story.iter().skip(skipped) {
        let _ = writeln!(story, "  {line}");
    }
    match outcome.broken {
        Some(broken) => {
            let _ = writeln!(story, "BROKEN: {broken}");
        }
        None => story.push_str("and nothing was wrong\n"),
    }
    story
}

/// How a seed is replayed.
pub fn how_to_replay(seed: u64, calls: usize, broken: &Broken) -> String {
    format!(
        "seed {seed} breaks a law. {broken}\nreplay: cargo xtask sim --seed {seed} --calls {calls}"
    )
}

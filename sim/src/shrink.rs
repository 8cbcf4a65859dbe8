//! Making a plan that breaks a law smaller.
//!
//! Halves of the faults are left out, then halves of the steps, then quarters, down to single ones, for as
//! long as the same law is broken.

use crate::plan::Plan;
use crate::world::Broken;

/// Most calls that are lived in all the plans that are tried: about a minute.
pub const CALLS_MAX: usize = 300_000;

/// The smallest plan found that still breaks the same law, and how it does.
pub fn shrink(
    plan: &Plan,
    broken: &Broken,
    breaks: impl Fn(&Plan) -> Option<Broken>,
) -> (Plan, Broken) {
    let mut best = Best { plan: plan.clone(), broken: broken.clone(), calls: 0, breaks };
    // Nothing that was done later can have mattered.
    let end = broken.at;
    best.try_plan(|plan| {
        plan.steps.retain(|step| step.at <= end);
        plan.faults.retain(|fault| fault.at <= end);
    });
    loop {
        let before = (best.plan.steps.len(), best.plan.faults.len());
        best.leave_out(
            |plan| plan.faults.len(),
            |plan, from, to| drop(plan.faults.drain(from..to)),
        );
        best.leave_out(|plan| plan.steps.len(), |plan, from, to| drop(plan.steps.drain(from..to)));
        if (best.plan.steps.len(), best.plan.faults.len()) == before || best.calls >= CALLS_MAX {
            return (best.plan, best.broken);
        }
    }
}

struct Best<F> {
    plan: Plan,
    broken: Broken,
    calls: usize,
    breaks: F,
}

impl<F: Fn(&Plan) -> Option<Broken>> Best<F> {
    /// Takes a smaller plan in place of the best one, if it breaks the same law.
    fn try_plan(&mut self, smaller: impl FnOnce(&mut Plan)) -> bool {
        if self.calls >= CALLS_MAX {
            return false;
        }
        let mut plan = self.plan.clone();
        smaller(&mut plan);
        self.calls += plan.calls() + 1;
        match (self.breaks)(&plan) {
            Some(broken) if broken.law == self.broken.law => {
                self.plan = plan;
                self.broken = broken;
                true
            }
            _ => false,
        }
    }

    fn leave_out(
        &mut self,
        length: impl Fn(&Plan) -> usize,
        drain: impl Fn(&mut Plan, usize, usize),
    ) {
        let mut size = length(&self.plan).div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < length(&self.plan) {
                let to = (from + size).min(length(&self.plan));
                // What was left out makes room for what comes next.
                if !self.try_plan(|plan| drain(plan, from, to)) {
                    from = to;
                }
            }
            size /= 2;
        }
    }
}

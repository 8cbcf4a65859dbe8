//! What is written down when a leg of an execution begins: the run itself, or a resume of it.

use crate::behaviour::{Interruption, Outcome};
use crate::visit::Visit;
use crate::world::World;
use crate::world::executions::Execution;
use crate::world::works::{Counts, Ending, Kind, Plan, Work};

/// What a workflow puts out unless told otherwise, in tokens.
pub(crate) const OUTPUT_COUNT_DEFAULT: i64 = 55;

/// One leg of an execution that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) execution: Execution,
    pub(crate) counts: Counts,
    pub(crate) course: Course,
}

/// Which way a leg goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// To its answer.
    Complete,
    /// Into a failure.
    Fail { code: i64, msg: String, charged: bool },
    /// To a question.
    Interrupt(Interruption),
}

impl Course {
    fn of(execution: &Execution) -> Self {
        match &execution.behaviour.outcome {
            Outcome::Fail(failure) => Self::Fail {
                code: failure.code,
                msg: failure.msg.clone(),
                charged: failure.charged,
            },
            Outcome::Error(error) => {
                Self::Fail { code: error.code, msg: error.msg.clone(), charged: error.charged }
            }
            Outcome::Interrupt(interruption) if execution.interruptions < interruption.times => {
                Self::Interrupt(interruption.clone())
            }
            Outcome::Complete | Outcome::RequiresAction(_) | Outcome::Interrupt(_) => {
                Self::Complete
            }
        }
    }

    /// How the leg's unit of work ends.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Self::Complete => Ending::COMPLETED,
            Self::Fail { charged, .. } => Ending::failed(*charged),
            Self::Interrupt(interruption) => Ending::interrupted(interruption.charged),
        }
    }
}

/// Accepts one more leg of an execution and keeps the execution.
pub(crate) fn begin(
    world: &mut World,
    visit: &Visit,
    kind: Kind,
    mut execution: Execution,
    now: i64,
) -> Leg {
    let behaviour = &execution.behaviour;
    let counts = Counts::planned(&behaviour.usage, execution.input_count, OUTPUT_COUNT_DEFAULT);
    let polled = execution.is_polled();
    let polls_left = if polled { behaviour.polls.before_done } else { 0 };
    let course = Course::of(&execution);
    execution.waits_for = match course {
        Course::Interrupt(_) => {
            execution.interruptions = execution.interruptions.saturating_add(1);
            Some(format!("{}/{}", execution.id, world.ids.draw()))
        }
        Course::Complete | Course::Fail { .. } => None,
    };
    let work_id = world.ids.draw();
    let work = Work {
        execute_id: Some(execution.id.clone()),
        ..visit.work(work_id, kind, &execution.workflow_id, now)
    };
    let plan = Plan { counts, polls_left, ending: Some(course.ending()) };
    execution.work = world.accept(work, plan);
    world.executions.insert(execution.clone());
    Leg { execution, counts, course }
}

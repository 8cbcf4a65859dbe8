//! Workflow executions: what they return, and whether they wait for an answer.
//!
//! # Bounds
//! Executions are forgotten with their works.

use std::collections::HashMap;
use std::sync::Arc;

use crate::behaviour::Behaviour;
use crate::world::chats::Session;
use crate::world::works::{Job, Kind};

/// One execution. Each resume is a further leg with a unit of work of its own.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    /// Number of the unit of work of the latest leg.
    pub(crate) work: u64,
    pub(crate) id: String,
    pub(crate) workflow_id: String,
    pub(crate) created_at: i64,
    pub(crate) session: Session,
    pub(crate) run_mode: RunMode,
    pub(crate) answer: String,
    /// Input tokens by its parameters, which a resume has no other source for.
    pub(crate) input_count: i64,
    pub(crate) behaviour: Arc<Behaviour>,
    /// The event an answer must name, while the execution waits for one.
    pub(crate) waits_for: Option<String>,
    /// How often it was interrupted.
    pub(crate) interruptions: u32,
}

/// How a run was started, as run histories number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunMode {
    Sync,
    Stream,
    Async,
}

impl RunMode {
    /// Its number in run histories.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Sync => 0,
            Self::Stream => 1,
            Self::Async => 2,
        }
    }
}

impl Execution {
    /// Whether its end is learnt by polls.
    pub(crate) fn is_polled(&self) -> bool {
        self.run_mode == RunMode::Async
    }
}

/// All executions by id.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    executions: HashMap<String, Execution>,
}

impl Executions {
    pub(crate) fn insert(&mut self, execution: Execution) {
        self.executions.insert(execution.id.clone(), execution);
    }

    /// An execution, if this session may see it.
    pub(crate) fn get(&self, id: &str, session: &Session) -> Option<&Execution> {
        self.executions.get(id).filter(|execution| execution.session == *session)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: &str, session: &Session) -> Option<&mut Execution> {
        self.executions.get_mut(id).filter(|execution| execution.session == *session)
    }

    pub(crate) fn forget(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            self.executions.remove(id);
        }
    }

    /// An execution as far as its unit of work still tells.
    pub(crate) fn restore(&mut self, job: &Job) {
        let Some(id) = &job.work.execute_id else { return };
        let run_mode = match job.work.kind {
            Kind::Run | Kind::Resume => RunMode::Sync,
            Kind::RunAsync => RunMode::Async,
            _ => RunMode::Stream,
        };
        self.insert(Execution {
            work: job.no,
            id: id.clone(),
            workflow_id: job.work.subject.clone(),
            created_at: job.work.created_at,
            session: Session::default(),
            run_mode,
            answer: String::new(),
            input_count: job.work.input_count,
            behaviour: Arc::default(),
            waits_for: None,
            interruptions: 0,
        });
    }
}

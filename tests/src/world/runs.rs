//! Dify: runs of workflows, and whose a conversation is.
//!
//! # Bounds
//! At most [`RUNS_MAX`] runs and [`CONVERSATIONS_MAX`] conversations; the oldest go first.

use std::collections::VecDeque;

/// How many runs are remembered.
pub(crate) const RUNS_MAX: usize = 100_000;
/// How many conversations are remembered.
pub(crate) const CONVERSATIONS_MAX: usize = 100_000;

/// One run of a workflow or a chatflow. How it stands is written in its unit of work.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Number of its unit of work.
    pub(crate) work: u64,
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) task_id: String,
    pub(crate) form_token: String,
    pub(crate) answer: String,
    pub(crate) created_at: i64,
}

/// A conversation, which its app's other users do not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) user: String,
    pub(crate) created_at: i64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: VecDeque<Run>,
    talks: VecDeque<Talk>,
}

impl Runs {
    pub(crate) fn insert(&mut self, run: Run) {
        if self.runs.len() >= RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }

    /// A run of this app. Whose it is is not looked at, as upstream does not look.
    pub(crate) fn get(&self, app: &str, id: &str) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.app == app && run.id == id)
    }

    pub(crate) fn by_form(&self, app: &str, token: &str) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.app == app && run.form_token == token)
    }

    pub(crate) fn talk(&mut self, talk: Talk) {
        if self.talks.len() >= CONVERSATIONS_MAX {
            self.talks.pop_front();
        }
        self.talks.push_back(talk);
    }

    /// A user's conversations with an app.
    pub(crate) fn talks(&self, app: &str, user: &str) -> impl DoubleEndedIterator<Item = &Talk> {
        self.talks.iter().filter(move |talk| talk.app == app && talk.user == user)
    }
}

//! The record: every billable unit of work that was accepted, and how it ended.
//!
//! It is the truth that somebody's books are compared with, so a unit of work is written down when it
//! is accepted, before a byte of the answer leaves, and stays whatever becomes of the connection.
//!
//! # Bounds
//! At most [`WORKS_MAX`] works; the oldest is dropped and counted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::behaviour::Usage;
use crate::world::journal_file::JournalFile;

/// How many works are remembered.
pub(crate) const WORKS_MAX: usize = 300_000;

/// One call draws fewer ids than this beside those of its unit of work.
const IDS_PER_CALL_MAX: u64 = 1_000;

/// What kind of call a unit of work came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `/v3/chat`, with the tool outputs that continue it.
    Chat,
    /// `/v1/workflows/chat`.
    Chatflow,
    /// `/v1/workflow/run`, waited for.
    Run,
    /// `/v1/workflow/run` with `is_async`.
    RunAsync,
    /// `/v1/workflow/stream_run`.
    RunStream,
    /// `/v1/workflows/resume`.
    Resume,
    /// `/v1/workflow/stream_resume`.
    ResumeStream,
    /// `/v1/audio/speech`.
    Speech,
    /// `/v1/audio/transcriptions`.
    Transcription,
    /// `/v1/audio/rooms`.
    Room,
    /// `/v1/plugins/{id}/tools/call`.
    PluginTool,
    /// `/v1/audio/voices/clone`.
    VoiceClone,
    /// One chat on the websocket `/v1/chat`.
    WsChat,
    /// A websocket of `/v1/audio/speech`.
    WsSpeech,
    /// A websocket of `/v1/audio/transcriptions`.
    WsTranscription,
    /// A websocket of `/v1/audio/simult_interpretation`.
    WsInterpretation,
    /// Dify's `/chat-messages`.
    DifyChat,
    /// Dify's `/completion-messages`.
    DifyCompletion,
    /// Dify's `/workflows/run`, pinned or not.
    DifyWorkflow,
    /// Dify's `/messages/{id}/suggested`.
    DifySuggested,
    /// Dify's `/audio-to-text`.
    DifyAudioToText,
    /// Dify's `/text-to-audio`.
    DifyTextToAudio,
}

/// Where a unit of work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Under way.
    Running,
    /// Waiting for the output of a tool.
    RequiresAction,
    /// Stopped with a question; the resume is a unit of work of its own.
    Interrupted,
    /// Finished.
    Completed,
    /// Failed.
    Failed,
    /// Cancelled by the caller; charged in full all the same.
    Canceled,
}

impl Status {
    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::RequiresAction)
    }
}

/// One billable unit of work. Counts are zero until it ends, and stay zero if it costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its own id.
    pub work_id: String,
    /// What kind of call it came from.
    pub kind: Kind,
    /// The bot, workflow, voice or plugin it is priced by.
    pub subject: String,
    /// The workflow execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute_id: Option<String>,
    /// The chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<String>,
    /// The conversation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Input tokens charged.
    pub input_count: i64,
    /// Output tokens charged.
    pub output_count: i64,
    /// Tokens charged, as the upstream totals them.
    pub token_count: i64,
    /// Whether it was charged.
    pub billable: bool,
    /// The `user_id` of a chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// `custom_consumer` of the request's `X-Coze-DeviceInfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_hint: Option<String>,
    /// `device_id` of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The request that started it, as numbered in the record of requests.
    pub request_no: u64,
    /// Unix seconds of its start.
    pub created_at: i64,
}

/// What `GET /_standin/works` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkPage {
    /// The works, oldest first.
    pub works: Vec<Work>,
    /// How many older ones were dropped.
    pub dropped: u64,
    /// How many lines could not be written to the journal file.
    pub journal_failures: u64,
}

/// The three numbers of a usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) token: i64,
}

impl Counts {
    /// What a behaviour makes of the counts that a call would have by itself.
    pub(crate) fn planned(usage: &Usage, input: i64, output: i64) -> Self {
        let input = usage.input_count.unwrap_or(input);
        let output = usage.output_count.unwrap_or(output);
        let token = usage.token_count.unwrap_or_else(|| input.saturating_add(output));
        Self { input, output, token }
    }
}

/// What is decided about a unit of work when it is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// What it will have used at its end.
    pub(crate) counts: Counts,
    /// How many polls are still answered with "running" before it ends.
    pub(crate) polls_left: u32,
    /// How it ends once the polls are through.
    pub(crate) ending: Option<Ending>,
}

/// How a unit of work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: Status,
    pub(crate) charged: bool,
}

impl Ending {
    pub(crate) const COMPLETED: Self = Self { status: Status::Completed, charged: true };
    pub(crate) const CANCELED: Self = Self { status: Status::Canceled, charged: true };
    pub(crate) const PAUSED: Self = Self { status: Status::RequiresAction, charged: false };

    pub(crate) fn failed(charged: bool) -> Self {
        Self { status: Status::Failed, charged }
    }

    pub(crate) fn interrupted(charged: bool) -> Self {
        Self { status: Status::Interrupted, charged }
    }
}

/// A unit of work and what is planned for it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) no: u64,
    pub(crate) work: Work,
    pub(crate) plan: Plan,
}

/// All units of work, numbered from 0 in the order of their acceptance.
#[derive(Debug, Default)]
pub(crate) struct Works {
    jobs: VecDeque<Job>,
    dropped: u64,
    journal: Option<JournalFile>,
}

impl Works {
    /// Takes up what an earlier life wrote down. What was running then died with it, uncharged.
    pub(crate) fn take_up(&mut self, journal: JournalFile, earlier: Vec<Work>) {
        self.journal = Some(journal);
        for work in earlier {
            let (no, _) = self.keep(work, Plan::default());
            if self.get(no).is_some_and(|job| !job.work.status.is_final()) {
                self.end(no, Ending::failed(false));
            }
        }
    }

    /// The first id that no work has used, as far as the works know.
    pub(crate) fn ids_end(&self) -> u64 {
        let ids = |work: &Work| {
            [Some(&work.work_id), work.execute_id.as_ref(), work.chat_id.as_ref()]
                .into_iter()
                .flatten()
                .filter_map(|id| id.parse::<u64>().ok())
                .max()
        };
        let last = self.jobs.iter().filter_map(|job| ids(&job.work)).max();
        last.map_or(0, |last| last.saturating_add(IDS_PER_CALL_MAX))
    }

    /// Writes a new unit of work down. Gives its number, and what was dropped to make room.
    pub(crate) fn accept(&mut self, work: Work, plan: Plan) -> (u64, Option<Work>) {
        if let Some(journal) = &mut self.journal {
            journal.append(&work);
        }
        self.keep(work, plan)
    }

    fn keep(&mut self, work: Work, plan: Plan) -> (u64, Option<Work>) {
        let forgotten = (self.jobs.len() >= WORKS_MAX).then(|| self.jobs.pop_front()).flatten();
        if forgotten.is_some() {
            self.dropped = self.dropped.saturating_add(1);
        }
        let no = self.dropped.saturating_add(u64::try_from(self.jobs.len()).unwrap_or(u64::MAX));
        self.jobs.push_back(Job { no, work, plan });
        (no, forgotten.map(|job| job.work))
    }

    pub(crate) fn get(&self, no: u64) -> Option<&Job> {
        self.jobs.get(self.index(no)?)
    }

    pub(crate) fn get_mut(&mut self, no: u64) -> Option<&mut Job> {
        let index = self.index(no)?;
        self.jobs.get_mut(index)
    }

    fn index(&self, no: u64) -> Option<usize> {
        usize::try_from(no.checked_sub(self.dropped)?).ok()
    }

    /// Ends a running unit of work; says whether it was running.
    pub(crate) fn end(&mut self, no: u64, ending: Ending) -> bool {
        let Some(index) = self.index(no) else { return false };
        let Some(job) = self.jobs.get_mut(index) else { return false };
        if job.work.status.is_final() {
            return false;
        }
        job.work.status = ending.status;
        if ending.charged {
            let Counts { input, output, token } = job.plan.counts;
            job.work.billable = true;
            (job.work.input_count, job.work.output_count, job.work.token_count) =
                (input, output, token);
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&job.work);
        }
        true
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    pub(crate) fn page(&self) -> WorkPage {
        WorkPage {
            works: self.jobs.iter().map(|job| job.work.clone()).collect(),
            dropped: self.dropped,
            journal_failures: self.journal.as_ref().map_or(0, JournalFile::failures),
        }
    }

    /// Forgets the works; their numbers are not used again, and the journal file keeps its lines.
    pub(crate) fn clear(&mut self) {
        let count = u64::try_from(self.jobs.len()).unwrap_or(u64::MAX);
        self.dropped = self.dropped.saturating_add(count);
        self.jobs.clear();
    }
}

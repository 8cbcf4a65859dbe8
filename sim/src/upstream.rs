//! Coze, as far as money is concerned: work that begins, goes on, ends, and what is told of it.
//!
//! What a piece of work really used is decided when it begins. What of it is told, when, and to whom, is
//! as patchy as in the contract: usage in the reply or only when asked, late or never; ids in the first
//! event or in the last; replies that are given up after 90 seconds while the work goes on (§3).

use meter::ids::UpstreamId;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::usage::{Observed, Stage, Usage, WorkIds};

use crate::dice::Dice;

/// Upstream gives up a synchronous reply after this long (contract §3).
const SYNC_REPLY_MS_MAX: u64 = 90_000;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// What somebody calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A chat whose reply is a stream.
    StreamedChat,
    /// A chat that the caller polls.
    PolledChat,
    /// A run whose reply is its end.
    SyncRun,
    /// A run that is only begun by the call.
    AsyncRun,
    /// A run whose reply is a stream.
    StreamedRun,
    /// An interrupted run goes on.
    Resume,
    /// A workflow that chats.
    Chatflow,
    /// Text to audio, priced by the character.
    Speech,
}

impl Kind {
    /// One of them, each as often as it should be.
    pub fn draw(dice: &mut Dice) -> Self {
        dice.weighed(&[
            (34, Self::StreamedChat),
            (12, Self::PolledChat),
            (18, Self::SyncRun),
            (4, Self::AsyncRun),
            (20, Self::StreamedRun),
            (6, Self::Chatflow),
            (6, Self::Speech),
        ])
    }

    /// The call as the edge reads it from its request.
    pub fn asked(self, dice: &mut Dice, resumes: Option<UpstreamId>) -> Asked {
        let id = |text: &str| text.parse().expect("an id");
        let subject = |dice: &mut Dice, name: &str| id(&format!("{name}{}", dice.below(3)));
        let (operation, kind, name) = match self {
            Self::StreamedChat | Self::PolledChat => (Operation::Chat, SubjectKind::Bot, "bot"),
            Self::SyncRun | Self::AsyncRun => {
                (Operation::WorkflowRun, SubjectKind::Workflow, "flow")
            }
            Self::StreamedRun => (Operation::WorkflowStreamRun, SubjectKind::Workflow, "flow"),
            Self::Resume if dice.percent(60) => {
                (Operation::WorkflowStreamResume, SubjectKind::Workflow, "flow")
            }
            Self::Resume => (Operation::WorkflowResume, SubjectKind::Workflow, "flow"),
            Self::Chatflow => (Operation::Chatflow, SubjectKind::Workflow, "flow"),
            Self::Speech => (Operation::AudioSpeech, SubjectKind::Voice, "voice"),
        };
        let subject = subject(dice, name);
        Asked { resumes, ..Asked::new(operation, kind, subject) }
    }

    /// Whether it is a run, whose legs are calls of their own.
    pub fn is_run(self) -> bool {
        matches!(self, Self::SyncRun | Self::AsyncRun | Self::StreamedRun | Self::Resume)
    }
}

/// How a leg of work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Well.
    Completed,
    /// Badly, and what it used until then is charged and told.
    FailedAtACost,
    /// Badly, for nothing.
    Failed,
    /// A run has a question.
    Interrupted,
    /// A chat waits for its tools.
    AwaitsTools,
}

/// A stretch of work that one request began.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Which call the request belongs to.
    pub call: usize,
    /// What it uses, beyond what the legs before it used.
    pub tokens: u64,
    /// When it ends.
    pub ends_at: u64,
    /// How.
    pub end: End,
    /// Whether its own reply tells the usage.
    pub tells: bool,
}

/// A chat, or the execution of a workflow.
#[derive(Debug, Clone)]
pub struct Work {
    /// What it is.
    pub kind: Kind,
    /// By which ids upstream knows it.
    pub ids: WorkIds,
    /// Its stretches, in order.
    pub legs: Vec<Leg>,
    /// When its caller cancelled it.
    pub canceled_at: Option<u64>,
    /// How long after an end usage is told to those who ask; `None` is never.
    shows_usage_after: Option<u64>,
    /// Only totals are told.
    totals_only: bool,
    /// Somebody who asked was told that it is over, and not what it used.
    pub told_no_usage: bool,
}

/// What comes back to the edge.
#[derive(Debug, Clone)]
pub enum Piece {
    /// A stream names the work.
    Named(WorkIds),
    /// A stream tells what was used so far.
    Used(Usage),
    /// A whole reply, with its status.
    Whole(u16, Observed),
    /// A stream's last event.
    Last(Observed),
    /// A stream's or a reply's bytes end too early.
    Broken,
    /// No reply comes at all.
    Nothing,
}

/// A reply, piece by piece, each with its time.
pub type Script = Vec<(u64, When)>;

/// What a piece says: some of it is only known when its time comes.
#[derive(Debug, Clone)]
pub enum When {
    /// This.
    Now(Piece),
    /// The end of a stream.
    StreamEnds,
    /// The end of a synchronous reply.
    ReplyEnds,
}

impl Work {
    /// Work that begins with this request.
    pub fn begin(kind: Kind, name: &str, leg: Leg, dice: &mut Dice) -> Self {
        let id = |prefix: &str| Some(format!("{prefix}{name}").parse().expect("an id"));
        let nothing = WorkIds::default();
        let ids = match kind {
            Kind::StreamedChat | Kind::PolledChat | Kind::Chatflow => {
                WorkIds { chat: id("chat"), conversation: id("conv"), ..nothing }
            }
            Kind::Speech => nothing,
            _ => WorkIds { execution: id("run"), ..nothing },
        };
        let shows_usage_after = match dice.below(100) {
            0..90 => Some(0),
            90..96 => Some(dice.ms(SECOND, HOUR)),
            _ => None,
        };
        Self {
            kind,
            ids,
            legs: vec![leg],
            canceled_at: None,
            shows_usage_after,
            totals_only: dice.percent(15),
            told_no_usage: false,
        }
    }

    /// What this many tokens are told as.
    pub fn usage(&self, tokens: u64) -> Usage {
        if self.totals_only {
            return Usage { input: None, output: None, total: tokens, cost: None };
        }
        let input = tokens / 3;
        Usage { input: Some(input), output: Some(tokens - input), total: tokens, cost: None }
    }

    /// What was used by now: a leg is charged when it has ended.
    pub fn used(&self, now: u64) -> u64 {
        self.legs.iter().filter(|leg| self.ended_at(leg) <= now).map(Self::charged).sum()
    }

    /// The same in parts, which are the sums of the legs' own.
    fn usage_by(&self, now: u64) -> Usage {
        let legs = self.legs.iter().filter(|leg| self.ended_at(leg) <= now);
        let usages = legs.map(|leg| self.usage(Self::charged(leg)));
        usages.reduce(Usage::plus).unwrap_or_else(|| self.usage(0))
    }

    /// What upstream charges for a leg.
    pub fn charged(leg: &Leg) -> u64 {
        if leg.end == End::Failed { 0 } else { leg.tokens }
    }

    fn ended_at(&self, leg: &Leg) -> u64 {
        self.canceled_at.map_or(leg.ends_at, |canceled| leg.ends_at.min(canceled))
    }

    /// Whether it goes on.
    pub fn is_running(&self, now: u64) -> bool {
        self.legs.last().is_some_and(|leg| self.ended_at(leg) > now)
    }

    /// How far it is.
    pub fn stage(&self, now: u64) -> Stage {
        let Some(leg) = self.legs.last() else { return Stage::Unknown };
        if self.canceled_at.is_some_and(|canceled| canceled < leg.ends_at && canceled <= now) {
            return Stage::Canceled;
        }
        if leg.ends_at > now {
            return Stage::Running;
        }
        match leg.end {
            End::Completed => Stage::Completed,
            End::Failed | End::FailedAtACost => Stage::Failed,
            End::Interrupted => Stage::Interrupted,
            End::AwaitsTools => Stage::AwaitsTools,
        }
    }

    /// What upstream answers to a question about it: the whole of it.
    pub fn asked(&mut self, now: u64) -> Observed {
        let stage = self.stage(now);
        let ended_at = self.legs.last().map_or(0, |leg| self.ended_at(leg));
        let shows =
            self.shows_usage_after.is_some_and(|after| ended_at.saturating_add(after) <= now);
        let at_a_cost = self.legs.last().is_some_and(|leg| leg.end == End::FailedAtACost);
        let shows = match stage {
            Stage::Running => false,
            // A failure tells its cost at once, or it has none.
            Stage::Failed => at_a_cost || self.legs.len() > 1,
            _ => shows,
        };
        let usage = shows.then(|| self.usage_by(now));
        let is_over = matches!(stage, Stage::Completed | Stage::Canceled);
        self.told_no_usage |= is_over && usage.is_none();
        Observed { stage, usage, ids: self.ids.clone(), ..Observed::nothing() }
    }

    /// What the last leg's own reply says in the end.
    pub fn told(&self, now: u64, names: bool) -> Observed {
        let stage = self.stage(now);
        let Some(leg) = self.legs.last() else { return Observed::nothing() };
        // An interrupt's event id holds the run's (contract §1.1 row 7).
        let names = names || stage == Stage::Interrupted;
        let ids = if names { self.ids.clone() } else { WorkIds::default() };
        let tells = leg.tells || leg.end == End::FailedAtACost;
        // A run's reply tells its own leg, a chat's the whole chat (contract §4.3).
        let usage = match leg.end {
            End::Failed => None,
            _ if tells && self.kind.is_run() => Some(self.usage(Self::charged(leg))),
            _ if tells => Some(self.usage_by(now)),
            // What waits for tools often says that nothing was used (contract §2.2).
            End::AwaitsTools => Some(self.usage(0)),
            _ => None,
        };
        Observed { stage, usage, ids, ..Observed::nothing() }
    }

    /// The reply to the request that began the last leg.
    pub fn script(&self, now: u64, streamed: bool, dice: &mut Dice) -> Script {
        let Some(leg) = self.legs.last() else { return Vec::new() };
        let ends_at = leg.ends_at;
        if !streamed {
            return match self.kind {
                Kind::PolledChat | Kind::AsyncRun => {
                    let ids = self.ids.clone();
                    let observed = Observed { stage: Stage::Running, ids, ..Observed::nothing() };
                    vec![(now + dice.ms(20, 500), When::Now(Piece::Whole(200, observed)))]
                }
                _ if ends_at > now + SYNC_REPLY_MS_MAX => {
                    vec![(now + SYNC_REPLY_MS_MAX, When::Now(Piece::Nothing))]
                }
                _ => vec![(ends_at, When::ReplyEnds)],
            };
        }
        let mut script = Vec::new();
        // A chat is named by its first event, a run often not before its last (contract §2.3).
        if !self.kind.is_run() || dice.percent(50) {
            let named_at = now + dice.ms(10, 800);
            script.push((named_at.min(ends_at), When::Now(Piece::Named(self.ids.clone()))));
            if leg.tells && leg.end == End::Completed && dice.percent(25) {
                let so_far = self.used(now) + leg.tokens / 2;
                let tokens = if self.kind.is_run() { leg.tokens / 2 } else { so_far };
                let told_at = (named_at + dice.ms(1, 5 * SECOND)).min(ends_at);
                script.push((told_at, When::Now(Piece::Used(self.usage(tokens)))));
            }
        }
        script.push((ends_at, When::StreamEnds));
        script
    }
}

/// How long a leg takes.
pub fn duration(kind: Kind, dice: &mut Dice) -> u64 {
    match kind {
        Kind::AsyncRun if dice.one_in(20) => dice.ms(HOUR, 24 * HOUR),
        Kind::AsyncRun => dice.ms(SECOND, HOUR),
        Kind::SyncRun => dice.ms(50, 4 * MINUTE),
        Kind::Speech => dice.ms(50, 10 * SECOND),
        Kind::StreamedRun
        | Kind::Resume
        | Kind::StreamedChat
        | Kind::Chatflow
        | Kind::PolledChat => {
            if dice.one_in(50) {
                dice.ms(MINUTE, 20 * MINUTE)
            } else {
                dice.ms(100, 30 * SECOND)
            }
        }
    }
}

/// How a leg of this kind ends.
pub fn end(kind: Kind, dice: &mut Dice) -> End {
    match dice.below(100) {
        0..5 => End::Failed,
        5..8 => End::FailedAtACost,
        8..16
            if matches!(
                kind,
                Kind::StreamedRun | Kind::Resume | Kind::AsyncRun | Kind::SyncRun
            ) =>
        {
            End::Interrupted
        }
        8..20 if matches!(kind, Kind::StreamedChat | Kind::PolledChat) => End::AwaitsTools,
        8..12 if kind == Kind::Chatflow => End::AwaitsTools,
        _ => End::Completed,
    }
}

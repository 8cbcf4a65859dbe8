//! What a reply says about usage.
//!
//! Path: request → sse → **usage** → outcome. Whatever the reply's dialect, reading it ends in one
//! [`Observed`]: how far the work got, what it used, which ids name it. Reading cannot fail; what is not
//! understood is simply not observed, and the caller's bytes are never held up by it.
//!
//! The rules are those of upstream contract §10: `usage` before loose counters before `token`; integers,
//! integral floats and digit strings are accepted; a missing total is the sum; negatives are rejected;
//! within one stream the last usage wins and is never summed.

pub mod cost;
pub mod count;
pub mod coze_chat;
pub mod coze_workflow;
pub mod coze_plain;
pub mod coze_socket;
pub mod dify;
pub mod envelope;

use std::cmp::Ordering;

use crate::ids::UpstreamId;
use crate::money::Nanos;

use cost::Cost;

/// More tokens than one call can use. What claims more is not believed (contract §9 no. 32).
pub const TOKENS_MAX: u64 = 1_000_000_000;

/// Tokens, as upstream counted them, and what they cost upstream. The parts and the cost may be unknown
/// while the total is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens that went in.
    pub input: Option<u64>,
    /// Tokens that came out.
    pub output: Option<u64>,
    /// The total as upstream states it, or else the sum of the parts.
    pub total: u64,
    /// What the work cost upstream, where upstream says so: Dify does, Coze never.
    pub cost: Option<Cost>,
}

impl Usage {
    /// Usage from whichever counts were given; `None` when none was, or one cannot be believed.
    pub fn from_counts(
        input: Option<u64>,
        output: Option<u64>,
        total: Option<u64>,
    ) -> Option<Self> {
        let believable = |count: Option<u64>| count.is_none_or(|count| count <= TOKENS_MAX);
        if !(believable(input) && believable(output) && believable(total)) {
            return None;
        }
        let sum = match (input, output) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        };
        total.or(sum).map(|total| Self { input, output, total, cost: None })
    }

    /// The larger of two usages of one piece of work, by their totals (contract §4.3). Where both are the
    /// same, its cost is known when either tells it: the detail of a Dify run never does.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        match other.total.cmp(&self.total) {
            Ordering::Less => self,
            Ordering::Equal => Self { cost: self.cost.or(other.cost), ..self },
            Ordering::Greater => other,
        }
    }

    /// What is left of this usage when another was billed before, part by part and never below zero. A
    /// part that is not known on one side is not known of what is left: the whole part would be billed twice.
    #[must_use]
    pub fn less(self, billed: Self) -> Self {
        let part = |all: Option<u64>, billed: Option<u64>| Some(all?.saturating_sub(billed?));
        Self {
            input: part(self.input, billed.part(billed.input)),
            output: part(self.output, billed.part(billed.output)),
            total: self.total.saturating_sub(billed.total),
            cost: match (self.cost, billed.cost) {
                (Some(all), Some(billed)) => all.less(billed),
                (all, _) => all,
            },
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let part = |one: Option<u64>, two: Option<u64>| Some(one?.saturating_add(two?));
        Self {
            input: part(self.part(self.input), other.part(other.input)),
            output: part(self.part(self.output), other.part(other.output)),
            total: self.total.saturating_add(other.total),
            cost: self.cost.zip(other.cost).and_then(|(one, two)| one.plus(two)),
        }
    }

    /// A part of this usage. Of nothing at all every part is known.
    fn part(self, part: Option<u64>) -> Option<u64> {
        part.or_else(|| (self.total == 0).then_some(0))
    }

    /// Whether any count, or the cost, is above zero.
    pub fn is_some_used(self) -> bool {
        let has_cost = self.cost.is_some_and(|cost| cost.amount > Nanos::ZERO);
        has_cost || self.total > 0 || self.input.unwrap_or(0) > 0 || self.output.unwrap_or(0) > 0
    }

    /// Whether total and parts contradict each other (contract §9 no. 30).
    pub fn is_mismatched(self) -> bool {
        matches!((self.input, self.output), (Some(input), Some(output))
            if input.saturating_add(output) != self.total)
    }
}

/// How far the work got, as far as the reply tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stage {
    /// The reply says nothing that we understand, or there was none.
    #[default]
    Unknown,
    /// Upstream took the work on and is not done: an asynchronous run, a polled chat.
    Running,
    /// A chat waits for tool outputs. It will go on under the same id.
    AwaitsTools,
    /// A run waits for an answer to an interrupt. What answers it is work of its own (contract §9 no. 12).
    Interrupted,
    /// Done, well.
    Completed,
    /// Done, badly.
    Failed,
    /// Cancelled by the caller. Upstream charges the whole reply all the same (contract §1.2 C).
    Canceled,
    /// The stream broke off before its end.
    Cut,
}

impl Stage {
    /// Every stage, for tables and tests.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Running,
        Self::AwaitsTools,
        Self::Interrupted,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Cut,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Running => "running",
            Self::AwaitsTools => "awaits_tools",
            Self::Interrupted => "interrupted",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Cut => "cut",
        }
    }

    /// The stage with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// The ids by which upstream knows a piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkIds {
    /// Names a chat together with `conversation`.
    pub chat: Option<UpstreamId>,
    /// The conversation a chat belongs to.
    pub conversation: Option<UpstreamId>,
    /// Names a run of a workflow.
    pub execution: Option<UpstreamId>,
    /// Upstream's own log id, for asking its support.
    pub log: Option<UpstreamId>,
}

impl WorkIds {
    /// These ids, completed by those of `other` that are still unknown.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            chat: self.chat.or(other.chat),
            conversation: self.conversation.or(other.conversation),
            execution: self.execution.or(other.execution),
            log: self.log.or(other.log),
        }
    }

    /// Whether upstream can be asked how the work went: a chat by chat and conversation, a run by its
    /// execution (contract §1.2 A, B).
    pub fn can_be_asked(&self) -> bool {
        self.execution.is_some() || (self.chat.is_some() && self.conversation.is_some())
    }
}

/// Everything a reply told us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// How far the work got.
    pub stage: Stage,
    /// What it used so far.
    pub usage: Option<Usage>,
    /// Coze's business code, when the reply had one. Zero is success; so is none (contract §0 rule 1).
    pub code: Option<i64>,
    /// Which work it was.
    pub ids: WorkIds,
    /// An earlier usage of the same stream was larger than the last (contract §9 no. 7).
    pub usage_fell: bool,
}

impl Observed {
    /// Nothing was read: no reply came, or none that is understood.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What a stream told, now that it has ended. One that ended without saying how the work did was
    /// cut, whether the network or upstream did it.
    fn ended(mut self) -> Self {
        if matches!(self.stage, Stage::Running | Stage::Unknown) {
            self.stage = Stage::Cut;
        }
        self
    }

    /// Takes a newer usage in place of an older one.
    fn take_usage(&mut self, newer: Option<Usage>) {
        let Some(newer) = newer else { return };
        self.usage_fell |= self.usage.is_some_and(|older| older.total > newer.total);
        self.usage = Some(newer);
    }
}

//! The outcome table: what [`decide`] says in every cell, one row each.
//!
//! Path: outcome → **its table**. The rows are made by asking the rule itself, so the table in
//! `docs/outcomes.md` cannot say anything else; a test holds the two against each other.

use std::fmt;

use crate::outcome::{Outcome, Source, Told, decide};
use crate::usage::{Observed, Stage, Usage};

/// What an HTTP answer comes down to for the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// No answer came at all.
    None,
    /// An answer below 400.
    Success,
    /// An answer of 400 or above.
    Failure,
    /// One of them that a gateway gives when it lost sight of the request.
    Gateway,
}

/// What was observed of the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// Nothing was said about it.
    Unknown,
    /// That nothing was used.
    Zero,
    /// That something was used.
    Some,
}

/// One row: a cell of the rule, and what follows in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Who told.
    pub told: Told,
    /// With which HTTP answer.
    pub http: Http,
    /// How far the work got.
    pub stage: Stage,
    /// What it used.
    pub used: Used,
    /// Whether upstream can be asked later.
    pub can_ask: bool,
    /// What follows.
    pub outcome: Outcome,
}

/// The names of the columns.
pub const HEADING: [&str; 6] = ["told by", "HTTP", "stage", "usage", "can ask", "outcome"];

impl Http {
    const ALL: [Self; 4] = [Self::Success, Self::Failure, Self::Gateway, Self::None];

    /// Any one status of the kind stands for all of them.
    const fn status(self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::Success => Some(200),
            Self::Failure => Some(500),
            Self::Gateway => Some(504),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "no answer",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Gateway => "gateway",
        }
    }
}

impl Used {
    const ALL: [Self; 3] = [Self::Unknown, Self::Zero, Self::Some];

    fn usage(self) -> Option<Usage> {
        match self {
            Self::Unknown => None,
            Self::Zero => Some(Usage::default()),
            Self::Some => Some(Usage { total: 1, ..Usage::default() }),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Zero => "zero",
            Self::Some => "some",
        }
    }
}

impl Row {
    fn of(told: Told, http: Http, stage: Stage, used: Used, can_ask: bool) -> Self {
        let observed = Observed { stage, usage: used.usage(), ..Observed::nothing() };
        let outcome = decide(http.status(), &observed, told, can_ask);
        Self { told, http, stage, used, can_ask, outcome }
    }

    /// The row in words, under [`HEADING`].
    pub fn cells(&self) -> [&'static str; 6] {
        let told = match self.told {
            Told::ByReply => "the reply",
            Told::ByAsking => "asking",
        };
        let can_ask = if self.can_ask { "yes" } else { "no" };
        [told, self.http.name(), self.stage.name(), self.used.name(), can_ask, name(self.outcome)]
    }
}

/// An outcome in a word or two.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Bill(reading) => match reading.source {
            Source::Reported => "bill as reported",
            Source::Retrieved => "bill as retrieved",
            Source::Missing => "bill without usage",
            Source::Operator => "bill as ordered",
            Source::Bill => "bill as upstream billed",
        },
        Outcome::Release => "release",
        Outcome::AskLater => "ask later",
        Outcome::GiveUp => "give up",
    }
}

impl fmt::Display for Row {
    /// One line of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.cells().join(" | "))
    }
}

/// Every cell, in the order of the columns.
pub fn rows() -> impl Iterator<Item = Row> {
    [Told::ByReply, Told::ByAsking].into_iter().flat_map(|told| {
        Http::ALL.into_iter().flat_map(move |http| {
            Stage::ALL.into_iter().flat_map(move |stage| {
                Used::ALL.into_iter().flat_map(move |used| {
                    [true, false].map(|can_ask| Row::of(told, http, stage, used, can_ask))
                })
            })
        })
    })
}

/// The whole table, as it stands in `docs/outcomes.md`.
pub fn table() -> String {
    let mut lines = vec![format!("| {} |", HEADING.join(" | ")), "|---".repeat(6) + "|"];
    lines.extend(rows().map(|row| row.to_string()));
    lines.join("\n")
}

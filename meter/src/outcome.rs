//! What follows from what was observed: bill, release, ask later, or give up.
//!
//! Path: usage → **outcome** → journal. One total function, [`decide`], with a test for each thing it
//! can meet.

use crate::usage::{Observed, Stage, Usage};

/// Where a reading came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The reply to the call itself.
    Reported,
    /// A later question to upstream, the caller's or ours.
    Retrieved,
    /// Nowhere: the work succeeded and its usage is unknown.
    Missing,
    /// A person decided.
    Operator,
    /// Upstream's bill, which named the call.
    Bill,
}

impl Source {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Retrieved => "retrieved",
            Self::Missing => "missing",
            Self::Operator => "operator",
            Self::Bill => "bill",
        }
    }

    /// The source with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reported, Self::Retrieved, Self::Missing, Self::Operator, Self::Bill]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

/// What is known about a call's usage when it is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Tokens, when known.
    pub usage: Option<Usage>,
    /// Where they came from.
    pub source: Source,
}

/// What to do with a call's hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Settle: charge by this reading.
    Bill(Reading),
    /// Release: the work failed or never began, and costs nothing.
    Release,
    /// Keep the hold and ask upstream later.
    AskLater,
    /// Expire: whether the work succeeded cannot be found out. Costs nothing, and is a finding.
    GiveUp,
}

/// Who told us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The reply to the call itself.
    ByReply,
    /// Upstream, asked later.
    ByAsking,
}

/// Whether a status is the word of a gateway on the way that lost sight of the request: upstream may have
/// it and do the work. 502 and 504 are any gateway's (RFC 9110 §15.6.3, §15.6.5); 520 and 524 are what
/// Cloudflare answers to a Worker in place of an upstream that broke off or went silent after it had
/// taken the request (Cloudflare's "5xx errors" page).
pub const fn is_gateways(status: u16) -> bool {
    matches!(status, 502 | 504 | 520 | 524)
}

/// Decides what a reply means for the call's hold.
///
/// `status` is the HTTP status, or `None` when no reply came at all. `can_ask` says whether enough ids
/// are known, from this reply or from earlier, to ask upstream later.
pub fn decide(status: Option<u16>, observed: &Observed, told: Told, can_ask: bool) -> Outcome {
    let used = observed.usage.is_some_and(Usage::is_some_used);
    let ask_or = |otherwise: Outcome| if can_ask { Outcome::AskLater } else { otherwise };
    let source = match told {
        Told::ByReply => Source::Reported,
        Told::ByAsking => Source::Retrieved,
    };
    let bill = Outcome::Bill(match observed.usage {
        Some(usage) => Reading { usage: Some(usage), source },
        None => Reading { usage: None, source: Source::Missing },
    });
    // Such an answer says as little as none.
    let status = status.filter(|status| !is_gateways(*status));
    let http_failed = status.is_none_or(|status| status >= 400);
    if told == Told::ByAsking && (http_failed || observed.stage == Stage::Unknown) {
        // The question failed, which says nothing about the work.
        return Outcome::AskLater;
    }
    if told == Told::ByReply && status.is_some_and(|status| status >= 400) {
        return if used { bill } else { Outcome::Release };
    }
    match observed.stage {
        Stage::Completed if observed.usage.is_some() => bill,
        Stage::Completed => match told {
            Told::ByReply => ask_or(bill),
            Told::ByAsking => bill,
        },
        Stage::Failed | Stage::Interrupted if used => bill,
        Stage::Failed => Outcome::Release,
        Stage::Canceled => match told {
            // The whole reply is charged, and only a later look shows all of it.
            Told::ByReply => ask_or(if used { bill } else { Outcome::GiveUp }),
            Told::ByAsking if observed.usage.is_some() => bill,
            Told::ByAsking => Outcome::GiveUp,
        },
        Stage::AwaitsTools => ask_or(if used { bill } else { Outcome::Release }),
        Stage::Cut if used && !can_ask => bill,
        // A run that was interrupted has used something (contract §2.3), though nobody told how much.
        Stage::Interrupted | Stage::Running | Stage::Cut | Stage::Unknown => {
            ask_or(Outcome::GiveUp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stage: Stage, tokens: Option<u64>) -> Observed {
        let usage = tokens.and_then(|total| Usage::from_counts(None, None, Some(total)));
        Observed { stage, usage, ..Observed::nothing() }
    }

    fn bill(tokens: Option<u64>, source: Source) -> Outcome {
        let usage = tokens.and_then(|total| Usage::from_counts(None, None, Some(total)));
        Outcome::Bill(Reading { usage, source })
    }

    /// One row: what is observed in a reply with this status, then what follows when upstream can be
    /// asked about the work and when it cannot.
    #[track_caller]
    fn reply(status: u16, stage: Stage, tokens: Option<u64>, can_ask: Outcome, cannot: Outcome) {
        let observed = seen(stage, tokens);
        assert_eq!(decide(Some(status), &observed, Told::ByReply, true), can_ask, "can ask");
        assert_eq!(decide(Some(status), &observed, Told::ByReply, false), cannot, "cannot ask");
    }

    #[test]
    fn completed_work_is_billed_and_missing_usage_is_asked_for() {
        let reported = bill(Some(9), Source::Reported);
        reply(200, Stage::Completed, Some(9), reported, reported);
        let zero = bill(Some(0), Source::Reported);
        reply(200, Stage::Completed, Some(0), zero, zero);
        reply(200, Stage::Completed, None, Outcome::AskLater, bill(None, Source::Missing));
    }

    #[test]
    fn failed_work_is_free_unless_it_reported_usage() {
        let reported = bill(Some(9), Source::Reported);
        reply(200, Stage::Failed, None, Outcome::Release, Outcome::Release);
        reply(200, Stage::Failed, Some(0), Outcome::Release, Outcome::Release);
        reply(200, Stage::Failed, Some(9), reported, reported);
        for status in [400, 401, 429, 500, 503] {
            for stage in Stage::ALL {
                reply(status, stage, None, Outcome::Release, Outcome::Release);
                reply(status, stage, Some(9), reported, reported);
            }
        }
    }

    #[test]
    fn work_that_goes_on_is_asked_about() {
        reply(200, Stage::Running, None, Outcome::AskLater, Outcome::GiveUp);
        let reported = bill(Some(9), Source::Reported);
        for tokens in [None, Some(0)] {
            reply(200, Stage::AwaitsTools, tokens, Outcome::AskLater, Outcome::Release);
            // A run that was interrupted has used something, and nobody can say how much.
            reply(200, Stage::Interrupted, tokens, Outcome::AskLater, Outcome::GiveUp);
        }
        // A run's leg is over when it is interrupted; a chat goes on under the same id.
        reply(200, Stage::Interrupted, Some(9), reported, reported);
        reply(200, Stage::AwaitsTools, Some(9), Outcome::AskLater, reported);
    }

    #[test]
    fn a_cancelled_chat_is_not_free() {
        reply(200, Stage::Canceled, Some(9), Outcome::AskLater, bill(Some(9), Source::Reported));
        reply(200, Stage::Canceled, None, Outcome::AskLater, Outcome::GiveUp);
    }

    #[test]
    fn what_broke_off_is_asked_about_or_given_up_and_never_guessed() {
        reply(200, Stage::Cut, Some(9), Outcome::AskLater, bill(Some(9), Source::Reported));
        reply(200, Stage::Cut, None, Outcome::AskLater, Outcome::GiveUp);
        reply(200, Stage::Unknown, None, Outcome::AskLater, Outcome::GiveUp);
        let nothing = Observed::nothing();
        assert_eq!(decide(None, &nothing, Told::ByReply, true), Outcome::AskLater);
        assert_eq!(decide(None, &nothing, Told::ByReply, false), Outcome::GiveUp);
    }

    #[test]
    fn a_gateway_that_lost_sight_of_the_request_says_nothing_about_the_work() {
        let reported = bill(Some(9), Source::Reported);
        for status in [502, 504, 520, 524] {
            reply(status, Stage::Unknown, None, Outcome::AskLater, Outcome::GiveUp);
            reply(status, Stage::Failed, None, Outcome::Release, Outcome::Release);
            reply(status, Stage::Failed, Some(9), reported, reported);
        }
    }

    #[test]
    fn a_question_that_failed_is_asked_again() {
        for status in [None, Some(401), Some(500)] {
            for stage in Stage::ALL {
                let observed = seen(stage, Some(9));
                assert_eq!(decide(status, &observed, Told::ByAsking, true), Outcome::AskLater);
            }
        }
        let unknown = seen(Stage::Unknown, None);
        assert_eq!(decide(Some(200), &unknown, Told::ByAsking, true), Outcome::AskLater);
    }

    #[test]
    fn an_answer_ends_the_asking() {
        let asked = |stage, tokens| decide(Some(200), &seen(stage, tokens), Told::ByAsking, true);
        assert_eq!(asked(Stage::Completed, Some(9)), bill(Some(9), Source::Retrieved));
        assert_eq!(asked(Stage::Completed, None), bill(None, Source::Missing));
        assert_eq!(asked(Stage::Canceled, Some(9)), bill(Some(9), Source::Retrieved));
        assert_eq!(asked(Stage::Canceled, None), Outcome::GiveUp);
        assert_eq!(asked(Stage::Failed, None), Outcome::Release);
        assert_eq!(asked(Stage::Failed, Some(9)), bill(Some(9), Source::Retrieved));
        assert_eq!(asked(Stage::Running, None), Outcome::AskLater);
        assert_eq!(asked(Stage::Interrupted, None), Outcome::AskLater);
    }
}

//! `weir report open`.

use clap::Args;

use crate::clock;
use crate::error::Error;
use crate::read::open::{self, OpenCall, OpenCalls};

use super::Whose;
use crate::cli::Answer;
use crate::cli::answer::table;

/// `weir report open`
#[derive(Args)]
pub(in crate::cli) struct Open {
    #[command(flatten)]
    whose: Whose,
}

impl Open {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let (pool, account) = self.whose.find().await?;
        let calls = open::read(&pool, account.as_deref(), clock::now()).await?;
        let text = text(&calls);
        Answer::new(&calls, text)
    }
}

fn text(open: &OpenCalls) -> String {
    let mut text = if open.calls.is_empty() {
        "No call is open.".to_owned()
    } else {
        let lines: Vec<_> = open.calls.iter().map(line).collect();
        let heading = [
            "call",
            "account",
            "operation",
            "subject",
            "age",
            "hold in quota",
            "waits for",
            "asked",
            "due",
            "work",
        ];
        table(heading, &lines)
    };
    if !open.complete {
        text.push_str("\n\nMore calls are open than their journals list; these are the oldest.");
    }
    text
}

fn line(call: &OpenCall) -> [String; 10] {
    [
        call.call_id.clone(),
        call.account.clone(),
        call.operation.clone(),
        format!("{} {}", call.subject_kind, call.subject),
        age(call.age_ms),
        call.hold_quota.clone(),
        call.waits_for.clone(),
        call.asked.to_string(),
        call.due_at.clone(),
        work(call),
    ]
}

/// The first of upstream's ids that is known.
fn work(call: &OpenCall) -> String {
    match (&call.execute_id, &call.chat_id) {
        (Some(execution), _) => format!("execution {execution}"),
        (None, Some(chat)) => format!("chat {chat}"),
        (None, None) => "-".to_owned(),
    }
}

/// An age in its two largest units.
fn age(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{hours} h {} min", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        assert_eq!(age(999), "0 s");
        assert_eq!(age(59_999), "59 s");
        assert_eq!(age(61_000), "1 min 1 s");
        assert_eq!(age(90_000_000), "25 h 0 min");
    }

    #[test]
    fn nothing_open_is_said_in_a_sentence() {
        let open = OpenCalls { calls: Vec::new(), complete: true };
        assert_eq!(text(&open), "No call is open.");
    }
}

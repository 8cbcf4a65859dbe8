//! Why a call stands as it does, and which calls are still open.

use serde::{Deserialize, Serialize};

use crate::journal::Explained;

use super::stored::HoldDoc;

/// What a journal remembers of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ExplainedDoc {
    /// It runs.
    Open(Box<OpenDoc>),
    /// It ended; its entry tells the rest.
    Finished {
        /// How.
        ending: String,
        /// At what cost.
        amount_nanos: i64,
    },
    /// It was not let in.
    Refused {
        /// The stable code of a [`crate::refusal::Reason`].
        reason: String,
        /// When.
        at_ms: u64,
    },
}

/// A call that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDoc {
    /// What was decided when it was let in, and learned since.
    pub hold: HoldDoc,
    /// What is being waited for.
    pub waits_for: String,
    /// Questions asked of upstream so far.
    pub asked: u32,
    /// When something is done about it next.
    pub due_at_ms: u64,
    /// When it was last known to be in somebody's hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at_ms: Option<u64>,
}

impl From<&Explained> for ExplainedDoc {
    fn from(explained: &Explained) -> Self {
        match explained {
            Explained::Open { hold, waits_for, asked, due_at, seen_at } => {
                Self::Open(Box::new(OpenDoc {
                    hold: HoldDoc::from(hold.as_ref()),
                    waits_for: (*waits_for).to_owned(),
                    asked: *asked,
                    due_at_ms: due_at.get(),
                    seen_at_ms: Some(seen_at.get()),
                }))
            }
            Explained::Finished { ending, amount } => {
                Self::Finished { ending: ending.name().to_owned(), amount_nanos: amount.get() }
            }
            Explained::Refused { reason, at } => {
                Self::Refused { reason: reason.code().to_owned(), at_ms: at.get() }
            }
        }
    }
}

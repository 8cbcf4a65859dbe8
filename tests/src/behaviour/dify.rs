//! What only a Dify app can be told.

use serde::{Deserialize, Serialize};

/// How a Dify app behaves, beside what every subject can be told: how its work ends (`outcome`; an
/// interrupt is a pause for a person), how its stream is cut, and how much it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dify {
    /// What kind of app answers `/chat-messages`.
    pub app: DifyApp,
    /// A chatflow ends as older servers end it: `workflow_finished`, then `message_end`.
    pub workflow_finished_first: bool,
    /// The work ends as one that was stopped: a workflow with the status `stopped`, a chatflow with that
    /// and then `message_end`, a chat with `message_end` and what it used until then.
    pub stopped: bool,
    /// What `message_end` and a blocking reply say about usage.
    pub usage: DifyUsage,
    /// The price, verbatim. Unset: 0.001 for a thousand tokens in and 0.002 for a thousand out.
    pub total_price: Option<String>,
    /// The price is a JSON number and not a string.
    pub price_as_number: bool,
    /// The currency. Unset: `USD`.
    pub currency: Option<String>,
}

/// The kinds of apps behind `/chat-messages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifyApp {
    /// A chatbot.
    #[default]
    Chatbot,
    /// An agent.
    Agent,
    /// A chatflow, which is a workflow too.
    Chatflow,
}

/// How usage looks on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifyUsage {
    /// All fields.
    #[default]
    Full,
    /// Only the total and the latency, as some samples have it.
    Partial,
    /// Not at all.
    Absent,
}

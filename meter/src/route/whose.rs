//! Whose the things are that a free route is about: the account's that made them, everybody's, or the
//! operator's.
//!
//! All accounts may share one credential at upstream, which sees and may change everything. So what upstream
//! does not keep apart is kept apart here: a path is the caller's own, common, or the operator's.

use super::Operation;

/// What a request about an account's own things is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    /// It makes a conversation.
    MakesConversation,
    /// It makes a file.
    MakesFile,
    /// It is about things that were made before, which it has to name: each of these kinds.
    About(&'static [Kind]),
}

// What a request about earlier work has to name. A chat is named with its conversation, a message in it.
pub(super) const CONVERSATION: &[Kind] = &[Kind::Conversation];
pub(super) const CHAT: &[Kind] = &[Kind::Conversation, Kind::Chat];
pub(super) const EXECUTION: &[Kind] = &[Kind::Execution];
pub(super) const FILE: &[Kind] = &[Kind::File];

/// Kinds of things that an account makes at upstream, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A conversation. Its messages belong to whom it belongs to.
    Conversation,
    /// A chat.
    Chat,
    /// A run of a workflow.
    Execution,
    /// An uploaded file.
    File,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Conversation, Self::Chat, Self::Execution, Self::File];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Chat => "chat",
            Self::Execution => "execution",
            Self::File => "file",
        }
    }

    /// The kind with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a key may do with the operator's own things, if its scope names it. A key without a scope may
/// use every operation, and none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Read what belongs to the operator, and list what several accounts made.
    OperatorRead,
    /// Change what belongs to the operator.
    OperatorChange,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 2] = [Self::OperatorRead, Self::OperatorChange];

    /// The stable name, as in keys' scopes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OperatorRead => "operator_read",
            Self::OperatorChange => "operator_change",
        }
    }

    /// The right with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

/// Whether a key's scope may name this: an operation, or a right.
pub fn is_scope_word(name: &str) -> bool {
    Operation::from_name(name).is_some() || Right::from_name(name).is_some()
}

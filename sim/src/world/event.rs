//! What happens in a world, an event at a time.

use meter::journal::{Question, Report};
use meter::reconcile::Cursor;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::pull::PullReply;

use crate::fault::Form;
use crate::upstream::When;

/// To whom an answer of a journal goes back.
#[derive(Debug, Clone)]
pub(crate) enum Back {
    /// Nobody waits for it.
    Nobody,
    /// Whether this flight's call may begin.
    Admit(usize),
    /// Whether its chat may go on.
    GoOn(usize),
    /// Whether it was settled.
    Settle(usize),
    /// Whether somebody else may name what this call made.
    Stranger(usize),
    /// An origin has pulled.
    Pull(Pull),
}

/// A pull that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(super) origin: usize,
    pub(super) life: u32,
    pub(super) journal: usize,
    pub(super) asked: Cursor,
    /// Up to which change was told.
    pub(super) upto: Option<u64>,
}

/// What happens.
pub(crate) enum Event {
    Step(usize),
    Fault(usize),
    /// A command reaches its journal.
    Arrives {
        journal: usize,
        command: Box<CommandDoc>,
        back: Back,
    },
    /// A journal's answer, or that there is none, reaches who asked.
    Answered {
        back: Back,
        reply: Option<Box<ReplyDoc>>,
    },
    /// A flight's request reaches upstream; its reply may be lost, or late.
    Request {
        flight: usize,
        call: usize,
        is_continuation: bool,
        is_replied: bool,
        late_ms: u64,
    },
    /// A piece of a reply reaches the edge.
    Piece {
        flight: usize,
        piece: When,
    },
    /// The edge asks the journal once more whether a request may pass.
    Knock {
        flight: usize,
    },
    /// The edge gives a sign of life of a call that has gone on for long.
    NoteDue {
        flight: usize,
    },
    /// The edge tries again to settle.
    SettleAgain {
        flight: usize,
    },
    /// The platform wakes a journal.
    Rings {
        journal: usize,
        ring: u32,
    },
    /// Upstream has answered a question, or not.
    Asked {
        journal: usize,
        life: u32,
        question: Box<Question>,
        report: Box<Report>,
        is_last: bool,
    },
    /// A caller asks how its call went.
    Poll {
        call: usize,
        polls: u32,
    },
    /// A caller hands in what its tools gave.
    Tools {
        call: usize,
    },
    /// A caller answers a run's question.
    Resume {
        call: usize,
    },
    /// A caller has had enough.
    Cancel {
        call: usize,
    },
    /// A caller tries again.
    Retry {
        call: usize,
    },
    /// An origin pulls.
    Pulls {
        origin: usize,
        life: u32,
        journal: usize,
        is_regular: bool,
    },
    /// A page is posted, or what else is left of that.
    Posts {
        pull: Pull,
        reply: Box<PullReply>,
        form: Option<Form>,
    },
    /// Upstream tells what it charged.
    Record {
        call: usize,
        id: u64,
        tokens: (u64, u64),
    },
    /// An origin looks what the bill completes.
    Looks,
    /// Storage takes things again.
    DiskHeals(usize),
}

/// An event, and when it happens. Of two at one time the one that was thought of first comes first.
pub(super) struct Scheduled {
    pub(super) at: u64,
    pub(super) order: u64,
    pub(super) event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

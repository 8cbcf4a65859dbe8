//! What may go wrong, each in its forms: before it took effect, and after.

use std::fmt;

/// Where messages pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// A command of the edge to a journal.
    Command,
    /// A request of the edge to upstream, and the beginning of its reply.
    Request,
    /// A question of a journal to upstream, and its answer.
    Question,
    /// A pull, and its page.
    Pull,
    /// A page into the ledger.
    Commit,
    /// A record of upstream's bill.
    Record,
}

impl Link {
    /// Every link.
    pub const ALL: [Self; 6] =
        [Self::Command, Self::Request, Self::Question, Self::Pull, Self::Commit, Self::Record];
}

/// What happens to the next message of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// It never arrives.
    LostBefore,
    /// It arrives and takes effect; its answer does not come back.
    LostAfter,
    /// It arrives twice.
    Twice,
    /// It arrives late, behind others.
    Late,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::LostBefore, Self::LostAfter, Self::Twice, Self::Late];
}

/// What is wrong with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Garble {
    /// An entry is missing.
    Dropped,
    /// An entry stands in it twice.
    Doubled,
    /// Two entries have changed places.
    Swapped,
    /// An amount is another.
    Altered,
}

impl Garble {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Dropped, Self::Doubled, Self::Swapped, Self::Altered];
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something happens to the next message of a link.
    Message(Link, Form),
    /// The next stream breaks off before its end.
    StreamCut,
    /// The next reply breaks off after its beginning.
    ReplyBroken,
    /// An isolate dies, and all it was doing with it.
    EdgeDies(usize),
    /// A journal's object dies while nothing is being done.
    JournalDies(usize),
    /// It dies with its next command, which is not stored.
    JournalDiesBefore(usize),
    /// It dies with its next command, which is stored; nobody hears of it.
    JournalDiesAfter(usize),
    /// A journal's storage is full for so long: nothing is stored.
    DiskFull(usize, u64),
    /// The next command to a journal is stored in part when storage refuses.
    DiskFullHalfway(usize),
    /// A journal's storage is slow for so long.
    DiskSlow(usize, u64),
    /// A journal's clock jumps by so many milliseconds.
    ClockJumps(usize, i64),
    /// An origin dies, and what it pulled with it.
    OriginDies(usize),
    /// A page is not what the journal sent.
    PageGarbled(Garble),
    /// Upstream answers nothing but errors for so long.
    UpstreamDown(u64),
    /// A journal's storage is what it was when it was copied last.
    JournalRestored(usize),
    /// A journal's storage is gone.
    JournalLost(usize),
    /// The ledger is what it was when it was backed up last.
    LedgerRestored,
}

/// The name that faults of a kind are counted by.
pub type Name = &'static str;

impl Kind {
    /// By which name it is counted.
    pub const fn name(self) -> Name {
        use Form::{Late, LostAfter, LostBefore, Twice};
        match self {
            Self::Message(Link::Command, LostBefore) => "command lost before it took effect",
            Self::Message(Link::Command, LostAfter) => "command lost after it took effect",
            Self::Message(Link::Command, Twice) => "command doubled",
            Self::Message(Link::Command, Late) => "command late",
            Self::Message(Link::Request, LostBefore) => "request lost on its way to upstream",
            Self::Message(Link::Request, LostAfter) => "reply of upstream lost",
            Self::Message(Link::Request, Twice | Late) => "reply of upstream late",
            Self::Message(Link::Question, LostBefore) => "question lost",
            Self::Message(Link::Question, LostAfter) => "answer lost",
            Self::Message(Link::Question, Twice | Late) => "answer late",
            Self::Message(Link::Pull, LostBefore) => "pull lost before it took effect",
            Self::Message(Link::Pull, LostAfter) => "page lost on its way to the origin",
            Self::Message(Link::Pull, Twice) => "pull doubled",
            Self::Message(Link::Pull, Late) => "page late, behind others",
            Self::Message(Link::Commit, LostBefore) => "posting rolled back",
            Self::Message(Link::Commit, LostAfter) => "origin died behind its posting",
            Self::Message(Link::Commit, Twice) => "page posted twice",
            Self::Message(Link::Commit, Late) => "page posted late",
            Self::Message(Link::Record, LostBefore | LostAfter) => "bill record lost at first",
            Self::Message(Link::Record, Twice) => "bill record doubled",
            Self::Message(Link::Record, Late) => "bill record late",
            Self::StreamCut => "stream cut",
            Self::ReplyBroken => "reply broken off",
            Self::EdgeDies(_) => "isolate died",
            Self::JournalDies(_) => "object died",
            Self::JournalDiesBefore(_) => "object died before it stored",
            Self::JournalDiesAfter(_) => "object died after it stored",
            Self::DiskFull(..) => "storage full",
            Self::DiskFullHalfway(_) => "storage full halfway through a command",
            Self::DiskSlow(..) => "storage slow",
            Self::ClockJumps(_, ms) if ms < 0 => "clock jumped back",
            Self::ClockJumps(..) => "clock jumped forwards",
            Self::OriginDies(_) => "origin died",
            Self::PageGarbled(_) => "page garbled",
            Self::UpstreamDown(_) => "upstream down",
            Self::JournalRestored(_) => "journal restored from an old copy",
            Self::JournalLost(_) => "journal's storage lost",
            Self::LedgerRestored => "ledger restored from an old backup",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::EdgeDies(number) => write!(f, " (edge {number})"),
            Self::JournalDies(number)
            | Self::JournalDiesBefore(number)
            | Self::JournalDiesAfter(number)
            | Self::DiskFullHalfway(number)
            | Self::JournalRestored(number)
            | Self::JournalLost(number) => write!(f, " (journal {number})"),
            Self::DiskFull(number, ms) | Self::DiskSlow(number, ms) => {
                write!(f, " (journal {number}, for {ms} ms)")
            }
            Self::ClockJumps(number, ms) => write!(f, " (journal {number}, by {ms} ms)"),
            Self::OriginDies(number) => write!(f, " (origin {number})"),
            Self::PageGarbled(how) => write!(f, " ({how:?})"),
            Self::UpstreamDown(ms) => write!(f, " (for {ms} ms)"),
            Self::Message(..) | Self::StreamCut | Self::ReplyBroken | Self::LedgerRestored => {
                Ok(())
            }
        }
    }
}

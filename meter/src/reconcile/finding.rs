//! What reconciling finds, and what each kind of it means.

use std::fmt;

use crate::entry::Entry;
use crate::ids::CallId;

/// Something that should have been otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry, or the place in the journal, that it is about.
    pub seq: u64,
    /// The call, when it is about one.
    pub call: Option<CallId>,
    /// What it is.
    pub code: Code,
    /// For people: what was expected and what was there.
    pub detail: String,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The journal's store is another one than before.
    EpochChanged,
    /// The journal ends before the cursor: its store was restored from an old copy.
    JournalBehind,
    /// An entry is missing.
    Gap,
    /// Entries are not in the order of their numbers, or go on behind the head.
    OutOfOrder,
    /// An entry is not what its predecessor's hash makes it.
    HashBroken,
    /// The journal's running total is not the sum of the amounts.
    TotalMismatch,
    /// A call is charged twice.
    CallDoubled,
    /// The charge is not what its terms and reading give, or its terms are not what the book says.
    ChargeDiffers,
    /// The price book of the charge is not known here.
    UnknownBook,
    /// The account is not known here.
    UnknownAccount,
    /// The call succeeded, or may have, and its usage stayed unknown.
    UsageMissing,
    /// The price is made of upstream's cost, and upstream states it in another currency.
    CostCurrency,
    /// Total and parts of the usage contradict each other.
    UsageMismatched,
    /// An earlier usage in the same stream was larger.
    UsageFell,
    /// The edge has applied changes that this ledger does not know: the ledger was restored from an
    /// old copy.
    LedgerBehind,
    /// A call came again out of a journal's old copy, with another amount than it was posted with.
    AgainDiffers,
    /// A drift that was made on purpose was not noticed.
    SelfTest,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::EpochChanged,
        Self::JournalBehind,
        Self::Gap,
        Self::OutOfOrder,
        Self::HashBroken,
        Self::TotalMismatch,
        Self::CallDoubled,
        Self::ChargeDiffers,
        Self::UnknownBook,
        Self::UnknownAccount,
        Self::UsageMissing,
        Self::CostCurrency,
        Self::UsageMismatched,
        Self::UsageFell,
        Self::LedgerBehind,
        Self::AgainDiffers,
        Self::SelfTest,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EpochChanged => "epoch_changed",
            Self::JournalBehind => "journal_behind",
            Self::Gap => "gap",
            Self::OutOfOrder => "out_of_order",
            Self::HashBroken => "hash_broken",
            Self::TotalMismatch => "total_mismatch",
            Self::CallDoubled => "call_doubled",
            Self::ChargeDiffers => "charge_differs",
            Self::UnknownBook => "unknown_book",
            Self::UnknownAccount => "unknown_account",
            Self::UsageMissing => "usage_missing",
            Self::CostCurrency => "cost_currency",
            Self::UsageMismatched => "usage_mismatched",
            Self::UsageFell => "usage_fell",
            Self::LedgerBehind => "ledger_behind",
            Self::AgainDiffers => "again_differs",
            Self::SelfTest => "self_test",
        }
    }

    /// The code with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Whether it may mean that the journal's store is another one than before: a new one, or one that
    /// was put back from an old copy.
    pub const fn is_of_another_store(self) -> bool {
        matches!(
            self,
            Self::EpochChanged | Self::JournalBehind | Self::HashBroken | Self::TotalMismatch
        )
    }

    /// Whether nothing of the page is posted because of it.
    pub const fn stops(self) -> bool {
        match self {
            Self::EpochChanged
            | Self::JournalBehind
            | Self::Gap
            | Self::OutOfOrder
            | Self::HashBroken
            | Self::TotalMismatch
            | Self::CallDoubled => true,
            Self::ChargeDiffers
            | Self::UnknownBook
            | Self::UnknownAccount
            | Self::UsageMissing
            | Self::CostCurrency
            | Self::UsageMismatched
            | Self::UsageFell
            | Self::LedgerBehind
            | Self::AgainDiffers
            | Self::SelfTest => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.code.name(), self.seq, self.detail)
    }
}

impl Finding {
    /// A finding about a place in the journal.
    pub fn at(seq: u64, code: Code, detail: impl fmt::Display) -> Self {
        Self { seq, call: None, code, detail: detail.to_string() }
    }

    /// A finding about an entry.
    pub(super) fn of(entry: &Entry, code: Code, detail: impl fmt::Display) -> Self {
        let call = Some(entry.facts.call.clone());
        Self { call, ..Self::at(entry.tail.seq, code, detail) }
    }
}

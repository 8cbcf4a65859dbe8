//! Deliberate mistakes, to see that the laws notice them.
//!
//! None of them is in the product: each sits where the simulation passes something between two real
//! parts, and passes something else.

use std::fmt;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// A journal that is loaded does not know its oldest hold.
    ForgetsAHoldOnReload,
    /// A journal that is loaded does not know which keys were revoked.
    ForgetsRevokedKeysOnReload,
    /// A journal that is loaded waits for its calls without a name from the beginning.
    WaitsAnewOnReload,
    /// A mark is stored without what accounts have spent.
    LosesSpentOfMark,
    /// Ids that were noted are not stored.
    StoresNoIds,
    /// A hold is stored without its amount.
    StoresHoldsOfNothing,
    /// An idempotency key is not found again.
    ForgetsIdempotencyKeys,
    /// What a command stored before it failed stays stored.
    KeepsHalfOfACommand,
    /// A journal answers before it has stored.
    AnswersBeforeItStores,
    /// Entries are deleted that nobody has posted.
    ClearsUpWhatWasNotPosted,
    /// Changes are applied that are older than what was applied.
    AppliesOlderChanges,
    /// A call goes upstream although the journal did not answer.
    LetsInWithoutAJournal,
    /// Nobody asks whose the things are that a request names.
    NamesNothing,
    /// A mark is stored without what was made before it.
    LosesPrintsOfMark,
    /// A settlement that is tried again is another call's.
    DoublesARetry,
    /// What goes on or broke off is released and not asked about.
    ReleasesInsteadOfAsking,
    /// A question that failed is taken for work that failed.
    TakesFailedQuestionsForFailedWork,
    /// The usages of a stream are summed up.
    SumsUsages,
    /// A page is acknowledged before it is posted.
    AcknowledgesBeforePosting,
    /// A page is posted, and the cursor stays.
    PostsWithoutTheCursor,
    /// A page is posted by the cursor that it was asked with.
    PostsByTheCursorThatWasAsked,
    /// The last entry of a page is dropped.
    DropsTheLastOfAPage,
    /// Entries are posted whatever their numbers and hashes are.
    PostsAcrossGaps,
}

impl Mutant {
    /// Every mistake.
    pub const ALL: [Self; 23] = [
        Self::ForgetsAHoldOnReload,
        Self::ForgetsRevokedKeysOnReload,
        Self::WaitsAnewOnReload,
        Self::LosesSpentOfMark,
        Self::StoresNoIds,
        Self::StoresHoldsOfNothing,
        Self::ForgetsIdempotencyKeys,
        Self::KeepsHalfOfACommand,
        Self::AnswersBeforeItStores,
        Self::ClearsUpWhatWasNotPosted,
        Self::AppliesOlderChanges,
        Self::LetsInWithoutAJournal,
        Self::NamesNothing,
        Self::LosesPrintsOfMark,
        Self::DoublesARetry,
        Self::ReleasesInsteadOfAsking,
        Self::TakesFailedQuestionsForFailedWork,
        Self::SumsUsages,
        Self::AcknowledgesBeforePosting,
        Self::PostsWithoutTheCursor,
        Self::PostsByTheCursorThatWasAsked,
        Self::DropsTheLastOfAPage,
        Self::PostsAcrossGaps,
    ];

    /// Whether the ledger's own constraint, which would refuse it at once, is left out with it.
    pub const fn drops_the_constraint(self) -> bool {
        matches!(
            self,
            Self::PostsWithoutTheCursor
                | Self::PostsByTheCursorThatWasAsked
                | Self::PostsAcrossGaps
        )
    }

    /// In worlds of how many calls it shows: marks are a thousand entries apart.
    pub const fn calls(self) -> usize {
        match self {
            Self::LosesSpentOfMark | Self::LosesPrintsOfMark => 3_000,
            Self::ClearsUpWhatWasNotPosted => 4_000,
            _ => 300,
        }
    }

    /// The mistake in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgetsAHoldOnReload => "forgets a hold on reload",
            Self::ForgetsRevokedKeysOnReload => "forgets revoked keys on reload",
            Self::WaitsAnewOnReload => "waits for an unnamed call anew on reload",
            Self::LosesSpentOfMark => "loses what was spent by a mark",
            Self::StoresNoIds => "does not store noted ids",
            Self::StoresHoldsOfNothing => "stores holds without their amount",
            Self::ForgetsIdempotencyKeys => "forgets idempotency keys",
            Self::KeepsHalfOfACommand => "keeps half of a command that failed",
            Self::AnswersBeforeItStores => "answers before it stores",
            Self::ClearsUpWhatWasNotPosted => "clears up what was not posted",
            Self::AppliesOlderChanges => "applies an older revision",
            Self::LetsInWithoutAJournal => "lets a call in without its journal",
            Self::NamesNothing => "does not ask whose a thing is",
            Self::LosesPrintsOfMark => "loses what was made by a mark",
            Self::DoublesARetry => "doubles a retried settlement",
            Self::ReleasesInsteadOfAsking => "releases instead of asking later",
            Self::TakesFailedQuestionsForFailedWork => "takes a failed question for failed work",
            Self::SumsUsages => "sums usages instead of taking the last",
            Self::AcknowledgesBeforePosting => "acknowledges before posting",
            Self::PostsWithoutTheCursor => "posts without moving the cursor",
            Self::PostsByTheCursorThatWasAsked => "posts by the cursor that was asked with",
            Self::DropsTheLastOfAPage => "drops the last entry of a page",
            Self::PostsAcrossGaps => "ignores gaps, order and hashes",
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

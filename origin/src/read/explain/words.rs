//! The sentences of an explanation.

use meter::entry::Ending;
use meter::outcome::Source;

/// Why any call is let in: what its journal checked before it wrote the hold.
pub(super) const LET_IN: &str = "the key was not revoked, the account was active, a price applied, and \
    the balance less everything held covered what was set aside";

/// Where a reading came from.
pub(super) const fn source(source: Source) -> &'static str {
    match source {
        Source::Reported => "the reply to the call itself",
        Source::Retrieved => "upstream, asked later how the work went",
        Source::Missing => "nowhere: the usage stayed unknown, and nothing is guessed",
        Source::Operator => "an operator, who decided by hand",
        Source::Bill => "upstream's bill, which named the call",
    }
}

/// How a call ended, and what that means for its charge.
pub(super) const fn outcome(ending: Ending, source: Source) -> &'static str {
    match (ending, source) {
        (Ending::Settled, Source::Reported) => "it is charged by what its reply said",
        (Ending::Settled, Source::Retrieved) => {
            "its reply did not tell, so upstream was asked, and it is charged by the answer"
        }
        (Ending::Settled, Source::Missing) => {
            "the work succeeded and upstream did not say what it used; what needs no usage is charged"
        }
        (Ending::Settled, Source::Operator) => "an operator settled it by hand",
        (Ending::Settled, Source::Bill) => {
            "its reply never told how it went, so it is charged by what upstream billed for it"
        }
        (Ending::Released, Source::Operator) => "an operator let it go by hand, for nothing",
        (Ending::Released, _) => {
            "the work failed or never began, or another call is charged for it; it costs nothing"
        }
        (Ending::Expired, _) => {
            "whether the work succeeded could not be found out in time; it costs nothing"
        }
    }
}

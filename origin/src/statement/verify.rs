//! Whether a file is a statement that Weir wrote, and whether files follow each other.
//!
//! Needs no database and no network: a statement proves itself, and names the one before it.

use meter::entry::Hash;
use meter::statement::{NotAStatement, Statement, read};

use super::html;

/// Why a file is not a genuine statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// The written form is not one.
    #[error(transparent)]
    Text(#[from] NotAStatement),
    /// The bytes are not text.
    #[error("it is not text in UTF-8")]
    NotText,
    /// A page without a statement in it.
    #[error("there is no statement in this page")]
    NoStatement,
    /// A page that shows something else than its statement.
    #[error("it was changed: the page does not show what its statement says")]
    Page,
    /// A statement that does not follow the one before it.
    #[error("it does not follow statement {0} of the same account")]
    Chain(u32),
}

/// The statement in a file, CSV or HTML, when it is genuine.
pub fn statement(bytes: &[u8]) -> Result<(Statement, Hash), NotGenuine> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotGenuine::NotText)?;
    if html::is_page(text) { html::read(text) } else { Ok(read(text)?) }
}

/// Checks that each statement follows the one with the number before it, where that is among them.
///
/// `found` are statements and their hashes, in any order; answers the place of the first that does not
/// follow.
pub fn chain(found: &[(Statement, Hash)]) -> Result<(), (usize, NotGenuine)> {
    for (at, (statement, _)) in found.iter().enumerate() {
        let precedes = |other: &&(Statement, Hash)| {
            other.0.account == statement.account
                && other.0.number.checked_add(1) == Some(statement.number)
        };
        for (before, hash) in found.iter().filter(precedes) {
            if statement.previous != *hash || statement.opening != before.closing {
                return Err((at, NotGenuine::Chain(before.number)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use meter::money::Nanos;
    use meter::statement::{CreditLine, DayLine, SubjectLine, Sums};
    use meter::time::UnixMs;

    use super::*;
    use crate::statement::html::{Language, page};

    fn october() -> Statement {
        let sums = Sums { calls: 3, tokens: 15, amount: Nanos::new(150_000) };
        let mut statement = Statement {
            account: "acc_1".parse().unwrap(),
            name: "Shop <12> & \"sons\" </pre>".to_owned(),
            number: 1,
            month: "2026-10".to_owned(),
            zone: "Asia/Shanghai".to_owned(),
            from: UnixMs::new(1_790_784_000_000),
            to: UnixMs::new(1_793_462_400_000),
            previous: Hash([0; 32]),
            opening: Nanos::ZERO,
            credits: vec![CreditLine {
                day: "2026-10-02".to_owned(),
                kind: "top_up".to_owned(),
                amount: Nanos::new(2_000_000_000),
                reference: "pay_7".to_owned(),
                reason: "<script>alert(1)</script> &amp;lt;".to_owned(),
            }],
            days: vec![DayLine { day: "2026-10-31".to_owned(), sums }],
            subjects: vec![SubjectLine {
                operation: "workflow_run".to_owned(),
                kind: "workflow".to_owned(),
                subject: "7480".to_owned(),
                sums,
            }],
            closing: Nanos::ZERO,
        };
        statement.close().unwrap();
        statement
    }

    #[test]
    fn both_forms_of_a_statement_are_genuine_and_say_the_same() {
        let (text, hash) = october().to_text();
        assert_eq!(statement(text.as_bytes()), Ok((october(), hash)));
        for language in [Language::Zh, Language::En] {
            let page = page(&text, language).unwrap();
            assert!(!page.contains("<script"), "{page}");
            assert_eq!(statement(page.as_bytes()), Ok((october(), hash)));
        }
    }

    #[test]
    fn no_bit_of_a_page_can_be_flipped() {
        let page = page(&october().to_text().0, Language::En).unwrap().into_bytes();
        for at in 0..page.len() {
            let mut changed = page.clone();
            for bit in 0..8 {
                changed[at] ^= 1 << bit;
                assert!(statement(&changed).is_err(), "bit {bit} of byte {at}");
                changed[at] ^= 1 << bit;
            }
        }
        assert_eq!(statement(&[&page[..], b"\n"].concat()), Err(NotGenuine::Page));
    }

    #[test]
    fn a_month_that_was_exchanged_breaks_the_chain() {
        let first = (october(), october().to_text().1);
        let next = |previous, opening| {
            let mut next =
                Statement { number: 2, previous, opening, credits: Vec::new(), ..october() };
            next.close().unwrap();
            let hash = next.to_text().1;
            (next, hash)
        };
        let good = next(first.1, first.0.closing);
        assert_eq!(chain(&[good.clone(), first.clone()]), Ok(()));
        let other = next(Hash([1; 32]), first.0.closing);
        assert_eq!(chain(&[first.clone(), other]), Err((1, NotGenuine::Chain(1))));
        let other = next(first.1, Nanos::ZERO);
        assert_eq!(chain(&[first, other]), Err((1, NotGenuine::Chain(1))));
        assert_eq!(chain(&[good]), Ok(()));
    }
}

//! Which price of the book applied.

use meter::entry::Facts;
use meter::ids::AccountId;
use meter::price::{PriceBook, Scope};
use meter::request::Asked;
use serde::Serialize;
use utoipa::ToSchema;

/// The most specific price that applied, found again in the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rule {
    /// `account_and_subject`, `account`, `subject`, `operation`, `everything_else`; `none` when the
    /// book prices nothing of the kind, `unknown` when the book is not here.
    pub scope: &'static str,
    /// The same in words.
    pub text: String,
    /// Whether the book's terms are those frozen on the call.
    pub agrees: bool,
}

impl Rule {
    /// The rule for this call in this book, where that is known.
    pub(super) fn of(facts: &Facts, book: Option<&PriceBook>) -> Self {
        let Some(book) = book else {
            let text = format!("price book {} is not known here", facts.terms.book);
            return Self { scope: "unknown", text, agrees: false };
        };
        let terms = book.terms(&facts.account, &facts.group, &facts.asked);
        let agrees = terms == Ok(facts.terms);
        // From the most specific to the least, as the book itself looks (`meter::price`); a test holds
        // the two against each other.
        let found = scopes(&facts.account, &facts.asked)
            .into_iter()
            .find(|scope| book.prices.contains_key(scope));
        let Some(scope) = found else {
            let text = "the book has no price for it".to_owned();
            return Self { scope: "none", text, agrees };
        };
        let (scope, text) = told(&scope);
        Self { scope, text, agrees }
    }
}

/// What could have priced a call, from the most specific to the least.
pub(in crate::read) fn scopes(account: &AccountId, asked: &Asked) -> [Scope; 5] {
    let subject = &asked.subject.id;
    [
        Scope::AccountSubject(account.clone(), subject.clone()),
        Scope::Account(account.clone()),
        Scope::Subject(subject.clone()),
        Scope::Operation(asked.operation),
        Scope::rest_of(asked.operation.provider()),
    ]
}

fn told(scope: &Scope) -> (&'static str, String) {
    match scope {
        Scope::AccountSubject(account, subject) => {
            ("account_and_subject", format!("the price of {subject} for account {account}"))
        }
        Scope::Account(account) => ("account", format!("the price of everything for {account}")),
        Scope::Subject(subject) => ("subject", format!("the price of {subject}")),
        Scope::Operation(operation) => ("operation", format!("the price of {operation}")),
        Scope::Coze => ("everything_else", "the price of everything else".to_owned()),
        Scope::Dify => ("everything_else", "the price of everything else at Dify".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use meter::money::Nanos;
    use meter::price::Price;

    use super::super::charge::tests::facts;
    use super::*;

    #[test]
    fn the_rule_is_the_price_that_the_book_itself_finds() {
        let mut facts = facts();
        let mut book = PriceBook::initial();
        book.prices.clear();
        let scopes = scopes(&facts.account, &facts.asked);
        let named = ["account_and_subject", "account", "subject", "operation", "everything_else"];
        assert_eq!(Rule::of(&facts, Some(&book)).scope, "none");
        // Each more specific one takes the place of those before.
        for (number, (scope, name)) in (1..).zip(scopes.into_iter().zip(named).rev()) {
            book.prices.insert(scope, Price::PerCall { amount: Nanos::new(number) });
            facts.terms = book.terms(&facts.account, &facts.group, &facts.asked).unwrap();
            assert_eq!(facts.terms.price, Price::PerCall { amount: Nanos::new(number) });
            let rule = Rule::of(&facts, Some(&book));
            assert_eq!((rule.scope, rule.agrees), (name, true));
        }
        facts.terms.price = Price::Free;
        assert!(!Rule::of(&facts, Some(&book)).agrees);
        assert_eq!(Rule::of(&facts, None).scope, "unknown");
    }
}

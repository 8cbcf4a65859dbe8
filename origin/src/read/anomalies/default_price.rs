//! Subjects that nobody gave a price, and that were charged all the same.
//!
//! In an installation that sells tokens that is how it should be; in one that sells workflows by the call
//! it is a price that was forgotten.

use std::collections::BTreeMap;

use meter::ids::AccountId;
use meter::money::Nanos;
use meter::price::{PriceBook, Scope};
use meter::request::Asked;
use meter::wire::asked::AskedDoc;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::Error;
use crate::price;
use crate::read::days::Days;
use crate::read::explain::rule::scopes;

/// What was charged for a subject by its provider's default price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefaultPriced {
    /// `bot`, `workflow`, `voice`, `plugin`, `app` or `service`.
    pub subject_kind: String,
    /// Its id at upstream.
    pub subject: String,
    /// How many settled calls there were.
    pub calls: i64,
    /// What they cost.
    pub amount_nanos: i64,
    /// The same in quota.
    pub amount_quota: String,
    /// How many accounts they were of.
    pub accounts: i64,
}

/// The subjects of these days' settled calls, the dearest first.
pub(super) async fn read(
    connection: &mut PgConnection,
    account: Option<&str>,
    days: &Days,
) -> Result<Vec<DefaultPriced>, Error> {
    let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query!(
        r#"SELECT account_id, operation, subject_kind, subject_id, price_book_id,
                  count(*) AS "calls!", sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM entry
           WHERE finished_at >= $2 AND finished_at < $3 AND ending = 'settled'
             AND ($1::text IS NULL OR account_id = $1)
           GROUP BY account_id, operation, subject_kind, subject_id, price_book_id
           ORDER BY account_id"#,
        account,
        from,
        to
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut versions: Vec<i64> = rows.iter().map(|row| row.price_book_id).collect();
    versions.sort_unstable();
    versions.dedup();
    let books = price::books(connection, &versions).await?;
    let mut found = BTreeMap::<(String, String), (DefaultPriced, String)>::new();
    for row in rows {
        let asked = AskedDoc {
            operation: row.operation,
            subject_kind: row.subject_kind.clone(),
            subject: row.subject_id.clone(),
            units: 1,
            resumes: None,
        };
        let asked = Asked::try_from(&asked).map_err(Error::unreadable("entry"))?;
        let account = row.account_id.parse().map_err(|error| Error::impossible("entry", error))?;
        // A book that is not known here is a finding of its own.
        let book = u32::try_from(row.price_book_id).ok().and_then(|version| books.get(&version));
        if !book.is_some_and(|book| is_default(book, &account, &asked)) {
            continue;
        }
        let (kind, subject) = (row.subject_kind, row.subject_id);
        let none = || DefaultPriced {
            subject_kind: kind.clone(),
            subject: subject.clone(),
            calls: 0,
            amount_nanos: 0,
            amount_quota: String::new(),
            accounts: 0,
        };
        let place = (kind.clone(), subject.clone());
        let (sums, last) = found.entry(place).or_insert_with(|| (none(), String::new()));
        sums.calls = sums.calls.saturating_add(row.calls);
        sums.amount_nanos = Nanos::new(sums.amount_nanos).plus(Nanos::new(row.amount_nanos))?.get();
        // Rows come account by account, and one account may have several.
        if *last != row.account_id {
            sums.accounts = sums.accounts.saturating_add(1);
            *last = row.account_id;
        }
    }
    let mut found: Vec<_> = found.into_values().map(|(sums, _)| sums).collect();
    for sums in &mut found {
        sums.amount_quota = Nanos::new(sums.amount_nanos).in_quota().to_string();
    }
    found.sort_by_key(|sums| std::cmp::Reverse(sums.amount_nanos));
    Ok(found)
}

/// Whether nothing more specific than the provider's default priced it.
fn is_default(book: &PriceBook, account: &AccountId, asked: &Asked) -> bool {
    let rest = Scope::rest_of(asked.operation.provider());
    let mut scopes = scopes(account, asked).into_iter();
    scopes.find(|scope| book.prices.contains_key(scope)) == Some(rest)
}

#[cfg(test)]
mod tests {
    use meter::price::Price;
    use meter::request::SubjectKind;
    use meter::route::Operation;

    use super::*;

    #[test]
    fn only_what_nothing_more_specific_prices_has_the_default_price() {
        let account: AccountId = "acc_1".parse().unwrap();
        let workflow = "7480".parse().unwrap();
        let asked = Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, workflow);
        let mut book = PriceBook::initial();
        assert!(is_default(&book, &account, &asked));
        book.prices.insert(Scope::Operation(Operation::Chat), Price::Free);
        assert!(is_default(&book, &account, &asked), "that is another operation");
        book.prices.insert(Scope::Subject(asked.subject.id.clone()), Price::Free);
        assert!(!is_default(&book, &account, &asked));
        book.prices.clear();
        assert!(!is_default(&book, &account, &asked), "there is no price at all");
    }
}

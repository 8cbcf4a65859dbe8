//! What a change would lead to: the same change of the same book, and nothing is stored.

use meter::price::PriceBook;
use meter::price::bound;
use meter::price::plan::Plan;
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;

use super::{When, check_version, plan, too_large};

/// A book that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The book as it is.
    pub before: PriceBook,
    /// As it would be; it has the number of the one before.
    pub after: PriceBook,
}

/// What the change would make of the book that is in force when it is to count.
pub async fn propose(
    pool: &PgPool,
    when: &When,
    change: impl FnOnce(&Plan, &mut PriceBook) -> Result<(), Error>,
) -> Result<Proposed, Error> {
    let mut connection = pool.acquire().await?;
    let plan::Now { plan, at } = plan::load(&mut connection).await?;
    let before = plan.at(when.starts_at.map(clock::unix_ms)).clone();
    check_version(&before, when.if_version)?;
    let mut after = before.clone();
    change(&plan, &mut after)?;
    bound::check(&after).map_err(|error| too_large(&error, when.starts_at.unwrap_or(at)))?;
    Ok(Proposed { before, after })
}

//! What an account has: credits, less what its calls cost.

use meter::money::{NANOS_PER_QUOTA, Nanos};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::error::Error;

/// A balance in every unit people know, all of them exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// Whose; `None` for all accounts together.
    pub account: Option<String>,
    /// The sum of the credits.
    pub credits_nanos: i64,
    /// The sum of the calls.
    pub spent_nanos: i64,
    /// Their difference. Negative in arrears.
    pub balance_nanos: i64,
    /// The credits in quota.
    pub credits_quota: String,
    /// The calls in quota.
    pub spent_quota: String,
    /// The balance in quota.
    pub balance_quota: String,
    /// The balance in points.
    pub balance_points: String,
    /// The balance in units of the currency.
    pub balance_currency: String,
    /// The balance in whole tokens, rounded down.
    pub token_balance: i64,
    /// Whether more was spent than was credited.
    pub arrears: bool,
    /// How many calls were posted.
    pub calls: i64,
}

impl Balance {
    /// The balance that these sums make.
    pub fn of(
        account: Option<&str>,
        credits: Nanos,
        spent: Nanos,
        calls: i64,
    ) -> Result<Self, Error> {
        let balance = credits.minus(spent)?;
        Ok(Self {
            account: account.map(str::to_owned),
            credits_nanos: credits.get(),
            spent_nanos: spent.get(),
            balance_nanos: balance.get(),
            credits_quota: credits.in_quota().to_string(),
            spent_quota: spent.in_quota().to_string(),
            balance_quota: balance.in_quota().to_string(),
            balance_points: balance.in_points().to_string(),
            balance_currency: balance.in_currency().to_string(),
            token_balance: balance.get().div_euclid(NANOS_PER_QUOTA),
            arrears: balance < Nanos::ZERO,
            calls,
        })
    }
}

/// The balance of an account, or of all of them together.
pub async fn read(executor: impl PgExecutor<'_>, account: Option<&str>) -> Result<Balance, Error> {
    let sums = sqlx::query!(
        r#"SELECT coalesce(sum(credits_nanos), 0)::bigint AS "credits!",
                  coalesce(sum(spent_nanos), 0)::bigint AS "spent!",
                  coalesce(sum(entries), 0)::bigint AS "entries!"
           FROM balance WHERE $1::text IS NULL OR account_id = $1"#,
        account
    )
    .fetch_one(executor)
    .await?;
    Balance::of(account, Nanos::new(sums.credits), Nanos::new(sums.spent), sums.entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_below_zero_is_in_arrears_and_its_tokens_are_rounded_down() {
        let balance = Balance::of(None, Nanos::new(2_000), Nanos::new(2_001), 1).unwrap();
        assert_eq!((balance.token_balance, balance.arrears), (-1, true));
        assert_eq!(balance.balance_quota, "-0.0005");
        let even = Balance::of(None, Nanos::new(2_000), Nanos::new(2_000), 1).unwrap();
        assert_eq!((even.token_balance, even.arrears), (0, false));
    }
}

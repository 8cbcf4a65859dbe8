//! An account with its balance, as it is shown.

use meter::money::Nanos;
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::AccountRow;
use crate::error::Error;

use super::balance::Balance;

/// An account and its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountTold {
    /// The account.
    #[serde(flatten)]
    pub account: AccountRow,
    /// Credits less charges. Negative in arrears.
    pub balance_nanos: i64,
    /// The same in quota.
    pub balance_quota: String,
    /// The same in whole tokens, rounded down.
    pub token_balance: i64,
    /// Whether more was spent than was credited.
    pub arrears: bool,
}

impl AccountTold {
    /// The account, told with its balance.
    pub fn of(account: AccountRow) -> Result<Self, Error> {
        let (credits, spent) = (account.credits_nanos, account.spent_nanos);
        let (credits, spent) = (Nanos::new(credits), Nanos::new(spent));
        let balance = Balance::of(Some(&account.account_id), credits, spent, account.entries)?;
        Ok(Self {
            account,
            balance_nanos: balance.balance_nanos,
            balance_quota: balance.balance_quota,
            token_balance: balance.token_balance,
            arrears: balance.arrears,
        })
    }
}

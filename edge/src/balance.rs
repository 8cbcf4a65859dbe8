//! The live balance of the key's account, as the journal knows it this second.

use meter::money::{NANOS_PER_QUOTA, Nanos};
use meter::refusal::{Reason, Refusal};
use meter::wire::command::{CommandDoc, ReplyDoc, StandingDoc};
use serde::Serialize;
use worker::Env;
use worker::web_sys::{Request, Response};

use crate::call;
use crate::config::Config;
use crate::journal::Handle;
use crate::reply::{self, Failure};

/// The balance, in the units and under the names that the origin uses too.
#[derive(Serialize)]
struct AccountBalance {
    account: String,
    credits_nanos: i64,
    spent_nanos: i64,
    /// What is set aside for running calls. It is still part of the balance.
    held_nanos: i64,
    balance_nanos: i64,
    balance_quota: String,
    balance_points: String,
    balance_currency: String,
    /// In whole tokens, rounded down.
    token_balance: i64,
    arrears: bool,
}

/// Answers `GET /api/v1/token-usage/balance`.
pub(crate) async fn answer(request: &Request, env: &Env) -> Result<Response, Failure> {
    let config = Config::of(env)?;
    let caller = call::authenticate(request, &config)?;
    let journal = Handle::of(env, &caller.journal)?;
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    match journal.command(&CommandDoc::Stand { account: account.clone(), key }).await? {
        ReplyDoc::Standing(standing) => Ok(reply::json(200, &balance(account, &standing)?)?),
        ReplyDoc::Refused(refusal) => Err(Refusal::from(refusal).into()),
        _ => Err(Reason::Internal.into()),
    }
}

fn balance(account: String, standing: &StandingDoc) -> Result<AccountBalance, Reason> {
    let StandingDoc { credits_nanos, spent_nanos, held_nanos } = *standing;
    let balance = Nanos::new(credits_nanos).minus(Nanos::new(spent_nanos));
    let balance = balance.map_err(|_| Reason::Internal)?;
    Ok(AccountBalance {
        account,
        credits_nanos,
        spent_nanos,
        held_nanos,
        balance_nanos: balance.get(),
        balance_quota: balance.in_quota().to_string(),
        balance_points: balance.in_points().to_string(),
        balance_currency: balance.in_currency().to_string(),
        token_balance: balance.get().div_euclid(NANOS_PER_QUOTA),
        arrears: balance < Nanos::ZERO,
    })
}

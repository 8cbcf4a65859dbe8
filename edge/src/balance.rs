//! The live balance of the key's account, as the journal knows it this second.

use meter::refusal::Reason;
use meter::wire::command::{CommandDoc, ReplyDoc};
use worker::Env;
use worker::web_sys::{Request, Response};

use crate::call;
use crate::config::Config;
use crate::journal::Handle;
use crate::reply::{self, Failure};

/// Answers `GET /api/v1/token-usage/balance`.
pub(crate) async fn answer(request: &Request, env: &Env) -> Result<Response, Failure> {
    let config = Config::of(env)?;
    let caller = call::authenticate(request, &config)?;
    let journal = Handle::of(env, &caller.journal)?;
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    match journal.command(&CommandDoc::Stand { account, key }).await? {
        ReplyDoc::Standing(standing) => Ok(reply::json(200, &standing)?),
        ReplyDoc::Refused { reason } => {
            Err(Reason::from_code(&reason).unwrap_or(Reason::Internal).into())
        }
        _ => Err(Reason::Internal.into()),
    }
}

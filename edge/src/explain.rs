//! Why a call stands as it does, as its journal knows it this second.

use meter::ids::CallId;
use meter::refusal::{Reason, Refusal};
use meter::wire::command::{CommandDoc, ReplyDoc};
use worker::Env;
use worker::web_sys::{Request, Response};

use crate::call;
use crate::config::Config;
use crate::journal::Handle;
use crate::reply::{self, Failure};

const BEFORE_ID: &str = "/api/v1/calls/";
const AFTER_ID: &str = "/explain";

/// Whether a path asks for an explanation.
pub(crate) fn is_explain(path: &str) -> bool {
    id(path).is_some()
}

fn id(path: &str) -> Option<&str> {
    path.strip_prefix(BEFORE_ID)?.strip_suffix(AFTER_ID)
}

/// Answers `GET /api/v1/calls/{id}/explain`. Calls that ended long ago are explained by the origin.
pub(crate) async fn answer(request: &Request, env: &Env, path: &str) -> Result<Response, Failure> {
    let config = Config::of(env)?;
    let caller = call::authenticate(request, &config)?;
    let call: CallId = id(path)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Refusal::from(Reason::RouteUnknown))?;
    let journal = Handle::of(env, &caller.journal)?;
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    let command = CommandDoc::Explain { account, key, call: call.to_string() };
    match journal.command(&command).await? {
        ReplyDoc::Explained(explained) => Ok(reply::json(200, &explained)?),
        ReplyDoc::Refused(refusal) => Err(Refusal::from(refusal).into()),
        ReplyDoc::Unknown => Err(Refusal::with_detail(
            Reason::WorkUnknown,
            "neither running nor among the last to finish or to be refused",
        )
        .into()),
        _ => Err(Reason::Internal.into()),
    }
}

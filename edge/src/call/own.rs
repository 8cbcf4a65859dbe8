//! A call about what the account made itself: its conversations and messages, its runs, its files.
//!
//! It costs nothing. What it names has to be the account's; what it makes is the account's from then on.

use meter::apart::{self, Named, Said};
use meter::credential::is_refused;
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::request::Parts;
use meter::route::{Kind, Own};
use meter::wire::command::{CommandDoc, ReplyDoc};
use worker::web_sys::Response;

use crate::journal::Handle;
use crate::reply::{self, Body, Failure};
use crate::{log, tries};

use super::{Arrived, admit, authenticate, forward, read_body};

/// How often it is tried to keep whose a new thing is.
pub(crate) const TRIES_MAX: u32 = 3;

/// Passes the call on, for the account that made what it is about.
pub(crate) async fn own(arrived: Arrived, own: Own) -> Result<Response, Failure> {
    let caller = authenticate(&arrived.request, &arrived.config)?;
    let Arrived { request, call, .. } = &arrived;
    let up = arrived.up()?;
    let answer = match own {
        // A file goes up as it comes, and its form names nothing.
        Own::MakesFile => {
            let said = said(&arrived, &[], &[])?;
            let (authorization, _) = admit::enter(&arrived, &caller, &said.names).await?;
            up.authorize(&authorization)?;
            noted(forward::pass(&up, request).await?, &authorization)
        }
        Own::MakesConversation | Own::About(_) => {
            let kinds = if let Own::About(kinds) = own { kinds } else { &[] };
            let body = read_body(request).await?;
            let bytes = body.to_vec();
            let said = said(&arrived, &bytes, kinds)?;
            let (authorization, prefix) = admit::enter(&arrived, &caller, &said.names).await?;
            up.authorize(&authorization)?;
            let sent = admit::with_users(&bytes, &said, prefix.as_deref()).unwrap_or(body);
            if sent.length() > 0 {
                up.says_json()?;
            }
            noted(forward::send_read(&up, &sent).await?, &authorization)
        }
    };
    let headers = reply::headers_down(&answer.headers(), call)?;
    let kind = match own {
        Own::MakesConversation => Kind::Conversation,
        Own::MakesFile => Kind::File,
        Own::About(_) => {
            let body = answer.body();
            return Ok(reply::respond(answer.status(), &headers, Body::Stream(body.as_ref()))?);
        }
    };
    let bytes = forward::bytes(&answer).await?;
    if let Some(id) = apart::made(answer.status(), &bytes.to_vec()) {
        keep(&arrived, &caller, Named { kind, id }).await?;
    }
    Ok(reply::respond(answer.status(), &headers, Body::Bytes(&bytes))?)
}

/// What a request says, which has to name each of these kinds.
pub(super) fn said(arrived: &Arrived, body: &[u8], kinds: &[Kind]) -> Result<Said, Refusal> {
    if arrived.dify.is_some() {
        // Dify's users and works are kept apart by what the door has made of the request.
        return Ok(Said::default());
    }
    let said = apart::read(Parts { path: &arrived.path, query: &arrived.query, body })?;
    said.check_names(kinds)?;
    Ok(said)
}

/// An answer, after it was looked at whether upstream takes our credential.
fn noted(answer: Response, authorization: &crate::credential::Authorization) -> Response {
    if is_refused(answer.status(), None) {
        authorization.was_refused();
    }
    answer
}

/// Keeps whose a thing is, before its maker hears of it: one that could not be kept could not be used, and
/// the request has to be sent again.
async fn keep(arrived: &Arrived, caller: &Caller, made: Named) -> Result<(), Failure> {
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let command = CommandDoc::Own { account: caller.account.to_string(), made: (&made).into() };
    let kept = tries::up_to(TRIES_MAX, async |_| {
        matches!(journal.command(&command).await, Ok(ReplyDoc::Ok { .. })).then_some(())
    });
    if kept.await.is_some() {
        return Ok(());
    }
    log::error("owner_lost", Some(arrived.call.as_str()), "the journal could not be told");
    Err(Reason::JournalUnreachable.into())
}

//! A call about earlier work: passed on, and read for what it says of a call that is still open.

use meter::credential::is_refused;
use meter::journal::{Report, Settled};
use meter::key::Caller;
use meter::route::FollowUp;
use meter::usage::{Stage, coze_chat, coze_workflow, dify};
use meter::wire::command::CommandDoc;
use worker::js_sys::Uint8Array;
use worker::web_sys::Response;

use crate::credential::Authorization;
use crate::journal::Handle;
use crate::reply::{self, Body, Failure};
use crate::{log, platform};

use super::memory::{self, Answer, Asked};
use super::{Arrived, forward};

/// Passes the call on and settles the earlier call it is about, when it tells how that ended.
pub(super) async fn follow(
    arrived: &Arrived,
    caller: &Caller,
    authorization: &Authorization,
    body: &Uint8Array,
    what: FollowUp,
) -> Result<Response, Failure> {
    let Arrived { env, path, query, call, .. } = arrived;
    let app = arrived.app().map_or("", |app| app.name.as_str());
    let said = String::from_utf8_lossy(&body.to_vec()).into_owned();
    let question = [app, path.as_str(), query, "\n", &said].concat();
    let asked = Asked { account: caller.account.clone(), question };
    if let Some(answer) = memory::recall(&asked, platform::now()) {
        // What it says was taken in when it was new.
        let headers = reply::headers_down(&answer.headers, call)?;
        return Ok(reply::respond(answer.status, &headers, Body::Bytes(&answer.bytes))?);
    }
    let up = arrived.up()?;
    up.authorize(authorization)?;
    if body.length() > 0 {
        up.says_json()?;
    }
    let answer = forward::send_read(&up, body).await?;
    let bytes = forward::bytes(&answer).await?;
    let body = bytes.to_vec();
    let status = answer.status();
    let remembered = Answer { status, headers: answer.headers(), bytes: bytes.clone() };
    memory::remember(asked, remembered, platform::now());
    let observed = match what {
        FollowUp::ChatRetrieve => coze_chat::read_retrieved(&body),
        FollowUp::RunHistory => coze_workflow::read_history(&body),
        FollowUp::DifyRun => dify::read_run(&body),
    };
    if is_refused(status, observed.code) {
        authorization.was_refused();
    }
    let headers = reply::headers_down(&answer.headers(), call)?;
    // Most polls find the work still running, and need nobody's attention.
    if !matches!(observed.stage, Stage::Unknown | Stage::Running) {
        let report = Report { status: Some(answer.status()), observed };
        let account = caller.account.to_string();
        let command = CommandDoc::Follow { account, report: (&report).into() };
        let journal = Handle::of(env, &caller.journal)?;
        match journal.command(&command).await.map(|reply| reply.settled()) {
            Ok(Ok(Settled::Finished { amount, balance, .. })) => {
                reply::add_charge(&headers, amount, balance)?;
            }
            Ok(Ok(Settled::Open | Settled::Unknown)) => {}
            Ok(Err(_)) | Err(_) => {
                log::warn("follow_lost", Some(call.as_str()), "the journal did not answer");
            }
        }
    }
    Ok(reply::respond(answer.status(), &headers, Body::Bytes(&bytes))?)
}

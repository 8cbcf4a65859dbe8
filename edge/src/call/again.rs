//! The events of a Dify run, again: passed on, and never billed.
//!
//! A run that was paused goes on without the stream it began in, and what it used from then on may be told
//! here alone (contract §7.3). So the copy is read, and tells a call that still waits to hear how it ended;
//! a call that is finished is not changed by it (contract §9 no. 48).

use std::rc::Rc;

use meter::credential::is_refused;
use meter::ids::AccountId;
use meter::journal::Report;
use meter::sse;
use meter::usage::dify::DifyStream;
use meter::usage::{Observed, Stage};
use meter::wire::command::CommandDoc;
use wasm_bindgen::JsCast as _;
use worker::Context;
use worker::web_sys::{ReadableStream, Response};

use crate::journal::Handle;
use crate::reply::{self, Body, Failure};
use crate::{body, log};

use super::tap::Kind;
use super::{Arrived, admit, authenticate, forward};

/// Passes the events on.
pub(crate) async fn events(arrived: Arrived, context: &Rc<Context>) -> Result<Response, Failure> {
    let caller = authenticate(&arrived.request, &arrived.config)?;
    let (authorization, _) = admit::enter(&arrived, &caller, &[]).await?;
    let up = arrived.up()?;
    up.authorize(&authorization)?;
    let answer = forward::pass(&up, &arrived.request).await?;
    let status = answer.status();
    if is_refused(status, None) {
        authorization.was_refused();
    }
    let headers = reply::headers_down(&answer.headers(), &arrived.call)?;
    let kind = Kind::of(&answer.headers().get("content-type")?.unwrap_or_default());
    let (Kind::Stream, Some(stream)) = (kind, answer.body()) else {
        return Ok(reply::respond(status, &headers, Body::Stream(answer.body().as_ref()))?);
    };
    let halves = stream.tee();
    let for_caller: ReadableStream = halves.get(0).unchecked_into();
    let copy: ReadableStream = halves.get(1).unchecked_into();
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let call = arrived.call.clone();
    context.wait_until(async move {
        let report = Report { status: Some(status), observed: read(&copy).await };
        if tell(&journal, &caller.account, &report).await.is_err() {
            log::warn("follow_lost", Some(call.as_str()), "the journal did not answer");
        }
    });
    Ok(reply::respond(status, &headers, Body::Stream(Some(&for_caller)))?)
}

/// Reads the copy to its end.
async fn read(copy: &ReadableStream) -> Observed {
    let reader = body::reader(copy);
    let mut reading = DifyStream::new();
    let mut parser = sse::Parser::new();
    // A stream that breaks off has told what it told.
    while let Ok(Some(chunk)) = body::next_chunk(&reader).await {
        parser.feed(&chunk.to_vec(), |event| reading.take(event));
    }
    parser.finish(|event| reading.take(event));
    reading.finish()
}

/// Tells the journal how the run ended, if that is what was read.
async fn tell(
    journal: &Handle,
    account: &AccountId,
    report: &Report,
) -> Result<(), meter::refusal::Refusal> {
    if !matches!(report.observed.stage, Stage::Completed | Stage::Failed) {
        return Ok(());
    }
    let command = CommandDoc::Follow { account: account.to_string(), report: report.into() };
    journal.command(&command).await.map(drop)
}

//! (4) Upstream's reply goes to the caller as it comes, and a copy is read.
//!
//! Reading the copy cannot hold up or fail the caller's bytes: a stream is split by the platform, and
//! what the copy says is settled when it ends, whether the caller is still there or not.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use meter::credential::is_refused;
use meter::ids::UpstreamId;
use meter::journal::{IDEMPOTENT_REPLY_BYTES_MAX, Report, Settled};
use meter::refusal::Reason;
use meter::route::Dialect;
use meter::sse;
use meter::usage::coze_chat::{self, ChatStream};
use meter::usage::coze_workflow::{self, WorkflowStream};
use meter::usage::dify::{self, DifyStream};
use meter::usage::{Observed, Stage, WorkIds, coze_plain};
use meter::wire::command::KeptReplyDoc;
use wasm_bindgen::JsCast as _;
use worker::web_sys::{ReadableStream, Response};
use worker::{Context, Delay, Result};

use crate::config::Config;
use crate::credential::Authorization;
use crate::reply::{self, Body, Failure};
use crate::{body, log};

use super::admit::Admitted;
use super::owner::Owned;
use super::{forward, notice, settle};

/// How often a call that goes on gives a sign of life, once its ids were noted.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// How long a stream goes on before the journal hears which ids its caller sees. Until then somebody who names
/// one of them is asked to wait (`journal::handle`), and a stream that is over by then is settled.
const SIGHT_AFTER: Duration = Duration::from_millis(250);

/// Gives the caller upstream's reply, and sees to it that the call is settled.
pub(super) async fn tap(
    admitted: Admitted,
    authorization: &Authorization,
    replied: Result<Response>,
    config: &Config,
    context: &Rc<Context>,
) -> Result<Response> {
    let reply = match replied {
        Ok(reply) => reply,
        Err(error) => return unreachable(&admitted, &error).await,
    };
    if is_refused(reply.status(), None) {
        authorization.was_refused();
    }
    let kind = Kind::of(&reply.headers().get("content-type")?.unwrap_or_default());
    match (kind, reply.body()) {
        (Kind::Stream, Some(body)) => stream(admitted, &reply, &body, config, context),
        (Kind::Other, _) if admitted.dialect == Dialect::Plain => unread(&admitted, &reply).await,
        _ => whole(&admitted, authorization, &reply).await,
    }
}

/// No reply came. What became of the work is for the outcome table to say.
pub(super) async fn unreachable(admitted: &Admitted, error: &worker::Error) -> Result<Response> {
    log::warn("upstream_unreachable", Some(admitted.call.as_str()), &error.to_string());
    let report = Report { status: None, observed: Observed::nothing() };
    settle::settle(admitted, &report, None).await;
    let failure = Failure::from(Reason::UpstreamUnreachable);
    reply::failure_of(admitted.provider(), failure, &admitted.call)
}

/// A reply began and did not end.
pub(super) async fn broke_off(
    admitted: &Admitted,
    status: u16,
    error: &worker::Error,
) -> Result<Response> {
    log::warn("reply_broke_off", Some(admitted.call.as_str()), &error.to_string());
    let report = Report { status: Some(status), observed: Observed::nothing() };
    settle::settle(admitted, &report, None).await;
    let failure = Failure::from(Reason::UpstreamUnreachable);
    reply::failure_of(admitted.provider(), failure, &admitted.call)
}

/// What a reply that was read whole says.
pub(super) fn read_whole(dialect: Dialect, status: u16, body: &[u8]) -> Observed {
    match dialect {
        Dialect::Chat => coze_chat::read_reply(body),
        Dialect::Workflow => coze_workflow::read_run(body),
        Dialect::Dify => dify::read_reply(body),
        Dialect::Plain => coze_plain::read_reply(status, true, body),
    }
}

/// Notes when a reply's code says that upstream does not take our credential. Its status was looked at
/// before.
pub(super) fn note_refusal(authorization: &Authorization, status: u16, observed: &Observed) {
    if status != 401 && is_refused(status, observed.code) {
        authorization.was_refused();
    }
}

/// A JSON reply: read, settled, and then given, with what it cost in its headers.
async fn whole(
    admitted: &Admitted,
    authorization: &Authorization,
    reply: &Response,
) -> Result<Response> {
    let status = reply.status();
    let bytes = match forward::bytes(reply).await {
        Ok(bytes) => bytes,
        Err(error) => return broke_off(admitted, status, &error).await,
    };
    let body = bytes.to_vec();
    let observed = read_whole(admitted.dialect, status, &body);
    note_refusal(authorization, status, &observed);
    let mut owned = Owned::nothing();
    owned.keep(admitted, observed.ids.execution.as_ref(), None).await;
    let kept = kept_reply(admitted, status, body);
    let report = Report { status: Some(status), observed };
    let settled = settle::settle(admitted, &report, kept).await;
    let headers = reply::headers_down(&reply.headers(), &admitted.call)?;
    if let Some(Settled::Finished { amount, balance, .. }) = settled {
        reply::add_charge(&headers, amount, balance)?;
    }
    reply::respond(status, &headers, Body::Bytes(&bytes))
}

/// The reply as it is kept for replaying, when it is wanted and not too large.
pub(super) fn kept_reply(admitted: &Admitted, status: u16, body: Vec<u8>) -> Option<KeptReplyDoc> {
    if !admitted.keeps_reply || body.len() > IDEMPOTENT_REPLY_BYTES_MAX {
        return None;
    }
    Some(KeptReplyDoc { status, body: String::from_utf8(body).ok()? })
}

/// A reply that says nothing in itself, such as audio: settled by its status, and streamed through.
async fn unread(admitted: &Admitted, reply: &Response) -> Result<Response> {
    let observed = coze_plain::read_reply(reply.status(), false, &[]);
    let report = Report { status: Some(reply.status()), observed };
    let settled = settle::settle(admitted, &report, None).await;
    let headers = reply::headers_down(&reply.headers(), &admitted.call)?;
    if let Some(Settled::Finished { amount, balance, .. }) = settled {
        reply::add_charge(&headers, amount, balance)?;
    }
    reply::respond(reply.status(), &headers, Body::Stream(reply.body().as_ref()))
}

/// A stream: split by the platform, one half for the caller, one for us.
fn stream(
    admitted: Admitted,
    reply: &Response,
    body: &ReadableStream,
    config: &Config,
    context: &Rc<Context>,
) -> Result<Response> {
    let note_after = config.note_ids_after;
    let halves = body.tee();
    let for_caller: ReadableStream = halves.get(0).unchecked_into();
    let copy: ReadableStream = halves.get(1).unchecked_into();
    let headers = reply::headers_down(&reply.headers(), &admitted.call)?;
    let status = reply.status();
    if admitted.tells_balance {
        let (readable, writable) = body::pipe();
        let halves = (for_caller, copy);
        context.wait_until(notice::carry(admitted, status, halves, writable, note_after));
        return reply::respond(status, &headers, Body::Stream(Some(&readable)));
    }
    context.wait_until(async move {
        let observed = read_copy(&admitted, &copy, note_after, |_| {}).await;
        settle::settle(&admitted, &Report { status: Some(status), observed }, None).await;
    });
    reply::respond(status, &headers, Body::Stream(Some(&for_caller)))
}

/// Whether the journal has heard of a stream's ids.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Later,
    Due,
    Told,
}

/// Reads the copy to its end, noting the work's ids when it takes longer than `note_after`; when that is
/// zero, as soon as there are any. `on_event` is shown each event as well.
pub(super) async fn read_copy(
    admitted: &Admitted,
    copy: &ReadableStream,
    note_after: Duration,
    mut on_event: impl FnMut(sse::Event<'_>),
) -> Observed {
    let mut reading = StreamReading::new(admitted.dialect);
    let mut take = |reading: &mut StreamReading, event: sse::Event<'_>| {
        reading.take(event);
        on_event(event);
    };
    let mut parser = sse::Parser::new();
    let reader = body::reader(copy);
    let mut owned = Owned::nothing();
    let mut is_noted = !note_after.is_zero();
    let mut sight = if note_after > SIGHT_AFTER { Sight::Later } else { Sight::Told };
    let first = match (sight, is_noted) {
        (Sight::Later, _) => SIGHT_AFTER,
        (_, true) => note_after,
        (_, false) => NOTE_EVERY,
    };
    let mut note_in = Box::pin(Delay::from(first));
    let mut chunk = Box::pin(body::next_chunk(&reader));
    loop {
        // A stream may fall silent for long, so the note does not wait for its next bytes.
        match select(chunk, note_in).await {
            Either::Left((Ok(Some(bytes)), waiting)) => {
                parser.feed(&bytes.to_vec(), |event| take(&mut reading, event));
                owned.keep(admitted, reading.run(), reading.task()).await;
                if !is_noted && reading.goes_on_named() {
                    settle::note(admitted, reading.ids()).await;
                    is_noted = true;
                }
                chunk = Box::pin(body::next_chunk(&reader));
                note_in = waiting;
            }
            Either::Left((Ok(None), _)) => break,
            Either::Left((Err(error), _)) => {
                log::warn("stream_broke_off", Some(admitted.call.as_str()), &error.to_string());
                break;
            }
            Either::Right(((), waiting)) => {
                let next = if sight == Sight::Later {
                    sight = Sight::Due;
                    note_after.saturating_sub(SIGHT_AFTER)
                } else {
                    settle::note(admitted, reading.ids()).await;
                    NOTE_EVERY
                };
                chunk = waiting;
                note_in = Box::pin(Delay::from(next));
            }
        }
        if sight == Sight::Due && reading.goes_on_named() {
            settle::sight(admitted, reading.ids()).await;
            sight = Sight::Told;
        }
    }
    parser.finish(|event| take(&mut reading, event));
    reading.finish()
}

/// What a reply's content type says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stream,
    Json,
    Other,
}

impl Kind {
    /// The kind by the media type alone; its parameters do not matter. The request is never asked:
    /// an error comes back as JSON to a request for a stream, too (contract §9 no. 22).
    pub(super) fn of(content_type: &str) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "text/event-stream" => Self::Stream,
            "application/json" => Self::Json,
            _ => Self::Other,
        }
    }
}

/// The reader for an operation's dialect.
enum StreamReading {
    Chat(ChatStream),
    Workflow(WorkflowStream),
    Dify(DifyStream),
}

impl StreamReading {
    fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Workflow => Self::Workflow(WorkflowStream::new()),
            Dialect::Dify => Self::Dify(DifyStream::new()),
            Dialect::Chat | Dialect::Plain => Self::Chat(ChatStream::new()),
        }
    }

    fn take(&mut self, event: sse::Event<'_>) {
        match self {
            Self::Chat(chat) => chat.take(event),
            Self::Workflow(workflow) => workflow.take(event),
            Self::Dify(dify) => dify.take(event),
        }
    }

    fn so_far(&self) -> &Observed {
        match self {
            Self::Chat(chat) => chat.so_far(),
            Self::Workflow(workflow) => workflow.so_far(),
            Self::Dify(dify) => dify.so_far(),
        }
    }

    fn run(&self) -> Option<&UpstreamId> {
        self.so_far().ids.execution.as_ref()
    }

    fn task(&self) -> Option<&UpstreamId> {
        match self {
            Self::Chat(_) | Self::Workflow(_) => None,
            Self::Dify(dify) => dify.task(),
        }
    }

    fn ids(&self) -> WorkIds {
        self.so_far().ids.clone()
    }

    /// Whether upstream could be asked about the work, and the stream does not tell its end yet. A stream
    /// that came in one piece is settled, and needs no note.
    fn goes_on_named(&self) -> bool {
        let Observed { stage, ids, .. } = self.so_far();
        ids.can_be_asked() && matches!(stage, Stage::Running | Stage::Unknown)
    }

    fn finish(self) -> Observed {
        match self {
            Self::Chat(chat) => chat.finish(),
            Self::Workflow(workflow) => workflow.finish(),
            Self::Dify(dify) => dify.finish(),
        }
    }
}

//! (4) Upstream's reply, for a caller who came in through a door.
//!
//! What is read for settling is the same copy, by the same reader, as for any other call. The caller's
//! own half of a stream is said anew while it comes; a reply that the caller wants whole is collected,
//! settled, and then given with its charge.

use std::rc::Rc;
use std::time::Duration;

use meter::credential::is_refused;
use meter::door::{Reply, Translation};
use meter::journal::{Report, Settled};
use meter::sse;
use meter::usage::Observed;
use wasm_bindgen::JsCast as _;
use worker::js_sys::Uint8Array;
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{ReadableStream, Response, WritableStream, WritableStreamDefaultWriter};
use worker::{Context, Result};

use crate::config::Config;
use crate::credential::Authorization;
use crate::door::{Memo, Way};
use crate::journal::Handle;
use crate::reply::{self, Body};
use crate::{body, log};

use super::admit::Admitted;
use super::tap::{self, Kind};
use super::{forward, settle};

/// Gives the caller upstream's reply in the door's words, and sees to it that the call is settled.
pub(super) async fn tap(
    admitted: Admitted,
    authorization: &Authorization,
    replied: Result<Response>,
    way: Way,
    config: &Config,
    context: &Rc<Context>,
) -> Result<Response> {
    let note_after = config.note_ids_after;
    let reply = match replied {
        Ok(reply) => reply,
        Err(error) => return tap::unreachable(&admitted, &error).await,
    };
    if is_refused(reply.status(), None) {
        authorization.was_refused();
    }
    let kind = Kind::of(&reply.headers().get("content-type")?.unwrap_or_default());
    match (kind, reply.body()) {
        (Kind::Stream, Some(body)) if way.translation.streams() => {
            stream(admitted, &reply, &body, way, note_after, context)
        }
        (Kind::Stream, Some(body)) => collect(&admitted, &reply, &body, way, note_after).await,
        _ => whole(&admitted, authorization, &reply, way).await,
    }
}

/// A JSON reply: the start of a run, or an error.
async fn whole(
    admitted: &Admitted,
    authorization: &Authorization,
    reply: &Response,
    way: Way,
) -> Result<Response> {
    let status = reply.status();
    let bytes = match forward::bytes(reply).await {
        Ok(bytes) => bytes.to_vec(),
        Err(error) => return tap::broke_off(admitted, status, &error).await,
    };
    let observed = tap::read_whole(admitted.dialect, status, &bytes);
    tap::note_refusal(authorization, status, &observed);
    let said = way.translation.reply(status, &bytes, &observed);
    finish(admitted, reply, observed, &said, way.memo.as_ref()).await
}

/// A stream that the caller wants whole.
async fn collect(
    admitted: &Admitted,
    reply: &Response,
    body: &ReadableStream,
    way: Way,
    note_after: Duration,
) -> Result<Response> {
    let Way { mut translation, memo, .. } = way;
    let mut unsaid = String::new();
    let take = |event: sse::Event<'_>| translation.take(event, &mut unsaid);
    let observed = tap::read_copy(admitted, body, note_after, take).await;
    finish(admitted, reply, observed, &translation.whole(), memo.as_ref()).await
}

/// Settles the call and gives the reply with what it cost.
async fn finish(
    admitted: &Admitted,
    reply: &Response,
    observed: Observed,
    said: &Reply,
    memo: Option<&Memo>,
) -> Result<Response> {
    if let Some(memo) = memo
        && let Err(failure) = memo.keep(&admitted.journal, &observed.ids).await
    {
        let report = Report { status: Some(reply.status()), observed };
        settle::settle(admitted, &report, None).await;
        return reply::failure(failure, &admitted.call);
    }
    let kept = tap::kept_reply(admitted, said.status, said.body.clone().into_bytes());
    let report = Report { status: Some(reply.status()), observed };
    let settled = settle::settle(admitted, &report, kept).await;
    let response = reply::of_door(said, &reply.headers(), &admitted.call)?;
    if let Some(Settled::Finished { amount, balance, .. }) = settled {
        reply::add_charge(&response.headers(), amount, balance)?;
    }
    Ok(response)
}

/// A stream: split by the platform, one half said anew for the caller, one for us.
fn stream(
    admitted: Admitted,
    reply: &Response,
    body: &ReadableStream,
    way: Way,
    note_after: Duration,
    context: &Rc<Context>,
) -> Result<Response> {
    let Way { translation, memo, .. } = way;
    let status = reply.status();
    let halves = body.tee();
    let for_caller: ReadableStream = halves.get(0).unchecked_into();
    let copy: ReadableStream = halves.get(1).unchecked_into();
    let headers = reply::headers_of_door(&reply.headers(), &admitted.call)?;
    headers.set("content-type", "text/event-stream; charset=utf-8")?;
    let (readable, writable) = body::pipe();
    let memo = memo.map(Rc::new);
    let for_voice = memo.clone().map(|memo| (memo, admitted.journal.clone()));
    context.wait_until(say(for_caller, writable, translation, for_voice));
    context.wait_until(async move {
        let observed = tap::read_copy(&admitted, &copy, note_after, |_| {}).await;
        if let Some(memo) = memo {
            // The reply is on its way already; what is lost here is in the log.
            let _ = memo.keep(&admitted.journal, &observed.ids).await;
        }
        settle::settle(&admitted, &Report { status: Some(status), observed }, None).await;
    });
    reply::respond(status, &headers, Body::Stream(Some(&readable)))
}

/// Says a stream anew, for as long as somebody listens.
async fn say(
    stream: ReadableStream,
    writable: WritableStream,
    translation: Translation,
    memo: Option<(Rc<Memo>, Handle)>,
) {
    let Ok(writer) = writable.get_writer() else { return };
    if said(&stream, &writer, translation, memo).await.is_err() {
        // Nobody listens any more. The other half is read on.
        log::warn("listener_left", None, "a stream through a door was left by its caller");
    }
}

async fn said(
    stream: &ReadableStream,
    writer: &WritableStreamDefaultWriter,
    mut translation: Translation,
    memo: Option<(Rc<Memo>, Handle)>,
) -> Result<()> {
    let reader = body::reader(stream);
    let mut parser = sse::Parser::new();
    let mut out = String::new();
    // A stream that breaks off ends like one that stops: its end says that it was cut.
    while let Ok(Some(chunk)) = body::next_chunk(&reader).await {
        parser.feed(&chunk.to_vec(), |event| translation.take(event, &mut out));
        if let Err(left) = write(writer, &mut out).await {
            let _ = reader.cancel();
            return Err(left);
        }
    }
    parser.finish(|event| translation.take(event, &mut out));
    if let Some((memo, journal)) = memo {
        // Whoever has heard the end may say the next thing at once, and has to be remembered by then.
        let _ = memo.keep(&journal, translation.ids()).await;
    }
    translation.end(&mut out);
    write(writer, &mut out).await?;
    JsFuture::from(writer.close()).await?;
    Ok(())
}

/// Hands on what was said so far, and waits until it was taken.
async fn write(writer: &WritableStreamDefaultWriter, out: &mut String) -> Result<()> {
    if !out.is_empty() {
        let bytes = Uint8Array::from(out.as_bytes());
        out.clear();
        JsFuture::from(writer.write_with_chunk(&bytes)).await?;
    }
    Ok(())
}

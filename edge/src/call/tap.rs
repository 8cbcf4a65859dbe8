//! (4) Upstream's reply goes to the caller as it comes, and a copy is read.
//!
//! Reading the copy cannot hold up or fail the caller's bytes: a stream is split by the platform, and
//! what the copy says is settled when it ends, whether the caller is still there or not.

use std::rc::Rc;

use meter::journal::{Report, Settled};
use meter::refusal::Reason;
use meter::route::Operation;
use meter::sse;
use meter::usage::coze_chat::{self, ChatStream};
use meter::usage::coze_workflow::{self, WorkflowStream};
use meter::usage::{Observed, WorkIds};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Reflect, Uint8Array};
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader, Response};
use worker::{Context, Result};

use crate::reply::{self, Body, Failure};
use crate::{log, platform};

use super::admit::Admitted;
use super::{forward, settle};

/// How long a call may run before the ids of its work are noted in the journal.
const NOTE_AFTER_MS: u64 = 5_000;
/// How often a call that goes on gives a sign of life after that.
const NOTE_EVERY_MS: u64 = 60_000;

/// Gives the caller upstream's reply, and sees to it that the call is settled.
pub(super) async fn tap(
    admitted: Admitted,
    replied: Result<Response>,
    context: &Rc<Context>,
) -> Result<Response> {
    let reply = match replied {
        Ok(reply) => reply,
        Err(error) => {
            log::warn("upstream_unreachable", Some(admitted.call.as_str()), &error.to_string());
            let report = Report { status: None, observed: Observed::nothing() };
            settle::settle(&admitted, &report).await;
            return reply::failure(Failure::from(Reason::UpstreamUnreachable), &admitted.call);
        }
    };
    let is_stream = reply.headers().get("content-type")?.is_some_and(|kind| {
        kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
    });
    match reply.body() {
        Some(body) if is_stream => stream(admitted, &reply, &body, context),
        _ => whole(&admitted, &reply).await,
    }
}

/// A JSON reply: read, settled, and then given, with what it cost in its headers.
async fn whole(admitted: &Admitted, reply: &Response) -> Result<Response> {
    let status = Some(reply.status());
    let bytes = match forward::bytes(reply).await {
        Ok(bytes) => bytes,
        Err(error) => {
            log::warn("reply_broke_off", Some(admitted.call.as_str()), &error.to_string());
            let report = Report { status, observed: Observed::nothing() };
            settle::settle(admitted, &report).await;
            return reply::failure(Failure::from(Reason::UpstreamUnreachable), &admitted.call);
        }
    };
    let body = bytes.to_vec();
    let observed = match admitted.asked.operation {
        Operation::Chat => coze_chat::read_reply(&body),
        Operation::WorkflowRun | Operation::WorkflowStreamRun => coze_workflow::read_run(&body),
    };
    let settled = settle::settle(admitted, &Report { status, observed }).await;
    let headers = reply::headers_down(&reply.headers(), &admitted.call)?;
    if let Some(Settled::Finished { amount, balance, .. }) = settled {
        reply::add_charge(&headers, amount, balance)?;
    }
    reply::respond(reply.status(), &headers, Body::Bytes(&bytes))
}

/// A stream: split by the platform, one half for the caller, one for us.
fn stream(
    admitted: Admitted,
    reply: &Response,
    body: &ReadableStream,
    context: &Rc<Context>,
) -> Result<Response> {
    let halves = body.tee();
    let for_caller: ReadableStream = halves.get(0).unchecked_into();
    let copy: ReadableStream = halves.get(1).unchecked_into();
    let headers = reply::headers_down(&reply.headers(), &admitted.call)?;
    let status = reply.status();
    context.wait_until(async move {
        let observed = read_copy(&admitted, &copy).await;
        settle::settle(&admitted, &Report { status: Some(status), observed }).await;
    });
    reply::respond(status, &headers, Body::Stream(Some(&for_caller)))
}

/// Reads the copy to its end, noting the work's ids when it takes long.
async fn read_copy(admitted: &Admitted, copy: &ReadableStream) -> Observed {
    let mut reading = StreamReading::new(admitted.asked.operation);
    let mut parser = sse::Parser::new();
    let mut note_at = platform::now().plus_ms(NOTE_AFTER_MS);
    let reader: ReadableStreamDefaultReader = copy.get_reader().unchecked_into();
    loop {
        match next_chunk(&reader).await {
            Ok(Some(chunk)) => parser.feed(&chunk, |event| reading.take(event)),
            Ok(None) => break,
            Err(error) => {
                log::warn("stream_broke_off", Some(admitted.call.as_str()), &error.to_string());
                break;
            }
        }
        let now = platform::now();
        if now >= note_at {
            note_at = now.plus_ms(NOTE_EVERY_MS);
            settle::note(admitted, reading.ids()).await;
        }
    }
    parser.finish(|event| reading.take(event));
    reading.finish()
}

async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Vec<u8>>> {
    let result = JsFuture::from(reader.read()).await?;
    if Reflect::get(&result, &JsValue::from_str("done"))?.is_truthy() {
        return Ok(None);
    }
    let chunk: Uint8Array = Reflect::get(&result, &JsValue::from_str("value"))?.unchecked_into();
    Ok(Some(chunk.to_vec()))
}

/// The reader for an operation's dialect.
enum StreamReading {
    Chat(ChatStream),
    Workflow(WorkflowStream),
}

impl StreamReading {
    fn new(operation: Operation) -> Self {
        match operation {
            Operation::Chat => Self::Chat(ChatStream::new()),
            Operation::WorkflowRun | Operation::WorkflowStreamRun => {
                Self::Workflow(WorkflowStream::new())
            }
        }
    }

    fn take(&mut self, event: sse::Event<'_>) {
        match self {
            Self::Chat(chat) => chat.take(event),
            Self::Workflow(workflow) => workflow.take(event),
        }
    }

    fn ids(&self) -> WorkIds {
        match self {
            Self::Chat(chat) => chat.so_far().ids.clone(),
            Self::Workflow(workflow) => workflow.so_far().ids.clone(),
        }
    }

    fn finish(self) -> Observed {
        match self {
            Self::Chat(chat) => chat.finish(),
            Self::Workflow(workflow) => workflow.finish(),
        }
    }
}

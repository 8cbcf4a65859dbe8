//! How a reply comes: silent for a while, paced, held, cut into chunks or cut off.
//!
//! The work runs in a task of its own. When the caller goes away it goes on to its end and is
//! charged, as the upstream does it; a caller who stays away only misses the bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{mpsc, oneshot};

use crate::behaviour::{Behaviour, Server};
use crate::coze::deviation;
use crate::coze::envelope::{JSON, typed};
use crate::coze::fault::{Fault, Refused};
use crate::wire::node::Node;
use crate::wire::pour::{self, Spout};
use crate::wire::sse::{self, Dialect, Event, Frame};
use crate::world::subjects::Engaged;
use crate::world::works::Ending;
use crate::world::{Upstream, World};

/// Brings a stream of events, ending the work where the script says so.
pub(crate) async fn stream(
    upstream: &Upstream,
    engaged: Engaged,
    work: u64,
    dialect: Dialect,
    events: Vec<Event>,
) -> Response {
    let behaviour = Arc::clone(&engaged.behaviour);
    let (dialect, events) = deviation::stream(&behaviour, dialect, events);
    let frames = sse::frames(dialect, &behaviour.stream, events);
    // Every frame has a place in the queue, so a caller who does not read never stops the work.
    let (sender, source) = mpsc::channel(frames.len().max(1));
    let (opened, open) = oneshot::channel();
    tokio::spawn(play(upstream.clone(), engaged, work, frames, opened, sender));
    if open.await.is_err() {
        return Refused::new(Fault::INTERNAL, "").into_response();
    }
    let content_type = if behaviour.stream.charset {
        "text/event-stream; charset=utf-8"
    } else {
        "text/event-stream"
    };
    let mut response = typed(content_type, pour::body(source, spout(&behaviour)));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if behaviour.server == Server::OpenSource {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// Brings frames one by one where no HTTP body carries them. The work ends with the last frame's
/// ending even if nobody takes them.
pub(crate) fn paced(
    upstream: &Upstream,
    engaged: Engaged,
    work: u64,
    frames: Vec<Frame>,
) -> mpsc::Receiver<Bytes> {
    let (sender, source) = mpsc::channel(frames.len().max(1));
    let (opened, _nobody_waits) = oneshot::channel();
    tokio::spawn(play(upstream.clone(), engaged, work, frames, opened, sender));
    source
}

async fn play(
    upstream: Upstream,
    mut engaged: Engaged,
    work: u64,
    frames: Vec<Frame>,
    opened: oneshot::Sender<()>,
    sender: mpsc::Sender<Bytes>,
) {
    begin(&mut engaged).await;
    let _caller_may_be_gone = opened.send(());
    let pace = engaged.behaviour.pace.clone();
    let holds = |left: u32| pace.hold_after_events.contains(&left);
    let mut left: u32 = 0;
    for frame in frames {
        if holds(left) {
            engaged.gate.pass().await;
        }
        if left > 0 && pace.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(pace.delay_ms)).await;
        }
        if let Some(ending) = frame.ending {
            upstream.change(|world| world.end(work, ending));
        }
        let _caller_may_be_gone = sender.try_send(Bytes::from(frame.text));
        left = left.saturating_add(1);
    }
    if holds(left) {
        engaged.gate.pass().await;
    }
}

/// Brings one JSON body. `finish` runs when the reply is due and ends the work, caller or no caller.
pub(crate) async fn reply(
    upstream: &Upstream,
    engaged: Engaged,
    finish: impl FnOnce(&mut World) -> Node + Send + 'static,
) -> Response {
    let behaviour = Arc::clone(&engaged.behaviour);
    let finish = move |world: &mut World| {
        Bytes::from(deviation::reply(&behaviour, finish(world)).to_string())
    };
    bytes(upstream, engaged, JSON, finish).await
}

/// The same with a body of any type.
pub(crate) async fn bytes(
    upstream: &Upstream,
    mut engaged: Engaged,
    content_type: &'static str,
    finish: impl FnOnce(&mut World) -> Bytes + Send + 'static,
) -> Response {
    let spout = spout(&engaged.behaviour);
    let task = tokio::spawn({
        let upstream = upstream.clone();
        async move {
            begin(&mut engaged).await;
            upstream.change(finish)
        }
    });
    let Ok(body) = task.await else {
        return Refused::new(Fault::INTERNAL, "").into_response();
    };
    let body = if spout.is_plain() { Body::from(body) } else { piecemeal(body, spout) };
    typed(content_type, body)
}

fn piecemeal(body: Bytes, spout: Spout) -> Body {
    let (sender, source) = mpsc::channel(1);
    // The queue is new and has one place, so this one piece always fits.
    let _fits = sender.try_send(body);
    pour::body(source, spout)
}

async fn begin(engaged: &mut Engaged) {
    let pace = &engaged.behaviour.pace;
    if pace.silence_ms > 0 {
        tokio::time::sleep(Duration::from_millis(pace.silence_ms)).await;
    }
    if engaged.behaviour.pace.hold_before_reply {
        engaged.gate.pass().await;
    }
}

/// Ends work that nobody streams: at once, at a release, after a time, or left to the polls that are
/// counted.
pub(crate) fn unattended(upstream: &Upstream, engaged: &Engaged, work: u64, ending: Ending) {
    let polls = &engaged.behaviour.polls;
    if polls.until_released {
        let (upstream, mut gate) = (upstream.clone(), engaged.gate.clone());
        tokio::spawn(async move {
            gate.pass().await;
            upstream.change(|world| world.end(work, ending));
        });
    } else if polls.before_done == 0 {
        upstream.change(|world| world.end(work, ending));
    } else if polls.done_after_ms > 0 {
        let (upstream, after) = (upstream.clone(), Duration::from_millis(polls.done_after_ms));
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            upstream.change(|world| world.end(work, ending));
        });
    }
}

fn spout(behaviour: &Behaviour) -> Spout {
    Spout {
        chunk_bytes: behaviour.stream.chunk_bytes,
        cut_after_bytes: behaviour.pace.cut_after_bytes,
    }
}

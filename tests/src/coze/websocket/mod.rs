//! The websockets: JSON text frames `{id, event_type, data}` in both directions, those that go down
//! with a log id.
//!
//! Behaviours apply as far as they concern work and pace: answers, usage, outcomes, silence, delays
//! and holds. How streams are spelt and cut is a matter of HTTP bodies.
//!
//! # Bounds
//! A frame is at most [`FRAME_BYTES_MAX`]. A connection lasts as long as its caller stays.

// Frames in both directions.
mod frame;
// `/v1/chat`.
mod chat;
// Speech, transcriptions, simultaneous interpretation.
mod audio;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use tokio::sync::mpsc;

use self::frame::{Downlink, Uplink};
use crate::visit::Visit;
use crate::world::Upstream;

/// The largest frame taken.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v1/chat", get(chat::connect))
        .route("/v1/audio/speech", get(speech))
        .route("/v1/audio/transcriptions", get(transcriptions))
        .route("/v1/audio/simult_interpretation", get(interpretation))
}

async fn speech(
    State(upstream): State<Upstream>,
    visit: Visit,
    upgrade: WebSocketUpgrade,
) -> Response {
    serve(upgrade, audio::Session::speech(upstream, visit))
}

async fn transcriptions(
    State(upstream): State<Upstream>,
    visit: Visit,
    upgrade: WebSocketUpgrade,
) -> Response {
    serve(upgrade, audio::Session::transcriptions(upstream, visit))
}

async fn interpretation(
    State(upstream): State<Upstream>,
    visit: Visit,
    upgrade: WebSocketUpgrade,
) -> Response {
    serve(upgrade, audio::Session::interpretation(upstream, visit))
}

/// One connection's side of the talk.
trait Talk: Send + 'static {
    /// What is said first.
    fn greet(&mut self) -> Downlink;

    /// What is said to a frame. Frames that take their time come through the second value; an empty
    /// one is not sent.
    fn hear(&mut self, uplink: &Uplink) -> (Vec<Downlink>, Option<mpsc::Receiver<Bytes>>);

    /// Whether what is under way was called off by the last frame.
    fn calls_off(&self, uplink: &Uplink) -> bool;
}

fn serve(upgrade: WebSocketUpgrade, talk: impl Talk) -> Response {
    upgrade.max_message_size(FRAME_BYTES_MAX).on_upgrade(async move |socket| {
        // The only error is a caller who left, and then there is nobody to tell.
        let _left = converse(socket, talk).await;
    })
}

async fn converse(mut socket: WebSocket, mut talk: impl Talk) -> Result<(), axum::Error> {
    let mut under_way: Option<mpsc::Receiver<Bytes>> = None;
    say(&mut socket, &talk.greet()).await?;
    loop {
        tokio::select! {
            frame = next(&mut under_way) => {
                match frame {
                    None => under_way = None,
                    Some(frame) if frame.is_empty() => {}
                    Some(frame) => {
                        let text = String::from_utf8_lossy(&frame).into_owned();
                        socket.send(Message::Text(text.into())).await?;
                    }
                }
            }
            message = socket.recv() => {
                let Some(message) = message else { return Ok(()) };
                let Message::Text(text) = message? else { continue };
                let uplink = Uplink::parse(text.as_str());
                if talk.calls_off(&uplink) {
                    under_way = None;
                }
                let (frames, later) = talk.hear(&uplink);
                for frame in frames {
                    say(&mut socket, &frame).await?;
                }
                if later.is_some() {
                    under_way = later;
                }
            }
        }
    }
}

/// The next frame of what is under way; waits for ever while nothing is.
async fn next(under_way: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match under_way {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn say(socket: &mut WebSocket, frame: &Downlink) -> Result<(), axum::Error> {
    socket.send(Message::Text(frame.text().into())).await
}

//! Calls that run a model and state no usage: suggested questions, speech in both directions.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use crate::coze::envelope::json;
use crate::coze::perform;
use crate::dify::fault::Fault;
use crate::dify::guest::Guest;
use crate::wire::node::{Node, object};
use crate::world::Upstream;
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::{Counts, Ending, Kind, Plan};

/// What speech sounds like: the beginning of an MPEG frame.
const SPEECH: &[u8] = &[0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0];

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/messages/{message_id}/suggested", get(suggested))
        .route("/audio-to-text", post(audio_to_text))
        .route("/text-to-audio", post(text_to_audio))
}

async fn suggested(
    State(upstream): State<Upstream>,
    guest: Guest,
    Path(_message): Path<String>,
) -> Response {
    match begin(&upstream, &guest, Kind::DifySuggested) {
        Err(fault) => fault.into_response(),
        Ok((_, work)) => {
            upstream.change(|world| world.end(work, Ending::COMPLETED));
            let questions: Vec<Node> = vec!["And then?".into()];
            json(object! { "result": "success", "data": questions }.to_string())
        }
    }
}

async fn audio_to_text(State(upstream): State<Upstream>, guest: Guest, _form: Bytes) -> Response {
    match begin(&upstream, &guest, Kind::DifyAudioToText) {
        Err(fault) => fault.into_response(),
        Ok((engaged, work)) => {
            let reply = perform::reply(&upstream, engaged, move |world| {
                world.end(work, Ending::COMPLETED);
                object! { "text": "Hello" }
            });
            reply.await
        }
    }
}

async fn text_to_audio(State(upstream): State<Upstream>, guest: Guest, _body: Bytes) -> Response {
    match begin(&upstream, &guest, Kind::DifyTextToAudio) {
        Err(fault) => fault.into_response(),
        Ok((engaged, work)) => {
            let bytes = perform::bytes(&upstream, engaged, "audio/mp3", move |world| {
                world.end(work, Ending::COMPLETED);
                Bytes::from_static(SPEECH)
            });
            bytes.await
        }
    }
}

fn begin(upstream: &Upstream, guest: &Guest, kind: Kind) -> Result<(Engaged, u64), Fault> {
    let Guest { app, visit } = guest;
    let now = upstream.now_seconds();
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(app, Refusable::Call) {
            return Err(Fault::ordered(&refusal));
        }
        let engaged = world.subjects.engage(app);
        let plan = Plan { counts: Counts::default(), polls_left: 0, ending: None };
        let work_id = world.ids.draw();
        let work = world.accept(visit.work(work_id, kind, app, now), plan);
        Ok((engaged, work))
    })
}

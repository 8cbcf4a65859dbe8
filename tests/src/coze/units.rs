//! Calls billed in units other than tokens: speech, transcriptions, rooms, voices, plugin tools.
//!
//! No usage comes over the wire. In the record, `input_count` of speech is the characters spoken.

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use crate::coze::envelope::{characters, parse, required, success};
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::visit::Visit;
use crate::wire::node::object;
use crate::world::Upstream;
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::{Counts, Ending, Kind, Plan};

/// What speech sounds like: an MPEG frame header and silence.
const SPEECH: &[u8] = &[
    0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// The subject of transcriptions, whose requests name nothing.
const TRANSCRIPTIONS: &str = "transcriptions";

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v1/audio/speech", post(speech))
        .route("/v1/audio/transcriptions", post(transcription))
        .route("/v1/audio/rooms", post(room))
        .route("/v1/audio/voices/clone", post(voice_clone))
        .route("/v1/plugins/{plugin_id}/tools/call", post(plugin_tool))
}

#[derive(Debug, Deserialize)]
struct SpeechBody {
    input: Option<String>,
    voice_id: Option<String>,
}

async fn speech(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let SpeechBody { input, voice_id } = parse(&body).map_err(refused)?;
    let voice_id = required(voice_id, "voice_id").map_err(refused)?;
    let input = required(input, "input").map_err(refused)?;
    let (engaged, work) = begin(&upstream, &visit, Kind::Speech, &voice_id, characters(&input))?;
    let bytes = perform::bytes(&upstream, engaged, "audio/mpeg", move |world| {
        world.end(work, Ending::COMPLETED);
        Bytes::from_static(SPEECH)
    });
    Ok(bytes.await)
}

async fn transcription(
    State(upstream): State<Upstream>,
    visit: Visit,
    form: Multipart,
) -> Result<Response, Refused> {
    let fields = fields(form).await.map_err(|_| refused_form(&visit))?;
    if !fields.iter().any(|field| field.name == "file") {
        return Err(Refused::new(Fault::NO_FILE, &visit.logid));
    }
    let (engaged, work) = begin(&upstream, &visit, Kind::Transcription, TRANSCRIPTIONS, 0)?;
    let data = object! { "text": "Hello" };
    let reply = perform::reply(&upstream, engaged, move |world| {
        world.end(work, Ending::COMPLETED);
        success(data, &visit.logid)
    });
    Ok(reply.await)
}

#[derive(Debug, Deserialize)]
struct RoomBody {
    bot_id: Option<String>,
    uid: Option<String>,
}

async fn room(
    State(upstream): State<Upstream>,
    visit: Visit,
    body: Bytes,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let RoomBody { bot_id, uid } = parse(&body).map_err(refused)?;
    let bot_id = required(bot_id, "bot_id").map_err(refused)?;
    let (engaged, work) = begin(&upstream, &visit, Kind::Room, &bot_id, 0)?;
    let reply = perform::reply(&upstream, engaged, move |world| {
        world.end(work, Ending::COMPLETED);
        let uid = uid.unwrap_or_else(|| world.ids.draw());
        let data = object! {
            "room_id": world.ids.draw(), "app_id": "standin", "token": "room_token", "uid": uid,
        };
        success(data, &visit.logid)
    });
    Ok(reply.await)
}

async fn voice_clone(
    State(upstream): State<Upstream>,
    visit: Visit,
    form: Multipart,
) -> Result<Response, Refused> {
    let fields = fields(form).await.map_err(|_| refused_form(&visit))?;
    let text = |name| fields.iter().find(|field| field.name == name).map(Field::text);
    let name = required(text("voice_name"), "voice_name")
        .map_err(|fault| Refused::new(fault, &visit.logid))?;
    let (engaged, work) = begin(&upstream, &visit, Kind::VoiceClone, &name, 0)?;
    let now = upstream.now_seconds();
    let reply = perform::reply(&upstream, engaged, move |world| {
        world.end(work, Ending::COMPLETED);
        let data = object! {
            "voice_id": world.ids.draw(), "name": name, "is_system_voice": false,
            "language_code": "zh", "language_name": "中文", "preview_text": "", "preview_audio": "",
            "available_training_times": 9_i64, "create_time": now, "update_time": now,
            "model_type": "big", "state": "cloned",
        };
        success(data, &visit.logid)
    });
    Ok(reply.await)
}

#[derive(Debug, Deserialize)]
struct PluginBody {
    tool_name: Option<String>,
}

async fn plugin_tool(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path(plugin_id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let PluginBody { tool_name } = parse(&body).map_err(refused)?;
    let tool_name = required(tool_name, "tool_name").map_err(refused)?;
    let (engaged, work) = begin(&upstream, &visit, Kind::PluginTool, &plugin_id, 0)?;
    let reply = perform::reply(&upstream, engaged, move |world| {
        world.end(work, Ending::COMPLETED);
        let result = object! { "tool": tool_name }.to_string();
        success(object! { "result": result }, &visit.logid)
    });
    Ok(reply.await)
}

/// Accepts a unit of work as its subject's behaviour says, refusal included.
fn begin(
    upstream: &Upstream,
    visit: &Visit,
    kind: Kind,
    subject: &str,
    input: i64,
) -> Result<(Engaged, u64), Refused> {
    let now = upstream.now_seconds();
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(subject, Refusable::Call) {
            return Err(Refused::ordered(&refusal, &visit.logid));
        }
        let engaged = world.subjects.engage(subject);
        let counts = Counts::planned(&engaged.behaviour.usage, input, 0);
        let work_id = world.ids.draw();
        let plan = Plan { counts, polls_left: 0, ending: Some(Ending::COMPLETED) };
        let work = world.accept(visit.work(work_id, kind, subject, now), plan);
        Ok((engaged, work))
    })
}

/// One field of a form.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Bytes,
}

impl Field {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// All fields of a form; the request's size bounds them.
pub(crate) async fn fields(mut form: Multipart) -> Result<Vec<Field>, MultipartError> {
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(ToOwned::to_owned);
        fields.push(Field { name, file_name, bytes: field.bytes().await? });
    }
    Ok(fields)
}

fn refused_form(visit: &Visit) -> Refused {
    Refused::new(Fault::parameter("multipart form"), &visit.logid)
}

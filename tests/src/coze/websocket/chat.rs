//! `/v1/chat`: a connection on which one chat follows the other.
//!
//! The same chats as over HTTP, with the same events in the same order; only `done` is missing, and a
//! cancelled chat says nothing more. `chat.update` may name the events the caller wants to hear.

use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::frame::{Downlink, Uplink};
use super::{Talk, serve};
use crate::coze::chat::create::planned;
use crate::coze::chat::follow::ChatName;
use crate::coze::chat::object::{Place, Standing, chat as chat_object};
use crate::coze::chat::open::{AdditionalMessage, Opening, open};
use crate::coze::chat::script::{Part, events};
use crate::coze::chat::tools::go_on;
use crate::coze::envelope::{characters, required};
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::visit::Visit;
use crate::wire::node::Node;
use crate::wire::sse::{Event, Frame};
use crate::world::Upstream;
use crate::world::chats::Chat;
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::{Counts, Ending, Kind, Plan};

/// What is understood of any sound.
const HEARD: &str = "Hello";

#[derive(Debug, Deserialize)]
pub(super) struct ConnectQuery {
    bot_id: Option<String>,
}

pub(super) async fn connect(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(query): Query<ConnectQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let bot_id = match required(query.bot_id, "bot_id") {
        Ok(bot_id) => bot_id,
        Err(fault) => return Refused::new(fault, &visit.logid).into_response(),
    };
    let connection = Connection {
        upstream,
        visit,
        bot_id,
        user_id: None,
        conversation_id: None,
        subscriptions: None,
        latest: None,
    };
    serve(upgrade, connection)
}

struct Connection {
    upstream: Upstream,
    visit: Visit,
    bot_id: String,
    user_id: Option<String>,
    conversation_id: Option<String>,
    subscriptions: Option<Vec<String>>,
    latest: Option<Chat>,
}

type Heard = (Vec<Downlink>, Option<mpsc::Receiver<Bytes>>);

impl Talk for Connection {
    fn greet(&mut self) -> Downlink {
        self.frame("chat.created", None)
    }

    fn hear(&mut self, uplink: &Uplink) -> Heard {
        let heard = match uplink.event_type() {
            "chat.update" => Ok(self.update(uplink)),
            "conversation.message.create" => {
                uplink.read().and_then(|message| self.ask(vec![message], Vec::new()))
            }
            "input_audio_buffer.append" => Ok((Vec::new(), None)),
            "input_audio_buffer.clear" => Ok(self.alone("input_audio_buffer.cleared", None)),
            "input_audio_buffer.complete" => self.listened(),
            "conversation.clear" => {
                self.conversation_id = None;
                Ok(self.alone("conversation.cleared", None))
            }
            "conversation.chat.cancel" => self.cancel(),
            "conversation.chat.submit_tool_outputs" => self.submit(uplink),
            "input_text.generate_audio" => Ok(self.speak(uplink)),
            other => Err(Fault::parameter(&format!("unknown event_type {other:?}"))),
        };
        let (mut frames, later) = heard.unwrap_or_else(|fault| {
            let id = self.draw();
            (vec![Downlink::fault(id, &self.visit.logid, &fault)], None)
        });
        frames.retain(|frame| self.wants(frame.event_type));
        (frames, later)
    }

    fn calls_off(&self, uplink: &Uplink) -> bool {
        uplink.event_type() == "conversation.chat.cancel"
    }
}

impl Connection {
    fn draw(&self) -> String {
        self.upstream.change(|world| world.ids.draw())
    }

    /// Whether the caller subscribed to frames of this type; some are not asked for.
    fn wants(&self, event_type: &str) -> bool {
        let always = matches!(event_type, "chat.created" | "chat.updated" | "error");
        let named = |names: &Vec<String>| names.iter().any(|name| name == event_type);
        always || self.subscriptions.as_ref().is_none_or(named)
    }

    fn frame(&self, event_type: &'static str, data: Option<Node>) -> Downlink {
        Downlink::new(self.draw(), &self.visit.logid, event_type, data)
    }

    fn alone(&self, event_type: &'static str, data: Option<Node>) -> Heard {
        (vec![self.frame(event_type, data)], None)
    }

    fn update(&mut self, uplink: &Uplink) -> Heard {
        let data = uplink.data();
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let config = &data["chat_config"];
        self.user_id = text(&config["user_id"]).or_else(|| self.user_id.take());
        self.conversation_id =
            text(&config["conversation_id"]).or_else(|| self.conversation_id.take());
        if let Some(names) = data["event_subscriptions"].as_array() {
            self.subscriptions = Some(names.iter().filter_map(text).collect());
        }
        self.alone("chat.updated", Some(data.clone().into()))
    }

    /// Any sound is understood as the same word.
    fn listened(&mut self) -> Result<Heard, Fault> {
        let heard = json!({ "content": HEARD });
        let message = json!({ "role": "user", "content": HEARD, "content_type": "text" });
        let message = serde_json::from_value(message).map_err(|_| Fault::INTERNAL)?;
        let before = vec![
            self.frame("input_audio_buffer.completed", None),
            self.frame("conversation.audio_transcript.completed", Some(heard.into())),
        ];
        self.ask(vec![message], before)
    }

    /// Begins a chat; its events follow the frames `before`.
    fn ask(
        &mut self,
        messages: Vec<AdditionalMessage>,
        before: Vec<Downlink>,
    ) -> Result<Heard, Fault> {
        let opening = Opening {
            kind: Kind::WsChat,
            subject: self.bot_id.clone(),
            conversation_id: self.conversation_id.clone(),
            messages,
            user_id: self.user_id.clone(),
            polled: false,
        };
        let now = self.upstream.now_seconds();
        let (engaged, chat, counts) = self.upstream.change(|world| {
            if let Some(refusal) = world.subjects.refusal(&self.bot_id, Refusable::Call) {
                return Err(Fault::ordered(&refusal));
            }
            let engaged = world.subjects.engage(&self.bot_id);
            let chat = open(world, &self.visit, &engaged, opening, now)?;
            let counts = planned(world, &chat);
            Ok((engaged, chat, counts))
        })?;
        self.conversation_id = Some(chat.conversation_id.clone());
        Ok((before, Some(self.tell(engaged, chat, counts, Part::Beginning))))
    }

    fn submit(&mut self, uplink: &Uplink) -> Result<Heard, Fault> {
        let name: ChatName = uplink.read()?;
        let name = ChatName { conversation_id: self.conversation_id.clone(), ..name };
        let body = uplink.read()?;
        let session = &self.visit.session;
        let (engaged, chat, counts) =
            self.upstream.change(|world| go_on(world, session, &name, body))?;
        Ok((Vec::new(), Some(self.tell(engaged, chat, counts, Part::Continuation))))
    }

    fn tell(
        &mut self,
        engaged: Engaged,
        chat: Chat,
        counts: Counts,
        part: Part,
    ) -> mpsc::Receiver<Bytes> {
        let (_, events) = events(&chat, counts, part);
        let frames = events
            .into_iter()
            .filter(|event| event.name != "done")
            .map(|Event { name, data, ending, .. }| {
                let frame = self.frame(name, Some(data));
                // One that nobody asked for still ends the work where it says so.
                let text = if self.wants(name) { frame.text() } else { String::new() };
                Frame { text, ending }
            })
            .collect();
        let work = chat.work;
        self.latest = Some(chat);
        perform::paced(&self.upstream, engaged, work, frames)
    }

    fn cancel(&mut self) -> Result<Heard, Fault> {
        let chat = self.latest.take().ok_or(Fault::NOT_CANCELABLE)?;
        let data = self.upstream.change(|world| {
            world.end(chat.work, Ending::CANCELED);
            let job = world.works.get(chat.work)?;
            Some(chat_object(&chat, Place::Reply, Standing::of(&chat, &job.work)))
        });
        Ok(self.alone("conversation.chat.canceled", data))
    }

    /// Says a text aloud: audio, and no chat.
    fn speak(&self, uplink: &Uplink) -> Heard {
        let spoken = characters(uplink.data()["text"].as_str().unwrap_or_default());
        let now = self.upstream.now_seconds();
        self.upstream.change(|world| {
            let counts = Counts { input: spoken, output: 0, token: spoken };
            let work_id = world.ids.draw();
            let work = self.visit.work(work_id, Kind::WsSpeech, &self.bot_id, now);
            let no = world.accept(work, Plan { counts, polls_left: 0, ending: None });
            world.end(no, Ending::COMPLETED);
        });
        let audio = json!({ "content": "AAAA", "content_type": "audio" });
        let frames = vec![
            self.frame("conversation.audio.delta", Some(audio.into())),
            self.frame("conversation.audio.completed", None),
        ];
        (frames, None)
    }
}

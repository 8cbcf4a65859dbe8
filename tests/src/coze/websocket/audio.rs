//! `/v1/audio/speech`, `/v1/audio/transcriptions` and `/v1/audio/simult_interpretation`: something is
//! appended until it is complete, and then answered. Each completion is one unit of work.

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::Talk;
use super::frame::{Downlink, Uplink};
use crate::coze::envelope::characters;
use crate::coze::fault::Fault;
use crate::visit::Visit;
use crate::wire::node::Node;
use crate::world::Upstream;
use crate::world::works::{Counts, Ending, Kind, Plan};

/// The names of one such talk.
#[derive(Debug)]
struct Words {
    kind: Kind,
    /// What its work is recorded under; the request names nothing.
    subject: &'static str,
    created: &'static str,
    update: &'static str,
    updated: &'static str,
    append: &'static str,
    complete: &'static str,
    completed: &'static str,
    clear: &'static str,
    cleared: &'static str,
    /// The pieces of the answer: the frame's type and the member that holds the piece.
    pieces: &'static [(&'static str, &'static str, &'static str)],
    /// The end of the answer, and the member that repeats it.
    end: (&'static str, Option<(&'static str, &'static str)>),
}

const SPEECH: Words = Words {
    kind: Kind::WsSpeech,
    subject: "speech",
    created: "speech.created",
    update: "speech.update",
    updated: "speech.updated",
    append: "input_text_buffer.append",
    complete: "input_text_buffer.complete",
    completed: "input_text_buffer.completed",
    clear: "input_text_buffer.clear",
    cleared: "input_text_buffer.cleared",
    pieces: &[("speech.audio.update", "delta", "AAAA"), ("speech.audio.update", "delta", "AAAA")],
    end: ("speech.audio.completed", None),
};

const TRANSCRIPTIONS: Words = Words {
    kind: Kind::WsTranscription,
    subject: "transcriptions",
    created: "transcriptions.created",
    update: "transcriptions.update",
    updated: "transcriptions.updated",
    append: "input_audio_buffer.append",
    complete: "input_audio_buffer.complete",
    completed: "input_audio_buffer.completed",
    clear: "input_audio_buffer.clear",
    cleared: "input_audio_buffer.cleared",
    pieces: &[("transcriptions.message.update", "content", "Hel")],
    end: ("transcriptions.message.completed", Some(("content", "Hello"))),
};

const INTERPRETATION: Words = Words {
    kind: Kind::WsInterpretation,
    subject: "simult_interpretation",
    created: "simult_interpretation.created",
    update: "simult_interpretation.update",
    updated: "simult_interpretation.updated",
    pieces: &[
        ("simult_interpretation.transcription.delta", "delta", "Hello"),
        ("simult_interpretation.translation.delta", "delta", "你好"),
        ("simult_interpretation.audio.delta", "delta", "AAAA"),
    ],
    end: ("simult_interpretation.message.completed", None),
    ..TRANSCRIPTIONS
};

/// One connection.
pub(super) struct Session {
    upstream: Upstream,
    visit: Visit,
    words: &'static Words,
    /// Characters appended since the last completion.
    appended: i64,
}

impl Session {
    pub(super) fn speech(upstream: Upstream, visit: Visit) -> Self {
        Self { upstream, visit, words: &SPEECH, appended: 0 }
    }

    pub(super) fn transcriptions(upstream: Upstream, visit: Visit) -> Self {
        Self { upstream, visit, words: &TRANSCRIPTIONS, appended: 0 }
    }

    pub(super) fn interpretation(upstream: Upstream, visit: Visit) -> Self {
        Self { upstream, visit, words: &INTERPRETATION, appended: 0 }
    }

    fn frame(&self, event_type: &'static str, data: Option<Node>) -> Downlink {
        let id = self.upstream.change(|world| world.ids.draw());
        Downlink::new(id, &self.visit.logid, event_type, data)
    }

    fn complete(&mut self) -> Vec<Downlink> {
        let input = std::mem::take(&mut self.appended);
        let now = self.upstream.now_seconds();
        let words = self.words;
        self.upstream.change(|world| {
            let counts = Counts { input, output: 0, token: input };
            let work_id = world.ids.draw();
            let work = self.visit.work(work_id, words.kind, words.subject, now);
            let no = world.accept(work, Plan { counts, polls_left: 0, ending: None });
            world.end(no, Ending::COMPLETED);
        });
        let told = |key: &str, text: &str| Some(Node::from(json!({ key: text })));
        let mut frames = vec![self.frame(words.completed, None)];
        for (event_type, key, text) in words.pieces {
            frames.push(self.frame(event_type, told(key, text)));
        }
        let (event_type, whole) = words.end;
        let data = whole.and_then(|(key, text)| told(key, text));
        frames.push(self.frame(event_type, data));
        frames
    }
}

impl Talk for Session {
    fn greet(&mut self) -> Downlink {
        self.frame(self.words.created, None)
    }

    fn hear(&mut self, uplink: &Uplink) -> (Vec<Downlink>, Option<mpsc::Receiver<Bytes>>) {
        let words = self.words;
        let frames = match uplink.event_type() {
            name if name == words.update => {
                vec![self.frame(words.updated, Some(uplink.data().clone().into()))]
            }
            name if name == words.append => {
                let delta = uplink.data()["delta"].as_str().unwrap_or_default();
                self.appended = self.appended.saturating_add(characters(delta));
                Vec::new()
            }
            name if name == words.clear => {
                self.appended = 0;
                vec![self.frame(words.cleared, None)]
            }
            name if name == words.complete => self.complete(),
            other => {
                let fault = Fault::parameter(&format!("unknown event_type {other:?}"));
                let id = self.upstream.change(|world| world.ids.draw());
                vec![Downlink::fault(id, &self.visit.logid, &fault)]
            }
        };
        (frames, None)
    }

    fn calls_off(&self, _: &Uplink) -> bool {
        false
    }
}

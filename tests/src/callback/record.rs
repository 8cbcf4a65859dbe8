//! What a charge is as JSON: the body of one `benefit.usage` callback.
//!
//! Its fields are those of the contract's §1.7, in the order and with the types of the documented
//! example. Neither chat nor execution is named in it.

use crate::wire::node::{Node, object};
use crate::world::callbacks::Subscription;
use crate::world::works::{Kind, Work};

/// The connector of calls over the API.
const CONNECTOR_API: &str = "1024";
/// A room is charged for at least three minutes.
const ROOM_MS: i64 = 3 * 60 * 1_000;
/// How long a transcribed file is, here.
const SPEECH_MS: i64 = 1_000;

/// What is charged for: `resource_type`, and what of it.
#[derive(Clone, Copy, Debug)]
enum Resource {
    Model { input: i64, output: i64 },
    Plugin,
    Spoken { characters: i64 },
    Heard { ms: i64 },
    Call { ms: i64 },
}

/// The bodies of the callbacks that tell what a work cost.
pub(super) fn records(to: &Subscription, work: &Work, now: i64) -> Vec<String> {
    let resources = resources(to, work);
    let number = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let bodies = resources.into_iter().enumerate();
    bodies.map(|(index, resource)| body(work, resource, number(index), now).to_string()).collect()
}

fn resources(to: &Subscription, work: &Work) -> Vec<Resource> {
    match work.kind {
        Kind::Chat
        | Kind::Chatflow
        | Kind::Run
        | Kind::RunAsync
        | Kind::RunStream
        | Kind::Resume
        | Kind::ResumeStream
        | Kind::WsChat => models(to, work),
        Kind::PluginTool => vec![Resource::Plugin],
        Kind::Speech | Kind::WsSpeech => vec![Resource::Spoken { characters: work.input_count }],
        Kind::Transcription | Kind::WsTranscription | Kind::WsInterpretation => {
            vec![Resource::Heard { ms: SPEECH_MS }]
        }
        Kind::Room => [models(to, work), vec![Resource::Call { ms: ROOM_MS }]].concat(),
        // A licence, which is bought and not consumed; and what Dify does is on no bill of Coze's.
        Kind::VoiceClone
        | Kind::DifyChat
        | Kind::DifyCompletion
        | Kind::DifyWorkflow
        | Kind::DifySuggested
        | Kind::DifyAudioToText
        | Kind::DifyTextToAudio => Vec::new(),
    }
}

/// The tokens of a work, in so many records: the first carries what does not divide.
fn models(to: &Subscription, work: &Work) -> Vec<Resource> {
    let output = work.output_count.saturating_add(to.unseen_output);
    let count = i64::from(to.records);
    (0..to.records)
        .map(|index| {
            let share = |all: i64| {
                let rest = if index == 0 { all.wrapping_rem(count) } else { 0 };
                all.wrapping_div(count).saturating_add(rest)
            };
            Resource::Model { input: share(work.input_count), output: share(output) }
        })
        .collect()
}

fn body(work: &Work, resource: Resource, index: i64, now: i64) -> Node {
    let (entity_type, entity_id) = entity(work);
    let (input, output) = match resource {
        Resource::Model { input, output } => (input, output),
        _ => (0, 0),
    };
    let characters = if let Resource::Spoken { characters } = resource { characters } else { 0 };
    let heard_ms = if let Resource::Heard { ms } = resource { ms } else { 0 };
    let call_ms = if let Resource::Call { ms } = resource { ms } else { 0 };
    let (resource_type, resource_id): (i64, &str) = match resource {
        Resource::Model { .. } => (1, "1737521813"),
        Resource::Plugin => (2, work.subject.as_str()),
        Resource::Spoken { .. } => (3, "Tts_system_text_to_speech_chars"),
        Resource::Heard { .. } => (3, "Asr_large_model_recording_duration"),
        Resource::Call { .. } => (4, "Rtc_voice_call_duration"),
    };
    let id = format!("b{}r{index}", work.work_id);
    let milli_points = input.saturating_add(output).max(1);
    let begin = if call_ms > 0 { work.created_at } else { 0 };
    object! {
        "header": object! {
            "event_type": "benefit.usage", "event_id": format!("e{id}"),
            "created_at": now.saturating_mul(1_000), "api_app_id": "7511638893163000001",
        },
        "event": object! {
            "id": id, "consume_time": work.created_at,
            "record_root_id": format!("24{}", work.work_id), "connector_id": CONNECTOR_API,
            "connector_uid": "223000000000",
            "device_id": work.device_id.clone().unwrap_or_default(),
            "custom_consumer": work.account_hint.clone().unwrap_or_default(),
            "space_id": "7503637097883170001", "root_entity_id": entity_id,
            "root_entity_type": entity_type,
            "change_balance": format!("{}.{:03}", milli_points / 1_000, milli_points % 1_000),
            "balance_type": 2_i64, "resource_type": resource_type, "resource_id": resource_id,
            "cost_account_id": "2105870000001",
            "rtc_begin_time": begin, "rtc_end_time": begin.saturating_add(call_ms / 1_000),
            "tts_char_num": characters, "rtc_duration": call_ms, "model_output_token": output,
            "model_input_token": input,
            "model_id": if resource_type == 1 { "1737521813" } else { "" },
            "asr_audio_length": heard_ms, "tts_count": i64::from(characters > 0),
        },
    }
}

/// What the charge is booked on. Speech that belongs to no bot has none (the documentation says empty).
fn entity(work: &Work) -> (i64, &str) {
    match work.kind {
        Kind::Chat | Kind::WsChat | Kind::Room => (1, &work.subject),
        Kind::Chatflow
        | Kind::Run
        | Kind::RunAsync
        | Kind::RunStream
        | Kind::Resume
        | Kind::ResumeStream => (2, &work.subject),
        Kind::PluginTool => (3, &work.subject),
        Kind::Speech
        | Kind::Transcription
        | Kind::VoiceClone
        | Kind::WsSpeech
        | Kind::WsTranscription
        | Kind::WsInterpretation
        | Kind::DifyChat
        | Kind::DifyCompletion
        | Kind::DifyWorkflow
        | Kind::DifySuggested
        | Kind::DifyAudioToText
        | Kind::DifyTextToAudio => (6, ""),
    }
}

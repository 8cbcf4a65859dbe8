//! Replies that tell success or failure and nothing else: audio, rooms, voices, plugins.

use super::{Observed, Stage, coze_chat};

/// Reads a reply. One that is not JSON (audio) is a success by its status alone.
pub fn read_reply(status: u16, is_json: bool, body: &[u8]) -> Observed {
    let mut observed = if is_json { coze_chat::read_code(body) } else { Observed::nothing() };
    if observed.stage == Stage::Unknown && (200..300).contains(&status) {
        observed.stage = Stage::Completed;
    }
    observed
}

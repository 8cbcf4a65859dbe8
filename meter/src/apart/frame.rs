//! What a caller's frame on a chat's websocket names (contract §5.4).

use crate::json::fields_in_any_case;
use crate::refusal::Refusal;

use super::{Said, body, invalid};

/// What a frame says of things and people: its `data`, and the `chat_config` within.
///
/// A frame that is no object is refused: what cannot be read here might be read upstream.
pub fn in_frame(frame: &str) -> Result<Said, Refusal> {
    let read = |error: crate::json::JsonError| invalid(error.to_string());
    let mut said = Said::default();
    let [data] = fields_in_any_case(frame, &["data"]).map_err(read)?;
    let data = data.map(serde_json::value::RawValue::get).filter(|data| data.starts_with('{'));
    if let Some(data) = data {
        body::in_object(data, frame, &mut said)?;
        let [config] = fields_in_any_case(data, &["chat_config"]).map_err(read)?;
        if let Some(config) = config.filter(|config| config.get().starts_with('{')) {
            body::in_object(config.get(), frame, &mut said)?;
        }
    }
    said.users.sort_unstable();
    Ok(said)
}

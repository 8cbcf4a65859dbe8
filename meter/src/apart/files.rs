//! Files that are named somewhere inside a JSON value, and inside strings that hold JSON themselves.

use serde_json::value::RawValue;

use crate::json::is_taken_for;
use crate::refusal::Refusal;
use crate::route::Kind;

use super::{Said, body, invalid};

/// How many strings that hold JSON may stand within each other.
pub const FILES_DEPTH_MAX: usize = 4;

const NAMES: [&str; 2] = ["file_id", "file_ids"];

/// Every file that a value names.
pub(super) fn in_json(json: &str, said: &mut Said) -> Result<(), Refusal> {
    look(json, Names::All, 0, said)
}

/// Every file that the values of an object name, whatever its own fields are called.
pub(super) fn in_values(object: &str, said: &mut Said) -> Result<(), Refusal> {
    look(object, Names::Deeper, 0, said)
}

/// Which fields' names count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    All,
    /// Those of what is held by the outermost object.
    Deeper,
}

/// Looks through the strings of a JSON text, which was read before and is well formed: each is a name if a
/// colon follows it, and a value otherwise.
fn look(json: &str, names: Names, depth: usize, said: &mut Said) -> Result<(), Refusal> {
    if !may_name_files(json) {
        return Ok(());
    }
    let mut level = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => level = level.saturating_add(1),
            b'}' | b']' => level = level.saturating_sub(1),
            b'"' => {
                let end = end_of_string(json, at);
                let spelled = json.get(at..end).unwrap_or_default();
                let behind = json.get(end..).unwrap_or_default().trim_ascii_start();
                match behind.strip_prefix(':') {
                    Some(value) if names == Names::All || level > 1 => named(spelled, value, said)?,
                    Some(_) => {}
                    None => in_string(spelled, depth, said)?,
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    Ok(())
}

/// Takes in what a field names, if it names files.
fn named(name: &str, value: &str, said: &mut Said) -> Result<(), Refusal> {
    let Ok(name) = serde_json::from_str::<String>(name) else { return Ok(()) };
    if !NAMES.iter().any(|wanted| is_taken_for(&name, wanted)) {
        return Ok(());
    }
    let mut values = serde_json::Deserializer::from_str(value).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(value)) if value.get() != "null" => body::add(&name, Kind::File, value, said),
        _ => Ok(()),
    }
}

/// Looks into a string that holds JSON.
fn in_string(spelled: &str, depth: usize, said: &mut Said) -> Result<(), Refusal> {
    let Ok(text) = serde_json::from_str::<String>(spelled) else { return Ok(()) };
    let is_json = text.trim_ascii_start().starts_with(['{', '[', '"'])
        && serde_json::from_str::<&RawValue>(&text).is_ok();
    if !is_json || !may_name_files(&text) {
        return Ok(());
    }
    if depth >= FILES_DEPTH_MAX {
        let problem = "JSON is written as a string within another";
        return Err(invalid(format!("{problem} more than {FILES_DEPTH_MAX} times")));
    }
    look(&text, Names::All, depth.saturating_add(1), said)
}

/// Whether there is anything to look for: the name as it is, or an escape in which it could be hidden.
fn may_name_files(json: &str) -> bool {
    let name = NAMES[0].as_bytes();
    let is_name = |window: &[u8]| window.eq_ignore_ascii_case(name);
    json.contains("\\u") || json.as_bytes().windows(name.len()).any(is_name)
}

/// Behind the closing quote of the string that begins here.
fn end_of_string(json: &str, start: usize) -> usize {
    let bytes = json.as_bytes();
    let mut at = start.saturating_add(1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at.saturating_add(1),
            b'\\' => at = at.saturating_add(2),
            _ => at = at.saturating_add(1),
        }
    }
    json.len()
}

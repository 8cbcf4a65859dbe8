//! The ids and users that an object names at its top, and the files in what its messages and parameters hold.

use serde::Deserialize as _;
use serde_json::value::RawValue;

use crate::json::{fields, fields_in_any_case, place, place_in_spelling, text};
use crate::refusal::{Reason, Refusal};
use crate::route::Kind;

use super::{FIELDS, Said, files, invalid};

/// Most messages of one list. Coze takes 100; what is not looked at must not go up.
pub(super) const MESSAGES_MAX: usize = 1_000;
/// The one kind of content that upstream takes as it is.
const PLAIN: &str = "text";
/// By which name a chatflow finds its conversation, of those that the credential's owner has.
const CONVERSATION_NAME: &str = "CONVERSATION_NAME";

/// The fields that are looked at: first those of [`FIELDS`], in their order.
const NAMES: [&str; 16] = [
    FIELDS[0].0,
    FIELDS[1].0,
    FIELDS[2].0,
    FIELDS[3].0,
    FIELDS[4].0,
    FIELDS[5].0,
    "user_id",
    "uid",
    "ext",
    "parameters",
    "additional_messages",
    "messages",
    "content",
    "content_type",
    "shortcut_command",
    "resume_data",
];

/// Reads an object, which is a slice of `whole`: places are counted from its beginning.
pub(super) fn in_object(object: &str, whole: &str, said: &mut Said) -> Result<(), Refusal> {
    let [
        ids @ ..,
        user_id,
        uid,
        ext,
        parameters,
        additional,
        messages,
        content,
        content_type,
        shortcut,
        resume,
    ] = read(object, &NAMES)?;
    for ((name, kind), value) in FIELDS.iter().zip::<[_; 6]>(ids) {
        if let Some(value) = value {
            add(name, *kind, value, said)?;
        }
    }
    for (name, value) in [("user_id", user_id), ("uid", uid)] {
        add_user(name, value, whole, said)?;
    }
    if let Some(ext) = ext.filter(is_object) {
        let [user_id] = read(ext.get(), &["user_id"])?;
        add_user("ext.user_id", user_id, whole, said)?;
    }
    if let Some(parameters) = parameters {
        in_parameters(parameters, whole, said)?;
    }
    for list in [additional, messages].into_iter().flatten() {
        let messages = list_of(list);
        if messages.len() > MESSAGES_MAX {
            return Err(invalid(format!("it has more than {MESSAGES_MAX} messages")));
        }
        for message in messages {
            if is_object(&message) {
                let [content, content_type] = read(message.get(), &["content", "content_type"])?;
                in_content(content, content_type, said)?;
            }
        }
    }
    in_content(content, content_type, said)?;
    for held in [shortcut, resume].into_iter().flatten() {
        files::in_json(held.get(), said)?;
    }
    Ok(())
}

/// An id, or a list of them. Upstream may take a number for one, so that is refused and not ignored.
pub(super) fn add(
    name: &str,
    kind: Kind,
    value: &RawValue,
    said: &mut Said,
) -> Result<(), Refusal> {
    if value.get().starts_with('[') {
        return list_of(value).into_iter().try_for_each(|one| add(name, kind, one, said));
    }
    let id = text(value).ok_or_else(|| invalid(format!("`{name}` is not a string")))?;
    if id.is_empty() { Ok(()) } else { said.add(kind, &id) }
}

fn add_user(
    name: &str,
    value: Option<&RawValue>,
    whole: &str,
    said: &mut Said,
) -> Result<(), Refusal> {
    let Some(value) = value else { return Ok(()) };
    let place = place(whole, value).ok_or_else(|| invalid(format!("`{name}` is not a string")))?;
    said.users.push(place);
    Ok(())
}

/// What a workflow begins with: an object, or the same written as a string. A parameter may have any name,
/// `file_id` as well, so only what parameters hold is looked into.
fn in_parameters(parameters: &RawValue, whole: &str, said: &mut Said) -> Result<(), Refusal> {
    let spelled = parameters.get();
    let written = if spelled.starts_with('"') { text(parameters) } else { None };
    let object = written.as_deref().unwrap_or(spelled);
    if !object.trim_ascii_start().starts_with('{') {
        return files::in_json(spelled, said);
    }
    // Parameters are a map upstream, in which names are what they are.
    let named = fields(object, &[CONVERSATION_NAME]).map_err(|error| invalid(error.to_string()));
    let [name] = named?;
    if let Some(name) = name.filter(|name| name.get().starts_with('"')) {
        let inside = place(object, name);
        let place = if written.is_some() {
            let start = place(whole, parameters).and_then(|start| start.checked_sub(1));
            let inside = inside.and_then(|inside| place_in_spelling(spelled, inside));
            start.zip(inside).and_then(|(start, inside)| start.checked_add(inside))
        } else {
            place(whole, name)
        };
        said.users.push(place.ok_or(Reason::Internal)?);
    }
    files::in_values(object, said)
}

/// A message's content. What is not plain text may be a list of parts, written as a string.
fn in_content(
    content: Option<&RawValue>,
    content_type: Option<&RawValue>,
    said: &mut Said,
) -> Result<(), Refusal> {
    let is_plain = content_type.and_then(text).is_some_and(|of| of == PLAIN);
    match content {
        Some(content) if !is_plain => files::in_json(content.get(), said),
        _ => Ok(()),
    }
}

fn is_object(value: &&RawValue) -> bool {
    value.get().starts_with('{')
}

fn list_of(value: &RawValue) -> Vec<&RawValue> {
    Vec::deserialize(value).unwrap_or_default()
}

fn read<'a, const N: usize>(
    object: &'a str,
    names: &[&'static str; N],
) -> Result<[Option<&'a RawValue>; N], Refusal> {
    fields_in_any_case(object, names).map_err(|error| invalid(error.to_string()))
}

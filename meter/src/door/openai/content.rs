//! A completion's messages, as Coze's additional messages.
//!
//! Coze knows two roles. What the system or a developer says goes up as the user's, in its place. Text
//! stays text; text with images or files becomes an `object_string`.
//!
//! # Bounds
//! A message has at most [`PARTS_MAX`] parts.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::door::field::{Field, invalid};
use crate::refusal::Refusal;

use super::request::unsupported;

/// Most parts of one message.
const PARTS_MAX: usize = 100;

/// A message on its way up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Message {
    role: &'static str,
    r#type: &'static str,
    content: String,
    content_type: &'static str,
}

impl Message {
    /// What it says, when that is nothing but text.
    pub(super) fn text(&self) -> Option<&str> {
        (self.content_type == "text").then_some(&self.content)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Deserialize)]
struct File {
    file_id: String,
}

/// A part of an `object_string`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Object {
    Text { text: String },
    Image { file_url: String },
    File { file_id: String },
}

/// Reads the message at this place of the list.
pub(super) fn message(at: usize, raw: &RawValue) -> Result<Message, Refusal> {
    let name = format!("messages[{at}]");
    let fields: Fields<'_> = Field::new(&name, Some(raw)).needed("an object")?;
    let role_name = format!("{name}.role");
    let role: String = Field::new(&role_name, fields.role).needed("a string")?;
    let (role, kind) = match role.as_str() {
        "user" | "system" | "developer" => ("user", "question"),
        "assistant" => ("assistant", "answer"),
        "tool" | "function" => return Err(unsupported(&role_name, "tools are the bot's own")),
        _ => return Err(invalid(&role_name, "is none of system, developer, user, assistant")),
    };
    for (call, raw) in [("tool_calls", fields.tool_calls), ("function_call", fields.function_call)]
    {
        if raw.is_some_and(|raw| raw.get() != "[]") {
            return Err(unsupported(&format!("{name}.{call}"), "tools are the bot's own"));
        }
    }
    let content_name = format!("{name}.content");
    let raw = fields.content.ok_or_else(|| invalid(&content_name, "is missing"))?;
    let message = |content, content_type| Message { role, r#type: kind, content, content_type };
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Ok(message(text, "text"));
    }
    let parts: Vec<&RawValue> =
        Field::new(&content_name, Some(raw)).needed("a string or a list of parts")?;
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(invalid(&content_name, &format!("has to have 1 to {PARTS_MAX} parts")));
    }
    let objects =
        parts.iter().enumerate().map(|(at, raw)| part(&format!("{content_name}[{at}]"), raw));
    let objects: Vec<Object> = objects.collect::<Result<_, _>>()?;
    Ok(match texts(&objects) {
        Some(text) => message(text, "text"),
        None => message(super::json(&objects), "object_string"),
    })
}

/// The texts, joined, when there is nothing else.
fn texts(objects: &[Object]) -> Option<String> {
    let texts = objects.iter().map(|object| match object {
        Object::Text { text } => Some(text.as_str()),
        Object::Image { .. } | Object::File { .. } => None,
    });
    texts.collect::<Option<Vec<_>>>().map(|texts| texts.concat())
}

fn part(name: &str, raw: &RawValue) -> Result<Object, Refusal> {
    let part: Part<'_> = Field::new(name, Some(raw)).needed("an object")?;
    let field = |field: &str| format!("{name}.{field}");
    match part.r#type.as_deref() {
        Some("text") => {
            let text = Field::new(&field("text"), part.text).needed("a string")?;
            Ok(Object::Text { text })
        }
        Some("refusal") => {
            let text = Field::new(&field("refusal"), part.refusal).needed("a string")?;
            Ok(Object::Text { text })
        }
        Some("image_url") => {
            let name = field("image_url");
            let ImageUrl { url } =
                Field::new(&name, part.image_url).needed("an object with a `url`")?;
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                let why = "upstream fetches images from http(s) addresses; upload others to \
                           /v1/files/upload and send them as a `file` part";
                return Err(unsupported(&format!("{name}.url"), why));
            }
            Ok(Object::Image { file_url: url })
        }
        Some("file") => {
            let File { file_id } =
                Field::new(&field("file"), part.file).needed("an object with a `file_id`")?;
            Ok(Object::File { file_id })
        }
        Some(_) => Err(unsupported(&field("type"), "parts are text, image_url or file")),
        None => Err(invalid(&field("type"), "is missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: Result<&str, &str>) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let got = message(3, raw).map(|message| serde_json::to_string(&message).unwrap());
        let got = got.map_err(|refusal| refusal.detail.unwrap_or_default().into_owned());
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            _ => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn what_cannot_go_up_is_refused_by_its_field() {
        check("7", Err("`messages[3]` is not an object"));
        check("{}", Err("`messages[3].role` is missing"));
        check(r#"{"role":7}"#, Err("`messages[3].role` is not a string"));
        check(r#"{"role":"king"}"#, Err("`messages[3].role` is none of"));
        check(r#"{"role":"tool","content":"x"}"#, Err("`messages[3].role` is not supported"));
        check(r#"{"role":"user"}"#, Err("`messages[3].content` is missing"));
        check(r#"{"role":"user","content":null}"#, Err("`messages[3].content` is missing"));
        check(r#"{"role":"user","content":[]}"#, Err("`messages[3].content` has to have 1"));
        check(
            r#"{"role":"user","content":{"a":1}}"#,
            Err("`messages[3].content` is not a string or"),
        );
        check(
            r#"{"role":"assistant","tool_calls":[{}],"content":"x"}"#,
            Err("`messages[3].tool_calls` is not supported"),
        );
        check(
            r#"{"role":"user","content":[{"type":"text"}]}"#,
            Err("`messages[3].content[0].text` is"),
        );
        check(
            r#"{"role":"user","content":[{"type":"input_audio"}]}"#,
            Err("`messages[3].content[0].type` is not supported"),
        );
        check(
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}"#,
            Err("`messages[3].content[0].image_url.url` is not supported"),
        );
    }

    #[test]
    fn a_message_has_no_more_parts_than_its_bound() {
        let parts = |count: usize| {
            let parts = vec![r#"{"type":"text","text":"a"}"#; count].join(",");
            let json = format!(r#"{{"role":"user","content":[{parts}]}}"#);
            message(0, serde_json::from_str(&json).unwrap())
        };
        assert!(parts(PARTS_MAX).is_ok());
        let refusal = parts(PARTS_MAX + 1).unwrap_err();
        let want = format!("`messages[0].content` has to have 1 to {PARTS_MAX} parts");
        assert_eq!(refusal.detail.as_deref(), Some(want.as_str()));
    }

    #[test]
    fn each_role_and_kind_of_content_has_its_form() {
        check(
            r#"{"role":"system","content":"be kind"}"#,
            Ok(r#"{"role":"user","type":"question","content":"be kind","content_type":"text"}"#),
        );
        check(
            r#"{"role":"assistant","content":"yes","tool_calls":[],"refusal":null}"#,
            Ok(r#"{"role":"assistant","type":"answer","content":"yes","content_type":"text"}"#),
        );
        check(
            r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
            Ok(r#"{"role":"user","type":"question","content":"ab","content_type":"text"}"#),
        );
        check(
            r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x/y"}},{"type":"file","file":{"file_id":"7"}}]}"#,
            Ok(
                r#"{"role":"user","type":"question","content":"[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"file_url\":\"https://x/y\"},{\"type\":\"file\",\"file_id\":\"7\"}]","content_type":"object_string"}"#,
            ),
        );
    }
}

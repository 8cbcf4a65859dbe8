//! What a user and a bot said to each other, as Coze keeps it.
//!
//! # Bounds
//! The last [`MESSAGES_MAX`] messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::door::Reply;
use crate::door::problem::Problem;
use crate::ids::UpstreamId;
use crate::usage::coze_plain;

use super::{json, problem};

/// Most messages that are asked for, which is what Coze lists at once.
pub const MESSAGES_MAX: usize = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed<'a> {
    #[serde(borrow)]
    data: Vec<ListedMessage<'a>>,
    has_more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListedMessage<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    created_at: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    conversation_id: Option<&'a str>,
    messages: Vec<Message<'a>>,
    has_more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: &'a str,
    role: &'a str,
    content: &'a str,
    content_type: &'a str,
    created_at: Option<i64>,
}

/// The body of the question for a conversation's last messages.
pub fn question() -> String {
    json(&serde_json::json!({ "order": "desc", "limit": MESSAGES_MAX }))
}

/// The page of somebody who has said nothing yet.
pub fn no_history() -> Reply {
    page(None, &Listed::default())
}

/// The page that upstream's list makes, oldest message first.
pub fn history(conversation: &UpstreamId, status: u16, body: &[u8]) -> Reply {
    let observed = coze_plain::read_reply(status, true, body);
    let has_failed = status >= 400 || observed.code.is_some_and(|code| code != 0);
    let listed = serde_json::from_slice::<Listed<'_>>(body).ok().filter(|_| !has_failed);
    match listed {
        Some(listed) => page(Some(conversation), &listed),
        None => problem(&Problem::of_reply(status, body, &observed).unwrap_or_else(unreadable)),
    }
}

fn unreadable() -> Problem {
    Problem::of_code(None, "upstream gave a list that is not understood")
}

fn page(conversation: Option<&UpstreamId>, listed: &Listed<'_>) -> Reply {
    let said = listed.data.iter().rev().take(MESSAGES_MAX).filter(|message| is_said(message));
    let messages = said.map(|message| Message {
        id: &message.id,
        role: &message.role,
        content: &message.content,
        content_type: &message.content_type,
        created_at: message.created_at,
    });
    let page = Page {
        conversation_id: conversation.map(UpstreamId::as_str),
        messages: messages.collect(),
        has_more: listed.has_more,
    };
    Reply { status: 200, body: json(&page) }
}

/// Whether somebody said it. What a bot did between question and answer is its own business.
fn is_said(message: &ListedMessage<'_>) -> bool {
    matches!(
        (message.role.as_ref(), message.r#type.as_ref()),
        ("user", "question" | "") | ("assistant", "answer")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: (u16, &str)) {
        let got = history(&"75".parse().unwrap(), status, body.as_bytes());
        assert_eq!((got.status, got.body.as_str()), want);
    }

    #[test]
    fn a_page_of_messages_has_its_bound() {
        let listed = |count: usize| {
            let message = r#"{"id":"1","role":"user","type":"question","content":"hi"}"#;
            let body = format!(r#"{{"code":0,"data":[{}]}}"#, vec![message; count].join(","));
            history(&"75".parse().unwrap(), 200, body.as_bytes()).body.matches("\"id\"").count()
        };
        assert_eq!((listed(MESSAGES_MAX), listed(MESSAGES_MAX + 1)), (MESSAGES_MAX, MESSAGES_MAX));
    }

    #[test]
    fn what_was_said_is_told_from_its_beginning() {
        check(
            200,
            r#"{"code":0,"data":[
                {"id":"4","role":"assistant","type":"verbose","content":"{}","content_type":"text"},
                {"id":"3","role":"assistant","type":"answer","content":"hi","content_type":"text","created_at":8},
                {"id":"2","role":"assistant","type":"function_call","content":"{}","content_type":"text"},
                {"id":"1","role":"user","type":"question","content":"\u4f60","content_type":"text","created_at":7}],
                "first_id":"4","last_id":"1","has_more":true}"#,
            (
                200,
                r#"{"conversationId":"75","messages":[{"id":"1","role":"user","content":"你","contentType":"text","createdAt":7},{"id":"3","role":"assistant","content":"hi","contentType":"text","createdAt":8}],"hasMore":true}"#,
            ),
        );
        assert_eq!(no_history().body, r#"{"conversationId":null,"messages":[],"hasMore":false}"#);
    }

    #[test]
    fn what_upstream_refuses_is_told() {
        check(
            200,
            r#"{"code":4200,"msg":"no such conversation"}"#,
            (404, r#"{"error":{"code":"upstream_4200","message":"no such conversation"}}"#),
        );
        let said = r#"{"error":{"code":"upstream_http_500","message":"upstream failed"}}"#;
        check(500, "<html>", (502, said));
        let said = r#"{"error":{"code":"upstream_failed","message":"upstream gave a list that is not understood"}}"#;
        check(200, r#"{"code":0,"data":7}"#, (502, said));
    }
}

//! What a reply looks like from the open-source server, and with ids as numbers (contract §2.4, §9 no. 44).
//!
//! Scripts say what the hosted service says; here it is said in the other server's words. Only the words
//! change: what the work used, and when it ends, stays.

use serde_json::Value;

use crate::behaviour::{Behaviour, Server};
use crate::wire::node::{Node, object};
use crate::wire::sse::{Dialect, Event};

/// Members that hold an id of the upstream.
const ID_KEYS: [&str; 6] =
    ["id", "chat_id", "conversation_id", "section_id", "bot_id", "execute_id"];

/// The dialect and the events of a stream, as this behaviour has them.
pub(crate) fn stream(
    behaviour: &Behaviour,
    dialect: Dialect,
    events: Vec<Event>,
) -> (Dialect, Vec<Event>) {
    let (dialect, mut events) = match behaviour.server {
        Server::Hosted => (dialect, events),
        Server::OpenSource => open_source(dialect, events),
    };
    if behaviour.numeric_ids {
        for event in &mut events {
            number_ids(&mut event.data);
        }
    }
    (dialect, events)
}

/// The same of a JSON reply.
pub(crate) fn reply(behaviour: &Behaviour, mut body: Node) -> Node {
    if behaviour.server == Server::OpenSource {
        rename_statuses(&mut body);
        double_output(&mut body);
        body = with_execution(tell_token(body));
    }
    if behaviour.numeric_ids {
        number_ids(&mut body);
    }
    body
}

fn open_source(dialect: Dialect, events: Vec<Event>) -> (Dialect, Vec<Event>) {
    match dialect {
        Dialect::Chat => (dialect, events.into_iter().map(chat_event).collect()),
        Dialect::Chatflow => {
            (Dialect::NumberedChatflow, events.into_iter().map(chatflow_event).collect())
        }
        Dialect::Workflow => (dialect, events.into_iter().map(workflow_event).collect()),
        Dialect::NumberedChatflow | Dialect::Dify => (dialect, events),
    }
}

fn chat_event(mut event: Event) -> Event {
    if event.name == "done" {
        return Event { name: "conversation.stream.done", data: Node::from(""), ..event };
    }
    rename_statuses(&mut event.data);
    double_output(&mut event.data);
    event
}

fn chatflow_event(mut event: Event) -> Event {
    if event.name == "error" {
        text_code(&mut event.data);
        return event;
    }
    if event.name == "done" { event } else { chat_event(event) }
}

/// A message tells its tokens as one number; a failure is plain text without an id line, and a question
/// says where the execution can be looked at.
fn workflow_event(mut event: Event) -> Event {
    match event.name {
        "Error" => {
            let msg = event.data.member("error_message").map(Node::to_string).unwrap_or_default();
            let msg = serde_json::from_str(&msg).unwrap_or(msg);
            return Event { name: "error", data: Node::Raw(msg), is_numbered: false, ..event };
        }
        "Interrupt" => {
            let asked = event.data.member("interrupt_data").and_then(|it| it.member("event_id"));
            let id = asked.map(Node::to_string).unwrap_or_default();
            let id = id.trim_matches('"').split('/').next().unwrap_or_default();
            let url = format!("https://www.coze.cn/work_flow?execute_id={id}&space_id=1");
            event.data = event.data.and("debug_url", Some(url));
        }
        _ => event.data = tell_token(event.data),
    }
    event
}

/// One number beside a cost, in place of a usage at the top.
fn tell_token(body: Node) -> Node {
    let Node::Object(members) = body else { return body };
    let mut told = Vec::with_capacity(members.len());
    for (key, value) in members {
        match (key, value.member("token_count")) {
            ("usage", Some(token)) => {
                told.push(("token", token.clone()));
                told.push(("cost", Node::from("0.00000")));
            }
            _ => told.push((key, value)),
        }
    }
    Node::Object(told)
}

/// A run that was waited for names its execution at the top, too.
fn with_execution(body: Node) -> Node {
    let has_one = body.member("execute_id").is_some();
    let url = body.member("debug_url").map(Node::to_string).unwrap_or_default();
    let id = url.split("execute_id=").nth(1).and_then(|rest| rest.split(['&', '"']).next());
    match id.filter(|_| !has_one) {
        Some(id) => body.joined(object! { "execute_id": id }),
        None => body,
    }
}

fn rename_statuses(node: &mut Node) {
    node.visit(&mut |key, value| {
        let renamed = match (key, &*value) {
            ("status", Node::Leaf(Value::String(status))) => match status.as_str() {
                "canceled" => Some("cancelled"),
                "requires_action" => Some("required_action"),
                _ => None,
            },
            _ => None,
        };
        if let Some(renamed) = renamed {
            *value = Node::from(renamed);
        }
    });
}

/// The server computes the total of a chat from its output twice. A run's total is right.
fn double_output(node: &mut Node) {
    if node.member("conversation_id").is_some() {
        node.visit(&mut |key, value| {
            let output = value.member("output_count").map(Node::to_string);
            let output = output.and_then(|output| output.parse::<i64>().ok());
            if let ("usage", Some(output), Node::Object(members)) = (key, output, value) {
                for (_, total) in members.iter_mut().filter(|(key, _)| *key == "token_count") {
                    *total = Node::from(output.saturating_mul(2));
                }
            }
        });
        return;
    }
    if let Node::Object(members) = node {
        for (_, value) in members {
            double_output(value);
        }
    }
}

fn text_code(node: &mut Node) {
    node.visit(&mut |key, value| {
        if let ("code", Node::Leaf(Value::Number(code))) = (key, &*value) {
            *value = Node::from(code.to_string());
        }
    });
}

fn number_ids(node: &mut Node) {
    node.visit(&mut |key, value| {
        let number = match &*value {
            Node::Leaf(Value::String(id)) if ID_KEYS.contains(&key) => id.parse::<u64>().ok(),
            _ => None,
        };
        if let Some(number) = number {
            *value = Node::Leaf(number.into());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Behaviour {
        Behaviour { server: Server::OpenSource, ..Behaviour::default() }
    }

    fn told(behaviour: &Behaviour, dialect: Dialect, event: Event) -> (&'static str, String) {
        let (_, events) = stream(behaviour, dialect, vec![event]);
        (events[0].name, events[0].data.to_string())
    }

    #[test]
    fn a_chat_ends_in_other_words_and_counts_its_output_twice() {
        let usage = object! { "token_count": 140_i64, "output_count": 40_i64 };
        let data = object! { "status": "requires_action", "usage": usage };
        let data = object! { "conversation_id": "9" }.joined(data);
        let (_, data) = told(&open(), Dialect::Chat, Event::new("x", data));
        let want = r#"{"conversation_id":"9","status":"required_action","usage":{"token_count":80,"output_count":40}}"#;
        assert_eq!(data, want);
        let done = Event::new("done", Node::from("[DONE]"));
        assert_eq!(told(&open(), Dialect::Chat, done).0, "conversation.stream.done");
        let error = Event::new("error", object! { "code": 5000_i64, "msg": "m" });
        let (_, data) = told(&open(), Dialect::Chatflow, error);
        assert_eq!(data, r#"{"code":"5000","msg":"m"}"#);
    }

    #[test]
    fn a_workflow_tells_one_number_and_fails_in_plain_text() {
        let usage = object! { "usage": object! { "input_count": 1_i64, "token_count": 3_i64 } };
        let (_, data) = told(&open(), Dialect::Workflow, Event::new("Message", usage.clone()));
        assert_eq!(data, r#"{"token":3,"cost":"0.00000"}"#);
        let error = object! { "error_code": 1_i64, "error_message": "it \"broke\"" };
        let error = told(&open(), Dialect::Workflow, Event::new("Error", error));
        assert_eq!(error, ("error", "it \"broke\"".to_owned()));
        let body = usage.joined(object! { "debug_url": "https://h/w?execute_id=75&space_id=1" });
        let body = reply(&open(), body).to_string();
        assert!(body.ends_with(r#""execute_id":"75"}"#), "{body}");
    }

    #[test]
    fn ids_become_numbers_and_nothing_else_does() {
        let numeric = Behaviour { numeric_ids: true, ..Behaviour::default() };
        let body = object! {
            "data": object! { "id": "7500000000000000001", "content": "12", "bot_id": "shop" },
        };
        let want = r#"{"data":{"id":7500000000000000001,"content":"12","bot_id":"shop"}}"#;
        assert_eq!(reply(&numeric, body).to_string(), want);
    }
}

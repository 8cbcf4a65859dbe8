//! What a run returns, and the events that stream it.

use crate::behaviour::{Interruption, Outcome, StreamError};
use crate::coze::envelope::{detail, pieces};
use crate::coze::usage::{Order, told};
use crate::coze::workflow::leg::{Course, Leg};
use crate::wire::node::{Node, object};
use crate::wire::sse::Event;
use crate::world::executions::Execution;
use crate::world::works::{Counts, Ending};

/// Into how many messages an output node falls by itself, beside the one of the end node.
const DELTAS_DEFAULT: u32 = 3;

/// The page on which a person can look at the execution.
pub(crate) fn debug_url(execution: &Execution) -> String {
    let Execution { id, workflow_id, .. } = execution;
    format!("https://www.coze.cn/work_flow?execute_id={id}&space_id=1&workflow_id={workflow_id}")
}

/// The `data` string of a finished run.
pub(crate) fn run_data(execution: &Execution) -> String {
    let Execution { behaviour, answer, .. } = execution;
    behaviour.run_data.clone().unwrap_or_else(|| object! { "output": answer }.to_string())
}

/// The question an interrupted execution asks.
pub(crate) fn interrupt_data(execution: &Execution, interruption: &Interruption) -> Node {
    let event_id = execution.waits_for.clone().unwrap_or_default();
    object! {
        "event_id": event_id, "type": interruption.interrupt_type,
        "data": r#"{"content_type":"text","content":"Which city?"}"#,
    }
}

/// The body of a run that was waited for.
pub(crate) fn reply(leg: &Leg, logid: &str) -> Node {
    let Leg { execution, counts, course } = leg;
    let coded = |code: i64, msg: &str| {
        let bare = execution.behaviour.run_without_code && code == 0;
        object! {}.and("code", (!bare).then_some(code)).and("msg", Some(msg))
    };
    let usage = |shown| usage_if(shown, execution, *counts);
    let url = object! { "debug_url": debug_url(execution) };
    let body = match course {
        Course::Complete => {
            coded(0, "").and("data", Some(run_data(execution))).joined(url).joined(usage(true))
        }
        Course::Fail { code, msg, charged } => {
            coded(*code, msg).joined(url).joined(usage(*charged))
        }
        Course::Interrupt(interruption) => coded(0, "")
            .and("data", Some(""))
            .joined(url)
            .and("interrupt_data", Some(interrupt_data(execution, interruption)))
            .joined(usage(interruption.charged)),
    };
    body.and("detail", Some(detail(logid)))
}

/// The body that starts an async run; the documented one has no `code`.
pub(crate) fn async_reply(execution: &Execution) -> Node {
    object! { "debug_url": debug_url(execution), "execute_id": &execution.id, "msg": "" }
}

/// The events that stream a leg.
pub(crate) fn events(leg: &Leg) -> Vec<Event> {
    let Leg { execution, counts, course } = leg;
    let mut events = output(leg);
    if let Outcome::Error(error) = &execution.behaviour.outcome {
        complete(leg, &mut events);
        break_off(execution, &mut events, error);
        return events;
    }
    let half = events.len() / 2;
    match course {
        Course::Complete => complete(leg, &mut events),
        Course::Fail { code, msg, charged } => {
            events.truncate(half);
            if *charged {
                events.push(spent(execution, *counts).ends(course.ending()));
            }
            let event = failure(execution, *code, msg);
            events.push(event.ends(course.ending()));
        }
        Course::Interrupt(interruption) => {
            events.truncate(half);
            if interruption.charged {
                events.push(spent(execution, *counts).ends(course.ending()));
            }
            let data = object! {
                "interrupt_data": interrupt_data(execution, interruption),
                "node_title": "Question",
            };
            events.push(Event::new("Interrupt", data).ends(course.ending()));
            if interruption.done {
                events.push(done(execution));
            }
        }
    }
    events
}

/// The messages of the output node.
fn output(leg: &Leg) -> Vec<Event> {
    let Leg { execution, counts, .. } = leg;
    let behaviour = &execution.behaviour;
    let pieces = pieces(&execution.answer, behaviour.deltas.unwrap_or(DELTAS_DEFAULT));
    let mut events = Vec::with_capacity(pieces.len());
    for (seq, piece) in (0_i64..).zip(pieces) {
        let output = seq.min(counts.output);
        let early = Counts { output, token: counts.input.saturating_add(output), ..*counts };
        let data = message("Output", "1001", &piece, seq, false)
            .and("content_type", Some("text"))
            .joined(usage_if(behaviour.usage.early, execution, early));
        events.push(Event::new("Message", data));
    }
    events
}

fn complete(leg: &Leg, events: &mut Vec<Event>) {
    let Leg { execution, counts, .. } = leg;
    if let Some(bytes) = execution.behaviour.stream.long_line_bytes {
        let long = "x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX));
        events.push(Event::new("Message", message("Long", "1002", &long, 0, true)));
    }
    let end = message("End", "900001", &run_data(execution), 0, true)
        .joined(usage_if(true, execution, *counts));
    // What is told as used is written down as charged first, or a kill between the two would undo it.
    events.push(Event::new("Message", end).ends(Ending::COMPLETED));
    events.push(done(execution));
}

/// Replaces what comes after so many events by an error.
fn break_off(execution: &Execution, events: &mut Vec<Event>, error: &StreamError) {
    events.truncate(usize::try_from(error.after_events).unwrap_or(usize::MAX));
    let event = failure(execution, error.code, &error.msg);
    events.push(event.ends(Ending::failed(error.charged)));
    if error.done {
        events.push(done(execution));
    }
}

/// A message whose only purpose is to say what was used so far.
fn spent(execution: &Execution, counts: Counts) -> Event {
    let data = message("Output", "1001", "", 0, true).joined(usage_if(true, execution, counts));
    Event::new("Message", data)
}

fn message(title: &str, node_id: &str, content: &str, seq: i64, finish: bool) -> Node {
    object! {
        "content": content, "node_is_finish": finish, "node_seq_id": seq.to_string(),
        "node_title": title, "node_id": node_id,
    }
}

fn failure(execution: &Execution, code: i64, msg: &str) -> Event {
    Event::new(
        "Error",
        object! { "error_code": code, "error_message": msg, "debug_url": debug_url(execution) },
    )
}

fn done(execution: &Execution) -> Event {
    Event::new("Done", object! { "debug_url": debug_url(execution) })
}

fn usage_if(shown: bool, execution: &Execution, counts: Counts) -> Node {
    if shown {
        told(execution.behaviour.usage.form, Order::Workflow, counts)
    } else {
        object! {}
    }
}

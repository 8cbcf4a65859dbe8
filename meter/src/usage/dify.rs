//! Dify: the streams and replies of its apps, and the detail of a run (contract §7).
//!
//! An event's name is a field of its JSON, and every kind of app ends in another one: a chatbot with
//! `message_end`, a workflow with `workflow_finished`, a chatflow with both, in an order that changed
//! between versions. Both describe the same tokens. So a stream is read to its end; what `message_end`
//! says counts, and what `workflow_finished` says counts only where there was no such event, as in a
//! chatflow that failed (contract §9 no. 45, 46).
//!
//! # What becomes a cost
//! `message_end` states it. A workflow states tokens alone, but its nodes state theirs with a price: those
//! prices are its cost when the nodes' tokens add up to the run's own total, and otherwise are nothing,
//! because a loop's nodes stand in the stream once by themselves and once within their loop.
//!
//! Work that was stopped is work done: upstream states what it used until then.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use crate::ids::UpstreamId;
use crate::sse::Event;

use super::cost::Cost;
use super::count::{Count, Text, UsageFields, object};
use super::envelope::id;
use super::{Observed, Stage, Usage};

/// Reads the stream of an app, event by event.
#[derive(Debug, Default)]
pub struct DifyStream {
    observed: Observed,
    /// `message_end` stated a usage, so that what the workflow says beside it is the same again.
    has_message_usage: bool,
    nodes: Nodes,
    task: Option<UpstreamId>,
}

/// The fields of all events together; each event has some, and so has a reply that is not streamed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    event: Text,
    id: Text,
    message_id: Text,
    task_id: Text,
    workflow_run_id: Text,
    /// The HTTP status that an error would have had.
    status: Count,
    #[serde(deserialize_with = "object")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "object")]
    data: Option<Data>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "usage_and_cost")]
    usage: Option<Usage>,
}

/// What an event says of a run or of one of its nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    id: Text,
    status: Text,
    total_tokens: Count,
    #[serde(deserialize_with = "usage_and_cost")]
    execution_metadata: Option<Usage>,
}

impl Data {
    fn usage(&self) -> Option<Usage> {
        Usage::from_counts(None, None, self.total_tokens.0)
    }
}

/// How a run stands, by Dify's word for it.
fn stage_of(status: &Text) -> Stage {
    match status.as_deref() {
        Some("running") => Stage::Running,
        // A person has to fill in a form, and the run goes on under the same id.
        Some("paused") => Stage::AwaitsTools,
        Some("succeeded" | "partial-succeeded" | "stopped") => Stage::Completed,
        Some("failed") => Stage::Failed,
        _ => Stage::Unknown,
    }
}

impl DifyStream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event in. A heartbeat has no data, and names nothing that comes after it.
    pub fn take(&mut self, event: Event<'_>) {
        let told: Told = read(event.data).unwrap_or_default();
        let Some(name) = told.event.as_deref() else { return };
        self.observed.ids.chat = message(&told).or_else(|| self.observed.ids.chat.take());
        self.observed.ids.execution = run(&told).or_else(|| self.observed.ids.execution.take());
        self.task = self.task.take().or_else(|| id(told.task_id.as_deref()));
        let data = told.data.unwrap_or_default();
        match name {
            "message_end" => self.end_message(told.metadata.unwrap_or_default().usage),
            "workflow_finished" => self.end_run(stage_of(&data.status), data.usage()),
            "workflow_paused" | "human_input_required" => {
                self.end_run(Stage::AwaitsTools, data.usage());
            }
            "error" => self.fail(told.status),
            "node_finished" => self.nodes.take(data.execution_metadata),
            _ if self.observed.stage == Stage::Unknown => self.observed.stage = Stage::Running,
            _ => {}
        }
    }

    fn end_message(&mut self, usage: Option<Usage>) {
        if self.observed.stage != Stage::Failed {
            self.observed.stage = Stage::Completed;
        }
        self.has_message_usage |= usage.is_some();
        self.observed.take_usage(usage);
    }

    fn end_run(&mut self, stage: Stage, usage: Option<Usage>) {
        self.observed.stage = stage;
        if !self.has_message_usage {
            self.observed.take_usage(usage);
        }
    }

    fn fail(&mut self, status: Count) {
        // What goes wrong behind the answer, speaking it for one, does not undo the answer.
        if self.observed.stage != Stage::Completed {
            self.observed.stage = Stage::Failed;
        }
        self.observed.code = status.0.and_then(|status| status.try_into().ok());
    }

    /// What is known so far, for noting the ids of a call that runs long.
    pub fn so_far(&self) -> &Observed {
        &self.observed
    }

    /// The name by which the work of this stream can be stopped, once an event has told it.
    pub fn task(&self) -> Option<&UpstreamId> {
        self.task.as_ref()
    }

    /// What the stream told, now that it has ended.
    pub fn finish(mut self) -> Observed {
        if let Some(usage) = &mut self.observed.usage {
            usage.cost = usage.cost.or_else(|| self.nodes.cost_of(usage.total));
        }
        self.observed.ended()
    }
}

/// What a run's nodes used, added up.
#[derive(Debug, Default)]
struct Nodes {
    tokens: u64,
    cost: Option<Cost>,
    /// A node used tokens and stated no price, or one in another currency than the others.
    is_unpriced: bool,
}

impl Nodes {
    fn take(&mut self, used: Option<Usage>) {
        let Some(used) = used.filter(|used| used.is_some_used()) else { return };
        self.tokens = self.tokens.saturating_add(used.total);
        let sum = match (self.cost, used.cost) {
            (Some(sum), Some(cost)) => sum.plus(cost),
            (None, cost) => cost,
            (Some(_), None) => None,
        };
        self.is_unpriced |= sum.is_none();
        self.cost = sum;
    }

    /// The cost of a run that used this many tokens, when the nodes account for all of them.
    fn cost_of(&self, total: u64) -> Option<Cost> {
        self.cost.filter(|_| !self.is_unpriced && self.tokens == total)
    }
}

/// Reads the reply to a call in blocking mode.
pub fn read_reply(body: &[u8]) -> Observed {
    let Some(told) = read(body) else { return Observed::nothing() };
    let mut observed = Observed::nothing();
    observed.ids.chat = message(&told);
    observed.ids.execution = run(&told);
    if let Some(data) = &told.data {
        observed.stage = stage_of(&data.status);
        observed.take_usage(data.usage());
    } else if observed.ids.chat.is_some() {
        observed.stage = Stage::Completed;
        observed.take_usage(told.metadata.and_then(|metadata| metadata.usage));
    } else if told.status.0.is_some() {
        observed.stage = Stage::Failed;
        observed.code = told.status.0.and_then(|status| status.try_into().ok());
    }
    observed
}

/// Reads the detail of a run: what upstream answers when it is asked how the run went.
pub fn read_run(body: &[u8]) -> Observed {
    let Some(run) = read::<Data>(body) else { return Observed::nothing() };
    let mut observed = Observed::nothing();
    observed.stage = stage_of(&run.status);
    observed.ids.execution = id(run.id.as_deref());
    if !matches!(observed.stage, Stage::Unknown | Stage::Running) {
        observed.take_usage(run.usage());
    }
    observed
}

/// A JSON object. A list would be read as an object whose fields are in order.
fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}

/// The message's id. Its conversation is left out: by those two nothing can be asked about usage.
fn message(told: &Told) -> Option<UpstreamId> {
    let own = matches!(told.event.as_deref(), Some("message_end")).then_some(&told.id);
    id(told.message_id.as_deref()).or_else(|| id(own?.as_deref()))
}

fn run(told: &Told) -> Option<UpstreamId> {
    id(told.workflow_run_id.as_deref()).or_else(|| {
        let is_about_run = matches!(
            told.event.as_deref(),
            None | Some("workflow_started" | "workflow_finished" | "workflow_paused")
        );
        let data = told.data.as_ref().filter(|_| is_about_run)?;
        id(data.id.as_deref())
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PriceFields {
    total_price: Text,
    currency: Text,
}

/// A usage with its price. A price without a currency is none: which one it is in is not for us to guess.
fn usage_and_cost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usage>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if !raw.starts_with('{') {
        return Ok(None);
    }
    let counts: UsageFields = serde_json::from_str(raw).unwrap_or_default();
    let price: PriceFields = serde_json::from_str(raw).unwrap_or_default();
    let stated = price.total_price.as_deref().zip(price.currency.as_deref());
    let cost = stated.and_then(|(decimal, currency)| Cost::read(decimal, currency));
    Ok(counts.usage().map(|usage| Usage { cost, ..usage }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of these JSON texts, one event each, tells.
    fn stream(events: &[&str]) -> Observed {
        let mut reading = DifyStream::new();
        for json in events {
            reading.take(Event { name: b"", data: json.as_bytes(), truncated: false });
        }
        reading.finish()
    }

    fn node(tokens: u64, price: &str) -> String {
        format!(
            r#"{{"event":"node_finished","data":{{"execution_metadata":{{"total_tokens":{tokens},"total_price":{price},"currency":"USD"}}}}}}"#
        )
    }

    const FINISHED: &str = r#"{"event":"workflow_finished","workflow_run_id":"r-1","data":{"status":"succeeded","total_tokens":140}}"#;

    #[test]
    fn the_nodes_prices_are_the_cost_only_when_their_tokens_are_the_runs() {
        let cost = |nodes: &[String]| {
            let events: Vec<&str> =
                nodes.iter().map(String::as_str).chain(std::iter::once(FINISHED)).collect();
            let cost = stream(&events).usage.and_then(|usage| usage.cost);
            cost.map(|cost| cost.amount.get())
        };
        assert_eq!(cost(&[node(100, "\"0.0001000\""), node(40, "0.00008")]), Some(180_000));
        assert_eq!(cost(&[node(100, "\"0.0001000\""), node(0, "null")]), None);
        assert_eq!(cost(&[node(100, "\"0.0001\""), node(40, "null")]), None);
        assert_eq!(cost(&[node(40, "null"), node(100, "\"0.0001\"")]), None);
        assert_eq!(cost(&[node(140, "\"0.0001\""), node(140, "\"0.0001\"")]), None);
        assert_eq!(cost(&[]), None);
    }

    #[test]
    fn a_price_without_a_currency_is_no_price() {
        let end = |currency: &str| {
            let json = format!(
                r#"{{"event":"message_end","metadata":{{"usage":{{"total_tokens":1,"total_price":"0.1"{currency}}}}}}}"#
            );
            stream(&[&json]).usage.and_then(|usage| usage.cost)
        };
        assert_eq!(end(""), None);
        assert_eq!(end(r#","currency":null"#), None);
        assert!(end(r#","currency":"RMB""#).is_some());
    }

    #[test]
    fn a_streams_task_is_the_one_that_its_events_name() {
        let mut reading = DifyStream::new();
        let mut task_behind = |json: &str| {
            reading.take(Event { name: b"", data: json.as_bytes(), truncated: false });
            reading.task().map(ToString::to_string)
        };
        assert_eq!(task_behind(""), None);
        assert_eq!(task_behind(r#"{"event":"error","status":400}"#), None);
        assert_eq!(task_behind(r#"{"event":"message","task_id":"t-1"}"#).as_deref(), Some("t-1"));
        assert_eq!(task_behind(r#"{"event":"message","answer":"x"}"#).as_deref(), Some("t-1"));
    }

    #[test]
    fn an_error_behind_the_answer_does_not_undo_it() {
        let end = r#"{"event":"message_end","metadata":{"usage":{"total_tokens":9}}}"#;
        let error = r#"{"event":"error","status":500,"code":"internal_server_error"}"#;
        assert_eq!(stream(&[end, error]).stage, Stage::Completed);
        assert_eq!(stream(&[error]).stage, Stage::Failed);
        assert_eq!(stream(&[error]).code, Some(500));
    }

    #[test]
    fn what_is_not_an_object_says_nothing() {
        for body in ["", "[]", "7", "null", "{", "<html>", r#"{"data":[1],"metadata":7}"#] {
            assert_eq!(read_reply(body.as_bytes()), Observed::nothing(), "{body}");
            assert_eq!(read_run(body.as_bytes()), Observed::nothing(), "{body}");
        }
    }
}

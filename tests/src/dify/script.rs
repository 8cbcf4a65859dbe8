//! The events of a stream in their order, and the JSON of a blocking reply (contract §7.2).

use std::sync::Arc;

use serde_json::Value;

use crate::behaviour::{Behaviour, DifyApp, Failure, Outcome};
use crate::coze::envelope::pieces;
use crate::dify::fault::Fault;
use crate::dify::usage;
use crate::wire::node::{Node, object};
use crate::wire::sse::Event;
use crate::world::works::{Counts, Ending};

/// In how many pieces a stream brings an answer by itself.
const DELTAS_DEFAULT: u32 = 3;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    Chatbot,
    Agent,
    Chatflow,
    Completion,
    Workflow,
}

impl App {
    /// The kind of app behind `/chat-messages`.
    pub(crate) fn of_chat(app: DifyApp) -> Self {
        match app {
            DifyApp::Chatbot => Self::Chatbot,
            DifyApp::Agent => Self::Agent,
            DifyApp::Chatflow => Self::Chatflow,
        }
    }

    /// Whether it runs a workflow.
    pub(crate) fn runs(self) -> bool {
        matches!(self, Self::Chatflow | Self::Workflow)
    }
}

/// One call that was taken on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) work: u64,
    pub(crate) task_id: String,
    pub(crate) message_id: String,
    pub(crate) conversation_id: Option<String>,
    pub(crate) run_id: String,
    pub(crate) form_token: String,
    pub(crate) answer: String,
    pub(crate) counts: Counts,
    pub(crate) created_at: i64,
    pub(crate) behaviour: Arc<Behaviour>,
}

/// How the work ends.
enum Course {
    Complete,
    Fail(Failure),
    /// An `error` event after so many others.
    Error(usize, Failure),
    Pause,
    Stop,
}

impl Call {
    fn course(&self) -> Course {
        match &self.behaviour.outcome {
            Outcome::Fail(failure) => Course::Fail(failure.clone()),
            Outcome::Error(error) => {
                let failure =
                    Failure { code: error.code, msg: error.msg.clone(), charged: error.charged };
                Course::Error(usize::try_from(error.after_events).unwrap_or(usize::MAX), failure)
            }
            Outcome::Interrupt(_) if self.app.runs() => Course::Pause,
            _ if self.behaviour.dify.stopped => Course::Stop,
            Outcome::Complete | Outcome::RequiresAction(_) | Outcome::Interrupt(_) => {
                Course::Complete
            }
        }
    }

    /// How the unit of work ends.
    pub(crate) fn ending(&self) -> Ending {
        match self.course() {
            Course::Complete => Ending::COMPLETED,
            Course::Fail(failure) | Course::Error(_, failure) => Ending::failed(failure.charged),
            Course::Pause => Ending::PAUSED,
            Course::Stop => Ending::CANCELED,
        }
    }

    /// The stream.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = self.beginning();
        match self.course() {
            Course::Complete => {
                events.extend(self.answer_events());
                events.extend(self.end());
            }
            Course::Fail(failure) => {
                if self.app.runs() {
                    let ending = Ending::failed(failure.charged);
                    events.push(self.node(failure.charged));
                    events.push(self.finished("failed", Some(&failure), ending));
                }
                if self.app != App::Workflow {
                    events.push(self.error(&failure));
                }
            }
            Course::Error(after, failure) => {
                events.extend(self.answer_events());
                events.truncate(after);
                events.push(self.error(&failure));
            }
            Course::Pause => events.extend(self.pause()),
            Course::Stop => {
                events.extend(self.answer_events());
                events.extend(self.stopped());
            }
        }
        events
    }

    fn beginning(&self) -> Vec<Event> {
        if !self.app.runs() {
            return Vec::new();
        }
        let data = object! {
            "id": &self.run_id, "workflow_id": "w-1", "inputs": object! {},
            "created_at": self.created_at,
        };
        let empty = object! {
            "id": "e-0", "node_id": "n-0", "node_type": "start", "status": "succeeded",
            "execution_metadata": Value::Null,
        };
        vec![
            Event::new("", self.head("workflow_started").and("data", Some(data))),
            Event::new("", self.head("node_finished").and("data", Some(empty))),
        ]
    }

    fn answer_events(&self) -> Vec<Event> {
        let name = match self.app {
            App::Agent => "agent_message",
            App::Workflow => "text_chunk",
            App::Chatbot | App::Chatflow | App::Completion => "message",
        };
        let mut events = Vec::new();
        if self.app == App::Agent {
            let thought = object! { "id": "th-1", "position": 1_i64, "thought": "", "tool": "" };
            events.push(Event::new("", self.head("agent_thought").joined(thought)));
        }
        let deltas = self.behaviour.deltas.unwrap_or(DELTAS_DEFAULT);
        for piece in pieces(&self.answer, deltas) {
            let node = self.head(name);
            let node = if self.app == App::Workflow {
                node.and("data", Some(object! { "text": piece }))
            } else {
                node.and("id", Some(&self.message_id)).and("answer", Some(piece))
            };
            events.push(Event::new("", node));
        }
        events
    }

    /// The events that end an app's stream, the first of which ends the work.
    fn end(&self) -> Vec<Event> {
        let message = || Event::new("", self.message_end());
        let finished = || self.finished("succeeded", None, Ending::COMPLETED);
        let mut events = match self.app {
            App::Chatbot | App::Agent | App::Completion => vec![message()],
            App::Workflow => vec![self.node(true), finished()],
            App::Chatflow if self.behaviour.dify.workflow_finished_first => {
                vec![self.node(true), finished(), message()]
            }
            App::Chatflow => vec![self.node(true), message(), finished()],
        };
        let ends_at = usize::from(self.app.runs());
        for (at, event) in events.iter_mut().enumerate() {
            event.ending = (at == ends_at).then_some(Ending::COMPLETED);
        }
        events
    }

    fn stopped(&self) -> Vec<Event> {
        let message = Event::new("", self.message_end());
        let finished = self.finished("stopped", None, Ending::CANCELED);
        match self.app {
            App::Chatbot | App::Agent | App::Completion => vec![message.ends(Ending::CANCELED)],
            App::Workflow => vec![self.node(true), finished],
            App::Chatflow => vec![self.node(true), finished, message],
        }
    }

    fn pause(&self) -> Vec<Event> {
        let form = object! { "form_token": &self.form_token, "node_id": "n-2" };
        let paused = object! {
            "id": &self.run_id, "status": "paused", "total_tokens": self.counts.token,
            "reasons": Vec::<Node>::new(),
        };
        vec![
            self.node(true),
            Event::new("", self.head("human_input_required").and("data", Some(form))),
            Event::new("", self.head("workflow_paused").and("data", Some(paused)))
                .ends(Ending::PAUSED),
        ]
    }

    fn message_end(&self) -> Node {
        let resources = object! { "retriever_resources": Vec::<Node>::new() };
        let told = usage::told(&self.behaviour.dify, self.counts);
        let metadata = object! {}.and("usage", told).joined(resources);
        self.head("message_end").and("id", Some(&self.message_id)).and("metadata", Some(metadata))
    }

    /// The node that asked the model, whose tokens the run's are made of.
    fn node(&self, used: bool) -> Event {
        let metadata = if used {
            usage::of_node(&self.behaviour.dify, self.counts)
        } else {
            Node::Leaf(Value::Null)
        };
        let data = object! {
            "id": "e-1", "node_id": "n-1", "node_type": "llm", "status": "succeeded",
            "execution_metadata": metadata,
        };
        Event::new("", self.head("node_finished").and("data", Some(data)))
    }

    fn finished(&self, status: &str, failure: Option<&Failure>, ending: Ending) -> Event {
        let data = self.run_data(status, failure, ending.charged);
        Event::new("", self.head("workflow_finished").and("data", Some(data))).ends(ending)
    }

    fn run_data(&self, status: &str, failure: Option<&Failure>, charged: bool) -> Node {
        let error = failure.map_or(Value::Null, |failure| failure.msg.as_str().into());
        object! {
            "id": &self.run_id, "workflow_id": "w-1", "status": status,
            "outputs": object! { "answer": &self.answer }, "error": error,
            "elapsed_time": Value::from(1.6), "total_tokens": if charged { self.counts.token } else { 0 },
            "total_steps": 3_i64, "created_at": self.created_at, "finished_at": self.created_at,
        }
    }

    /// An `error` event ends the work, unless its run ended before. It alone names no task.
    fn error(&self, failure: &Failure) -> Event {
        let ending = Ending::failed(failure.charged);
        let fault = Fault::of_work(&failure.msg);
        let node = object! { "event": "error", "message_id": &self.message_id };
        Event::new("", node.joined(fault.node())).ends(ending)
    }

    fn head(&self, name: &'static str) -> Node {
        let mut node = object! { "event": name, "task_id": &self.task_id };
        if self.app.runs() {
            node = node.and("workflow_run_id", Some(&self.run_id));
        }
        if self.app != App::Workflow {
            node = node
                .and("message_id", Some(&self.message_id))
                .and("conversation_id", self.conversation_id.as_ref());
        }
        node.and("created_at", Some(self.created_at))
    }

    /// The JSON of a blocking reply, or the error in its place.
    pub(crate) fn reply(&self) -> Result<Node, Fault> {
        let course = self.course();
        if self.app == App::Workflow {
            let (status, failure) = match &course {
                Course::Complete => ("succeeded", None),
                Course::Fail(failure) | Course::Error(_, failure) => ("failed", Some(failure)),
                Course::Pause => ("paused", None),
                Course::Stop => ("stopped", None),
            };
            let charged = failure.is_none_or(|failure| failure.charged);
            return Ok(object! {
                "workflow_run_id": &self.run_id, "task_id": &self.task_id,
                "data": self.run_data(status, failure, charged),
            });
        }
        if let Course::Fail(failure) | Course::Error(_, failure) = course {
            return Err(Fault::of_work(&failure.msg));
        }
        let resources = object! { "retriever_resources": Vec::<Node>::new() };
        let told = usage::told(&self.behaviour.dify, self.counts);
        let metadata = object! {}.and("usage", told).joined(resources);
        Ok(self
            .head("message")
            .and("id", Some(&self.message_id))
            .and("answer", Some(&self.answer))
            .and("metadata", Some(metadata)))
    }
}

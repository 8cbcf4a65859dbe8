//! How a request speaks to a journal.
//!
//! A remote procedure call costs about two thirds of a `fetch` to the same object, so that is what it is.
//! Commands and replies are JSON text: one string each way is the cheapest thing to carry over.

use std::time::Duration;

use meter::ids::JournalName;
use meter::refusal::{Reason, Refusal};
use meter::wire::command::{CommandDoc, ReplyDoc};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::Promise;
use worker::js_sys::futures::JsFuture;
use worker::{Delay, Env, Error, Result};

use crate::log;

/// The binding of the objects' namespace.
const BINDING: &str = "JOURNAL";

/// How long it is waited between two questions about something that may be under way: together longer than
/// it takes until a stream's ids are told.
const NOT_YET_WAITS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

#[wasm_bindgen]
extern "C" {
    /// The object as seen from a request: each of its methods gives a promise.
    #[derive(Clone)]
    type Stub;

    #[wasm_bindgen(method, catch)]
    fn command(this: &Stub, json: &str) -> std::result::Result<Promise, JsValue>;
}

/// A journal, from a request's point of view.
#[derive(Clone)]
pub(crate) struct Handle {
    stub: Stub,
}

impl Handle {
    /// The journal of this name.
    pub(crate) fn of(env: &Env, name: &JournalName) -> Result<Self> {
        let stub = env.durable_object(BINDING)?.get_by_name(name.as_str())?;
        Ok(Self { stub: stub.into_rpc() })
    }

    /// Has the journal do something and gives its answer.
    ///
    /// A journal that does not answer is a refusal: no call goes through unmetered.
    pub(crate) async fn command(
        &self,
        command: &CommandDoc,
    ) -> std::result::Result<ReplyDoc, Refusal> {
        self.try_command(command).await.map_err(|error| {
            log::error("journal_unreachable", None, &error.to_string());
            Refusal::from(Reason::JournalUnreachable)
        })
    }

    /// The same for a request that names things: while the journal says that what is named may be under way,
    /// it is asked again. A caller sees what upstream made before the journal hears of it.
    pub(crate) async fn command_about(
        &self,
        command: &CommandDoc,
    ) -> std::result::Result<ReplyDoc, Refusal> {
        for wait in NOT_YET_WAITS {
            match self.command(command).await {
                Ok(ReplyDoc::NotYet(_)) => Delay::from(wait).await,
                reply => return reply,
            }
        }
        Ok(match self.command(command).await? {
            ReplyDoc::NotYet(refusal) => ReplyDoc::Refused(refusal),
            reply => reply,
        })
    }

    async fn try_command(&self, command: &CommandDoc) -> Result<ReplyDoc> {
        let json = serde_json::to_string(command)?;
        let reply = JsFuture::from(self.stub.command(&json)?).await?;
        let reply = reply.as_string().ok_or_else(|| {
            Error::RustError("the journal answered something that is not text".to_owned())
        })?;
        Ok(serde_json::from_str(&reply)?)
    }
}

//! How a request speaks to a journal.
//!
//! A remote procedure call costs about two thirds of a `fetch` to the same object, so that is what it is.
//! Commands and replies are JSON text: one string each way is the cheapest thing to carry over.

use meter::ids::JournalName;
use meter::refusal::{Reason, Refusal};
use meter::wire::command::{CommandDoc, ReplyDoc};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::Promise;
use worker::js_sys::futures::JsFuture;
use worker::{Env, Error, Result};

use crate::log;

/// The binding of the objects' namespace.
const BINDING: &str = "JOURNAL";

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

    async fn try_command(&self, command: &CommandDoc) -> Result<ReplyDoc> {
        let json = serde_json::to_string(command)?;
        let reply = JsFuture::from(self.stub.command(&json)?).await?;
        let reply = reply.as_string().ok_or_else(|| {
            Error::RustError("the journal answered something that is not text".to_owned())
        })?;
        Ok(serde_json::from_str(&reply)?)
    }
}

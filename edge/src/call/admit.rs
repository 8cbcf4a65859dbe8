//! (2) Whether the call may begin.

use meter::ids::CallId;
use meter::journal::Admission;
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::request::{self, Asked, BODY_BYTES_MAX};
use meter::route::Operation;
use meter::wire::command::{CommandDoc, ReplyDoc};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Reflect, Uint8Array};
use worker::web_sys::{ReadableStreamDefaultReader, Request};

use crate::journal::Handle;
use crate::reply::Failure;

use super::Arrived;

/// A call that was let in. Its hold stands in the journal and waits to be ended.
pub(super) struct Admitted {
    pub(super) call: CallId,
    pub(super) asked: Asked,
    pub(super) journal: Handle,
    /// The request's body, as it came.
    pub(super) body: Uint8Array,
}

/// Reads what is asked for and has the journal hold it.
pub(super) async fn admit(
    arrived: &Arrived<'_>,
    caller: Caller,
    operation: Operation,
) -> Result<Admitted, Failure> {
    let body = read_body(&arrived.request).await?;
    let asked = request::read(operation, &body.to_vec())?;
    caller.check_scope(operation.name(), Some(asked.subject.id.as_str()))?;
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let admission = Admission {
        call: arrived.call.clone(),
        account: caller.account,
        key: caller.key,
        asked: asked.clone(),
    };
    match journal.command(&CommandDoc::Admit((&admission).into())).await {
        Ok(ReplyDoc::Admitted { .. }) => {
            Ok(Admitted { call: admission.call, asked, journal, body })
        }
        reply => Err(refused(reply)),
    }
}

/// Asks the journal whether the key may be used for a call that is not metered.
pub(super) async fn enter(arrived: &Arrived<'_>, caller: &Caller) -> Result<(), Failure> {
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    match journal.command(&CommandDoc::Enter { account, key }).await {
        Ok(ReplyDoc::Ok) => Ok(()),
        reply => Err(refused(reply)),
    }
}

/// The failure behind an answer that does not let the call in.
fn refused(reply: Result<ReplyDoc, Refusal>) -> Failure {
    match reply {
        Ok(ReplyDoc::Refused { reason }) => {
            Reason::from_code(&reason).unwrap_or(Reason::Internal).into()
        }
        Ok(_) => Reason::Internal.into(),
        Err(unreachable) => unreachable.into(),
    }
}

/// Reads the body, and no more of it than may be there.
async fn read_body(request: &Request) -> Result<Uint8Array, Failure> {
    let too_large = || {
        Refusal::with_detail(Reason::BodyTooLarge, format!("{BODY_BYTES_MAX} bytes are allowed"))
    };
    let length = request.headers().get("content-length")?;
    if let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) {
        // The platform cuts the body at the length that was announced.
        if length > BODY_BYTES_MAX {
            return Err(too_large().into());
        }
        let buffer = JsFuture::from(request.array_buffer()?).await?;
        return Ok(Uint8Array::new(&buffer));
    }
    let Some(stream) = request.body() else { return Ok(Uint8Array::new_with_length(0)) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let result = JsFuture::from(reader.read()).await?;
        if Reflect::get(&result, &JsValue::from_str("done"))?.is_truthy() {
            return Ok(Uint8Array::from(bytes.as_slice()));
        }
        let chunk: Uint8Array =
            Reflect::get(&result, &JsValue::from_str("value"))?.unchecked_into();
        if bytes.len().saturating_add(chunk.length() as usize) > BODY_BYTES_MAX {
            return Err(too_large().into());
        }
        bytes.extend_from_slice(&chunk.to_vec());
    }
}

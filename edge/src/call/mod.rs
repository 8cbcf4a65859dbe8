//! A call, from the caller to upstream and back.
//!
//! A billable call goes through all five steps, each handing a typed value to the next:
//! authenticate → admit → forward → tap → settle. A follow-up and a free call are authenticated, let
//! in, forwarded, and not held. Whatever a request names has to be the account's (`meter::apart`).

mod authenticate;
mod admit;
mod forward;
mod tap;
mod translate;
mod notice;
pub(crate) mod settle;
mod follow;
pub(crate) mod own;
mod memory;
pub(crate) mod owner;
mod again;
mod socket;

use std::rc::Rc;

use meter::credential::is_refused;
use meter::ids::CallId;
use meter::route::{FollowUp, Operation, Provider, Right};
use meter::stamp::Stamp;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::js_sys::Uint8Array;
use worker::js_sys::futures::{JsFuture, future_to_promise};
use worker::web_sys::{Request, Response};
use worker::{Context, Env};

use crate::config::Config;
use crate::credential::App;
use crate::door::Way;
use crate::reply::{self, Body, Failure};

use admit::Entered;
pub(crate) use admit::read_body;
pub(crate) use again::events;
pub(crate) use authenticate::{address_of, authenticate, verify};
pub(crate) use forward::ask;
pub(crate) use own::own;
pub(crate) use owner::check as check_owner;
pub(crate) use socket::socket;

/// A request that has a route.
pub(crate) struct Arrived {
    pub(crate) request: Request,
    pub(crate) env: Env,
    pub(crate) config: Rc<Config>,
    pub(crate) path: String,
    /// With its question mark, or empty.
    pub(crate) query: String,
    pub(crate) call: CallId,
    /// The way back through a door, when the call came in by one.
    pub(crate) way: Option<Way>,
    /// Where it goes when it goes to Dify and not to Coze.
    pub(crate) dify: Option<ToDify>,
}

/// What of a request to Dify is not as it came.
pub(crate) struct ToDify {
    /// The app that answers.
    pub(crate) app: App,
    /// The body in which the user is the account's own, where the body is what names one.
    pub(crate) body: Option<Uint8Array>,
}

impl Arrived {
    /// A request to Coze that came in by its own path.
    pub(crate) fn new(
        request: Request,
        env: Env,
        config: Rc<Config>,
        path: String,
        query: String,
        call: CallId,
    ) -> Self {
        Self { request, env, config, path, query, call, way: None, dify: None }
    }

    fn app(&self) -> Option<&App> {
        self.dify.as_ref().map(|to| &to.app)
    }

    /// Whose libraries the caller uses.
    fn provider(&self) -> Provider {
        if self.dify.is_some() { Provider::Dify } else { Provider::Coze }
    }

    /// The request as upstream is to see it, but for the credential.
    fn up(&self) -> worker::Result<forward::Up> {
        let Self { request, config, path, query, .. } = self;
        let base = match self.provider() {
            Provider::Coze => &config.upstream,
            Provider::Dify => &config.dify,
        };
        forward::Up::of(request, base, path, query)
    }
}

/// A call that is paid for.
///
/// It runs to its end even when the caller goes away before the first byte, so that no hold is left
/// behind with nobody to end it.
pub(crate) async fn billable(
    arrived: Arrived,
    operation: Operation,
    context: &Rc<Context>,
) -> Result<Response, Failure> {
    let for_tap = Rc::clone(context);
    let (call, provider) = (arrived.call.clone(), arrived.provider());
    let answer = future_to_promise(async move {
        let carried = carry(arrived, operation, &for_tap).await;
        let response = carried.or_else(|failure| reply::failure_of(provider, failure, &call));
        response.map(JsValue::from).map_err(JsValue::from)
    });
    let held = answer.clone();
    context.wait_until(async move {
        // An error reaches the caller by the other end of the promise.
        let _ = JsFuture::from(held).await;
    });
    Ok(JsFuture::from(answer).await?.unchecked_into())
}

async fn carry(
    mut arrived: Arrived,
    operation: Operation,
    context: &Rc<Context>,
) -> Result<Response, Failure> {
    // (1) authenticate: a bad key costs no request to the journal.
    let caller = authenticate(&arrived.request, &arrived.config)?;
    let account = caller.account.clone();
    let up = arrived.up()?;
    // (2) admit: from here on a durable hold exists, and somebody has to end it.
    let mut admitted = match admit::admit(&arrived, caller, operation).await? {
        Entered::Admitted(admitted) => admitted,
        Entered::Replayed(call, reply) => return Ok(reply::replayed(&call, &reply)?),
    };
    let authorization = match admitted.authorization(&arrived).await {
        Ok(authorization) => authorization,
        Err(refusal) => {
            // Nothing was sent. A chat that waits for its tools goes on waiting.
            if admitted.call == arrived.call {
                settle::release(&admitted, None).await;
            }
            return Err(refusal.into());
        }
    };
    up.authorize(&authorization)?;
    if operation.provider() == Provider::Coze && !operation.takes_form() {
        up.says_json()?;
    }
    // (3) forward, (4) tap, (5) settle.
    if arrived.config.stamps_calls && operation.takes_stamp() {
        up.stamp(&Stamp { account, call: admitted.call.clone() })?;
        admitted.stamped = true;
    }
    let rate = admitted.rate;
    let replied = forward::send(&up, &admitted.body).await;
    let config = &arrived.config;
    let response = match arrived.way.take() {
        None => tap::tap(admitted, &authorization, replied, config, context).await?,
        Some(way) => {
            translate::tap(admitted, &authorization, replied, way, config, context).await?
        }
    };
    if let Some(rate) = rate {
        reply::add_rate(&response.headers(), rate)?;
    }
    Ok(response)
}

/// A call about earlier work.
pub(crate) async fn follow_up(arrived: Arrived, what: FollowUp) -> Result<Response, Failure> {
    let caller = authenticate(&arrived.request, &arrived.config)?;
    let body = read_body(&arrived.request).await?;
    let said = own::said(&arrived, &body.to_vec(), what.about())?;
    let (authorization, _) = admit::enter(&arrived, &caller, &said.names).await?;
    follow::follow(&arrived, &caller, &authorization, &body, what).await
}

/// A reply's body, as bytes.
pub(crate) async fn bytes_of(reply: &Response) -> Result<Vec<u8>, Failure> {
    Ok(forward::bytes(reply).await?.to_vec())
}

/// A call that costs nothing and is about what is everybody's; with a right, about what is the operator's.
pub(crate) async fn free(arrived: Arrived, right: Option<Right>) -> Result<Response, Failure> {
    let caller = authenticate(&arrived.request, &arrived.config)?;
    if let Some(right) = right {
        caller.check_right(right)?;
    }
    let (authorization, _) = admit::enter(&arrived, &caller, &[]).await?;
    let up = arrived.up()?;
    up.authorize(&authorization)?;
    let answer = match arrived.dify.as_ref().and_then(|to| to.body.as_ref()) {
        Some(body) => forward::send(&up, body).await?,
        None => forward::pass(&up, &arrived.request).await?,
    };
    if is_refused(answer.status(), None) {
        authorization.was_refused();
    }
    let headers = reply::headers_down(&answer.headers(), &arrived.call)?;
    let body = answer.body();
    Ok(reply::respond(answer.status(), &headers, Body::Stream(body.as_ref()))?)
}

//! A websocket: passed on frame by frame, and metered from what upstream's frames say.
//!
//! A chat socket carries many chats, each of them a call. One call is always admitted ahead, so that the
//! hold of a chat is durable before upstream begins it; when no further one is let in, the chats that run
//! may end, and whatever could begin another ends the connection. An audio socket is one call from its
//! beginning to its end.
//!
//! # Bounds
//! At most [`CHATS_MAX`] chats of one connection run at once. Frames are handed over as they come; none
//! is kept but the one in hand.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use meter::apart::{self, Named};
use meter::ids::{CallId, UpstreamId};
use meter::journal::Report;
use meter::key::{self, Caller};
use meter::refusal::{Reason, Refusal};
use meter::request::{self, Asked, Parts, Wanted};
use meter::route::{Dialect, Operation};
use meter::usage::coze_socket::{Subscriptions, may_begin_chat, read_frame};
use meter::usage::{Observed, Stage, WorkIds};
use worker::web_sys::Response;
use worker::{Context, WebSocket, WebSocketPair, WebsocketEvent};

use crate::journal::Handle;
use crate::reply::{self, Failure};
use crate::{log, platform};

use super::admit::{self, Admitted};
use super::authenticate::{check_address, of_token};
use super::{Arrived, forward, settle};

/// Most chats of one connection that run at once. Coze runs them one after the other.
const CHATS_MAX: usize = 16;
/// The close code for a connection that Weir ends (RFC 6455 §7.4.1: policy violation).
const CLOSE_POLICY: u16 = 1008;
/// The status of a websocket that was opened.
const SWITCHING_PROTOCOLS: u16 = 101;
/// The query parameter in which a browser's library sends its key (contract §5.4).
const AUTHORIZATION: &str = "authorization";

/// Opens a websocket to upstream and carries it.
pub(crate) async fn socket(
    arrived: Arrived,
    operation: Operation,
    context: &Rc<Context>,
) -> Result<Response, Failure> {
    let upgrade = arrived.request.headers().get("upgrade")?;
    if !upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(Reason::RouteUnknown.into());
    }
    let caller = caller(&arrived)?;
    let parts = Parts { path: &arrived.path, query: &arrived.query, body: &[] };
    let Wanted::Work(asked) = request::read(operation, parts)? else {
        return Err(Reason::Internal.into());
    };
    caller.check_scope(operation.name(), Some(asked.subject.id.as_str()))?;
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let said = apart::read(parts)?;
    let holder = Holder { caller, asked, journal };
    let ahead = holder.hold(&said.names, arrived.call.clone()).await?;
    let query = without_key(&arrived.query);
    let up = forward::Up::of_socket(&arrived.request, &arrived.config, &arrived.path, &query)?;
    let authorization = ahead.authorization(&arrived).await;
    let authorization = match authorization {
        Ok(authorization) => authorization,
        Err(refusal) => {
            settle::release(&ahead, None).await;
            return Err(refusal.into());
        }
    };
    up.authorize(&authorization)?;
    let answer = match forward::open(&up).await {
        Ok(answer) => answer,
        Err(error) => {
            log::warn("upstream_unreachable", Some(ahead.call.as_str()), &error.to_string());
            settle::release(&ahead, None).await;
            return Err(Reason::UpstreamUnreachable.into());
        }
    };
    // Another handle to the same answer; its own `clone` would be JavaScript's, which splits the body.
    let handle = Clone::clone(&answer);
    let Some(upstream) = worker::Response::from(handle).websocket() else {
        settle::release(&ahead, Some(answer.status())).await;
        let headers = reply::headers_down(&answer.headers(), &arrived.call)?;
        let body = answer.body();
        let body = reply::Body::Stream(body.as_ref());
        return Ok(reply::respond(answer.status(), &headers, body)?);
    };
    let pair = WebSocketPair::new()?;
    upstream.accept()?;
    pair.server.accept()?;
    let down = pair.server;
    context.wait_until(async move {
        let mut carried = Carried::new(holder, ahead);
        if let Err(error) = carried.carry(&down, &upstream).await {
            log::warn("socket_broke_off", None, &error.to_string());
        }
        carried.end().await;
    });
    Ok(worker::Response::from_websocket(pair.client)?.into())
}

/// Who opens the socket: by header, or by the query parameter that browsers have to use.
fn caller(arrived: &Arrived) -> Result<Caller, Failure> {
    let header = arrived.request.headers().get(AUTHORIZATION)?;
    let header = header.filter(|header| !header.is_empty());
    let authorization = header.or_else(|| {
        let value = request::query_value(&arrived.query, AUTHORIZATION)?;
        Some(value.replacen("%20", " ", 1).replacen('+', " ", 1))
    });
    let caller = of_token(key::from_header(authorization.as_deref())?, &arrived.config)?;
    check_address(&caller, &arrived.request)?;
    Ok(caller)
}

/// The query without the caller's key, which upstream must not see.
fn without_key(query: &str) -> String {
    let pairs = query.trim_start_matches('?').split('&');
    let kept: Vec<&str> = pairs
        .filter(|pair| pair.split('=').next() != Some(AUTHORIZATION) && !pair.is_empty())
        .collect();
    if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
}

/// What it takes to admit one call after another.
struct Holder {
    caller: Caller,
    asked: Asked,
    journal: Handle,
}

impl Holder {
    async fn hold(&self, names: &[Named], call: CallId) -> Result<Admitted, Failure> {
        admit::hold_for(&self.journal, &self.caller, &self.asked, names, call).await
    }
}

/// A connection that is being carried.
struct Carried {
    holder: Holder,
    /// The call for the next chat, or for the whole connection.
    ahead: Option<Admitted>,
    /// The calls of the chats that run.
    running: BTreeMap<UpstreamId, Admitted>,
    subscriptions: Subscriptions,
    /// What is put in front of the names of the account's users.
    user_prefix: Option<String>,
}

/// Whether the connection goes on after a frame.
enum Next {
    GoesOn,
    Refused(Refusal),
}

impl Carried {
    fn new(holder: Holder, ahead: Admitted) -> Self {
        let (running, subscriptions) = (BTreeMap::new(), Subscriptions::new());
        let user_prefix = ahead.user_prefix.clone();
        Self { holder, ahead: Some(ahead), running, subscriptions, user_prefix }
    }

    fn is_chat(&self) -> bool {
        self.holder.asked.operation.dialect() == Dialect::Chat
    }

    /// Hands frames over until one side closes.
    async fn carry(&mut self, down: &WebSocket, up: &WebSocket) -> worker::Result<()> {
        let mut from_caller = down.events()?;
        let mut from_upstream = up.events()?;
        loop {
            match select(from_caller.next(), from_upstream.next()).await {
                Either::Left((Some(Ok(WebsocketEvent::Message(message))), _)) => {
                    let going_up = match message.text() {
                        Some(text) if self.is_chat() => self.going_up(text).await,
                        Some(text) => Ok(text),
                        // Upstream's frames are text, and it might take bytes for it.
                        None if self.is_chat() => Err(no_text()),
                        None => {
                            up.send_with_bytes(message.bytes().unwrap_or_default())?;
                            continue;
                        }
                    };
                    match going_up {
                        Ok(text) => up.send_with_str(text)?,
                        Err(refusal) => return end_refused(down, up, &refusal),
                    }
                }
                Either::Right((Some(Ok(WebsocketEvent::Message(message))), _)) => {
                    let Some(text) = message.text() else {
                        down.send_with_bytes(message.bytes().unwrap_or_default())?;
                        continue;
                    };
                    if self.subscriptions.shows(&text) {
                        down.send_with_str(&text)?;
                    }
                    if let Next::Refused(refusal) = self.meter(&text).await {
                        return end_refused(down, up, &refusal);
                    }
                }
                Either::Left((Some(Ok(WebsocketEvent::Close(close))), _)) => {
                    return close_other(up, close.code(), &close.reason());
                }
                Either::Right((Some(Ok(WebsocketEvent::Close(close))), _)) => {
                    return close_other(down, close.code(), &close.reason());
                }
                Either::Left((Some(Err(error)), _)) => {
                    close_other(up, CLOSE_POLICY, "the caller's side failed")?;
                    return Err(error);
                }
                Either::Right((Some(Err(error)), _)) => {
                    close_other(down, CLOSE_POLICY, "upstream's side failed")?;
                    return Err(error);
                }
                Either::Left((None, _)) => return close_other(up, 1000, ""),
                Either::Right((None, _)) => return close_other(down, 1000, ""),
            }
        }
    }

    /// A caller's frame as it goes up, when all that it names is the account's.
    async fn going_up(&mut self, frame: String) -> Result<String, Refusal> {
        if may_begin_chat(&frame) {
            self.hold_ahead().await?;
        }
        let said = apart::in_frame(&frame)?;
        if !said.names.is_empty() {
            let Holder { caller, journal, .. } = &self.holder;
            match admit::check_names(journal, caller, &said.names).await {
                Ok(()) => {}
                Err(Failure::Refused(refusal)) => return Err(refusal),
                Err(Failure::Broken(_)) => return Err(Reason::Internal.into()),
            }
        }
        let frame = match &self.user_prefix {
            Some(prefix) if !said.users.is_empty() => {
                let sent = apart::with_users(frame.as_bytes(), &said.users, prefix);
                String::from_utf8(sent).map_err(|_| Reason::Internal)?
            }
            _ => frame,
        };
        Ok(self.subscriptions.extend(&frame)?.unwrap_or(frame))
    }

    /// Reads one of upstream's frames for what it says of a chat.
    async fn meter(&mut self, text: &str) -> Next {
        if !self.is_chat() {
            return Next::GoesOn;
        }
        let Some(frame) = read_frame(text) else { return Next::GoesOn };
        let Some(chat) = frame.observed.ids.chat.clone() else { return Next::GoesOn };
        if !self.running.contains_key(&chat) {
            // The first sign of a chat, whether or not it is the frame that says it was created.
            // Two that were asked for at once may both begin; there is a call for each, or an end.
            if let Err(refusal) = self.hold_ahead().await {
                return Next::Refused(refusal);
            }
            let Some(call) = self.ahead.take() else { return Next::GoesOn };
            settle::note(&call, frame.observed.ids.clone()).await;
            self.running.insert(chat.clone(), call);
        }
        if !matches!(frame.observed.stage, Stage::Running | Stage::Unknown) {
            self.settle(&chat, frame.observed).await;
        }
        if self.running.len() >= CHATS_MAX {
            return Next::Refused(Reason::JournalFull.into());
        }
        match self.hold_ahead().await {
            // What runs may end; nothing new goes up.
            Err(refusal) if self.running.is_empty() => Next::Refused(refusal),
            Ok(()) | Err(_) => Next::GoesOn,
        }
    }

    async fn settle(&mut self, chat: &UpstreamId, observed: Observed) {
        // A chat that waits for its tools goes on under the same call.
        let goes_on = observed.stage == Stage::AwaitsTools;
        let Some(call) = self.running.get(chat) else { return };
        let report = Report { status: Some(SWITCHING_PROTOCOLS), observed };
        settle::settle(call, &report, None).await;
        if !goes_on {
            self.running.remove(chat);
        }
    }

    /// Admits the call for the next chat, unless that is done.
    async fn hold_ahead(&mut self) -> Result<(), Refusal> {
        if self.ahead.is_some() {
            return Ok(());
        }
        match self.holder.hold(&[], platform::new_call_id()).await {
            Ok(call) => {
                self.ahead = Some(call);
                Ok(())
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Broken(_)) => Err(Reason::Internal.into()),
        }
    }

    /// Ends every call that the connection leaves behind.
    async fn end(self) {
        for (chat, call) in self.running {
            let ids = WorkIds { chat: Some(chat), ..WorkIds::default() };
            let observed = Observed { stage: Stage::Cut, ids, ..Observed::nothing() };
            let report = Report { status: Some(SWITCHING_PROTOCOLS), observed };
            settle::settle(&call, &report, None).await;
        }
        let Some(ahead) = self.ahead else { return };
        if self.holder.asked.operation.dialect() == Dialect::Chat {
            settle::release(&ahead, Some(SWITCHING_PROTOCOLS)).await;
        } else {
            let observed = Observed { stage: Stage::Completed, ..Observed::nothing() };
            let report = Report { status: Some(SWITCHING_PROTOCOLS), observed };
            settle::settle(&ahead, &report, None).await;
        }
    }
}

fn no_text() -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, "a frame that is no text")
}

/// Ends a connection on both sides, and says why on the caller's.
fn end_refused(down: &WebSocket, up: &WebSocket, refusal: &Refusal) -> worker::Result<()> {
    let reason = refusal.reason.code();
    down.send_with_str(refused_frame(refusal))?;
    down.close(Some(CLOSE_POLICY), Some(reason))?;
    up.close(Some(CLOSE_POLICY), Some(reason))
}

/// The refusal as a frame, in the form of Coze's own error event (contract §5.4).
fn refused_frame(refusal: &Refusal) -> String {
    let log_id = platform::new_name();
    let body = refusal.body(&log_id);
    format!(r#"{{"id":"{log_id}","event_type":"error","data":{body}}}"#)
}

/// Closes the other side as the first was closed. Codes that may not be sent are replaced by 1000
/// (RFC 6455 §7.4.1).
fn close_other(other: &WebSocket, code: u16, reason: &str) -> worker::Result<()> {
    let code = if matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) { code } else { 1000 };
    other.close(Some(code), Some(reason))
}

#[cfg(test)]
mod tests {
    use super::without_key;

    #[test]
    fn the_callers_key_is_taken_out_of_the_query() {
        assert_eq!(without_key("?authorization=Bearer%20k&bot_id=1"), "?bot_id=1");
        assert_eq!(without_key("?bot_id=1&authorization=x&authorization=y"), "?bot_id=1");
        assert_eq!(without_key("?authorization=x"), "");
        assert_eq!(without_key(""), "");
    }
}

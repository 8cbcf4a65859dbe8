//! (2) Whether the call may begin.

use meter::apart::{self, Named, Said};
use meter::credential::Sender;
use meter::entry::Hash;
use meter::ids::{AccountId, CallId};
use meter::journal::{Admission, Attempt, IdempotencyKey};
use meter::key::Caller;
use meter::notice::{EVENTS_HEADER, is_asked_for};
use meter::rate::Rate;
use meter::refusal::{Reason, Refusal};
use meter::request::{self, Asked, BODY_BYTES_MAX, Parts, SubjectKind, Wanted};
use meter::route::{Dialect, Operation, Provider};
use meter::wire::command::{AdmitDoc, CommandDoc, KeptReplyDoc, ReplyDoc};
use worker::js_sys::Uint8Array;
use worker::web_sys::Request;

use crate::body::{self, Body};
use crate::credential::{self, App, Authorization};
use crate::journal::Handle;
use crate::reply::Failure;

use super::Arrived;

/// The header by which a caller names a request that it may send twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How much of a body that is too large is read on before the connection is given up.
const DRAIN_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;

/// A call that was let in. Its hold stands in the journal and waits to be ended.
pub(super) struct Admitted {
    pub(super) call: CallId,
    pub(super) dialect: Dialect,
    pub(super) journal: Handle,
    /// The request's body, as it came.
    pub(super) body: Uint8Array,
    /// Whether the reply is to be kept for replaying.
    pub(super) keeps_reply: bool,
    /// Whether upstream's bill will name the call.
    pub(super) stamped: bool,
    /// Whether a stream is to end with what it cost.
    pub(super) tells_balance: bool,
    /// How the caller stands with its calls a minute, for the reply's headers.
    pub(super) rate: Option<Rate>,
    /// The Dify app that it goes to; it goes to Coze where there is none.
    pub(super) app: Option<App>,
    /// What is put in front of the names of the account's users; nothing when they go up as they come.
    pub(super) user_prefix: Option<String>,
    /// Who pays, and as whom the call goes upstream.
    pub(super) account: AccountId,
    sender: Sender,
}

impl Admitted {
    /// What it is sent with.
    pub(super) async fn authorization(&self, arrived: &Arrived) -> Result<Authorization, Refusal> {
        match &self.app {
            Some(app) => Ok(app.authorization()),
            None => {
                credential::of(&arrived.env, &arrived.config, &self.account, &self.sender).await
            }
        }
    }

    /// Whose libraries the caller uses.
    pub(super) fn provider(&self) -> Provider {
        if self.app.is_some() { Provider::Dify } else { Provider::Coze }
    }
}

/// What comes of asking.
pub(super) enum Entered {
    /// The call goes upstream.
    Admitted(Admitted),
    /// It went before, and this is what came of it.
    Replayed(CallId, KeptReplyDoc),
}

/// Reads what is asked for and has the journal hold it.
pub(super) async fn admit(
    arrived: &Arrived,
    caller: Caller,
    operation: Operation,
) -> Result<Entered, Failure> {
    let body = match arrived.dify.as_ref().and_then(|to| to.body.as_ref()) {
        Some(body) => body.clone(),
        None => read_body(&arrived.request).await?,
    };
    let bytes = body.to_vec();
    let Arrived { path, query, .. } = arrived;
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    let parts = Parts { path, query, body: &bytes };
    let (wanted, said) = if let Some(app) = arrived.app() {
        // Dify's users and works are kept apart by what the door has made of the request.
        (Wanted::Work(Asked::new(operation, SubjectKind::App, app.subject()?)), Said::default())
    } else {
        let named = if operation.takes_form() { Parts { body: &[], ..parts } } else { parts };
        (request::read(operation, parts)?, apart::read(named)?)
    };
    match wanted {
        Wanted::Work(asked) => {
            caller.check_scope(operation.name(), Some(asked.subject.id.as_str()))?;
            let attempt = attempt(arrived, &caller, &bytes)?;
            let mut entered = hold(arrived, caller, asked, attempt, &said, journal, body).await?;
            if let Entered::Admitted(admitted) = &mut entered
                && let Some(sent) = with_users(&bytes, &said, admitted.user_prefix.as_deref())
            {
                admitted.body = sent;
            }
            Ok(entered)
        }
        Wanted::Continuation { chat } => {
            let (account, key) = (caller.account.to_string(), caller.key.to_string());
            let names = said.names.iter().map(Into::into).collect();
            let command = CommandDoc::GoOn { account, key, chat: chat.to_string(), names };
            let (call, sender) = match journal.command_about(&command).await {
                Ok(ReplyDoc::GoesOn { call, sender }) => (call, sender),
                reply => return Err(refused(reply)),
            };
            let call = call.parse().map_err(|_| Reason::Internal)?;
            Ok(Entered::Admitted(Admitted {
                call,
                dialect: operation.dialect(),
                journal,
                body,
                keeps_reply: false,
                tells_balance: asks_for_balance(arrived)?,
                stamped: false,
                rate: None,
                app: None,
                user_prefix: None,
                account: caller.account,
                sender: (&sender).try_into().map_err(|_| Reason::Internal)?,
            }))
        }
    }
}

async fn hold(
    arrived: &Arrived,
    caller: Caller,
    asked: Asked,
    attempt: Option<Attempt>,
    said: &Said,
    journal: Handle,
    body: Uint8Array,
) -> Result<Entered, Failure> {
    let dialect = asked.operation.dialect();
    let keeps_reply = attempt.is_some();
    let call = arrived.call.clone();
    let Caller { account, key, limits, session, .. } = caller;
    let admission = Admission {
        call: call.clone(),
        account: account.clone(),
        key,
        limits,
        asked,
        attempt,
        session,
    };
    match journal.command_about(&admit_command(&admission, &said.names)).await {
        Ok(ReplyDoc::Admitted { rate, sender, balance_events, keeps_user_ids, .. }) => {
            Ok(Entered::Admitted(Admitted {
                call,
                dialect,
                journal,
                body,
                keeps_reply,
                tells_balance: balance_events || asks_for_balance(arrived)?,
                stamped: false,
                rate: rate.map(Into::into),
                app: arrived.app().cloned(),
                user_prefix: (!keeps_user_ids).then(|| apart::user_prefix(&account)),
                account,
                sender: (&sender).try_into().map_err(|_| Reason::Internal)?,
            }))
        }
        Ok(ReplyDoc::Replayed { call, reply }) => {
            Ok(Entered::Replayed(call.parse().map_err(|_| Reason::Internal)?, reply))
        }
        Ok(ReplyDoc::Used { call }) => {
            Err(Refusal::with_detail(Reason::IdempotencyUsed, format!("by call {call}")).into())
        }
        reply => Err(refused(reply)),
    }
}

/// What asks the journal to let a call in, all of whose names have to be the account's.
fn admit_command(admission: &Admission, names: &[Named]) -> CommandDoc {
    let names = names.iter().map(Into::into).collect();
    CommandDoc::Admit(AdmitDoc { names, ..admission.into() })
}

/// Has the journal hold a call that is not a request of its own: one of a socket's many.
pub(super) async fn hold_for(
    journal: &Handle,
    caller: &Caller,
    asked: &Asked,
    names: &[Named],
    call: CallId,
) -> Result<Admitted, Failure> {
    let admission = Admission {
        call: call.clone(),
        account: caller.account.clone(),
        key: caller.key.clone(),
        limits: caller.limits,
        asked: asked.clone(),
        attempt: None,
        session: caller.session.clone(),
    };
    match journal.command_about(&admit_command(&admission, names)).await {
        Ok(ReplyDoc::Admitted { sender, keeps_user_ids, .. }) => Ok(Admitted {
            call,
            dialect: asked.operation.dialect(),
            journal: journal.clone(),
            body: Uint8Array::new_with_length(0),
            keeps_reply: false,
            tells_balance: false,
            stamped: false,
            rate: None,
            app: None,
            user_prefix: (!keeps_user_ids).then(|| apart::user_prefix(&caller.account)),
            account: caller.account.clone(),
            sender: (&sender).try_into().map_err(|_| Reason::Internal)?,
        }),
        reply => Err(refused(reply)),
    }
}

/// Whether the caller wants to hear at a stream's end what it cost.
fn asks_for_balance(arrived: &Arrived) -> Result<bool, Failure> {
    let header = arrived.request.headers().get(EVENTS_HEADER)?;
    Ok(is_asked_for(header.as_deref()))
}

/// The request's idempotency key, bound to everything that makes the request what it is.
fn attempt(arrived: &Arrived, caller: &Caller, body: &[u8]) -> Result<Option<Attempt>, Failure> {
    let Some(key) = arrived.request.headers().get(IDEMPOTENCY_KEY)? else { return Ok(None) };
    let key = IdempotencyKey::new(&caller.account, &key)?;
    // A door may make the same call of two requests, which are still not the same request.
    // Its query may be of what the door remembers, and is no part of the request.
    let query = arrived.query.as_bytes();
    let (query, asked) = match &arrived.way {
        Some(way) => (b"".as_slice(), way.asked.as_slice()),
        None => (query, body),
    };
    // Two apps are asked by the same path.
    let app = arrived.app().map_or("", |app| app.name.as_str());
    let path = [app, arrived.path.as_str()].concat();
    let request = Hash::of_parts(&[path.as_bytes(), query, asked]);
    Ok(Some(Attempt { key, request }))
}

/// Asks the journal whether the key may be used for a call that is not metered and names these things, and
/// gives what that is sent with, and what is put in front of the names of the account's users.
pub(super) async fn enter(
    arrived: &Arrived,
    caller: &Caller,
    names: &[Named],
) -> Result<(Authorization, Option<String>), Failure> {
    let journal = Handle::of(&arrived.env, &caller.journal)?;
    match journal.command_about(&enter_command(caller, names)).await {
        Ok(ReplyDoc::Ok { sender, keeps_user_ids }) => {
            let sender = Sender::try_from(&sender).map_err(|_| Reason::Internal)?;
            let sender = Sender { session: caller.session.clone(), ..sender };
            let Arrived { env, config, .. } = arrived;
            let authorization = match arrived.app() {
                Some(app) => app.authorization(),
                None => credential::of(env, config, &caller.account, &sender).await?,
            };
            let prefix = (!keeps_user_ids).then(|| apart::user_prefix(&caller.account));
            Ok((authorization, prefix))
        }
        reply => Err(refused(reply)),
    }
}

/// The body with the account in front of its users' names; `None` when it goes up as it came.
pub(super) fn with_users(body: &[u8], said: &Said, prefix: Option<&str>) -> Option<Uint8Array> {
    let prefix = prefix.filter(|_| !said.users.is_empty())?;
    Some(Uint8Array::from(&*apart::with_users(body, &said.users, prefix)))
}

/// Refuses when one of these things is not the account's.
pub(super) async fn check_names(
    journal: &Handle,
    caller: &Caller,
    names: &[Named],
) -> Result<(), Failure> {
    match journal.command_about(&enter_command(caller, names)).await {
        Ok(ReplyDoc::Ok { .. }) => Ok(()),
        reply => Err(refused(reply)),
    }
}

fn enter_command(caller: &Caller, names: &[Named]) -> CommandDoc {
    let (account, key) = (caller.account.to_string(), caller.key.to_string());
    CommandDoc::Enter { account, key, names: names.iter().map(Into::into).collect() }
}

/// The failure behind an answer that does not let the call in.
fn refused(reply: Result<ReplyDoc, Refusal>) -> Failure {
    match reply {
        Ok(ReplyDoc::Refused(refusal)) => Refusal::from(refusal).into(),
        Ok(_) => Reason::Internal.into(),
        Err(unreachable) => unreachable.into(),
    }
}

/// Reads the body, and no more of it than may be there.
pub(crate) async fn read_body(request: &Request) -> Result<Uint8Array, Failure> {
    let length = request.headers().get("content-length")?;
    let announced = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
    if announced <= BODY_BYTES_MAX
        && let Body::Whole(bytes) = body::read(request.body(), BODY_BYTES_MAX).await?
    {
        return Ok(bytes);
    }
    body::drain(request.body(), DRAIN_BYTES_MAX).await?;
    let detail = format!("{BODY_BYTES_MAX} bytes are allowed");
    Err(Refusal::with_detail(Reason::BodyTooLarge, detail).into())
}

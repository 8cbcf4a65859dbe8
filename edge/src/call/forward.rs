//! (3) To upstream and back. The only place that talks to it.
//!
//! Scheme and host are fixed; path and query go as they came. Redirects are handed to the caller and not
//! followed, so that the credential goes nowhere else. Nothing is ever sent twice.

use meter::credential::is_refused;
use meter::header;
use meter::journal::Question;
use meter::journal::Report;
use meter::refusal::Refusal;
use meter::route::{Dialect, Provider};
use meter::stamp::{STAMP_HEADER, Stamp};
use meter::usage::Observed;
use meter::usage::coze_chat::read_retrieved;
use meter::usage::coze_workflow::read_history;
use meter::usage::dify::read_run;
use worker::js_sys::Uint8Array;
use worker::web_sys::{Headers, Request, RequestInit, RequestRedirect, Response};
use worker::{Env, Result};

use crate::body::{self, Body};
use crate::config::Config;
use crate::credential::{self, Authorization};
use crate::platform;

use super::tap::Kind;

/// Largest reply that is read as a whole. A workflow takes 20 MB in (contract §1.4), and what it puts out
/// has to fit beside it in the 128 MB of an isolate.
const REPLY_BYTES_MAX: usize = 32 << 20;

/// A request on its way up, without its body.
pub(super) struct Up {
    url: String,
    method: String,
    headers: Headers,
}

impl Up {
    /// The request as upstream at this base is to see it, but for the credential.
    pub(super) fn of(request: &Request, base: &str, path: &str, query: &str) -> Result<Self> {
        let headers = Headers::new()?;
        for (name, value) in worker::Headers(request.headers()).entries() {
            if header::goes_up(&name) {
                headers.set(&name, &value)?;
            }
        }
        // A compressed reply could not be read on its way through (contract §9 no. 26).
        headers.set("accept-encoding", "identity")?;
        let url = [base, path, query].concat();
        Ok(Self { url, method: request.method(), headers })
    }

    /// A websocket's opening request as upstream is to see it.
    pub(super) fn of_socket(
        request: &Request,
        config: &Config,
        path: &str,
        query: &str,
    ) -> Result<Self> {
        let up = Self::of(request, &config.upstream_socket, path, query)?;
        up.headers.set("upgrade", "websocket")?;
        Ok(up)
    }

    /// Has upstream's bill name the call. What a caller wrote there itself does not come this far.
    pub(super) fn stamp(&self, stamp: &Stamp) -> Result<()> {
        Ok(self.headers.set(STAMP_HEADER, &stamp.header_value())?)
    }

    /// Puts the operator's credential in the place of the caller's key.
    pub(super) fn authorize(&self, authorization: &Authorization) -> Result<()> {
        Ok(self.headers.set("authorization", &authorization.header())?)
    }

    /// Says that the body is JSON, as which it was read: upstream must not read it as a form.
    pub(super) fn says_json(&self) -> Result<()> {
        let said = self.headers.get("content-type")?.unwrap_or_default();
        if Kind::of(&said) == Kind::Json {
            return Ok(());
        }
        Ok(self.headers.set("content-type", "application/json")?)
    }

    fn init(&self) -> RequestInit {
        let init = RequestInit::new();
        init.set_method(&self.method);
        init.set_headers(&self.headers);
        init.set_redirect(RequestRedirect::Manual);
        init
    }
}

/// Sends a request whose body was read.
pub(super) async fn send(up: &Up, body: &Uint8Array) -> Result<Response> {
    let init = up.init();
    // The platform takes no body for a GET, not even an empty one.
    if up.method != "GET" {
        init.set_body(body);
    }
    platform::fetch(&up.url, &init).await
}

/// Sends a request whose body was read, when it has one.
pub(super) async fn send_read(up: &Up, body: &Uint8Array) -> Result<Response> {
    let init = up.init();
    if body.length() > 0 {
        init.set_body(body);
    }
    platform::fetch(&up.url, &init).await
}

/// Opens a websocket. What comes back holds it, or says why there is none.
pub(super) async fn open(up: &Up) -> Result<Response> {
    platform::fetch(&up.url, &up.init()).await
}

/// Sends a request with its body as it arrives.
pub(super) async fn pass(up: &Up, request: &Request) -> Result<Response> {
    let init = up.init();
    if let Some(body) = request.body() {
        init.set_body(&body);
    }
    platform::fetch(&up.url, &init).await
}

/// Asks upstream how a call's work went. No answer is an answer too.
pub(crate) async fn ask(env: &Env, config: &Config, question: &Question) -> Report {
    match asked(env, config, question).await {
        Ok(report) => report,
        Err(_) => Report { status: None, observed: Observed::nothing() },
    }
}

/// Reads an answer's body.
type Read = fn(&[u8]) -> Observed;

async fn asked(env: &Env, config: &Config, question: &Question) -> Result<Report> {
    let Question { account, sender, .. } = question;
    let failed = |problem: &str| worker::Error::RustError(problem.to_owned());
    let refused = |refusal: Refusal| failed(refusal.reason.code());
    let authorization = match question.asked.operation.provider() {
        Provider::Coze => credential::of(env, config, account, sender).await.map_err(refused)?,
        Provider::Dify => {
            let app = credential::of_app(env, &question.asked.subject.id).map_err(refused)?;
            app.ok_or_else(|| failed("the work's app is configured no more"))?
        }
    };
    let ids = &question.ids;
    let about_run = ids.execution.as_ref().map(|execution| {
        let workflow = &question.asked.subject.id;
        format!("{}/v1/workflows/{workflow}/run_histories/{execution}", config.upstream)
    });
    let about_chat =
        ids.chat.as_ref().zip(ids.conversation.as_ref()).map(|(chat, conversation)| {
            let base = &config.upstream;
            format!("{base}/v3/chat/retrieve?conversation_id={conversation}&chat_id={chat}")
        });
    // A chatflow has both ids in the end, and its run tells more; a plain chat has no run.
    let question: Option<(String, Read)> = match question.asked.operation.dialect() {
        Dialect::Workflow | Dialect::Plain => about_run.map(|url| (url, read_history as _)),
        Dialect::Dify => ids.execution.as_ref().map(|run| {
            let url = format!("{}/workflows/run/{run}", config.dify);
            (url, read_run as _)
        }),
        Dialect::Chat => match (about_run, about_chat) {
            (Some(url), _) => Some((url, read_history)),
            (None, about_chat) => about_chat.map(|url| (url, read_retrieved as _)),
        },
    };
    let (url, read) = question.ok_or_else(|| failed("the work has no id to ask by"))?;
    let init = RequestInit::new();
    init.set_redirect(RequestRedirect::Manual);
    let headers = Headers::new()?;
    headers.set("authorization", &authorization.header())?;
    headers.set("accept-encoding", "identity")?;
    init.set_headers(&headers);
    let reply = platform::fetch(&url, &init).await?;
    let body = bytes(&reply).await?.to_vec();
    let observed = read(&body);
    if is_refused(reply.status(), observed.code) {
        authorization.was_refused();
    }
    Ok(Report { status: Some(reply.status()), observed })
}

/// Reads a reply's body to its end.
pub(super) async fn bytes(reply: &Response) -> Result<Uint8Array> {
    match body::read(reply.body(), REPLY_BYTES_MAX).await? {
        Body::Whole(bytes) => Ok(bytes),
        Body::TooLarge => {
            Err(worker::Error::RustError(format!("a reply of more than {REPLY_BYTES_MAX} bytes")))
        }
    }
}

//! Front doors: other protocols that lead to the same calls.
//!
//! A door authenticates, has `meter::door` make an ordinary call of the request, and sends that through
//! the same five steps as any other. What comes back is said in the door's own words by [`Way`]; what
//! comes back from Dify is said as it is.

mod dify;
mod facade;
mod guest;
pub(crate) mod memo;
mod openai;

use std::rc::Rc;

use meter::door::Translation;
use meter::ids::{CallId, UpstreamId};
use worker::web_sys::{Headers, Request, RequestInit, Response};
use worker::{Context, Env};

use crate::call::Arrived;
use crate::config::Config;
use crate::reply::Failure;

pub(crate) use dify::dify;
pub(crate) use facade::Facade;
pub(crate) use memo::Memo;
pub(crate) use openai::OpenAi;

/// The variable that names the default bot.
const DEFAULT_BOT: &str = "COZE_BOT_ID";

/// The way back of a call that came in through a door.
pub(crate) struct Way {
    /// What the caller sent, as far as it tells one request from another.
    pub(crate) asked: Vec<u8>,
    /// How the reply is said.
    pub(crate) translation: Translation,
    /// What is to be found again later.
    pub(crate) memo: Option<Memo>,
}

/// A request at a door.
pub(crate) struct AtDoor<'a> {
    pub(crate) request: Request,
    pub(crate) env: Env,
    pub(crate) call: &'a CallId,
    pub(crate) context: &'a Rc<Context>,
}

impl AtDoor<'_> {
    /// The call that the request asks for, as if it had come in by its own path.
    fn arrived(
        self,
        config: Rc<Config>,
        order: meter::door::Order,
        way: Way,
    ) -> Result<Arrived, Failure> {
        let meter::door::Order { path, query, body, .. } = order;
        self.posted(config, path, query, body, Some(way))
    }

    /// A request of the door's own to this path, in the caller's name.
    fn posted(
        self,
        config: Rc<Config>,
        path: &str,
        query: String,
        body: String,
        way: Option<Way>,
    ) -> Result<Arrived, Failure> {
        let headers = Headers::new_with_headers(&self.request.headers())?;
        // These are of the body that the caller sent.
        for name in ["content-length", "content-encoding", "transfer-encoding"] {
            headers.delete(name)?;
        }
        headers.set("content-type", "application/json")?;
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_headers(&headers);
        init.set_body(&body.into());
        let request = Request::new_with_str_and_init(&self.request.url(), &init)?;
        let (env, call) = (self.env, self.call.clone());
        let path = path.to_owned();
        Ok(Arrived { way, ..Arrived::new(request, env, config, path, query, call) })
    }
}

/// The bot that answers where a caller names none.
fn default_bot(env: &Env) -> Result<Option<UpstreamId>, Failure> {
    let Some(bot) = crate::config::setting(env, DEFAULT_BOT) else { return Ok(None) };
    bot.parse()
        .map(Some)
        .map_err(|error| worker::Error::RustError(format!("{DEFAULT_BOT} {error}")).into())
}

/// A reply whose body is made anew, in place of one that was read.
async fn body_of(reply: &Response) -> Result<Vec<u8>, Failure> {
    crate::call::bytes_of(reply).await
}

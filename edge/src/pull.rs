//! The origin's pull: `POST /_weir/journals/{name}/pull`.

use meter::ids::JournalName;
use meter::key::{self, CLOCK_SKEW_MS, PULL_AUDIENCE};
use meter::refusal::{Reason, Refusal};
use meter::wire::claims::PullClaims;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::pull::{PULL_BYTES_MAX, PULL_VERSION, PullRequest};
use worker::Env;
use worker::js_sys::Uint8Array;
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{Request, Response};

use crate::config::Config;
use crate::journal::Handle;
use crate::reply::{self, Failure};
use crate::{call, platform};

const BEFORE_NAME: &str = "/_weir/journals/";
const AFTER_NAME: &str = "/pull";

/// Whether a path is that of a pull.
pub(crate) fn is_pull(path: &str) -> bool {
    name(path).is_some()
}

fn name(path: &str) -> Option<&str> {
    path.strip_prefix(BEFORE_NAME)?.strip_suffix(AFTER_NAME)
}

/// Answers a pull.
pub(crate) async fn answer(request: &Request, env: &Env, path: &str) -> Result<Response, Failure> {
    let config = Config::of(env)?;
    let journal: JournalName = name(path)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| Refusal::from(Reason::RouteUnknown))?;
    authorize(request, &config, &journal)?;
    let pull = read(request).await?;
    match Handle::of(env, &journal)?.command(&CommandDoc::Pull(pull)).await? {
        ReplyDoc::Page(mut page) => {
            journal.as_str().clone_into(&mut page.journal);
            Ok(reply::json(200, &page)?)
        }
        ReplyDoc::Refused(refusal) => Err(Refusal::from(refusal).into()),
        _ => Err(Reason::Internal.into()),
    }
}

/// Only the origin may pull: its token is for this purpose, this journal and this minute.
fn authorize(request: &Request, config: &Config, journal: &JournalName) -> Result<(), Failure> {
    let header = request.headers().get("authorization")?;
    let token = key::from_header(header.as_deref())?;
    let (claims, expires_at) = call::verify::<PullClaims>(token, config)?;
    if claims.aud != PULL_AUDIENCE || claims.jnl != journal.as_str() {
        return Err(Reason::KeyInvalid.into());
    }
    // A token without an end could be used for ever, so here it is not optional.
    match expires_at {
        Some(end) if end.plus_ms(CLOCK_SKEW_MS) > platform::now() => Ok(()),
        _ => Err(Reason::KeyExpired.into()),
    }
}

async fn read(request: &Request) -> Result<PullRequest, Failure> {
    let length = request.headers().get("content-length")?;
    let length = length.and_then(|length| length.parse::<usize>().ok());
    if length.is_none_or(|length| length > PULL_BYTES_MAX) {
        let detail = format!("a length of at most {PULL_BYTES_MAX} bytes has to be announced");
        return Err(Refusal::with_detail(Reason::BodyTooLarge, detail).into());
    }
    let buffer = JsFuture::from(request.array_buffer()?).await?;
    let body = Uint8Array::new(&buffer).to_vec();
    let invalid = |problem: String| Refusal::with_detail(Reason::BodyInvalid, problem);
    let pull: PullRequest =
        serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    if pull.v != PULL_VERSION {
        return Err(invalid(format!("`v` is {}, {PULL_VERSION} is known", pull.v)).into());
    }
    Ok(pull)
}

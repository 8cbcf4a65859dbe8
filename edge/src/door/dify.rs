//! The Dify door: `/dify/v1/…` and `/dify/{app}/v1/…`.
//!
//! A request goes up as it came but for three things: its path begins at the configured Dify, its key is the
//! app's, and its user has the account's name in front. What a run or a task is called is asked for by the
//! account that began it, and by nobody else. Whatever Weir refuses is refused in Dify's words.

use std::rc::Rc;

use meter::dify::{self as rules, Class, Found, UserIn};
use meter::key::Caller;
use meter::refusal::{Reason, Refusal};
use meter::route::{FollowUp, Provider};
use worker::Result;
use worker::js_sys::Uint8Array;
use worker::web_sys::{Request, Response};

use crate::call::{self, Arrived, ToDify};
use crate::config::Config;
use crate::credential;
use crate::reply::{self, Failure};

use super::AtDoor;

/// Answers a request below `/dify/`.
pub(crate) async fn dify(at: AtDoor<'_>, path: &str, query: &str) -> Result<Response> {
    let call = at.call.clone();
    let answered = answer(at, path, query).await;
    answered.or_else(|failure| reply::failure_of(Provider::Dify, failure, &call))
}

async fn answer(at: AtDoor<'_>, path: &str, query: &str) -> Result<Response, Failure> {
    let AtDoor { request, env, call, context } = at;
    let found = rules::find(&request.method(), path).ok_or(Reason::RouteUnknown)?;
    let config = Config::of(&env)?;
    let apps = credential::apps(&env)?;
    if apps.names().len() == 0 {
        let detail = "no Dify app is configured";
        return Err(Refusal::with_detail(Reason::RouteUnknown, detail).into());
    }
    // A bad key is refused before its body is looked at.
    let caller = call::authenticate(&request, &config)?;
    let app = rules::choose(found.app, apps.names(), |app| rules::allows(&caller, app))?;
    let app = apps.get(app).ok_or(Reason::Internal)?;
    if let Some(owned) = found.owned() {
        call::check_owner(&env, &caller, &app, owned).await?;
    }
    let Named { query, body } = named(&found, &request, query, &caller).await?;
    let path = found.path.to_owned();
    let arrived = Arrived {
        dify: Some(ToDify { app, body }),
        ..Arrived::new(request, env, Rc::clone(&config), path, query, call.clone())
    };
    match found.route.class {
        Class::Billable(operation) => call::billable(arrived, operation, context).await,
        Class::Run => call::follow_up(arrived, FollowUp::DifyRun).await,
        Class::Events => call::events(arrived, context).await,
        Class::Stop | Class::Free => call::free(arrived, None).await,
    }
}

/// Where a request names its user, once that is the account's own.
struct Named {
    query: String,
    /// `None` where the body names nobody.
    body: Option<Uint8Array>,
}

async fn named(
    found: &Found<'_>,
    request: &Request,
    query: &str,
    caller: &Caller,
) -> Result<Named, Failure> {
    let prefix = rules::prefix(&caller.account, caller.session.as_ref());
    let query_as_it_came = || query.to_owned();
    match found.route.user {
        UserIn::Query => Ok(Named { query: rules::in_query(query, &prefix)?, body: None }),
        UserIn::Nowhere => Ok(Named { query: rules::in_query_if_any(query, &prefix)?, body: None }),
        UserIn::Json => {
            let body = call::read_body(request).await?;
            let place = rules::in_json(&body.to_vec())?;
            let body = Some(with(&body, &[place], &prefix)?);
            Ok(Named { query: query_as_it_came(), body })
        }
        UserIn::Form => {
            let body = call::read_body(request).await?;
            let content_type = request.headers().get("content-type")?.unwrap_or_default();
            let places = rules::in_form(&content_type, &body.to_vec())?;
            let body = Some(with(&body, &places, &prefix)?);
            Ok(Named { query: query_as_it_came(), body })
        }
    }
}

/// The body with a text put in at each of these places, which ascend. It is put together outside of wasm,
/// whose memory would keep the size of the largest body.
fn with(body: &Uint8Array, places: &[usize], text: &str) -> Result<Uint8Array, Failure> {
    let too_large = |_| Failure::from(Reason::BodyTooLarge);
    let added = u32::try_from(places.len().saturating_mul(text.len())).map_err(too_large)?;
    let text = Uint8Array::from(text.as_bytes());
    let whole = Uint8Array::new_with_length(body.length().saturating_add(added));
    let (mut read, mut written) = (0, 0);
    for place in places {
        let place = u32::try_from(*place).map_err(too_large)?;
        let before = body.subarray(read, place);
        whole.set(&before, written);
        written = written.saturating_add(before.length());
        whole.set(&text, written);
        written = written.saturating_add(text.length());
        read = place;
    }
    whole.set(&body.subarray(read, body.length()), written);
    Ok(whole)
}

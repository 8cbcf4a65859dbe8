//! The way in: which path a request takes.
//!
//! A browser's preflight is answered before any of them, and what its page may read is said last.
//!
//! 1. Weir's own pages: health, the origin's pull, the live balance.
//! 2. Other protocols' doors.
//! 3. Everything else by the route table, which refuses what it does not name.

use std::rc::Rc;

use meter::dify::is_dify;
use meter::ids::CallId;
use meter::refusal::Reason;
use meter::route::{self, Class, Provider};
use worker::web_sys::{Request, Response};
use worker::{Context, Env, Result};

use crate::call::{self, Arrived};
use crate::config::Config;
use crate::door::{self, AtDoor, Facade, OpenAi};
use crate::reply::{self, Failure};
use crate::{balance, cors, explain, oauth, platform, pull};

/// The live balance of the key's account.
const BALANCE_PATH: &str = "/api/v1/token-usage/balance";
const HEALTH_PATH: &str = "/health";

/// Answers one request.
pub(crate) async fn answer(request: Request, env: Env, context: Context) -> Result<Response> {
    let call = platform::new_call_id();
    // A configuration that cannot be read is told by whatever cannot do without it.
    let Ok(config) = Config::of(&env) else { return serve(request, env, context, call).await };
    let origin = request.headers().get("origin")?;
    let response = match cors::preflight(&request, &config.origins) {
        Ok(Some(answer)) => answer,
        Ok(None) => serve(request, env, context, call).await?,
        Err(failure) => reply::failure(failure, &call)?,
    };
    cors::add(&response.headers(), &config.origins, origin.as_deref())?;
    Ok(response)
}

async fn serve(request: Request, env: Env, context: Context, call: CallId) -> Result<Response> {
    let context = Rc::new(context);
    let url = request.url();
    let (path, query) = path_and_query(&url);
    let method = request.method();
    if method == "GET" && path == HEALTH_PATH {
        // Whoever looks after the process asks by any name it has.
        return reply::health();
    }
    if !Config::of(&env)?.serves(host(&url)) {
        let provider = if is_dify(path) { Provider::Dify } else { Provider::Coze };
        return reply::failure_of(provider, Reason::HostUnknown.into(), &call);
    }
    if is_dify(path) {
        let at = AtDoor { request, env, call: &call, context: &context };
        return door::dify(at, path, query).await;
    }
    if let Some(asked) = Facade::of(&method, path) {
        let at = AtDoor { request, env, call: &call, context: &context };
        return asked.answer(at).await.or_else(|failure| reply::failure(failure, &call));
    }
    if let Some(asked) = OpenAi::of(&method, path) {
        let at = AtDoor { request, env, call: &call, context: &context };
        return asked.answer(at).await.or_else(|failure| reply::failure(failure, &call));
    }
    let answered = match (method.as_str(), path) {
        ("GET", BALANCE_PATH) => balance::answer(&request, &env).await,
        ("GET", _) if explain::is_explain(path) => explain::answer(&request, &env, path).await,
        _ if oauth::is_oauth(path) => oauth::answer(&request, &env, path).await,
        ("POST", _) if pull::is_pull(path) => pull::answer(&request, &env, path).await,
        _ => match (route::classify(&method, path), Config::of(&env)) {
            (None, _) => Err(Failure::from(Reason::RouteUnknown)),
            (Some(_), Err(error)) => Err(error.into()),
            (Some(class), Ok(config)) => {
                let (path, query) = (path.to_owned(), query.to_owned());
                let arrived = Arrived::new(request, env, config, path, query, call.clone());
                match class {
                    Class::Billable(operation) => {
                        call::billable(arrived, operation, &context).await
                    }
                    Class::Socket(operation) => call::socket(arrived, operation, &context).await,
                    Class::FollowUp(what) => call::follow_up(arrived, what).await,
                    Class::Own(own) => call::own(arrived, own).await,
                    Class::Common => call::free(arrived, None).await,
                    Class::Operator(right) => call::free(arrived, Some(right)).await,
                }
            }
        },
    };
    answered.or_else(|failure| reply::failure(failure, &call))
}

/// The host, with its port unless that is the scheme's own, as the platform's URL parser left it.
fn host(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The path, and the query with its question mark, as the platform's URL parser left them.
fn path_and_query(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let rest = rest.get(path_at..).unwrap_or_default();
    let rest = rest.split('#').next().unwrap_or_default();
    rest.find('?').map_or((rest, ""), |at| rest.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::{host, path_and_query};

    #[test]
    fn an_address_has_a_host() {
        assert_eq!(host("https://weir.example/v3/chat?a=1"), "weir.example");
        assert_eq!(host("http://127.0.0.1:8787?x"), "127.0.0.1:8787");
        assert_eq!(host("http://[::1]:8787/"), "[::1]:8787");
        assert_eq!(host(""), "");
    }

    #[test]
    fn an_address_is_cut_into_path_and_query() {
        assert_eq!(path_and_query("https://h/v3/chat?a=1"), ("/v3/chat", "?a=1"));
        assert_eq!(path_and_query("http://h:80/v3/chat"), ("/v3/chat", ""));
        assert_eq!(path_and_query("http://h?x"), ("", "?x"));
        assert_eq!(path_and_query("http://h/a?b?c#d"), ("/a", "?b?c"));
        assert_eq!(path_and_query(""), ("", ""));
    }
}

//! The `OpenAI` door: `/v1/chat/completions`, `/v1/models` and `/v1/workflows/executions/{id}`.
//!
//! Its callers' libraries send a request again by themselves after 409, 429 and 5xx. A reply after which
//! that would do the work twice, or fail as before, says `x-should-retry: false`.

use meter::door::Translation;
use meter::door::openai::{self, Completion, Defaults, Kind, Voice};
use meter::ids::CallId;
use meter::refusal::{Reason, Refusal};
use meter::request::{self, Parts, Wanted};
use meter::route::{self, Class, FollowUp};
use worker::web_sys::{Headers, Response};

use crate::call::{self, Arrived};
use crate::config::Config;
use crate::journal::Handle;
use crate::platform;
use crate::reply::{self, Failure};

use super::memo::{self, Memo};
use super::{AtDoor, Way, default_bot};

const COMPLETIONS_PATH: &str = "/v1/chat/completions";
const MODELS_PATH: &str = "/v1/models";
const EXECUTIONS: &str = "/v1/workflows/executions/";

/// What is asked for at this door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenAi {
    Completions,
    Models,
    Model(String),
    Execution(String),
}

impl OpenAi {
    /// What a method and path ask for; `None` when it is not at this door.
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        match (method, path) {
            ("POST", COMPLETIONS_PATH) => Some(Self::Completions),
            ("GET", MODELS_PATH) => Some(Self::Models),
            ("GET", _) => {
                let one =
                    |part: &str| (!part.is_empty() && !part.contains('/')).then(|| part.into());
                let model = path.strip_prefix("/v1/models/").and_then(one).map(Self::Model);
                model.or_else(|| path.strip_prefix(EXECUTIONS).and_then(one).map(Self::Execution))
            }
            _ => None,
        }
    }

    /// Answers, in words that this door's callers understand.
    pub(crate) async fn answer(self, at: AtDoor<'_>) -> Result<Response, Failure> {
        let call = at.call.clone();
        let answered = match self {
            Self::Completions => complete(at).await,
            Self::Models => pages(&at, openai::models),
            Self::Model(name) => pages(&at, |caller| openai::model(caller, &name)),
            Self::Execution(id) => execution(at, &id).await,
        };
        let response = match answered {
            Ok(response) => response,
            Err(failure) => reply::failure(failure, &call)?,
        };
        // A refusal that libraries would try again has said so already; here it is said of the others
        // too, for those that are told to try again after everything.
        let (status, headers) = (response.status(), response.headers());
        let is_said = headers.has(reply::SHOULD_RETRY)?;
        if status >= 400 && !is_said && !openai::may_be_sent_again(status) {
            headers.set(reply::SHOULD_RETRY, "false")?;
        }
        Ok(response)
    }
}

/// A completion: one call, said in another protocol.
async fn complete(at: AtDoor<'_>) -> Result<Response, Failure> {
    let config = Config::of(&at.env)?;
    // A bad key is refused before its body is looked at.
    let caller = call::authenticate(&at.request, &config)?;
    let asked = call::read_body(&at.request).await?.to_vec();
    let bot = default_bot(&at.env)?;
    let defaults = Defaults { bot: bot.as_ref(), key: &caller.key };
    let Completion { order, kind, model, streams, includes_usage } =
        openai::read(&asked, &defaults)?;
    let created_s = platform::now().get() / 1_000;
    let voice = Voice::new(at.call.as_str(), &model, created_s, includes_usage);
    let voice = meter::door::Voice::OpenAi(voice);
    let operation = order.operation;
    let memo = match kind {
        Kind::WorkflowAsync => {
            let parts = Parts { path: order.path, query: "", body: order.body.as_bytes() };
            match request::read(operation, parts)? {
                Wanted::Work(work) => Some(Memo::task(&caller.account, at.call, work.subject.id)),
                Wanted::Continuation { .. } => None,
            }
        }
        Kind::Bot | Kind::Workflow => None,
    };
    let translation = Translation::new(operation, voice, streams);
    let context = at.context;
    let arrived = at.arrived(config, order, Way { asked, translation, memo })?;
    call::billable(arrived, operation, context).await
}

/// A page that the key alone decides about.
fn pages(
    at: &AtDoor<'_>,
    page: impl FnOnce(&meter::key::Caller) -> meter::door::Reply,
) -> Result<Response, Failure> {
    let caller = call::authenticate(&at.request, &*Config::of(&at.env)?)?;
    let headers = Headers::new()?;
    Ok(reply::of_door(&page(&caller), &headers, at.call)?)
}

/// How a task stands: its run's history, asked for and settled as any other follow-up.
async fn execution(at: AtDoor<'_>, id: &str) -> Result<Response, Failure> {
    let AtDoor { request, env, call, .. } = at;
    let config = Config::of(&env)?;
    let caller = call::authenticate(&request, &config)?;
    let task: CallId = id.parse().map_err(|_| unknown_task())?;
    let journal = Handle::of(&env, &caller.journal)?;
    let found = memo::recall_task(&journal, &caller, &task).await;
    let memo::Task { workflow, execution } = found.map_err(|failure| match failure {
        Failure::Refused(Refusal { reason: Reason::WorkUnknown, .. }) => unknown_task().into(),
        other => other,
    })?;
    let path = format!("/v1/workflows/{workflow}/run_histories/{execution}");
    // An id that is more than a path's segment asks for nothing.
    let Some(Class::FollowUp(FollowUp::RunHistory)) = route::classify("GET", &path) else {
        return Err(unknown_task().into());
    };
    let call = call.clone();
    let arrived = Arrived::new(request, env, config, path, String::new(), call.clone());
    let history = call::follow_up(arrived, FollowUp::RunHistory).await?;
    let body = super::body_of(&history).await?;
    let (workflow, execution) = (workflow.as_str(), execution.as_str());
    let page = openai::execution(id, workflow, execution, history.status(), &body);
    Ok(reply::of_door(&page, &history.headers(), &call)?)
}

fn unknown_task() -> Refusal {
    Refusal::with_detail(Reason::WorkUnknown, "no such execution")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_the_door_is_told_by_method_and_path() {
        let of = |method: &str, path: &str| OpenAi::of(method, path);
        assert_eq!(of("POST", "/v1/chat/completions"), Some(OpenAi::Completions));
        assert_eq!(of("GET", "/v1/models"), Some(OpenAi::Models));
        assert_eq!(of("GET", "/v1/models/coze-bot"), Some(OpenAi::Model("coze-bot".to_owned())));
        let execution = OpenAi::Execution("c1".to_owned());
        assert_eq!(of("GET", "/v1/workflows/executions/c1"), Some(execution));
        for (method, path) in [
            ("GET", "/v1/chat/completions"),
            ("POST", "/v1/models"),
            ("GET", "/v1/models/"),
            ("GET", "/v1/models/a/b"),
            ("GET", "/v1/workflows/executions/"),
            ("GET", "/v1/workflows/executions/1/2"),
            ("POST", "/v3/chat"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }
}

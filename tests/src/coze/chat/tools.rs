//! POST `/v3/chat/submit_tool_outputs`: the same chat goes on to its answer.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::coze::chat::create::{planned, wait_for_polls};
use crate::coze::chat::follow::{ChatName, find};
use crate::coze::chat::script::{Part, events};
use crate::coze::envelope::parse;
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::visit::Visit;
use crate::world::chats::{Chat, Session};
use crate::world::subjects::Engaged;
use crate::world::works::{Counts, Ending, Status};
use crate::world::{Upstream, World};

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    stream: Option<bool>,
    tool_outputs: Option<Vec<ToolOutput>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ToolOutput {
    tool_call_id: Option<String>,
    #[expect(dead_code, reason = "it must be there, but the answer does not depend on it")]
    output: Value,
}

pub(crate) async fn submit(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(name): Query<ChatName>,
    body: Bytes,
) -> Response {
    let begun = parse::<Body>(&body).and_then(|body| {
        let stream = body.stream.unwrap_or(false);
        let begun = upstream.change(|world| go_on(world, &visit.session, &name, body))?;
        Ok((stream, begun))
    });
    match begun {
        Err(fault) => Refused::new(fault, &visit.logid).into_response(),
        Ok((true, (engaged, chat, counts))) => {
            let (dialect, events) = events(&chat, counts, Part::Continuation);
            perform::stream(&upstream, engaged, chat.work, dialect, events).await
        }
        Ok((false, (engaged, chat, _))) => {
            wait_for_polls(&upstream, engaged, chat, visit.logid).await
        }
    }
}

/// Takes the outputs and sets the paused chat running again.
pub(crate) fn go_on(
    world: &mut World,
    session: &Session,
    name: &ChatName,
    body: Body,
) -> Result<(Engaged, Chat, Counts), Fault> {
    let chat = find(world, name, session)?;
    let polled = !body.stream.unwrap_or(false);
    let outputs = body.tool_outputs.unwrap_or_default();
    let asked =
        outputs.iter().any(|output| output.tool_call_id.as_ref() == Some(&chat.tool_call_id));
    let job = world.works.get_mut(chat.work).ok_or(Fault::UNKNOWN_CHAT)?;
    if job.work.status != Status::RequiresAction || !asked {
        return Err(Fault::parameter("no such tool call is waited for"));
    }
    job.work.status = Status::Running;
    job.plan.ending = Some(Ending::COMPLETED);
    job.plan.polls_left = if polled { chat.behaviour.polls.before_done } else { 0 };
    let engaged = world.subjects.engage(&chat.bot_id);
    let counts = planned(world, &chat);
    Ok((engaged, chat, counts))
}

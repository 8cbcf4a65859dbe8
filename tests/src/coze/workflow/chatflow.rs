//! POST `/v1/workflows/chat`: a chat told by a workflow, always streamed.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::coze::chat::create::begin;
use crate::coze::chat::open::{AdditionalMessage, Opening};
use crate::coze::chat::script::{Part, events};
use crate::coze::envelope::{parse, required};
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::visit::Visit;
use crate::world::chats::Chat;
use crate::world::executions::{Execution, RunMode};
use crate::world::works::Kind;
use crate::world::{Upstream, World};

/// The upstream's limit for `additional_messages` of a chatflow.
const MESSAGES_MAX: usize = 50;

#[derive(Debug, Deserialize)]
struct Body {
    workflow_id: Option<String>,
    additional_messages: Option<Vec<AdditionalMessage>>,
    conversation_id: Option<String>,
    app_id: Option<String>,
    bot_id: Option<String>,
    ext: Option<Ext>,
}

#[derive(Debug, Deserialize)]
struct Ext {
    user_id: Option<String>,
}

pub(crate) async fn chat(State(upstream): State<Upstream>, visit: Visit, body: Bytes) -> Response {
    let begun = read(&body)
        .map_err(|fault| Refused::new(fault, &visit.logid))
        .and_then(|opening| begin(&upstream, &visit, opening));
    match begun {
        Err(refused) => refused.into_response(),
        Ok((engaged, chat, counts)) => {
            upstream.change(|world| keep_execution(world, &chat));
            let (dialect, events) = events(&chat, counts, Part::Beginning);
            perform::stream(&upstream, engaged, chat.work, dialect, events).await
        }
    }
}

fn read(body: &Bytes) -> Result<Opening, Fault> {
    let body: Body = parse(body)?;
    if body.bot_id.is_some() && body.app_id.is_some() {
        return Err(Fault::parameter("bot_id and app_id exclude each other"));
    }
    let messages = body.additional_messages.unwrap_or_default();
    if messages.len() > MESSAGES_MAX {
        return Err(Fault::TOO_MANY_MESSAGES);
    }
    Ok(Opening {
        kind: Kind::Chatflow,
        subject: required(body.workflow_id, "workflow_id")?,
        conversation_id: body.conversation_id,
        messages,
        user_id: body.ext.and_then(|ext| ext.user_id),
        polled: false,
    })
}

/// Lets run histories know the execution behind the chat.
fn keep_execution(world: &mut World, chat: &Chat) {
    let Some(execute_id) = &chat.execute_id else { return };
    world.executions.insert(Execution {
        work: chat.work,
        id: execute_id.clone(),
        workflow_id: chat.bot_id.clone(),
        created_at: chat.created_at,
        session: chat.session.clone(),
        run_mode: RunMode::Stream,
        answer: chat.answer.clone(),
        input_count: 1,
        behaviour: chat.behaviour.clone(),
        waits_for: None,
        interruptions: 0,
    });
}

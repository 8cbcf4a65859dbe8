//! POST `/v3/chat`: streams, or answers with a chat that is to be polled.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::behaviour::FirstStatus;
use crate::coze::chat::object::{Place, Standing, chat as chat_object};
use crate::coze::chat::open::{AdditionalMessage, Opening, open};
use crate::coze::chat::script::{Part, events};
use crate::coze::envelope::{parse, required, success};
use crate::coze::fault::{Fault, Refused};
use crate::coze::perform;
use crate::visit::Visit;
use crate::wire::node::Node;
use crate::world::chats::Chat;
use crate::world::subjects::{Engaged, Refusable};
use crate::world::works::{Counts, Ending, Kind};
use crate::world::{Upstream, World};

/// The upstream's limit for `additional_messages`.
const MESSAGES_MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Body {
    bot_id: Option<String>,
    user_id: Option<String>,
    stream: Option<bool>,
    auto_save_history: Option<bool>,
    additional_messages: Option<Vec<AdditionalMessage>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ConversationQuery {
    conversation_id: Option<String>,
}

pub(crate) async fn create(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(query): Query<ConversationQuery>,
    body: Bytes,
) -> Response {
    let (stream, opening) = match read(query, &body) {
        Ok(read) => read,
        Err(fault) => return Refused::new(fault, &visit.logid).into_response(),
    };
    match begin(&upstream, &visit, opening) {
        Err(refused) => refused.into_response(),
        Ok((engaged, chat, counts)) if stream => {
            let (dialect, events) = events(&chat, counts, Part::Beginning);
            perform::stream(&upstream, engaged, chat.work, dialect, events).await
        }
        Ok((engaged, chat, _)) => wait_for_polls(&upstream, engaged, chat, visit.logid).await,
    }
}

fn read(query: ConversationQuery, body: &Bytes) -> Result<(bool, Opening), Fault> {
    let body: Body = parse(body)?;
    let stream = body.stream.unwrap_or(false);
    if !stream && body.auto_save_history == Some(false) {
        return Err(Fault::NEEDS_HISTORY);
    }
    let messages = body.additional_messages.unwrap_or_default();
    if messages.len() > MESSAGES_MAX {
        return Err(Fault::TOO_MANY_MESSAGES);
    }
    let opening = Opening {
        kind: Kind::Chat,
        subject: required(body.bot_id, "bot_id")?,
        conversation_id: query.conversation_id,
        messages,
        user_id: Some(required(body.user_id, "user_id")?),
        polled: !stream,
    };
    Ok((stream, opening))
}

/// Accepts a chat as its subject's behaviour says, refusal included.
pub(crate) fn begin(
    upstream: &Upstream,
    visit: &Visit,
    opening: Opening,
) -> Result<(Engaged, Chat, Counts), Refused> {
    let now = upstream.now_seconds();
    upstream.change(|world| {
        if let Some(refusal) = world.subjects.refusal(&opening.subject, Refusable::Call) {
            return Err(Refused::ordered(&refusal, &visit.logid));
        }
        let engaged = world.subjects.engage(&opening.subject);
        let chat = open(world, visit, &engaged, opening, now)
            .map_err(|fault| Refused::new(fault, &visit.logid))?;
        let counts = planned(world, &chat);
        Ok((engaged, chat, counts))
    })
}

/// What a chat will have used.
pub(crate) fn planned(world: &World, chat: &Chat) -> Counts {
    world.works.get(chat.work).map(|job| job.plan.counts).unwrap_or_default()
}

/// Answers with the chat as it begins and lets it go on by itself.
pub(crate) async fn wait_for_polls(
    upstream: &Upstream,
    engaged: Engaged,
    chat: Chat,
    logid: String,
) -> Response {
    let ending = upstream
        .read(|world| world.works.get(chat.work).and_then(|job| job.plan.ending))
        .unwrap_or(Ending::COMPLETED);
    perform::unattended(upstream, &engaged, chat.work, ending);
    perform::reply(upstream, engaged, move |world| first_reply(world, &chat, &logid)).await
}

fn first_reply(world: &World, chat: &Chat, logid: &str) -> Node {
    let begun = |status| Standing::begun(chat, Place::Reply, status);
    let standing = match chat.behaviour.polls.first_status {
        FirstStatus::InProgress => begun("in_progress"),
        FirstStatus::Created => begun("created"),
        FirstStatus::Completed => world
            .works
            .get(chat.work)
            .map_or_else(|| begun("in_progress"), |job| Standing::of(chat, &job.work)),
    };
    success(chat_object(chat, Place::Reply, standing), logid)
}

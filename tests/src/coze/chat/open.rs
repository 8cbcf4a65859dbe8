//! What is written down when a chat begins, of bots and of chatflows.

use serde::Deserialize;
use serde_json::Value;

use crate::behaviour::Outcome;
use crate::coze::envelope::{characters, text_of};
use crate::coze::fault::Fault;
use crate::visit::Visit;
use crate::world::World;
use crate::world::chats::{Chat, Conversation, Message};
use crate::world::subjects::Engaged;
use crate::world::works::{Counts, Ending, Kind, Plan, Status, Work};

/// One of `additional_messages`; libraries send many of its keys as null.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AdditionalMessage {
    role: Option<String>,
    r#type: Option<String>,
    content: Option<Value>,
    content_type: Option<String>,
}

impl AdditionalMessage {
    fn text(&self) -> String {
        self.content.as_ref().map(text_of).unwrap_or_default()
    }

    fn role(&self) -> &str {
        self.role.as_deref().unwrap_or("user")
    }
}

/// A chat that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) kind: Kind,
    /// The bot, or the workflow of a chatflow.
    pub(crate) subject: String,
    pub(crate) conversation_id: Option<String>,
    pub(crate) messages: Vec<AdditionalMessage>,
    pub(crate) user_id: Option<String>,
    /// Nobody streams it, so it ends by polls.
    pub(crate) polled: bool,
}

/// Accepts the chat, unless its conversation still has one running.
pub(crate) fn open(
    world: &mut World,
    visit: &Visit,
    engaged: &Engaged,
    opening: Opening,
    now: i64,
) -> Result<Chat, Fault> {
    let conversation_id = conversation(world, visit, &opening, now)?;
    let behaviour = &engaged.behaviour;
    let question = last_question(&opening.messages);
    let answer = behaviour.answer.clone().unwrap_or_else(|| format!("You said: {question}"));
    let input: i64 = opening
        .messages
        .iter()
        .fold(0, |sum: i64, message| sum.saturating_add(characters(&message.text())));
    let counts = Counts::planned(&behaviour.usage, input.max(1), characters(&answer));
    let id = world.ids.draw();
    let execute_id = (opening.kind == Kind::Chatflow).then(|| world.ids.draw());
    let work_id = world.ids.draw();
    let work = Work {
        execute_id: execute_id.clone(),
        chat_id: Some(id.clone()),
        conversation_id: Some(conversation_id.clone()),
        user_id: opening.user_id,
        ..visit.work(work_id, opening.kind, &opening.subject, now)
    };
    let polls_left = if opening.polled { behaviour.polls.before_done } else { 0 };
    let ending = Some(ending(&behaviour.outcome));
    let work = world.accept(work, Plan { counts, polls_left, ending });
    listen(world, visit, &conversation_id, &id, &opening.messages, work, now);
    let chat = Chat {
        work,
        id,
        conversation_id,
        bot_id: opening.subject,
        created_at: now,
        session: visit.session.clone(),
        answer,
        answer_id: world.ids.draw(),
        verbose_id: world.ids.draw(),
        tool_call_id: world.ids.draw(),
        behaviour: behaviour.clone(),
        execute_id,
    };
    world.chats.insert(chat.clone());
    Ok(chat)
}

/// How a chat that is not streamed ends once it is done.
fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Complete | Outcome::Interrupt(_) => Ending::COMPLETED,
        Outcome::Fail(failure) => Ending::failed(failure.charged),
        Outcome::Error(error) => Ending::failed(error.charged),
        Outcome::RequiresAction(_) => Ending::PAUSED,
    }
}

/// The conversation the chat belongs to: the one asked for, or a new one. An id nobody knows is taken
/// as it is, since it may be from before a restart.
fn conversation(
    world: &mut World,
    visit: &Visit,
    opening: &Opening,
    now: i64,
) -> Result<String, Fault> {
    let asked = opening.conversation_id.clone().filter(|id| !id.is_empty());
    if let Some(id) = &asked
        && world.conversations.is_known(id)
    {
        let conversation =
            world.conversations.get(id, &visit.session).ok_or(Fault::UNKNOWN_CONVERSATION)?;
        let busy = conversation
            .latest_work
            .and_then(|no| world.works.get(no))
            .is_some_and(|job| job.work.status == Status::Running);
        return if busy { Err(Fault::CONVERSATION_BUSY) } else { Ok(id.clone()) };
    }
    let id = asked.unwrap_or_else(|| world.ids.draw());
    world.conversations.insert(Conversation {
        id: id.clone(),
        created_at: now,
        session: visit.session.clone(),
        bot_id: Some(opening.subject.clone()),
        ..Conversation::default()
    });
    Ok(id)
}

fn listen(
    world: &mut World,
    visit: &Visit,
    conversation_id: &str,
    chat_id: &str,
    messages: &[AdditionalMessage],
    work: u64,
    now: i64,
) {
    for message in messages {
        let message = Message {
            id: world.ids.draw(),
            role: message.role().to_owned(),
            kind: message.r#type.clone().unwrap_or_else(|| "question".to_owned()),
            content: message.text(),
            content_type: message.content_type.clone().unwrap_or_else(|| "text".to_owned()),
            chat_id: Some(chat_id.to_owned()),
            bot_id: None,
            created_at: now,
        };
        world.conversations.say(conversation_id, message);
    }
    if let Some(conversation) = world.conversations.get_mut(conversation_id, &visit.session) {
        conversation.latest_work = Some(work);
    }
}

fn last_question(messages: &[AdditionalMessage]) -> String {
    messages
        .iter()
        .rev()
        .find(|message| message.role() == "user")
        .map(AdditionalMessage::text)
        .unwrap_or_default()
}

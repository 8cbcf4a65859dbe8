//! Chats and the conversations they belong to.
//!
//! How a chat stands is written in its unit of work; here is what it said. Conversations are apart
//! per session, so that a token minted for one `session_name` does not see those of another.
//!
//! # Bounds
//! Chats are forgotten with their works. At most [`CONVERSATIONS_MAX`] conversations of
//! [`MESSAGES_MAX`] messages; the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::behaviour::Behaviour;
use crate::world::works::{Ending, Job, Status};

/// How many conversations are remembered.
pub(crate) const CONVERSATIONS_MAX: usize = 300_000;

/// How many messages of one conversation are remembered.
pub(crate) const MESSAGES_MAX: usize = 1_000;

/// Whose conversations a credential sees: those of its `session_name`, or the account's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session(pub(crate) Option<String>);

/// One chat.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    /// Number of its unit of work.
    pub(crate) work: u64,
    pub(crate) id: String,
    pub(crate) conversation_id: String,
    pub(crate) bot_id: String,
    pub(crate) created_at: i64,
    pub(crate) session: Session,
    pub(crate) answer: String,
    pub(crate) answer_id: String,
    pub(crate) verbose_id: String,
    pub(crate) tool_call_id: String,
    pub(crate) behaviour: Arc<Behaviour>,
    /// The execution behind a chatflow.
    pub(crate) execute_id: Option<String>,
}

/// One message of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) kind: String,
    pub(crate) content: String,
    pub(crate) content_type: String,
    pub(crate) chat_id: Option<String>,
    pub(crate) bot_id: Option<String>,
    pub(crate) created_at: i64,
}

/// One conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) session: Session,
    pub(crate) bot_id: Option<String>,
    pub(crate) meta_data: serde_json::Value,
    pub(crate) messages: VecDeque<Message>,
    /// The unit of work of its latest chat.
    pub(crate) latest_work: Option<u64>,
}

/// All chats by id.
#[derive(Debug, Default)]
pub(crate) struct Chats {
    chats: HashMap<String, Chat>,
}

impl Chats {
    pub(crate) fn insert(&mut self, chat: Chat) {
        self.chats.insert(chat.id.clone(), chat);
    }

    /// A chat, if this session may see it.
    pub(crate) fn get(&self, id: &str, session: &Session) -> Option<&Chat> {
        self.chats.get(id).filter(|chat| chat.session == *session)
    }

    pub(crate) fn forget(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            self.chats.remove(id);
        }
    }

    /// What a chat adds to its conversation as it ends this way.
    pub(crate) fn answer_of(&self, id: &str, ending: Ending) -> Option<(String, Message)> {
        if !matches!(ending.status, Status::Completed | Status::Canceled) {
            return None;
        }
        let chat = self.chats.get(id)?;
        Some((chat.conversation_id.clone(), chat.answer_message()))
    }

    /// A chat as far as its unit of work still tells.
    pub(crate) fn restore(&mut self, job: &Job) {
        let (Some(id), Some(conversation_id)) = (&job.work.chat_id, &job.work.conversation_id)
        else {
            return;
        };
        self.insert(Chat {
            work: job.no,
            id: id.clone(),
            conversation_id: conversation_id.clone(),
            bot_id: job.work.subject.clone(),
            created_at: job.work.created_at,
            session: Session::default(),
            answer: String::new(),
            answer_id: id.clone(),
            verbose_id: id.clone(),
            tool_call_id: id.clone(),
            behaviour: Arc::default(),
            execute_id: job.work.execute_id.clone(),
        });
    }
}

impl Chat {
    /// The answer as a message of the conversation.
    pub(crate) fn answer_message(&self) -> Message {
        Message {
            id: self.answer_id.clone(),
            role: "assistant".to_owned(),
            kind: "answer".to_owned(),
            content: self.answer.clone(),
            content_type: "text".to_owned(),
            chat_id: Some(self.id.clone()),
            bot_id: Some(self.bot_id.clone()),
            created_at: self.created_at.saturating_add(2),
        }
    }
}

/// All conversations by id.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    conversations: HashMap<String, Conversation>,
    order: VecDeque<String>,
}

impl Conversations {
    pub(crate) fn insert(&mut self, conversation: Conversation) {
        if self.order.len() >= CONVERSATIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.conversations.remove(&oldest);
        }
        self.order.push_back(conversation.id.clone());
        self.conversations.insert(conversation.id.clone(), conversation);
    }

    /// A conversation, if this session may see it.
    pub(crate) fn get(&self, id: &str, session: &Session) -> Option<&Conversation> {
        self.conversations.get(id).filter(|conversation| conversation.session == *session)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: &str, session: &Session) -> Option<&mut Conversation> {
        self.conversations.get_mut(id).filter(|conversation| conversation.session == *session)
    }

    /// Whether somebody has this conversation, whoever it is.
    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.conversations.contains_key(id)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.conversations.remove(id);
        self.order.retain(|known| known != id);
    }

    /// The conversations of a session, newest first.
    pub(crate) fn of(&self, session: &Session) -> impl Iterator<Item = &Conversation> {
        self.order
            .iter()
            .rev()
            .filter_map(|id| self.conversations.get(id))
            .filter(|conversation| conversation.session == *session)
    }

    /// Adds a message, if the conversation still exists.
    pub(crate) fn say(&mut self, id: &str, message: Message) {
        if let Some(conversation) = self.conversations.get_mut(id) {
            conversation.say(message);
        }
    }
}

impl Conversation {
    pub(crate) fn say(&mut self, message: Message) {
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }
}

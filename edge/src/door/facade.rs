//! The chat facade: `/api/coze/chat`, `/api/coze/chat/stream`, `/api/coze/bots` and `/api/chat-history`.
//!
//! Which conversation a user of a shop is in with a bot is kept as a memo in the account's journal, so
//! that nobody else's account finds it; what was said is Coze's to keep.

use meter::door::facade::{self, Person};
use meter::door::{Translation, Voice};
use meter::route::{Kind, Operation, Own};
use worker::Url;
use worker::web_sys::{Headers, Request, Response};

use crate::call;
use crate::config::Config;
use crate::journal::Handle;
use crate::reply::{self, Failure};

use super::memo::{self, Memo};
use super::{AtDoor, Way, default_bot, guest};

const CHAT_PATH: &str = "/api/coze/chat";
const STREAM_PATH: &str = "/api/coze/chat/stream";
const BOTS_PATH: &str = "/api/coze/bots";
const HISTORY_PATH: &str = "/api/chat-history";
/// Where Coze lists what was said.
const MESSAGES_PATH: &str = "/v1/conversation/message/list";

/// What is asked for at this door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Facade {
    Chat { streams: bool },
    Bots,
    History,
}

impl Facade {
    /// What a method and path ask for; `None` when it is not at this door.
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        match (method, path) {
            ("POST", CHAT_PATH) => Some(Self::Chat { streams: false }),
            ("POST", STREAM_PATH) => Some(Self::Chat { streams: true }),
            ("GET" | "POST", BOTS_PATH) => Some(Self::Bots),
            ("GET", HISTORY_PATH) => Some(Self::History),
            _ => None,
        }
    }

    /// Answers. Guests may chat and see the bots; what was said is read with a key.
    pub(crate) async fn answer(self, mut at: AtDoor<'_>) -> Result<Response, Failure> {
        let config = Config::of(&at.env)?;
        let guest = match self {
            Self::Chat { .. } | Self::Bots => guest::admitted(&at.request, &at.env, &config)?,
            Self::History => None,
        };
        let is_guest = guest.is_some();
        at.request = guest.unwrap_or(at.request);
        let response = match self {
            Self::Chat { streams } => chat(at, streams).await?,
            Self::Bots => bots(&at)?,
            Self::History => history(at).await?,
        };
        if is_guest {
            // What is left is between the operator and the guest account.
            response.headers().delete(reply::BALANCE)?;
        }
        Ok(response)
    }
}

/// A message: one call, in the conversation that its user is in.
async fn chat(at: AtDoor<'_>, streams: bool) -> Result<Response, Failure> {
    let config = Config::of(&at.env)?;
    // A bad key is refused before its body is looked at.
    let caller = call::authenticate(&at.request, &config)?;
    let body = call::read_body(&at.request).await?.to_vec();
    let bot = default_bot(&at.env)?;
    let said = facade::read(&body, bot.as_ref())?;
    let name = said.person.memo_name();
    let known = if said.begins_anew {
        None
    } else {
        let journal = Handle::of(&at.env, &caller.journal)?;
        memo::recall_conversation(&journal, &caller, &name).await?
    };
    let order = said.order(known.as_ref().map(|known| &known.conversation));
    let memo = Memo::conversation(&caller.account, name, known);
    let operation = order.operation;
    let translation = Translation::new(operation, Voice::Facade(facade::Voice), streams);
    // The same body is another request at the other path.
    let path = if streams { STREAM_PATH } else { CHAT_PATH };
    let asked = [path.as_bytes(), b"\n", &body].concat();
    let context = at.context;
    let arrived = at.arrived(config, order, Way { asked, translation, memo: Some(memo) })?;
    call::billable(arrived, operation, context).await
}

/// What the key may talk to.
fn bots(at: &AtDoor<'_>) -> Result<Response, Failure> {
    let caller = call::authenticate(&at.request, &*Config::of(&at.env)?)?;
    let page = facade::bots(&caller, default_bot(&at.env)?.as_ref());
    Ok(reply::of_door(&page, &Headers::new()?, at.call)?)
}

/// What was said in the conversation that this account has with its user, and in no other.
async fn history(at: AtDoor<'_>) -> Result<Response, Failure> {
    let config = Config::of(&at.env)?;
    let caller = call::authenticate(&at.request, &config)?;
    let person = person(&at.request, &at.env)?;
    caller.check_scope(Operation::Chat.name(), Some(person.bot.as_str()))?;
    let journal = Handle::of(&at.env, &caller.journal)?;
    let known = memo::recall_conversation(&journal, &caller, &person.memo_name()).await?;
    let call = at.call.clone();
    let Some(memo::Known { conversation, .. }) = known else {
        return Ok(reply::of_door(&facade::no_history(), &Headers::new()?, &call)?);
    };
    let query = format!("?conversation_id={conversation}");
    let arrived = at.posted(config, MESSAGES_PATH, query, facade::question(), None)?;
    let listed = call::own(arrived, Own::About(&[Kind::Conversation])).await?;
    let body = super::body_of(&listed).await?;
    let page = facade::history(&conversation, listed.status(), &body);
    Ok(reply::of_door(&page, &listed.headers(), &call)?)
}

/// Who is asked about, by the query.
fn person(request: &Request, env: &worker::Env) -> Result<Person, Failure> {
    let url = Url::parse(&request.url()).map_err(worker::Error::from)?;
    let named = |wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let (user, shop, bot) = (named("userId"), named("shopId"), named("botId"));
    let default = default_bot(env)?;
    Ok(Person::new(user.as_deref(), shop.as_deref(), bot.as_deref(), default.as_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_the_door_is_told_by_method_and_path() {
        let of = |method: &str, path: &str| Facade::of(method, path);
        assert_eq!(of("POST", "/api/coze/chat"), Some(Facade::Chat { streams: false }));
        assert_eq!(of("POST", "/api/coze/chat/stream"), Some(Facade::Chat { streams: true }));
        assert_eq!(of("GET", "/api/coze/bots"), Some(Facade::Bots));
        assert_eq!(of("POST", "/api/coze/bots"), Some(Facade::Bots));
        assert_eq!(of("GET", "/api/chat-history"), Some(Facade::History));
        for (method, path) in [
            ("GET", "/api/coze/chat"),
            ("POST", "/api/coze/chat/"),
            ("PUT", "/api/coze/bots"),
            ("POST", "/api/chat-history"),
            ("POST", "/v3/chat"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }
}

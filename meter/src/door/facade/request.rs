//! A user's message to a bot, and the call that it asks for.
//!
//! # Bounds
//! A message has at most [`MESSAGE_BYTES_MAX`] bytes, a user's name [`USER_BYTES_MAX`] and a shop's
//! [`SHOP_BYTES_MAX`].

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::door::Order;
use crate::door::field::{Field, invalid, upstream_id};
use crate::ids::UpstreamId;
use crate::refusal::{Reason, Refusal};
use crate::route::Operation;

/// Longest message, in bytes: some 10,000 Chinese characters.
pub const MESSAGE_BYTES_MAX: usize = 32 << 10;
/// Longest name of a user, in bytes.
pub const USER_BYTES_MAX: usize = 256;
/// Longest name of a shop, in bytes.
pub const SHOP_BYTES_MAX: usize = 128;

/// A user of a shop, and the bot that the user talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    user: String,
    shop: String,
    /// The bot.
    pub bot: UpstreamId,
}

/// A message of a user's, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who says it to whom.
    pub person: Person,
    /// Whether what was said before is left behind.
    pub begins_anew: bool,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    shop_id: Option<&'a RawValue>,
    #[serde(borrow)]
    bot_id: Option<&'a RawValue>,
    #[serde(borrow)]
    new_conversation: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ChatBody<'a> {
    bot_id: &'a str,
    user_id: String,
    stream: bool,
    auto_save_history: bool,
    additional_messages: [MessageBody<'a>; 1],
}

#[derive(Serialize)]
struct MessageBody<'a> {
    role: &'static str,
    r#type: &'static str,
    content: &'a str,
    content_type: &'static str,
}

/// Reads a request. `default_bot` answers where no bot is named.
pub fn read(body: &[u8], default_bot: Option<&UpstreamId>) -> Result<Said, Refusal> {
    let fields: Fields<'_> = serde_json::from_slice(body).map_err(|error| {
        Refusal::with_detail(Reason::BodyInvalid, format!("not a JSON object: {error}"))
    })?;
    let text = |name, raw| Field::new(name, raw).given::<String>("a string");
    let (user, shop) = (text("userId", fields.user_id)?, text("shopId", fields.shop_id)?);
    let bot = text("botId", fields.bot_id)?;
    let person = Person::new(user.as_deref(), shop.as_deref(), bot.as_deref(), default_bot)?;
    let message: String = Field::new("message", fields.message).needed("a string")?;
    if message.trim().is_empty() {
        return Err(invalid("message", "is empty"));
    }
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("message", &format!("is longer than {MESSAGE_BYTES_MAX} bytes")));
    }
    let anew = Field::new("newConversation", fields.new_conversation).given("true or false")?;
    Ok(Said { person, begins_anew: anew.unwrap_or(false), message })
}

impl Said {
    /// The call that says it, in the conversation that the user is in.
    pub fn order(&self, conversation: Option<&UpstreamId>) -> Order {
        let Self { person, message, .. } = self;
        let query = conversation
            .map_or_else(String::new, |conversation| format!("?conversation_id={conversation}"));
        let body = super::json(&ChatBody {
            bot_id: person.bot.as_str(),
            user_id: person.name_upstream(),
            stream: true,
            auto_save_history: true,
            additional_messages: [MessageBody {
                role: "user",
                r#type: "question",
                content: message,
                content_type: "text",
            }],
        });
        Order { operation: Operation::Chat, path: "/v3/chat", query, body }
    }
}

impl Person {
    /// The person that these names mean.
    pub fn new(
        user: Option<&str>,
        shop: Option<&str>,
        bot: Option<&str>,
        default_bot: Option<&UpstreamId>,
    ) -> Result<Self, Refusal> {
        let user = bounded("userId", user, USER_BYTES_MAX)?;
        if user.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(invalid("userId", "holds a control character"));
        }
        let shop = bounded("shopId", shop, SHOP_BYTES_MAX)?;
        // No colon, so that it ends at the first one of the name that goes up.
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !shop.bytes().all(is_plain) {
            let why = "holds more than letters, digits, hyphens, underscores and full stops";
            return Err(invalid("shopId", why));
        }
        let bot = bot.filter(|bot| !bot.is_empty()).map(|bot| upstream_id("botId", bot));
        let bot = bot.transpose()?.or_else(|| default_bot.cloned());
        let bot = bot.ok_or_else(|| invalid("botId", "is missing, and there is no default bot"))?;
        Ok(Self { user: user.to_owned(), shop: shop.to_owned(), bot })
    }

    /// Under which name the person's conversation is remembered: nobody reads who it is from it.
    pub fn memo_name(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.shop.as_str(), self.user.as_str(), self.bot.as_str()] {
            hash.update(part.len().to_be_bytes().as_slice());
            hash.update(part.as_bytes());
        }
        let mut name = String::from("chat/");
        for byte in hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// Two shops may know different people by the same name.
    fn name_upstream(&self) -> String {
        format!("{}:{}", self.shop, self.user)
    }
}

fn bounded<'a>(name: &str, text: Option<&'a str>, bytes_max: usize) -> Result<&'a str, Refusal> {
    let text = text.ok_or_else(|| invalid(name, "is missing"))?;
    if text.trim().is_empty() {
        return Err(invalid(name, "is empty"));
    }
    if text.len() > bytes_max {
        return Err(invalid(name, &format!("is longer than {bytes_max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(body: &str, detail: &str) {
        let refusal = read(body.as_bytes(), None).unwrap_err();
        assert_eq!(refusal.reason, Reason::BodyInvalid);
        let said = refusal.detail.unwrap_or_default();
        assert!(said.contains(detail), "{body}: {said}");
    }

    fn body(user: &str, shop: &str, bot: &str, message: &str) -> String {
        serde_json::json!({"userId": user, "shopId": shop, "botId": bot, "message": message})
            .to_string()
    }

    #[test]
    fn a_refusal_names_the_field() {
        refused("hello", "not a JSON object");
        refused("[]", "");
        refused("{}", "`userId` is missing");
        refused(r#"{"userId":7}"#, "`userId` is not a string");
        refused(&body("", "s", "7", "x"), "`userId` is empty");
        refused(&body("a\nb", "s", "7", "x"), "`userId` holds a control character");
        refused(&body(&"u".repeat(USER_BYTES_MAX + 1), "s", "7", "x"), "`userId` is longer");
        refused(r#"{"userId":"u"}"#, "`shopId` is missing");
        refused(&body("u", "a:b", "7", "x"), "`shopId` holds");
        refused(&body("u", &"s".repeat(SHOP_BYTES_MAX + 1), "7", "x"), "`shopId` is longer");
        refused(r#"{"userId":"u","shopId":"s"}"#, "`botId` is missing");
        refused(&body("u", "s", "7/../8", "x"), "`botId` holds a character");
        refused(&body("u", "s", "7", " \n"), "`message` is empty");
        refused(&body("u", "s", "7", &"x".repeat(MESSAGE_BYTES_MAX + 1)), "`message` is longer");
        refused(r#"{"userId":"u","shopId":"s","botId":"7"}"#, "`message` is missing");
        let anew = r#"{"userId":"u","shopId":"s","botId":"7","message":"x","newConversation":1}"#;
        refused(anew, "`newConversation` is not true or false");
    }

    #[test]
    fn what_is_as_long_as_it_may_be_is_taken() {
        let (user, shop) = ("u".repeat(USER_BYTES_MAX), "s".repeat(SHOP_BYTES_MAX));
        let longest = body(&user, &shop, "7", &"x".repeat(MESSAGE_BYTES_MAX));
        assert!(read(longest.as_bytes(), None).is_ok());
    }

    #[test]
    fn a_message_becomes_a_chat_in_its_conversation() {
        let said = read(body("u1", "shop-1", "7490", "hello").as_bytes(), None).unwrap();
        let order = said.order(Some(&"75".parse().unwrap()));
        assert_eq!((order.path, order.query.as_str()), ("/v3/chat", "?conversation_id=75"));
        assert_eq!(
            order.body,
            r#"{"bot_id":"7490","user_id":"shop-1:u1","stream":true,"auto_save_history":true,"additional_messages":[{"role":"user","type":"question","content":"hello","content_type":"text"}]}"#
        );
        assert_eq!(said.order(None).query, "");
    }

    #[test]
    fn the_default_bot_answers_where_none_is_named() {
        let bot = "7490".parse().unwrap();
        for body in [r#"{"userId":"u","shopId":"s","message":"x"}"#, &body("u", "s", "", "x")] {
            assert_eq!(read(body.as_bytes(), Some(&bot)).unwrap().person.bot, bot);
        }
    }

    #[test]
    fn everybody_has_a_memo_of_their_own() {
        let name = |user: &str, shop: &str, bot: &str| {
            Person::new(Some(user), Some(shop), Some(bot), None).unwrap().memo_name()
        };
        let names = [
            name("u", "s", "7"),
            name("u", "s", "8"),
            name("u", "t", "7"),
            name("v", "s", "7"),
            name("us", "s", "7"),
            name("s", "us", "7"),
        ];
        for (at, one) in names.iter().enumerate() {
            assert!(names.iter().skip(at + 1).all(|other| other != one), "{one}");
            assert_eq!(one.len(), "chat/".len() + 64);
        }
        assert_eq!(name("u", "s", "7"), names[0]);
    }
}

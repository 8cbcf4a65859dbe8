//! The bots that a key may use.
//!
//! Coze has no list of what is published to an API, so these are what the key is limited to and the
//! default bot. A key's list does not say whether an id is a bot's or a workflow's.
//!
//! # Bounds
//! At most [`BOTS_MAX`] bots.

use serde::Serialize;

use crate::door::Reply;
use crate::ids::UpstreamId;
use crate::key::Caller;
use crate::route::Operation;

use super::json;

/// Most bots on the page.
pub const BOTS_MAX: usize = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    bots: Vec<Bot<'a>>,
    /// The key may use every other bot as well.
    any_bot: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bot<'a> {
    bot_id: &'a str,
    is_default: bool,
}

/// The page of them.
pub fn bots(caller: &Caller, default_bot: Option<&UpstreamId>) -> Reply {
    let chat = Operation::Chat.name();
    let default = default_bot.map(UpstreamId::as_str);
    let default = default.filter(|bot| caller.check_scope(chat, Some(bot)).is_ok());
    let others = caller.subjects().iter().map(String::as_str);
    let others = others.filter(|bot| caller.may(chat) && Some(*bot) != default);
    let bots = default.into_iter().chain(others).take(BOTS_MAX);
    let bots = bots.map(|bot_id| Bot { bot_id, is_default: Some(bot_id) == default }).collect();
    let any_bot = caller.check_scope(chat, None).is_ok();
    Reply { status: 200, body: json(&Page { bots, any_bot }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Limits;
    use crate::key::{CALLER_AUDIENCE, Claims};
    use crate::time::UnixMs;

    fn caller(operations: Option<&[String]>, subjects: Option<&[String]>) -> Caller {
        let claims = Claims {
            audience: CALLER_AUDIENCE,
            account: "acc_1",
            key: "key_1",
            journal: "j0",
            expires_at: None,
            operations,
            subjects,
            limits: Limits::default(),
            networks: None,
            session: None,
        };
        Caller::from_claims(&claims, UnixMs::new(0)).unwrap()
    }

    #[track_caller]
    fn check(operations: Option<&[&str]>, subjects: Option<&[&str]>, want: &str) {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let (operations, subjects) = (operations.map(owned), subjects.map(owned));
        let caller = caller(operations.as_deref(), subjects.as_deref());
        assert_eq!(bots(&caller, Some(&"7".parse().unwrap())).body, want);
    }

    #[test]
    fn a_key_sees_what_it_may_talk_to() {
        check(None, None, r#"{"bots":[{"botId":"7","isDefault":true}],"anyBot":true}"#);
        check(
            Some(&["chat"]),
            Some(&["8", "7"]),
            r#"{"bots":[{"botId":"7","isDefault":true},{"botId":"8","isDefault":false}],"anyBot":false}"#,
        );
        check(None, Some(&["8"]), r#"{"bots":[{"botId":"8","isDefault":false}],"anyBot":false}"#);
        check(Some(&["workflow_run"]), Some(&["7"]), r#"{"bots":[],"anyBot":false}"#);
    }

    #[test]
    fn a_page_of_bots_has_its_bound() {
        let subjects: Vec<String> = (0..=BOTS_MAX).map(|bot| format!("b{bot}")).collect();
        let page = bots(&caller(None, Some(&subjects)), None).body;
        assert_eq!(page.matches("botId").count(), BOTS_MAX);
        let page = bots(&caller(None, Some(&subjects[..BOTS_MAX])), None).body;
        assert_eq!(page.matches("botId").count(), BOTS_MAX);
    }
}

//! The chat facade: for shops and widgets that send a user's message and want the bot's reply.
//!
//! `request` reads who says what to which bot and makes the call of it, `voice` says the answer, `bots`
//! and `history` are the two pages beside it. Coze keeps what was said; Weir remembers only which
//! conversation a user of a shop is in with a bot.

mod bots;
mod history;
mod request;
mod voice;

use serde::Serialize;

pub use bots::{BOTS_MAX, bots};
pub use history::{MESSAGES_MAX, history, no_history, question};
pub use request::{MESSAGE_BYTES_MAX, Person, SHOP_BYTES_MAX, Said, USER_BYTES_MAX, read};
pub use voice::Voice;

use super::Reply;
use super::problem::Problem;

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    message: &'a str,
}

/// A problem, under the two names that refusals have as well.
pub fn problem(problem: &Problem) -> Reply {
    Reply { status: problem.status, body: error_body(problem) }
}

fn error_body(problem: &Problem) -> String {
    let Problem { code, message, .. } = problem;
    json(&ErrorBody { error: ErrorObject { code, message } })
}

/// Structs of strings, numbers and lists always serialise.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

//! Accounts, kept apart where upstream does not do it: which ids a request names, and where it says who its
//! users are.
//!
//! Path: request → **apart** → admission. All accounts may share one credential, so that upstream would
//! let each see what any of them made. A conversation, a chat, a run and a file belong to the account whose
//! request made them, which its journal knows; a request that names one which the journal does not know
//! goes nowhere. Messages belong to their conversation, and are only ever named with it.
//!
//! Users are kept apart by their names: the account's id and a full stop are put in front of each, and
//! nothing else of the request changes.
//!
//! # Shape
//! A name of an id counts wherever upstream could read it: in the path, in the query, at the top of the
//! body, whatever the route. Files are also named inside messages and parameters, often by JSON that is
//! itself written as a string; there they are looked for however deep they stand.
//!
//! # Bounds
//! A request names at most [`NAMES_MAX`] ids; JSON is looked for within strings within JSON up to
//! [`FILES_DEPTH_MAX`] times.

mod body;
mod files;
mod frame;
mod made;

use crate::ids::UpstreamId;
use crate::refusal::{Reason, Refusal};
use crate::request::Parts;
use crate::route::Kind;

pub use files::FILES_DEPTH_MAX;
pub use frame::in_frame;
pub use made::made;

use crate::json::is_taken_for;

/// Most ids that one request names. A chat takes 100 messages, and each may hold some files.
pub const NAMES_MAX: usize = 256;

/// The names of ids, wherever they stand.
const FIELDS: [(&str, Kind); 6] = [
    ("conversation_id", Kind::Conversation),
    ("chat_id", Kind::Chat),
    ("execute_id", Kind::Execution),
    ("event_id", Kind::Execution),
    ("file_id", Kind::File),
    ("file_ids", Kind::File),
];

/// Something that a request names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: UpstreamId,
}

/// What a request says of things and people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What it names, each once.
    pub names: Vec<Named>,
    /// Where in its body the names of users begin, in order.
    pub users: Vec<usize>,
}

/// What a request says. Its path was classed before; its body is a JSON object, or empty.
pub fn read(parts: Parts<'_>) -> Result<Said, Refusal> {
    let mut said = Said::default();
    in_path(parts.path, &mut said)?;
    in_query(parts.query, &mut said)?;
    if !parts.body.trim_ascii().is_empty() {
        let text =
            str::from_utf8(parts.body).map_err(|_| invalid("not a JSON object".to_owned()))?;
        body::in_object(text, text, &mut said)?;
    }
    said.users.sort_unstable();
    Ok(said)
}

impl Said {
    /// Refuses a request that does not name one of each of these kinds: what upstream makes of it then is
    /// not for one account to know.
    pub fn check_names(&self, kinds: &[Kind]) -> Result<(), Refusal> {
        let is_named = |kind: &&Kind| self.names.iter().any(|named| named.kind == **kind);
        match kinds.iter().find(|kind| !is_named(kind)) {
            None => Ok(()),
            Some(kind) => {
                let field = FIELDS.iter().find(|(_, of)| of == kind).map_or("", |(name, _)| name);
                Err(invalid(format!("`{field}` is missing")))
            }
        }
    }

    fn add(&mut self, kind: Kind, id: &str) -> Result<(), Refusal> {
        // A resume names the run that it continues, and which of its questions is answered.
        let id = if kind == Kind::Execution { id.split('/').next().unwrap_or(id) } else { id };
        // Upstream gives no such id to anybody.
        let named = Named { kind, id: id.parse().map_err(|_| unknown(kind))? };
        if self.names.contains(&named) {
            return Ok(());
        }
        if self.names.len() >= NAMES_MAX {
            return Err(invalid(format!("it names more than {NAMES_MAX} ids")));
        }
        self.names.push(named);
        Ok(())
    }
}

/// What is said of an id that is not this account's, whether anybody has it or not.
pub fn unknown(kind: Kind) -> Refusal {
    Refusal::with_detail(Reason::IdUnknown, kind.name())
}

/// The body with this in front of each user's name.
pub fn with_users(body: &[u8], users: &[usize], prefix: &str) -> Vec<u8> {
    let mut parts = Vec::with_capacity(users.len().saturating_mul(2).saturating_add(1));
    let mut from = 0;
    for &at in users {
        parts.extend([body.get(from..at).unwrap_or_default(), prefix.as_bytes()]);
        from = at;
    }
    parts.push(body.get(from..).unwrap_or_default());
    parts.concat()
}

/// What stands in front of the name of an account's user. No account's id holds a full stop, so that two
/// accounts' users never have one name.
pub fn user_prefix(account: &crate::ids::AccountId) -> String {
    format!("{account}.")
}

/// The ids that are segments of the path.
fn in_path(path: &str, said: &mut Said) -> Result<(), Refusal> {
    let mut before = "";
    for segment in path.split('/') {
        match before {
            "conversations" => said.add(Kind::Conversation, segment)?,
            "run_histories" => said.add(Kind::Execution, segment)?,
            _ => {}
        }
        before = segment;
    }
    Ok(())
}

/// The ids in a query. No id needs an escape, so one that has any is nobody's; a name that has any, or is
/// spelled otherwise, could be read in two ways.
fn in_query(query: &str, said: &mut Said) -> Result<(), Refusal> {
    let mut seen = [false; FIELDS.len()];
    // A semicolon parts two pairs for some servers.
    for pair in query.trim_start_matches('?').split(['&', ';']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = decoded(name);
        let wanted = FIELDS.iter().zip(&mut seen);
        let mut wanted = wanted.filter(|((field, _), _)| is_taken_for(&decoded, field));
        let Some(((field, kind), seen)) = wanted.next() else { continue };
        if name != *field || *seen {
            return Err(invalid(format!("`{field}` in the query could be read in two ways")));
        }
        *seen = true;
        if !value.is_empty() {
            said.add(*kind, value)?;
        }
    }
    Ok(())
}

/// A name in a query as a server reads it.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => {
                let digits = [*high, *low];
                str::from_utf8(&digits).ok().and_then(|text| u8::from_str_radix(text, 16).ok())
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn invalid(detail: String) -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, detail)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

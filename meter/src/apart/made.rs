//! What a reply says was made.

use serde::Deserialize;

use crate::ids::UpstreamId;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    code: Option<i64>,
    data: Option<Data>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    id: Option<Id>,
}

/// The open-source server writes some ids as numbers (contract §2.4).
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

/// The id of the conversation or the file that a reply tells of; `None` when it was not made.
pub fn made(status: u16, body: &[u8]) -> Option<UpstreamId> {
    let reply: Reply = serde_json::from_slice(body).ok()?;
    if !(200..300).contains(&status) || reply.code.is_some_and(|code| code != 0) {
        return None;
    }
    match reply.data?.id? {
        Id::Text(id) => id.parse().ok(),
        Id::Number(id) => id.to_string().parse().ok(),
    }
}

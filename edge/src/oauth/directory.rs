//! The registered keys, as one journal lists them and as this isolate remembers them.
//!
//! # Bounds
//! A key that was read is used for [`KEEP_MS`]; whether it was revoked meanwhile its account's journal
//! knows. A key that is not in the list is looked for again at most every [`PAUSE_MS`], so that made-up
//! names cost the journal next to nothing.

use std::cell::RefCell;
use std::collections::HashMap;

use meter::oauth::{DIRECTORY, Denied, Kind, RegisteredKey};
use meter::time::UnixMs;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::registered::RegisteredKeyDoc;
use worker::Env;

use crate::journal::Handle;
use crate::log;

/// How long a list that was read is used.
const KEEP_MS: u64 = 60_000;
/// How long a key that is not in the list is not looked for again.
const PAUSE_MS: u64 = 1_000;

/// By app and key name.
type Keys = HashMap<(String, String), RegisteredKey>;

#[derive(Default)]
struct Directory {
    /// When it was asked for last.
    asked_at: UnixMs,
    keys: Option<Keys>,
}

thread_local! {
    static KEPT: RefCell<Directory> = RefCell::default();
}

/// The registered key that a statement names.
pub(super) async fn find(
    env: &Env,
    app: &str,
    kid: &str,
    now: UnixMs,
) -> Result<RegisteredKey, Denied> {
    let name = (app.to_owned(), kid.to_owned());
    let known = KEPT.with_borrow_mut(|kept| {
        let keys = kept.keys.as_ref()?;
        let found = keys.get(&name).cloned();
        let age = now.since(kept.asked_at);
        if age < PAUSE_MS || (found.is_some() && age < KEEP_MS) {
            return Some(found);
        }
        // Whoever comes while we ask makes do with what is known.
        kept.asked_at = now;
        None
    });
    let found = if let Some(found) = known {
        found
    } else {
        let keys = read(env).await?;
        let found = keys.get(&name).cloned();
        KEPT.set(Directory { asked_at: now, keys: Some(keys) });
        found
    };
    found.ok_or_else(|| Denied::client("no key is registered here under the JWT's iss and kid"))
}

async fn read(env: &Env) -> Result<Keys, Denied> {
    let unavailable = || Denied::new(Kind::InternalError, "metering is not available, try again");
    let name = DIRECTORY.parse().map_err(|_| unavailable())?;
    let journal = Handle::of(env, &name).map_err(|error| {
        log::error("directory_unreachable", None, &error.to_string());
        unavailable()
    })?;
    match journal.command(&CommandDoc::Registered).await {
        Ok(ReplyDoc::Registered { keys }) => Ok(keys.iter().filter_map(entry).collect()),
        _ => Err(unavailable()),
    }
}

fn entry(doc: &RegisteredKeyDoc) -> Option<((String, String), RegisteredKey)> {
    match RegisteredKey::try_from(doc) {
        Ok(key) => Some(((doc.app.clone(), doc.kid.clone()), key)),
        Err(error) => {
            log::error("registered_key_unreadable", None, &error.to_string());
            None
        }
    }
}

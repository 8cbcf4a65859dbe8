//! Which credential a name means, by the environment as it is now.
//!
//! | binding | kind | what |
//! |---|---|---|
//! | `COZE_API_TOKEN` | secret | the default credential: a token |
//! | `COZE_CLIENT_ID`, `COZE_PUBLIC_KEY`, `COZE_PRIVATE_KEY` | secrets | the default credential: an OAuth app, its key's name and the key itself, in PEM; where they are set they go before the token |
//! | `COZE_CREDENTIALS` | secret | the named ones, as [`read_credentials`] describes |
//!
//! Reading a document anew for every call would cost more than the call, so the last one read is kept
//! for as long as its text is the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meter::credential::{App, Credential, Secret};
use meter::ids::CredentialName;
use meter::wire::credential::read_credentials;
use worker::Env;

use crate::config::setting;

/// The named credentials, and the text they were read from.
struct Named {
    json: String,
    credentials: BTreeMap<CredentialName, Rc<Credential>>,
}

thread_local! {
    static NAMED: RefCell<Option<Named>> = const { RefCell::new(None) };
}

/// The credential of this name, or the default one; or what the log is to say.
pub(super) fn find(env: &Env, name: Option<&CredentialName>) -> Result<Rc<Credential>, String> {
    match name {
        None => default(env).map(Rc::new),
        Some(name) => named(env, name),
    }
}

fn default(env: &Env) -> Result<Credential, String> {
    let app =
        ["COZE_CLIENT_ID", "COZE_PUBLIC_KEY", "COZE_PRIVATE_KEY"].map(|name| setting(env, name));
    match app {
        [Some(client_id), Some(kid), Some(key)] => {
            Ok(Credential::App(App { client_id, kid, private_key: Secret::new(key) }))
        }
        [None, None, None] => match setting(env, "COZE_API_TOKEN") {
            Some(token) => Ok(Credential::Token(Secret::new(token))),
            None => Err("neither COZE_API_TOKEN nor an OAuth app is set".to_owned()),
        },
        // Falling back to the token would mix the accounts' conversations without a word.
        _ => Err(
            "of COZE_CLIENT_ID, COZE_PUBLIC_KEY and COZE_PRIVATE_KEY some are set and some are \
                  not"
            .to_owned(),
        ),
    }
}

fn named(env: &Env, name: &CredentialName) -> Result<Rc<Credential>, String> {
    let json = setting(env, "COZE_CREDENTIALS");
    let json = json.ok_or_else(|| format!("COZE_CREDENTIALS is not set, {name} is wanted"))?;
    NAMED.with_borrow_mut(|kept| {
        // A key that stands in a secret of its own may change without this text.
        let is_kept = kept.as_ref().is_some_and(|kept| kept.json == json)
            && !json.contains("private_key_from");
        if !is_kept {
            let read = read_credentials(&json, |secret| setting(env, secret));
            let read = read.map_err(|error| error.to_string())?;
            let credentials = read.into_iter().map(|(name, one)| (name, Rc::new(one))).collect();
            *kept = Some(Named { json, credentials });
        }
        let found = kept.as_ref().and_then(|kept| kept.credentials.get(name).cloned());
        found.ok_or_else(|| format!("COZE_CREDENTIALS does not name {name}"))
    })
}

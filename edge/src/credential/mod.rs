//! The operator's credential, as it goes upstream in place of the caller's key.
//!
//! Path: admit → **credential** → forward. The journal says as whom an account's calls are sent; here
//! that becomes the value of `Authorization`: a token as it is configured, or one that the operator's
//! OAuth app has minted for this account. Secrets are read from the environment at each use and are
//! never logged, stored or told to anybody but upstream.

mod apps; // the keys of Dify's apps
mod configured; // which credential a name means
mod pem; // private keys, as WebCrypto wants them
pub(crate) mod rsa; // signatures, by the platform
mod mint; // asking upstream for a token
mod tokens; // tokens that were minted, and one minting at a time

use meter::credential::{Credential, Secret, Sender, session_name};
use meter::entry::Hash;
use meter::ids::AccountId;
use meter::refusal::{Reason, Refusal};
use worker::Env;

use crate::config::Config;
use crate::log;

pub(crate) use apps::{App, apps, of_app};

/// What a request is sent with.
pub(crate) struct Authorization {
    secret: Secret,
    /// Under which the token is remembered, when it was minted.
    minted: Option<Hash>,
}

impl Authorization {
    /// The header's value.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.secret.reveal())
    }

    /// Upstream refused it: the next call mints another. A token that is configured stays.
    pub(crate) fn was_refused(&self) {
        match self.minted {
            Some(key) => {
                tokens::forget(&key, &self.secret);
                log::warn("credential_refused", None, "upstream refused a minted token");
            }
            None => log::error("credential_refused", None, "upstream refused a configured token"),
        }
    }
}

/// What this account's requests are sent with.
///
/// A credential that is not configured, or that upstream gives no token for, is a refusal: nothing is
/// sent. The log says which and why.
pub(crate) async fn of(
    env: &Env,
    config: &Config,
    account: &AccountId,
    sender: &Sender,
) -> Result<Authorization, Refusal> {
    let unavailable = |problem: &str| {
        log::error("credential_unavailable", None, problem);
        Refusal::from(Reason::CredentialUnavailable)
    };
    let credential = configured::find(env, sender.credential.as_ref());
    match &*credential.map_err(|problem| unavailable(&problem))? {
        Credential::Token(secret) => Ok(Authorization { secret: secret.clone(), minted: None }),
        Credential::App(app) => {
            let session = session_name(account, sender.session.as_ref());
            let key = Hash::of_parts(&[
                app.client_id.as_bytes(),
                app.kid.as_bytes(),
                app.private_key.reveal().as_bytes(),
                session.as_bytes(),
            ]);
            let minting = || mint::mint(app.clone(), config.upstream.clone(), session);
            let token = tokens::token(key, minting).await;
            let secret = token.map_err(|problem| unavailable(&problem))?;
            Ok(Authorization { secret, minted: Some(key) })
        }
    }
}

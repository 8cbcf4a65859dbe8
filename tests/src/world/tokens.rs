//! OAuth apps that were registered, and the tokens given to them.
//!
//! # Bounds
//! At most [`APPS_MAX`] apps, [`TOKENS_MAX`] tokens and as many redeemed JWT ids; the oldest tokens
//! and ids are forgotten.

use std::collections::{HashMap, HashSet, VecDeque};

use rsa::RsaPublicKey;
use tokio::sync::watch;

use crate::world::chats::Session;

/// What a token of an OAuth app begins with.
pub(crate) const TOKEN_PREFIX: &str = "czs_";

/// How many apps can be registered.
pub(crate) const APPS_MAX: usize = 1_000;

/// How many tokens and redeemed JWT ids are remembered.
pub(crate) const TOKENS_MAX: usize = 100_000;

/// The public key of an OAuth app.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) key_id: String,
    pub(crate) key: RsaPublicKey,
    /// How long its tokens last at most, whatever is asked for.
    pub(crate) token_seconds_max: Option<i64>,
    /// How many bytes an answer with a token has at least; what is missing is blank.
    pub(crate) answer_bytes_min: usize,
    /// While it is shut, requests for tokens wait.
    pub(crate) gate: watch::Sender<Gate>,
}

/// Whether an app gives out tokens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Shut,
}

/// Whom a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) session: Session,
    /// `custom_consumer` of the JWT's session context.
    pub(crate) account_hint: Option<String>,
}

#[derive(Clone, Debug)]
struct Token {
    holder: Holder,
    expires_at: i64,
}

/// All apps and tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    apps: HashMap<String, App>,
    granted: HashMap<String, Token>,
    granted_order: VecDeque<String>,
    redeemed: HashSet<String>,
    redeemed_order: VecDeque<String>,
}

impl Tokens {
    /// Registers an app's key in place of its former one; says whether there was room.
    pub(crate) fn register(&mut self, app_id: String, app: App) -> bool {
        if self.apps.len() >= APPS_MAX && !self.apps.contains_key(&app_id) {
            return false;
        }
        self.apps.insert(app_id, app);
        true
    }

    pub(crate) fn app(&self, app_id: &str) -> Option<&App> {
        self.apps.get(app_id)
    }

    /// Makes every token that was given out invalid.
    pub(crate) fn revoke_all(&mut self) {
        self.granted.clear();
        self.granted_order.clear();
    }

    /// Notes that a JWT is redeemed; says whether it was not before.
    pub(crate) fn redeem(&mut self, app_id: &str, jwt_id: &str) -> bool {
        let name = format!("{app_id}/{jwt_id}");
        if !self.redeemed.insert(name.clone()) {
            return false;
        }
        if self.redeemed_order.len() >= TOKENS_MAX
            && let Some(oldest) = self.redeemed_order.pop_front()
        {
            self.redeemed.remove(&oldest);
        }
        self.redeemed_order.push_back(name);
        true
    }

    pub(crate) fn grant(&mut self, token: String, holder: Holder, expires_at: i64) {
        if self.granted_order.len() >= TOKENS_MAX
            && let Some(oldest) = self.granted_order.pop_front()
        {
            self.granted.remove(&oldest);
        }
        self.granted_order.push_back(token.clone());
        self.granted.insert(token, Token { holder, expires_at });
    }

    /// Whom a token belongs to, as long as it lasts.
    pub(crate) fn holder(&self, token: &str, now: i64) -> Option<Holder> {
        let token = self.granted.get(token).filter(|token| now < token.expires_at)?;
        Some(token.holder.clone())
    }
}

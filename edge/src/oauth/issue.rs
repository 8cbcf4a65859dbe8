//! The key that a caller gets for its statement, signed by the edge's own key.
//!
//! That key has a name of its own, stands for registered keys only (`authenticate` holds it to that), and
//! is never among those that may sign a pull.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt as _, Claims, Header};
use meter::key::KEY_BYTES_MAX;
use meter::oauth::{Assertion, Denied, Grant, Kind, RegisteredKey, session};
use meter::time::UnixMs;
use meter::wire::claims::KeyClaims;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::log;

/// The edge's own signing key.
pub(crate) struct EdgeKey {
    kid: String,
    key: SigningKey,
}

#[derive(Deserialize)]
struct SigningKeyDoc {
    kid: String,
    d: String,
}

impl EdgeKey {
    /// Reads a pair as `weir signing-key` prints it. An error says nothing of what is in it.
    pub(crate) fn read(json: &str) -> Result<Self, &'static str> {
        let doc: SigningKeyDoc =
            serde_json::from_str(json).map_err(|_| "is not what `weir signing-key` prints")?;
        let secret = URL_SAFE_NO_PAD.decode(&doc.d).ok().and_then(|bytes| bytes.try_into().ok());
        let secret: [u8; 32] = secret.ok_or("has a `d` that is not 32 bytes")?;
        if doc.kid.is_empty() {
            return Err("has no `kid`");
        }
        Ok(Self { kid: doc.kid, key: SigningKey::from_bytes(&secret) })
    }

    /// Its name.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// What verifies its signatures.
    pub(crate) fn verifying_key(&self) -> ed25519_dalek::VerifyingKey {
        self.key.verifying_key()
    }
}

/// A token as Coze answers it.
#[derive(Serialize)]
pub(super) struct Granted {
    access_token: String,
    /// A point in time in unix seconds, as with Coze, and no duration.
    expires_in: u64,
    token_type: &'static str,
}

/// Issues a key for a statement that was redeemed.
pub(super) fn issue(
    config: &Config,
    registered: &RegisteredKey,
    assertion: &Assertion,
    grant: Grant,
    now: UnixMs,
) -> Result<Granted, Denied> {
    let signer = config.edge_key.as_ref().ok_or_else(|| {
        log::error("token_failed", None, "WEIR_EDGE_SIGNING_KEY is not set");
        Denied::new(Kind::InternalError, "no tokens are given out here")
    })?;
    let expires_in = (now.get() / 1_000).saturating_add(grant.seconds);
    let (account, journal) = (registered.account.as_str(), registered.journal.as_str());
    let claims = KeyClaims {
        scp: registered.operations.clone(),
        ips: registered.networks.clone(),
        lim: registered.limits.into(),
        sub_allow: registered.narrowed(grant.subjects)?,
        sn: assertion.session_name.as_deref().and_then(session).map(|session| session.to_string()),
        ..KeyClaims::unlimited(account, registered.key.as_str(), journal)
    };
    let mut claims = Claims::new(claims);
    let time = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        chrono::DateTime::from_timestamp(seconds, 0)
    };
    claims.issued_at = time(now.get() / 1_000);
    claims.expiration = time(expires_in);
    let header = Header::empty().with_key_id(signer.kid.as_str());
    let access_token = Ed25519.token(&header, &claims, &signer.key).map_err(|error| {
        log::error("token_failed", None, &error.to_string());
        Denied::new(Kind::InternalError, "an internal error occurred")
    })?;
    if access_token.len() > KEY_BYTES_MAX {
        return Err(Denied::request("scope names so many bots that the token would be too long"));
    }
    Ok(Granted { access_token, expires_in, token_type: "Bearer" })
}

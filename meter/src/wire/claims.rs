//! What keys carry, and the public keys they are verified with.
//!
//! `exp` and `iat` are registered claims that the JSON web token library reads and writes itself.

use serde::{Deserialize, Serialize};

use crate::key::{CALLER_AUDIENCE, Claims};
use crate::time::UnixMs;

use super::settings::LimitsDoc;

/// The claims of a caller's key, besides `exp` and `iat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyClaims {
    /// For whom it is meant: [`crate::key::CALLER_AUDIENCE`].
    pub aud: String,
    /// The account.
    pub sub: String,
    /// The key's id.
    pub jti: String,
    /// The journal.
    pub jnl: String,
    /// Operations it may use; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scp: Option<Vec<String>>,
    /// Bots and workflows it may use; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_allow: Option<Vec<String>>,
    /// Addresses it may be used from, as networks such as `203.0.113.0/24`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ips: Option<Vec<String>>,
    /// How much it may do, beside what its account may.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_none")]
    pub lim: LimitsDoc,
    /// Which of its sessions the caller speaks for, when it tells them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sn: Option<String>,
}

impl KeyClaims {
    /// The claims of a key without limits.
    pub fn unlimited(account: &str, key: &str, journal: &str) -> Self {
        Self {
            aud: CALLER_AUDIENCE.to_owned(),
            sub: account.to_owned(),
            jti: key.to_owned(),
            jnl: journal.to_owned(),
            scp: None,
            sub_allow: None,
            ips: None,
            lim: LimitsDoc::default(),
            sn: None,
        }
    }

    /// As the rules read them, with the `exp` beside them.
    pub fn stated(&self, expires_at: Option<UnixMs>) -> Claims<'_> {
        let Self { aud, sub, jti, jnl, scp, sub_allow, ips, lim, sn } = self;
        Claims {
            audience: aud,
            account: sub,
            key: jti,
            journal: jnl,
            expires_at,
            operations: scp.as_deref(),
            subjects: sub_allow.as_deref(),
            networks: ips.as_deref(),
            limits: (*lim).into(),
            session: sn.as_deref(),
        }
    }
}

/// The claims with which the origin pulls, besides `exp` and `iat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullClaims {
    /// For whom it is meant: [`crate::key::PULL_AUDIENCE`].
    pub aud: String,
    /// The journal that may be pulled.
    pub jnl: String,
}

/// A public key the edge verifies with. The edge is configured with a JSON array of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyDoc {
    /// The name that a token's header calls it by.
    pub kid: String,
    /// The 32 bytes of an Ed25519 public key, base64url without padding (RFC 8037 §2).
    pub x: String,
}

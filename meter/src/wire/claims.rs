//! What keys carry, and the public keys they are verified with.
//!
//! `exp` and `iat` are registered claims that the JSON web token library reads and writes itself.

use serde::{Deserialize, Serialize};

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

//! A registered public key, on its way from the origin to the journal that lists them, and from there to
//! whoever gives out tokens.

use serde::{Deserialize, Serialize};

use crate::oauth::RegisteredKey;

use super::settings::LimitsDoc;
use super::{WireError, parse};

/// A registered key, whole; or that there is none any more under this id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `RegisteredKey`, spelled out")]
pub struct RegisteredKeyDoc {
    pub key: String,
    pub account: String,
    pub journal: String,
    /// `iss` of its statements.
    pub app: String,
    /// `kid` of its statements.
    pub kid: String,
    pub public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scp: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_allow: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ips: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "LimitsDoc::is_none")]
    pub lim: LimitsDoc,
    /// Whether it was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl TryFrom<&RegisteredKeyDoc> for RegisteredKey {
    type Error = WireError;

    fn try_from(doc: &RegisteredKeyDoc) -> Result<Self, WireError> {
        let RegisteredKeyDoc {
            key,
            account,
            journal,
            app: _,
            kid: _,
            public_key,
            scp,
            sub_allow,
            ips,
            lim,
            withdrawn: _,
        } = doc;
        Ok(Self {
            key: parse("key", key)?,
            account: parse("account", account)?,
            journal: parse("journal", journal)?,
            public_key: public_key.clone(),
            operations: scp.clone(),
            subjects: sub_allow.clone(),
            networks: ips.clone(),
            limits: (*lim).into(),
        })
    }
}

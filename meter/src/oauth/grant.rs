//! The body of a request for a token: which flow, for how long, for what.

use serde::Deserialize;

use crate::credential::JWT_GRANT;
use crate::ids::UpstreamId;

use super::{Denied, Kind, TOKEN_SECONDS_DEFAULT, TOKEN_SECONDS_MAX};

/// Most bots that one request names. The list travels in the token.
pub const SUBJECTS_MAX: usize = 50;

/// What is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How long the token is to be good.
    pub seconds: u64,
    /// The bots it is to be for; whatever the key is for when absent.
    pub subjects: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Body {
    grant_type: Option<String>,
    duration_seconds: Option<i64>,
    scope: Option<Scope>,
}

/// Of Coze's scope (contract §5.2) only the list of bots narrows anything here: what a key may do is said
/// when it is registered.
#[derive(Deserialize)]
struct Scope {
    attribute_constraint: Option<Constraint>,
}

#[derive(Deserialize)]
struct Constraint {
    connector_bot_chat_attribute: Option<Bots>,
}

#[derive(Deserialize)]
struct Bots {
    bot_id_list: Option<Vec<String>>,
}

impl Grant {
    /// Reads a body. Other flows are told apart, so that whoever uses one learns what to use here.
    pub fn read(body: &[u8]) -> Result<Self, Denied> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|_| Denied::request("the body is not valid JSON"))?;
        let unsupported =
            |message: &'static str| Err(Denied::new(Kind::UnsupportedGrantType, message));
        match body.grant_type.as_deref() {
            Some(JWT_GRANT) => {}
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                return unsupported(
                    "the device flow is not served here: use an OAuth JWT app or a key",
                );
            }
            Some("authorization_code") => {
                return unsupported(
                    "the web and PKCE flows are not served here: use an OAuth JWT app or a key",
                );
            }
            Some("refresh_token") => {
                return unsupported("tokens are not refreshed here: sign a new JWT for another");
            }
            Some(_) => return unsupported("grant_type is not known"),
            None => return Err(Denied::request("grant_type is missing")),
        }
        let seconds = match body.duration_seconds {
            None => TOKEN_SECONDS_DEFAULT,
            Some(seconds) => u64::try_from(seconds)
                .ok()
                .filter(|seconds| (1..=TOKEN_SECONDS_MAX).contains(seconds))
                .ok_or_else(|| Denied::request("duration_seconds has to be from 1 to 86399"))?,
        };
        let constraint = body.scope.and_then(|scope| scope.attribute_constraint);
        let bots = constraint.and_then(|constraint| constraint.connector_bot_chat_attribute);
        let subjects = bots.and_then(|bots| bots.bot_id_list);
        if let Some(list) = &subjects {
            if list.len() > SUBJECTS_MAX {
                return Err(Denied::request("bot_id_list names more than 50 bots"));
            }
            if list.iter().any(|id| id.parse::<UpstreamId>().is_err()) {
                return Err(Denied::request("bot_id_list holds what is no id"));
            }
        }
        Ok(Self { seconds, subjects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(rest: &str) -> String {
        format!(r#"{{"grant_type":"{JWT_GRANT}"{rest}}}"#)
    }

    #[track_caller]
    fn refused(body: &str, kind: Kind, because: &str) {
        let denied = Grant::read(body.as_bytes()).unwrap_err();
        assert_eq!(denied.kind, kind, "{body}");
        assert!(denied.message.contains(because), "{}", denied.message);
    }

    #[test]
    fn other_flows_and_nonsense_are_refused_by_what_they_are() {
        refused("", Kind::InvalidRequest, "JSON");
        refused("{}", Kind::InvalidRequest, "grant_type");
        refused(r#"{"grant_type":7}"#, Kind::InvalidRequest, "JSON");
        let flow = |name: &str| format!(r#"{{"grant_type":"{name}","client_id":"1","code":"2"}}"#);
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        refused(&flow(device), Kind::UnsupportedGrantType, "device");
        refused(&flow("authorization_code"), Kind::UnsupportedGrantType, "PKCE");
        refused(&flow("refresh_token"), Kind::UnsupportedGrantType, "refreshed");
        refused(&flow("password"), Kind::UnsupportedGrantType, "known");
        let too_long = (TOKEN_SECONDS_MAX + 1).to_string();
        for seconds in ["0", "-1", &too_long, "9223372036854775807"] {
            refused(
                &body(&format!(r#","duration_seconds":{seconds}"#)),
                Kind::InvalidRequest,
                "86399",
            );
        }
        let bots = |list: &str| {
            body(&format!(
                r#","scope":{{"attribute_constraint":{{"connector_bot_chat_attribute":{{"bot_id_list":{list}}}}}}}"#
            ))
        };
        let many = |count: usize| bots(&serde_json::to_string(&vec!["1"; count]).unwrap());
        refused(&many(SUBJECTS_MAX + 1), Kind::InvalidRequest, "50");
        assert!(Grant::read(many(SUBJECTS_MAX).as_bytes()).is_ok());
        refused(&bots(r#"["a b"]"#), Kind::InvalidRequest, "no id");
        let read = Grant::read(bots(r#"["7490"]"#).as_bytes()).unwrap();
        assert_eq!(read.subjects, Some(vec!["7490".to_owned()]));
    }

    #[test]
    fn what_libraries_send_is_read() {
        let read = |rest: &str| Grant::read(body(rest).as_bytes()).unwrap();
        assert_eq!(read(""), Grant { seconds: 900, subjects: None });
        // cozepy writes a scope of null.
        assert_eq!(read(r#","duration_seconds":7200,"scope":null"#).seconds, 7_200);
        assert_eq!(read(r#","duration_seconds":86399"#).seconds, TOKEN_SECONDS_MAX);
        let permissions =
            r#","scope":{"account_permission":{"permission_list":["Connector.botChat"]}}"#;
        assert_eq!(read(permissions).subjects, None);
    }
}

//! What a request for a token is told when it gets none, in Coze's form (contract §4.1).

use std::borrow::Cow;

use serde::Serialize;

/// The protocol's words for what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request does not make sense.
    InvalidRequest,
    /// The statement or its signature is not believed.
    InvalidClient,
    /// Another flow than the one that is served.
    UnsupportedGrantType,
    /// The key may not have what is wished for.
    AccessDenied,
    /// Not now.
    InternalError,
}

impl Kind {
    const fn facts(self) -> (&'static str, u16) {
        match self {
            Self::InvalidRequest => ("invalid_request", 400),
            Self::InvalidClient => ("invalid_client", 401),
            Self::UnsupportedGrantType => ("unsupported_grant_type", 400),
            Self::AccessDenied => ("access_denied", 403),
            Self::InternalError => ("internal_error", 503),
        }
    }

    /// The stable code.
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.facts().1
    }
}

/// Why there is no token, in a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The word.
    pub kind: Kind,
    /// The sentence. It names what was wrong and repeats nothing that was sent.
    pub message: Cow<'static, str>,
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: &'a str,
    error_message: &'a str,
}

impl Denied {
    /// No token, because of this.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The statement is not believed.
    pub const fn client(message: &'static str) -> Self {
        Self { kind: Kind::InvalidClient, message: Cow::Borrowed(message) }
    }

    /// The request does not make sense.
    pub const fn request(message: &'static str) -> Self {
        Self { kind: Kind::InvalidRequest, message: Cow::Borrowed(message) }
    }

    /// The JSON body.
    pub fn body(&self) -> String {
        let body = Body { error_code: self.kind.code(), error_message: &self.message };
        // Two strings always serialise.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_cozes() {
        assert_eq!(
            Denied::client("no").body(),
            r#"{"error_code":"invalid_client","error_message":"no"}"#
        );
    }
}

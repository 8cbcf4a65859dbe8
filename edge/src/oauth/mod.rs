//! `/api/permission/oauth2/…`: tokens for callers who sign their own requests for them, as with Coze.
//!
//! Path: key → **oauth** → call. Served is the JWT flow: a statement signed by a registered key is given
//! for a short-lived key of Weir's, which then goes the way of any other key. The other flows need a
//! person to log in at Coze, whom Weir does not know, and are refused with a word of what to use.

mod directory;
mod issue;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use meter::key;
use meter::oauth::{Assertion, Denied, Grant, Kind, RegisteredKey, Scheme, redeemed};
use meter::refusal::Reason;
use meter::wire::command::{CommandDoc, ReplyDoc};
use worker::web_sys::{Headers, Request, Response};
use worker::{Env, Error};

use crate::body::{self, Body};
use crate::config::Config;
use crate::credential::rsa;
use crate::journal::Handle;
use crate::reply::{self, Failure};
use crate::{log, platform};

pub(crate) use issue::EdgeKey;

/// What all paths of OAuth begin with.
const PREFIX: &str = "/api/permission/oauth2/";
/// The one that is served.
const TOKEN_PATH: &str = "/api/permission/oauth2/token";
/// Largest body that is read.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Whether a path is one of OAuth.
pub(crate) fn is_oauth(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request for a token.
pub(crate) async fn answer(request: &Request, env: &Env, path: &str) -> Result<Response, Failure> {
    match token(request, env, path).await {
        Ok(granted) => Ok(reply::json(200, &granted)?),
        Err(denied) => {
            let headers = Headers::new()?;
            headers.set("content-type", "application/json")?;
            headers.set("cache-control", "no-store")?;
            let body = denied.body();
            Ok(reply::respond(denied.kind.status(), &headers, reply::Body::Text(&body))?)
        }
    }
}

async fn token(request: &Request, env: &Env, path: &str) -> Result<issue::Granted, Denied> {
    // (1) which flow
    check_path(&request.method(), path)?;
    let grant = Grant::read(&read_body(request).await?)?;
    // (2) what is stated, and whether it could be believed
    let header = request.headers().get("authorization");
    let header = header.map_err(|error| broken(Error::from(error)))?;
    let statement = key::from_header(header.as_deref())
        .map_err(|_| Denied::client("the Authorization header holds no JWT"))?;
    let statement = Statement::read(statement)?;
    let config = Config::of(env).map_err(broken)?;
    let now = platform::now();
    statement.assertion.check(&host(request), now)?;
    // (3) whose key it is, and whether the key signed it
    let (app, kid) = (&statement.assertion.app, &statement.scheme.kid);
    let registered = directory::find(env, app, kid, now).await?;
    verify(&registered, &statement).await?;
    // (4) once
    redeem(env, &registered, &statement.assertion).await?;
    // (5) the key
    issue::issue(&config, &registered, &statement.assertion, grant, now)
}

fn check_path(method: &str, path: &str) -> Result<(), Denied> {
    if path == TOKEN_PATH {
        return if method == "POST" { Ok(()) } else { Err(Denied::request("only POST is served")) };
    }
    let message = if path.ends_with("/token") {
        "tokens for one account or enterprise of Coze's are not given out here: ask at \
         /api/permission/oauth2/token"
    } else if path.ends_with("/device/code") {
        "the device flow is not served here: use an OAuth JWT app or a key"
    } else if path.ends_with("/authorize") {
        "the web and PKCE flows are not served here: use an OAuth JWT app or a key"
    } else {
        "this path is not served here"
    };
    Err(Denied::new(Kind::UnsupportedGrantType, message))
}

async fn read_body(request: &Request) -> Result<Vec<u8>, Denied> {
    match body::read(request.body(), BODY_BYTES_MAX).await.map_err(broken)? {
        Body::Whole(bytes) => Ok(bytes.to_vec()),
        Body::TooLarge => {
            body::drain(request.body(), BODY_BYTES_MAX).await.map_err(broken)?;
            Err(Denied::request("the body is larger than 16 kB"))
        }
    }
}

/// The host that was called, with its port unless that is the scheme's own.
fn host(request: &Request) -> String {
    let url = request.url();
    let after_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    after_scheme.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

/// A signed statement, taken apart.
struct Statement<'a> {
    scheme: Scheme,
    assertion: Assertion,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Statement<'a> {
    fn read(compact: &'a str) -> Result<Self, Denied> {
        let malformed = || Denied::client("the Authorization header holds no JWT");
        let (signed, signature) = compact.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        Ok(Self {
            scheme: Scheme::read(&decode(header)?)?,
            assertion: Assertion::read(&decode(claims)?)?,
            signed,
            signature: decode(signature)?,
        })
    }
}

async fn verify(registered: &RegisteredKey, statement: &Statement<'_>) -> Result<(), Denied> {
    let key = STANDARD.decode(&registered.public_key).map_err(broken)?;
    let message = statement.signed.as_bytes();
    let is_signed = rsa::verifies(&key, message, &statement.signature).await;
    if is_signed.map_err(|_| broken("a registered key cannot be used"))? {
        Ok(())
    } else {
        Err(Denied::client("the JWT's signature does not match the registered key"))
    }
}

/// Has the account's journal note that the statement is redeemed. It also knows whether the key was
/// revoked and whether the account may call.
async fn redeem(env: &Env, key: &RegisteredKey, assertion: &Assertion) -> Result<(), Denied> {
    let journal = Handle::of(env, &key.journal).map_err(broken)?;
    let command = CommandDoc::Redeem {
        account: key.account.to_string(),
        key: key.key.to_string(),
        statement: redeemed(&key.key, assertion).to_string(),
        until_ms: assertion.forgotten_at().get(),
    };
    match journal.command(&command).await {
        Ok(ReplyDoc::Ok { .. }) => Ok(()),
        Ok(ReplyDoc::Redeemed) => Err(Denied::request("this JWT was redeemed before")),
        Ok(ReplyDoc::Refused(refusal)) => Err(match Reason::from_code(&refusal.reason) {
            Some(Reason::KeyRevoked) => Denied::client("the registered key was revoked"),
            Some(Reason::AccountSuspended) => {
                Denied::new(Kind::AccessDenied, "the account is suspended")
            }
            Some(Reason::AccountUnknown) => Denied::client("the account is not known here"),
            _ => Denied::new(Kind::InternalError, "no token can be given out now, try again"),
        }),
        Ok(_) => Err(broken("the journal answered something else")),
        Err(_) => Err(Denied::new(Kind::InternalError, "metering is not available, try again")),
    }
}

/// Something failed that is not the caller's doing. The log knows what.
fn broken(problem: impl std::fmt::Display) -> Denied {
    log::error("token_failed", None, &problem.to_string());
    Denied::new(Kind::InternalError, "an internal error occurred")
}

//! Asking upstream for a token: a signed request, given for a token of about an hour.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meter::credential::{App, Token, audience};
use meter::wire::credential::{AssertionClaims, AssertionHeader, GrantDoc, read_granted};
use serde::Serialize;
use wasm_bindgen::JsValue;
use worker::web_sys::{Headers, RequestInit, RequestRedirect};

use super::{pem, rsa};
use crate::body::{self, Body};
use crate::platform;

const PATH: &str = "/api/permission/oauth2/token";
/// Largest answer that is read. A token comes in about 150 bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Mints a token for a session, or says for the log why there is none.
pub(super) async fn mint(app: App, upstream: String, session: String) -> Result<Token, String> {
    let pkcs8 = pem::to_pkcs8(app.private_key.reveal())?;
    let (now, id) = (platform::now(), platform::new_name());
    let claims = AssertionClaims::new(&app, audience(&upstream), &session, &id, now);
    let signed = [part(&AssertionHeader::new(&app.kid))?, part(&claims)?].join(".");
    let signature = rsa::signature(&pkcs8, signed.as_bytes()).await;
    let signature = signature.map_err(|_| "the private key cannot sign".to_owned())?;
    let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let answer = ask(&[&upstream, PATH].concat(), &assertion).await;
    let (status, body) = answer.map_err(|_| "upstream could not be reached".to_owned())?;
    read_granted(status, &body, platform::now())
}

fn part(json: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_vec(json).map_err(|error| error.to_string())?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

async fn ask(url: &str, assertion: &str) -> Result<(u16, Vec<u8>), JsValue> {
    let headers = Headers::new()?;
    headers.set("authorization", &format!("Bearer {assertion}"))?;
    headers.set("content-type", "application/json")?;
    headers.set("accept-encoding", "identity")?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    let body = serde_json::to_string(&GrantDoc::default()).unwrap_or_default();
    init.set_body(&body.into());
    let reply = platform::fetch(url, &init).await?;
    match body::read(reply.body(), ANSWER_BYTES_MAX).await? {
        Body::Whole(bytes) => Ok((reply.status(), bytes.to_vec())),
        Body::TooLarge => Err("an answer that is too large".into()),
    }
}

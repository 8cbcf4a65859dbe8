//! The OAuth token endpoint: a signed JWT goes in, a short-lived token comes out.
//!
//! Checked as strictly as the upstream does: RS256 by the app's registered key, `aud` the upstream's
//! own host even when a proxy stands in front, each JWT once. `expires_in` of the answer is a point
//! in time, not a duration. Of the other grants only the device flow answers, and always with
//! "pending": nobody is there to approve.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jwt_compact::alg::Rsa;
use jwt_compact::{AlgorithmExt, Claims, UntrustedToken};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::coze::envelope::json;
use crate::visit::{bearer, hexadecimal};
use crate::wire::node::object;
use crate::world::chats::Session;
use crate::world::tokens::{Gate, Holder, TOKEN_PREFIX};
use crate::world::{Upstream, World};

/// The only audience that is accepted: the upstream's own host, without a scheme.
const AUDIENCE: &str = "api.coze.cn";

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long a token lasts unless asked otherwise, and at most.
const DURATION_SECONDS_DEFAULT: i64 = 900;
const DURATION_SECONDS_MAX: i64 = 86_399;

/// How far the clocks of two machines may be apart.
const LEEWAY_SECONDS: i64 = 60;

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/api/permission/oauth2/token", post(token))
        .route("/api/permission/oauth2/account/{account_id}/token", post(token))
        .route("/api/permission/oauth2/enterprise_id/{enterprise_id}/token", post(token))
        .route("/api/permission/oauth2/device/code", post(device_code))
        .route("/api/permission/oauth2/workspace_id/{workspace_id}/device/code", post(device_code))
}

/// An OAuth error: a code of that protocol, and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Denied {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

const fn invalid_client(message: &'static str) -> Denied {
    Denied { status: StatusCode::UNAUTHORIZED, code: "invalid_client", message }
}

const fn invalid_request(message: &'static str) -> Denied {
    Denied { status: StatusCode::BAD_REQUEST, code: "invalid_request", message }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = object! { "error_code": self.code, "error_message": self.message };
        (self.status, json(body.to_string())).into_response()
    }
}

#[derive(Debug, Deserialize)]
struct TokenBody {
    grant_type: Option<String>,
    duration_seconds: Option<i64>,
}

async fn token(
    State(upstream): State<Upstream>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Denied> {
    let body: TokenBody =
        serde_json::from_slice(&body).map_err(|_| invalid_request("the body is not JSON"))?;
    match body.grant_type.as_deref() {
        Some(JWT_GRANT) => {}
        Some(DEVICE_GRANT) => {
            return Err(Denied {
                status: StatusCode::BAD_REQUEST,
                code: "authorization_pending",
                message: "nobody has approved yet",
            });
        }
        _ => {
            return Err(Denied {
                status: StatusCode::BAD_REQUEST,
                code: "unsupported_grant_type",
                message: "this grant is not supported",
            });
        }
    }
    let duration = body.duration_seconds.unwrap_or(DURATION_SECONDS_DEFAULT);
    if !(1..=DURATION_SECONDS_MAX).contains(&duration) {
        return Err(invalid_request("duration_seconds is out of range"));
    }
    let jwt = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer)
        .ok_or(invalid_client("no JWT"))?;
    // The request is checked, and its app let it through, before the token's time begins.
    let gate = upstream.read(|world| {
        let claims: AppClaims = verify(world, jwt, upstream.now_seconds())?;
        let app = world.tokens.app(claims.iss.as_deref().unwrap_or_default());
        Ok(app.map(|app| app.gate.subscribe()))
    })?;
    if let Some(mut gate) = gate {
        // An app that is registered anew meanwhile lets the request go.
        let _ = gate.wait_for(|gate| *gate == Gate::Open).await;
    }
    let now = upstream.now_seconds();
    let granted = upstream.change(|world| redeem(world, jwt, duration, now))?;
    let Granted { access_token, expires_at, answer_bytes_min } = granted;
    let body = object! {
        "access_token": access_token, "expires_in": expires_at, "token_type": "Bearer",
    };
    let body = body.to_string();
    Ok(json(format!("{body:<answer_bytes_min$}")))
}

/// A token that was made.
struct Granted {
    access_token: String,
    expires_at: i64,
    answer_bytes_min: usize,
}

/// The claims beside the registered times.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
struct AppClaims {
    iss: Option<String>,
    aud: Option<String>,
    jti: Option<String>,
    session_name: Option<String>,
    session_context: Option<SessionContext>,
}

#[derive(Clone, Debug, Deserialize, serde::Serialize)]
struct SessionContext {
    device_info: Option<DeviceInfo>,
}

#[derive(Clone, Debug, Deserialize, serde::Serialize)]
struct DeviceInfo {
    custom_consumer: Option<String>,
}

fn redeem(world: &mut World, jwt: &str, duration: i64, now: i64) -> Result<Granted, Denied> {
    let claims = verify(world, jwt, now)?;
    let app_id = claims.iss.unwrap_or_default();
    let jwt_id = claims.jti.filter(|id| !id.is_empty()).ok_or(invalid_client("no jti"))?;
    if !world.tokens.redeem(&app_id, &jwt_id) {
        return Err(invalid_request("this JWT was redeemed before"));
    }
    let id = world.ids.draw();
    let access_token = format!("{TOKEN_PREFIX}{}", hexadecimal(&Sha256::digest(&id)));
    let app = world.tokens.app(&app_id);
    let answer_bytes_min = app.map_or(0, |app| app.answer_bytes_min);
    let longest = app.and_then(|app| app.token_seconds_max);
    let expires_at = now.saturating_add(longest.map_or(duration, |longest| duration.min(longest)));
    let holder = Holder {
        session: Session(claims.session_name),
        account_hint: claims
            .session_context
            .and_then(|context| context.device_info)
            .and_then(|info| info.custom_consumer),
    };
    world.tokens.grant(access_token.clone(), holder, expires_at);
    Ok(Granted { access_token, expires_at, answer_bytes_min })
}

fn verify(world: &World, jwt: &str, now: i64) -> Result<AppClaims, Denied> {
    let token = UntrustedToken::new(jwt).map_err(|_| invalid_client("not a JWT"))?;
    // Which app it is must be known before its key can be; nothing else is believed yet.
    let claimed: Claims<AppClaims> = token
        .deserialize_claims_unchecked()
        .map_err(|_| invalid_client("the claims cannot be read"))?;
    let app = world
        .tokens
        .app(claimed.custom.iss.as_deref().unwrap_or_default())
        .ok_or(invalid_client("unknown app"))?;
    if token.header().key_id.as_deref() != Some(app.key_id.as_str()) {
        return Err(invalid_client("unknown kid"));
    }
    let claims: Claims<AppClaims> = Rsa::rs256()
        .validator(&app.key)
        .validate(&token)
        .map_err(|_| invalid_client("the signature does not match"))?
        .into_parts()
        .1;
    if claims.custom.aud.as_deref() != Some(AUDIENCE) {
        return Err(invalid_client("aud must be api.coze.cn"));
    }
    let issued_at = claims.issued_at.map(|time| time.timestamp());
    let expires_at = claims.expiration.map(|time| time.timestamp());
    match (issued_at, expires_at) {
        (Some(issued_at), Some(expires_at))
            if issued_at <= now.saturating_add(LEEWAY_SECONDS)
                && expires_at > now
                && expires_at > issued_at =>
        {
            Ok(claims.custom)
        }
        _ => Err(invalid_client("the JWT is not valid now")),
    }
}

async fn device_code(State(upstream): State<Upstream>) -> Response {
    let code = upstream.change(|world| world.ids.draw());
    let body = object! {
        "device_code": code, "user_code": "STANDIN", "interval": 5_i64, "expires_in": 300_i64,
        "verification_uri": "https://www.coze.cn/opentoken/device",
    };
    json(body.to_string())
}

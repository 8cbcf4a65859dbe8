//! Signing in and out, and who is signed in.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::{Actor, Via};
use crate::clock;
use crate::error::Error;
use crate::person::password;
use crate::person::role::Role;
use crate::person::session::{self, Begun, SESSION_MS, Whose};

use super::Site;
use super::authenticate::{COOKIE_NAME, Viewer};
use super::body::Body;
use super::document::{ActErrors, ReadErrors};
use super::origin::check_not_elsewhere;

/// Passwords that are looked at at once: each takes 19 MiB and a core for a moment.
pub(super) const LOGINS_AT_ONCE_MAX: usize = 2;
/// Longest wait for a turn.
const TURN_MS_MAX: u64 = 3_000;
/// Longest name and password that are looked at, in bytes.
const LOGIN_BYTES_MAX: usize = 256;
/// Milliseconds in a second.
const SECOND_MS: u64 = 1_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(logout)).routes(routes!(current))
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The name, as `weir admin add` was told it.
    #[schema(min_length = 1, max_length = 256, pattern = "^[!-~]*$")]
    user: String,
    /// The password.
    #[schema(min_length = 1, max_length = 256, pattern = "^[!-~]*$")]
    password: String,
}

/// A session that was begun.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// To be sent as `Authorization: Bearer`; browsers get the same as a cookie.
    pub(super) token: String,
    /// Who is signed in.
    name: String,
    /// What they may do.
    role: Role,
    /// When the session ends.
    expires_at: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Current {
    /// Somebody who is signed in.
    Person {
        /// Their name.
        name: String,
        /// What they may do.
        role: Role,
        /// When the session ends; null where each request brings the password.
        expires_at: Option<String>,
    },
    /// A caller with a key.
    Caller {
        /// Whose account it sees.
        account: String,
    },
}

/// Sign in
///
/// Begins a session of eight hours. The token works as `Authorization: Bearer`; browsers get it as a
/// cookie too, which scripts cannot read and other sites cannot use.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "session", request_body = Login, security(()),
    responses((status = 200, description = "Signed in.", body = LoggedIn), ActErrors)
)]
async fn login(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, Error> {
    check_not_elsewhere(&headers)?;
    let logged_in = begin(&site, login.user, login.password).await?;
    let cookie = cookie(&logged_in.token, session_s(), &headers)?;
    let headers = [(SET_COOKIE, cookie), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((AppendHeaders(headers), Json(logged_in)).into_response())
}

/// How long a session lasts, in seconds.
pub(super) const fn session_s() -> u64 {
    SESSION_MS / SECOND_MS
}

/// Begins a session for whoever has this name and password.
pub(super) async fn begin(site: &Site, user: String, secret: String) -> Result<LoggedIn, Error> {
    for (field, text) in [("user", &user), ("password", &secret)] {
        if text.is_empty() || text.len() > LOGIN_BYTES_MAX || text.contains('\0') {
            let problem = format!("must have 1 to {LOGIN_BYTES_MAX} bytes");
            return Err(Error::invalid(field, problem));
        }
    }
    let now = clock::now();
    site.attempts.begin(&user, now)?;
    let bootstrap =
        site.admin.as_ref().filter(|admin| admin.is(format!("{user}:{secret}").as_bytes()));
    let (whose, role) = match bootstrap {
        Some(admin) => (Whose::Bootstrap(admin.mark()), Role::Admin),
        None => (Whose::Person(&user), check(site, &user, secret).await?),
    };
    site.attempts.clear(&user);
    let actor = Actor::new(&user, Via::Http);
    let Begun { token, expires_at } = session::begin(&site.pool, whose, &actor, now).await?;
    Ok(LoggedIn { token, name: user, role, expires_at: clock::text(expires_at) })
}

/// The role of the person with this name and password.
async fn check(site: &Site, user: &str, secret: String) -> Result<Role, Error> {
    let turn = Duration::from_millis(TURN_MS_MAX);
    let turn = tokio::time::timeout(turn, site.logins.acquire()).await;
    // The semaphore is never closed, so what fails is the wait.
    let Ok(Ok(_turn)) = turn else { return Err(Error::TooManyAttempts { retry_after_s: 1 }) };
    let row = sqlx::query!("SELECT role, password_hash FROM person WHERE person_id = $1", user)
        .fetch_optional(&site.pool)
        .await?;
    let (role, hash) = row.map_or((None, None), |row| (Some(row.role), Some(row.password_hash)));
    let checking = tokio::task::spawn_blocking(move || password::is(&secret, hash.as_deref()));
    let right = checking.await.map_err(|error| Error::Random(error.to_string()))??;
    let Some(role) = role.filter(|_| right) else {
        warn!("somebody could not sign in");
        return Err(Error::LoginWrong);
    };
    Role::from_name(&role).ok_or_else(|| Error::impossible("person", format!("role {role}")))
}

/// The cookie of a session. Where the browser came by https it says so, and gets one that is never
/// sent without.
pub(super) fn cookie(
    token: &str,
    max_age_s: u64,
    headers: &HeaderMap,
) -> Result<HeaderValue, Error> {
    let by_https = |name: &str, start: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(start))
    };
    let https = by_https(ORIGIN.as_str(), "https://") || by_https("x-forwarded-proto", "https");
    let secure = if https { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE_NAME}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::try_from(text).map_err(|error| Error::Unprintable(error.to_string()))
}

/// Sign out
///
/// Ends the session that the request is made with. Without a session there is nothing to end.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "session",
    responses((status = 204, description = "Signed out."), ReadErrors)
)]
async fn logout(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if let Viewer::Person(person) = viewer
        && let Some((hash, _)) = person.session
    {
        session::end(&site.pool, hash, &person.actor()).await?;
    }
    let forget = AppendHeaders([(SET_COOKIE, cookie("", 0, &headers)?)]);
    Ok((StatusCode::NO_CONTENT, forget).into_response())
}

/// Who asks
#[utoipa::path(
    get, path = "/api/auth/session", tag = "session",
    responses((status = 200, description = "Whoever made the request.", body = Current), ReadErrors)
)]
async fn current(viewer: Viewer) -> Json<Current> {
    Json(match viewer {
        Viewer::Person(person) => Current::Person {
            expires_at: person.session.map(|(_, expires_at)| clock::text(expires_at)),
            role: person.role,
            name: person.name,
        },
        Viewer::Account(account) => Current::Caller { account },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::health::Process;

    /// A site whose database is away: nobody gets as far as that here.
    fn site() -> Site {
        let signer = Arc::new(crate::signing::Signer::generate().unwrap());
        let edge = crate::pull::edge::Edge::new("http://127.0.0.1:9", signer.clone()).unwrap();
        let process = Process { began: std::time::Instant::now(), interval_ms: 10_000 };
        let pool = crate::database::pool("postgres://127.0.0.1:9/none").unwrap();
        Site::new(pool, signer, None, process, edge.into())
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_passwords_are_looked_at_at_once_and_the_next_one_waits_up_to_a_bound() {
        let site = site();
        assert_eq!(site.logins.available_permits(), LOGINS_AT_ONCE_MAX);
        let turns = u32::try_from(LOGINS_AT_ONCE_MAX).unwrap();
        let turns = site.logins.acquire_many(turns).await.unwrap();
        let began = tokio::time::Instant::now();
        let refused = begin(&site, "li".to_owned(), "a password".to_owned()).await;
        assert!(matches!(refused.err(), Some(Error::TooManyAttempts { .. })));
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!((TURN_MS_MAX..=TURN_MS_MAX + 1).contains(&waited), "{waited}");
        drop(turns);
        let away = begin(&site, "li".to_owned(), "a password".to_owned()).await.err();
        assert!(matches!(away, Some(Error::Database(_))), "its turn has come: {away:?}");
    }

    #[tokio::test]
    async fn a_name_and_a_password_are_looked_at_up_to_their_bound() {
        let site = site();
        let login = async |user: usize, password: usize| {
            begin(&site, "u".repeat(user), "p".repeat(password)).await.err()
        };
        let longest = LOGIN_BYTES_MAX;
        assert!(matches!(login(longest, longest).await, Some(Error::Database(_))));
        for (user, password) in [(longest + 1, 1), (1, longest + 1)] {
            assert!(matches!(login(user, password).await, Some(Error::Invalid { .. })));
        }
    }
}

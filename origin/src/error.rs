//! What can go wrong at the origin, and how it is told.
//!
//! One enum for the shell. Over HTTP each value becomes one answer with the combined body of the
//! refusals at the edge, so that a client needs one way of reading errors; on the command line it
//! becomes one line. What is not the caller's doing tells the caller nothing and is logged here, once.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use meter::money::OutOfRange;
use meter::refusal::Refusal;
use meter::wire::WireError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::clock::TimeOutOfRange;
use crate::draw;
use crate::https::Failure;

/// Something went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request's key says no.
    #[error("{}", .0.reason.code())]
    Refused(Refusal),
    /// A name and a password that do not belong together.
    #[error("the name or the password is wrong")]
    LoginWrong,
    /// A session that has ended, or never was.
    #[error("the session has ended: sign in again")]
    SessionEnded,
    /// Too many attempts to sign in.
    #[error("too many attempts to sign in: try again in {retry_after_s} s")]
    TooManyAttempts {
        /// Whole seconds to wait.
        retry_after_s: u64,
    },
    /// Whoever asks may not do this.
    #[error("this needs the role {0}")]
    Role(&'static str),
    /// A browser carried a session here from another site's page.
    #[error("the request does not come from a page of this site")]
    CrossSite,
    /// A body that is not the document it should be.
    #[error("{}{problem}", .field.as_ref().map_or_else(String::new, |field| format!("`{field}`: ")))]
    Body {
        /// Which field of it, where that can be told.
        field: Option<String>,
        /// What is wrong with it.
        problem: String,
    },
    /// A body larger than any that makes sense here.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// A body that says it is not JSON.
    #[error("the body must be sent as application/json")]
    BodyKind,
    /// A body that says it is no price list.
    #[error("the body must be sent as text/csv or application/json")]
    ListKind,
    /// A path that is served, with another method.
    #[error("this path is not served with this method")]
    NoMethod,
    /// A parameter, argument or setting is not what it should be.
    #[error("`{field}` {problem}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A price list that is not what it should be.
    #[error(transparent)]
    PriceList(meter::price_list::Refused),
    /// What was asked for is not there.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its id or name, as it was asked for.
        name: String,
    },
    /// A call that stands in no journal's entries here, and is not open either.
    #[error(
        "there is no call {0:?} here: one that just ended may not be pulled yet, and calls that were \
         refused are explained by the edge"
    )]
    CallUnknown(String),
    /// It is there already, and it is something else.
    #[error("`{field}` {problem}")]
    Conflict {
        /// What is taken.
        field: &'static str,
        /// By what.
        problem: String,
    },
    /// The edge could not be asked.
    #[error(transparent)]
    NoAnswer(#[from] Failure),
    /// The edge would not say.
    #[error("the edge answered {0}")]
    Edge(u16),
    /// The edge's answer to a pull was not one.
    #[error("{0}")]
    Pull(String),
    /// No such path, or not with this method.
    #[error("nothing is served here")]
    NoRoute,
    /// An amount that does not fit.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A time that does not fit.
    #[error(transparent)]
    Time(#[from] TimeOutOfRange),
    /// A number that does not fit into a column.
    #[error("a number out of range: {0}")]
    Number(#[from] std::num::TryFromIntError),
    /// Postgres could not be asked, or refused.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migrating the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row says what cannot be.
    #[error("a row of {table} says what cannot be: {problem}")]
    Impossible {
        /// The table.
        table: &'static str,
        /// What is wrong, and in which row.
        problem: String,
    },
    /// The operating system did not let us listen, for requests or for signals.
    #[error("cannot listen {on}: {error}")]
    Listen {
        /// For what.
        on: String,
        /// What it said.
        error: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
    /// An answer could not be written as JSON.
    #[error("writing JSON: {0}")]
    Unprintable(String),
    /// A token could not be made.
    #[error("signing: {0}")]
    Signing(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    /// A parameter, argument or setting is not what it should be.
    pub fn invalid(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Invalid { field, problem: problem.to_string() }
    }

    /// A row that was written by this program does not read back.
    pub fn impossible(table: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Impossible { table, problem: problem.to_string() }
    }

    /// A document in a row that does not read back.
    pub fn unreadable(table: &'static str) -> impl FnOnce(WireError) -> Self {
        move |error| Self::impossible(table, error)
    }

    /// Whether the database is away, so that trying again later makes sense.
    pub fn is_database_away(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // Classes 08 and 57P: the connection failed, or the server is starting or stopping.
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
            }
            _ => false,
        }
    }

    /// The name of the constraint that refused a write.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// HTTP status, Coze code and stable code of the answer.
    fn answer(&self) -> (StatusCode, i64, &'static str) {
        match self {
            Self::Refused(refusal) => {
                let status = StatusCode::from_u16(refusal.reason.status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, 4100, refusal.reason.code())
            }
            Self::LoginWrong => (StatusCode::UNAUTHORIZED, 4100, "login_wrong"),
            Self::SessionEnded => (StatusCode::UNAUTHORIZED, 4100, "session_ended"),
            Self::TooManyAttempts { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, 4013, "too_many_attempts")
            }
            Self::Role(_) => (StatusCode::FORBIDDEN, 4101, "role_missing"),
            Self::CrossSite => (StatusCode::FORBIDDEN, 4101, "cross_site"),
            Self::Body { .. } => (StatusCode::BAD_REQUEST, 4000, "body_invalid"),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, 4000, "body_too_large"),
            Self::BodyKind | Self::ListKind => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, 4000, "body_kind")
            }
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, 4000, "parameter_invalid"),
            Self::PriceList(_) => (StatusCode::BAD_REQUEST, 4000, "price_list_invalid"),
            Self::NotFound { .. } | Self::CallUnknown(_) => {
                (StatusCode::NOT_FOUND, 4200, "not_found")
            }
            Self::NoRoute => (StatusCode::NOT_FOUND, 4200, "route_unknown"),
            Self::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, 4200, "method_unknown"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, 4000, "conflict"),
            Self::NoAnswer(_) | Self::Edge(_) | Self::Pull(_) => {
                (StatusCode::BAD_GATEWAY, 5000, "edge_unavailable")
            }
            error if error.is_database_away() => {
                (StatusCode::SERVICE_UNAVAILABLE, 5000, "database_unavailable")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, 5000, "internal"),
        }
    }

    /// What whoever asked is told: the status, the stable code, and a sentence, which for what is not
    /// their doing says nothing.
    pub fn told(&self) -> (StatusCode, &'static str, String) {
        let (status, _, code) = self.answer();
        let message = match (self, status) {
            (Self::Refused(refusal), _) => match &refusal.detail {
                Some(detail) => format!("{}: {detail}", refusal.reason.code()),
                None => refusal.reason.code().to_owned(),
            },
            (_, StatusCode::SERVICE_UNAVAILABLE) => {
                "the database is not available, try again".to_owned()
            }
            (_, StatusCode::INTERNAL_SERVER_ERROR) => "an internal error occurred".to_owned(),
            _ => self.to_string(),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            error!(error = %self, "a request failed");
        }
        (status, code, message)
    }

    /// The field that was wrong, where it is one.
    fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } | Self::Conflict { field, .. } => Some(field),
            Self::Body { field, .. } => field.as_deref(),
            Self::PriceList(refused) => Some(refused.field()),
            _ => None,
        }
    }
}

/// What an error says, to both families of client libraries.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Where libraries for Coze look: a code that they map to the same kind of error.
    code: i64,
    /// What is wrong, in a sentence.
    msg: String,
    detail: ErrorDetail,
    error: ErrorTold,
}

/// What an operator is asked about it by.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// Names this answer in the log.
    logid: String,
}

/// Where libraries for `OpenAI` look.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorTold {
    /// The stable code, to decide by.
    code: String,
    /// The kind of error.
    r#type: String,
    /// The same sentence as `msg`.
    message: String,
    /// The parameter or the field of the body that was wrong, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

/// `OpenAI`'s type of an answer with this status.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        // Names this answer in the log; an answer without one is better than none.
        let logid = draw::id("r").unwrap_or_default();
        let (status, code, stable) = self.answer();
        let mut response = if let Self::Refused(refusal) = &self {
            let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (status, json, refusal.body(&logid)).into_response()
        } else {
            let msg = match status {
                StatusCode::SERVICE_UNAVAILABLE => {
                    "the database is not available, try again".into()
                }
                StatusCode::INTERNAL_SERVER_ERROR => "an internal error occurred".into(),
                _ => self.to_string(),
            };
            if status.is_server_error() {
                error!(log.id = logid, error = %self, "a request failed");
            }
            let error = ErrorTold {
                code: stable.to_owned(),
                r#type: kind(status).to_owned(),
                message: msg.clone(),
                param: self.field().map(str::to_owned),
            };
            let detail = ErrorDetail { logid };
            (status, Json(ErrorBody { code, msg, detail, error })).into_response()
        };
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let schemes = HeaderValue::from_static("Bearer, Basic realm=\"weir\"");
            headers.insert(WWW_AUTHENTICATE, schemes);
        }
        if let Self::TooManyAttempts { retry_after_s } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}

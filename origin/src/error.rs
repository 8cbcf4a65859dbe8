//! What can go wrong at the origin, and how it is told.
//!
//! One enum for the shell. Over HTTP each value becomes one answer with the combined body of the
//! refusals at the edge, so that a client needs one way of reading errors; on the command line it
//! becomes one line. What is not the caller's doing tells the caller nothing and is logged here, once.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use meter::money::OutOfRange;
use meter::refusal::Refusal;
use meter::wire::WireError;
use serde_json::json;
use tracing::error;

use crate::clock::TimeOutOfRange;
use crate::draw;
use crate::https::Failure;

/// Something went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request's key says no.
    #[error("{}", .0.reason.code())]
    Refused(Refusal),
    /// A parameter, argument or setting is not what it should be.
    #[error("`{field}` {problem}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
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

    /// HTTP status, Coze code, stable code and `OpenAI`'s type of the answer.
    fn answer(&self) -> (StatusCode, i64, &'static str, &'static str) {
        match self {
            Self::Refused(refusal) => {
                let status = StatusCode::from_u16(refusal.reason.status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, 4100, refusal.reason.code(), "authentication_error")
            }
            Self::Invalid { .. } => {
                (StatusCode::BAD_REQUEST, 4000, "parameter_invalid", "invalid_request_error")
            }
            Self::NotFound { .. } | Self::CallUnknown(_) => {
                (StatusCode::NOT_FOUND, 4200, "not_found", "not_found_error")
            }
            Self::NoRoute => (StatusCode::NOT_FOUND, 4200, "route_unknown", "not_found_error"),
            Self::Conflict { .. } => {
                (StatusCode::CONFLICT, 4000, "conflict", "invalid_request_error")
            }
            error if error.is_database_away() => {
                (StatusCode::SERVICE_UNAVAILABLE, 5000, "database_unavailable", "api_error")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, 5000, "internal", "api_error"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        // Names this answer in the log; an answer without one is better than none.
        let log_id = draw::id("r").unwrap_or_default();
        let (status, coze_code, code, kind) = self.answer();
        if let Self::Refused(refusal) = &self {
            let mut response = (status, refusal.body(&log_id)).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if status == StatusCode::UNAUTHORIZED {
                let schemes = HeaderValue::from_static("Bearer, Basic realm=\"weir\"");
                headers.insert(WWW_AUTHENTICATE, schemes);
            }
            return response;
        }
        let message = match status {
            StatusCode::SERVICE_UNAVAILABLE => "the database is not available, try again".into(),
            StatusCode::INTERNAL_SERVER_ERROR => "an internal error occurred".into(),
            _ => self.to_string(),
        };
        if status.is_server_error() {
            error!(log.id = log_id, error = %self, "a request failed");
        }
        let body = json!({
            "code": coze_code,
            "msg": message,
            "detail": { "logid": log_id },
            "error": { "code": code, "type": kind, "message": message },
        });
        (status, Json(body)).into_response()
    }
}

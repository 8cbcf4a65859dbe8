//! Errors in Dify's shape: `{code, message, status}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::behaviour::{Refusal, RefusalBody};
use crate::coze::envelope::json;
use crate::wire::node::{Node, object};

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// A body that is not Dify's own, as a gateway in front of it would write it.
    pub(crate) body: RefusalBody,
}

impl Fault {
    pub(crate) const NOT_FOUND: Self = Self::plain(404, "not_found", String::new());
    pub(crate) const UNAUTHORIZED: Self = Self::plain(401, "unauthorized", String::new());

    const fn plain(status: u16, code: &'static str, message: String) -> Self {
        Self { status, code, message, body: RefusalBody::Json }
    }

    /// A parameter is missing or wrong.
    pub(crate) fn parameter(what: &str) -> Self {
        Self::plain(400, "invalid_param", format!("{what} is required or invalid"))
    }

    /// Work that went wrong.
    pub(crate) fn of_work(message: &str) -> Self {
        Self::plain(400, "completion_request_error", message.to_owned())
    }

    /// The answer a behaviour ordered instead of work.
    pub(crate) fn ordered(refusal: &Refusal) -> Self {
        let code = match refusal.http_status {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            429 => "too_many_requests",
            500.. => "internal_server_error",
            _ => "provider_quota_exceeded",
        };
        let status = refusal.http_status.max(400);
        Self { status, code, message: refusal.msg.clone(), body: refusal.body }
    }

    /// The body.
    pub(crate) fn node(&self) -> Node {
        let status = i64::from(self.status);
        object! { "code": self.code, "message": &self.message, "status": status }
    }

    /// The HTTP status.
    pub(crate) fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.http_status();
        match self.body {
            RefusalBody::Json => (status, json(self.node().to_string())).into_response(),
            RefusalBody::Empty => status.into_response(),
            RefusalBody::Html => {
                (status, axum::response::Html(format!("<h1>{status}</h1>\n"))).into_response()
            }
        }
    }
}

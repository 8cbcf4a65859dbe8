//! Business errors and how they look on the wire.
//!
//! Most come with HTTP 200, since the upstream says success and failure by `code` alone.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::behaviour::{Refusal, RefusalBody};
use crate::coze::envelope::json;
use crate::wire::node::{Node, object};

/// One business error.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    http: StatusCode,
    code: i64,
    msg: Cow<'static, str>,
}

impl Fault {
    pub(crate) const UNAUTHENTICATED: Self =
        Self::at(StatusCode::UNAUTHORIZED, 4100, "authentication is invalid");
    pub(crate) const TOKEN_EXPIRED: Self =
        Self::at(StatusCode::UNAUTHORIZED, 700_012_006, "access token invalid");
    pub(crate) const NO_ROUTE: Self =
        Self::at(StatusCode::NOT_FOUND, 4200, "Requested resource not found");
    pub(crate) const TOO_LARGE: Self =
        Self::at(StatusCode::PAYLOAD_TOO_LARGE, 4000, "request body too large");
    pub(crate) const INTERNAL: Self =
        Self::at(StatusCode::INTERNAL_SERVER_ERROR, 5000, "internal error");
    pub(crate) const UNKNOWN_CHAT: Self = Self::of(4001, "Invalid chat ID");
    pub(crate) const UNKNOWN_CONVERSATION: Self = Self::of(4002, "Invalid conversation ID");
    pub(crate) const UNKNOWN_MESSAGE: Self = Self::of(4005, "Invalid message ID");
    pub(crate) const TOO_MANY_MESSAGES: Self =
        Self::of(4004, "additional_messages exceeds the limit");
    pub(crate) const NEEDS_HISTORY: Self =
        Self::of(4007, "auto_save_history must be true when stream is false");
    pub(crate) const CONVERSATION_BUSY: Self =
        Self::of(4016, "The conversation is occupied by an ongoing chat");
    pub(crate) const NOT_CANCELABLE: Self = Self::of(4104, "The chat cannot be canceled");
    pub(crate) const NOT_FOUND: Self = Self::of(4200, "Requested resource not found");
    pub(crate) const NO_FILE: Self = Self::of(4300, "The file is empty");
    pub(crate) const TOO_MANY_FILES: Self = Self::of(4301, "Only one file can be uploaded");
    pub(crate) const UNKNOWN_EXECUTION: Self = Self::of(4314, "Workflow execution not found");
    pub(crate) const ALREADY_FINISHED: Self = Self::of(4315, "Workflow execution already finished");

    const fn at(http: StatusCode, code: i64, msg: &'static str) -> Self {
        Self { http, code, msg: Cow::Borrowed(msg) }
    }

    const fn of(code: i64, msg: &'static str) -> Self {
        Self::at(StatusCode::OK, code, msg)
    }

    pub(crate) fn code(&self) -> i64 {
        self.code
    }

    pub(crate) fn msg(&self) -> &str {
        &self.msg
    }

    /// The business error of an ordered refusal, where no HTTP answer can carry it.
    pub(crate) fn ordered(refusal: &Refusal) -> Self {
        Self { http: StatusCode::OK, code: refusal.code, msg: Cow::Owned(refusal.msg.clone()) }
    }

    /// A parameter is missing or wrong.
    pub(crate) fn parameter(what: &str) -> Self {
        let msg = Cow::Owned(format!("Request parameter error: {what}"));
        Self { http: StatusCode::OK, code: 4000, msg }
    }
}

/// A request that is answered with an error. Boxed, since it is the rare half of every result.
#[derive(Debug)]
pub(crate) struct Refused(Box<Response>);

impl Refused {
    pub(crate) fn new(fault: Fault, logid: &str) -> Self {
        let Fault { http, code, msg } = fault;
        let body = envelope(code, &msg, logid);
        Self(Box::new((http, json(body.to_string())).into_response()))
    }

    /// The answer a behaviour ordered instead of work.
    pub(crate) fn ordered(refusal: &Refusal, logid: &str) -> Self {
        let status =
            StatusCode::from_u16(refusal.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = match refusal.body {
            RefusalBody::Json => {
                json(envelope(refusal.code, &refusal.msg, logid).to_string())
            }
            RefusalBody::Empty => ().into_response(),
            RefusalBody::Html => axum::response::Html(format!(
                "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\n"
            ))
            .into_response(),
        };
        Self(Box::new((status, body).into_response()))
    }
}

fn envelope(code: i64, msg: &str, logid: &str) -> Node {
    object! { "code": code, "msg": msg, "detail": object! { "logid": logid } }
}

impl From<Refused> for Response {
    fn from(Refused(response): Refused) -> Self {
        *response
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

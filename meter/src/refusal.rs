//! What a caller is told when Weir itself says no.
//!
//! A refusal is a value with a stable code. Its body is the combined one of upstream contract §6.2: the
//! integer `code` makes Coze's libraries raise their error, the `error` object makes those of
//! `OpenAI` raise theirs, and the HTTP status is all that @coze/api shows of a refused stream.

use std::borrow::Cow;

use serde::Serialize;

use crate::rate::Rate;

/// Why a request was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No `Authorization` header.
    KeyMissing,
    /// Not a key that this Weir issued: malformed, forged, wrong algorithm, unknown signer.
    KeyInvalid,
    /// The key's `exp` has passed.
    KeyExpired,
    /// The key was revoked.
    KeyRevoked,
    /// The key may not use this operation, bot or workflow.
    KeyScope,
    /// The key's journal does not know the key's account.
    AccountUnknown,
    /// The account is suspended.
    AccountSuspended,
    /// The balance, less what is held for running calls, does not cover this call.
    BalanceExhausted,
    /// As many calls began in the last minute as may.
    RateLimited,
    /// As many calls run as may at once.
    TooManyCalls,
    /// What may be charged in a day is spent or held.
    BudgetExhausted,
    /// The key may not be used from this address.
    AddressNotAllowed,
    /// The page that asks is of an origin that is not allowed.
    OriginNotAllowed,
    /// No price applies and the price book refuses calls without one.
    Unpriced,
    /// Not a host that this Weir serves.
    HostUnknown,
    /// Not a path and method that Weir knows.
    RouteUnknown,
    /// A door does not know the model that was asked for.
    ModelUnknown,
    /// The body is larger than Coze accepts.
    BodyTooLarge,
    /// The body, or a field of it, is not what the operation needs to be billed.
    BodyInvalid,
    /// The work that the request continues is not known, or not this account's.
    WorkUnknown,
    /// A conversation, chat, run or file that the request names is not known, or not this account's.
    IdUnknown,
    /// The idempotency key was used before, with another body.
    IdempotencyConflict,
    /// The idempotency key was used before, and its call cannot be replayed.
    IdempotencyUsed,
    /// The idempotency key cannot be one.
    IdempotencyInvalid,
    /// The journal already holds as many running calls as it may.
    JournalFull,
    /// The journal could not be asked.
    JournalUnreachable,
    /// The credential that the account's calls are sent with is not configured, or upstream refuses it.
    CredentialUnavailable,
    /// Upstream could not be reached.
    UpstreamUnreachable,
    /// Something went wrong inside; the log knows what.
    Internal,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 29] = [
        Self::KeyMissing,
        Self::KeyInvalid,
        Self::KeyExpired,
        Self::KeyRevoked,
        Self::KeyScope,
        Self::AccountUnknown,
        Self::AccountSuspended,
        Self::BalanceExhausted,
        Self::RateLimited,
        Self::TooManyCalls,
        Self::BudgetExhausted,
        Self::AddressNotAllowed,
        Self::OriginNotAllowed,
        Self::Unpriced,
        Self::HostUnknown,
        Self::RouteUnknown,
        Self::ModelUnknown,
        Self::BodyTooLarge,
        Self::BodyInvalid,
        Self::WorkUnknown,
        Self::IdUnknown,
        Self::IdempotencyConflict,
        Self::IdempotencyUsed,
        Self::IdempotencyInvalid,
        Self::JournalFull,
        Self::JournalUnreachable,
        Self::CredentialUnavailable,
        Self::UpstreamUnreachable,
        Self::Internal,
    ];

    /// The stable code, HTTP status and Coze code.
    ///
    /// The Coze codes are those a Coze library maps to the same kind of error (contract §4.2).
    const fn facts(self) -> (&'static str, u16, i64, &'static str) {
        match self {
            Self::KeyMissing => ("key_missing", 401, 4100, "no API key was sent"),
            Self::KeyInvalid => ("key_invalid", 401, 4100, "the API key is not valid"),
            Self::KeyExpired => ("key_expired", 401, 4100, "the API key has expired"),
            Self::KeyRevoked => ("key_revoked", 401, 4100, "the API key was revoked"),
            Self::KeyScope => ("key_scope", 403, 4101, "the API key does not allow this"),
            Self::AccountUnknown => {
                ("account_unknown", 401, 4100, "the API key's account is not known here")
            }
            Self::AccountSuspended => ("account_suspended", 403, 4101, "the account is suspended"),
            Self::BalanceExhausted => {
                ("balance_exhausted", 402, 4011, "the balance does not cover this call")
            }
            Self::RateLimited => ("rate_limited", 429, 4013, "too many calls in a minute"),
            Self::TooManyCalls => ("too_many_calls", 429, 4013, "too many calls at once"),
            Self::BudgetExhausted => {
                ("budget_exhausted", 429, 4011, "the budget of the day does not cover this call")
            }
            Self::AddressNotAllowed => {
                ("address_not_allowed", 403, 4101, "the API key may not be used from this address")
            }
            Self::OriginNotAllowed => {
                ("origin_not_allowed", 403, 4101, "pages of this origin may not ask here")
            }
            Self::Unpriced => ("unpriced", 403, 4101, "no price is set for this call"),
            Self::HostUnknown => ("host_unknown", 421, 4200, "this host is not served here"),
            Self::RouteUnknown => {
                ("route_unknown", 404, 4200, "this path and method are not served here")
            }
            Self::ModelUnknown => ("model_not_found", 404, 4200, "this model is not known here"),
            Self::BodyTooLarge => ("body_too_large", 413, 4000, "the body is too large"),
            Self::BodyInvalid => ("body_invalid", 400, 4000, "the body is not valid"),
            Self::WorkUnknown => ("work_unknown", 404, 4001, "no such work of yours is known here"),
            Self::IdUnknown => ("id_unknown", 404, 4200, "this account made no such thing"),
            Self::IdempotencyConflict => (
                "idempotency_conflict",
                409,
                4000,
                "this idempotency key was used with another body",
            ),
            Self::IdempotencyUsed => {
                ("idempotency_used", 409, 4000, "this idempotency key was used before")
            }
            Self::IdempotencyInvalid => {
                ("idempotency_invalid", 400, 4000, "the idempotency key is not valid")
            }
            Self::JournalFull => ("journal_full", 503, 5000, "too many calls are running"),
            Self::JournalUnreachable => {
                ("journal_unreachable", 503, 5000, "metering is not available, try again")
            }
            Self::CredentialUnavailable => (
                "credential_unavailable",
                503,
                5000,
                "the credential for upstream is not available",
            ),
            Self::UpstreamUnreachable => {
                ("upstream_unreachable", 502, 5000, "upstream could not be reached")
            }
            Self::Internal => ("internal", 500, 5000, "an internal error occurred"),
        }
    }

    /// The stable code, as it stands in `error.code`, in entries and in logs.
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.facts().1
    }

    /// The reason with this stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether the same request may be let through a moment later, and sending it again does no harm.
    ///
    /// Libraries of the `OpenAI` family send a request three times on 408, 409, 429 and 5xx unless they
    /// are told otherwise (contract §6.2), so those that may not are told.
    pub const fn may_be_retried(self) -> bool {
        // What may have reached upstream is work that was begun there; what depends on somebody
        // else's decision, or on tomorrow, does not change by asking again.
        matches!(
            self,
            Self::RateLimited | Self::TooManyCalls | Self::JournalFull | Self::JournalUnreachable
        )
    }
}

/// A reason, and what exactly was wrong where that helps the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of refusal.
    pub reason: Reason,
    /// More than the reason's own sentence says; names the field that was wrong.
    pub detail: Option<Cow<'static, str>>,
    /// Seconds after which it may be let through.
    pub retry_after_s: Option<u64>,
    /// How the caller stands with its calls a minute, where those are limited.
    pub rate: Option<Rate>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None, retry_after_s: None, rate: None }
    }
}

impl Refusal {
    /// A refusal that says which field was wrong and how.
    pub fn with_detail(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..reason.into() }
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Whether a client is to be told that it must not send the request again by itself.
    pub fn forbids_retry(&self) -> bool {
        let is_retried = matches!(self.reason.status(), 408 | 409 | 429 | 500..);
        is_retried && !self.reason.may_be_retried()
    }

    /// The sentence that the caller reads.
    pub fn message(&self) -> Cow<'static, str> {
        let (_, _, _, sentence) = self.reason.facts();
        match &self.detail {
            None => sentence.into(),
            Some(detail) => format!("{sentence}: {detail}").into(),
        }
    }

    /// The JSON body, with `log_id` for whoever asks the operator about it.
    pub fn body(&self, log_id: &str) -> String {
        let (code, status, coze_code, _) = self.reason.facts();
        let message = self.message();
        let kind = match status {
            429 if self.reason.may_be_retried() => "rate_limit_error",
            401 => "authentication_error",
            402 | 429 => "insufficient_quota",
            403 => "permission_error",
            404 => "not_found_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        };
        let body = Body {
            code: coze_code,
            msg: &message,
            detail: Detail { logid: log_id },
            error: OpenAiError { code, r#type: kind, message: &message },
        };
        // A struct of strings and one integer always serialises.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    code: i64,
    msg: &'a str,
    detail: Detail<'a>,
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    logid: &'a str,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    code: &'a str,
    r#type: &'a str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_speaks_to_both_families_of_libraries() {
        let refusal = Refusal::with_detail(Reason::BodyInvalid, "`bot_id` is missing");
        assert_eq!(
            refusal.body("c01"),
            r#"{"code":4000,"msg":"the body is not valid: `bot_id` is missing","detail":{"logid":"c01"},"error":{"code":"body_invalid","type":"invalid_request_error","message":"the body is not valid: `bot_id` is missing"}}"#
        );
    }

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        let told = |reason: Reason| Refusal::from(reason).forbids_retry();
        assert!(told(Reason::BudgetExhausted), "not before tomorrow");
        assert!(told(Reason::IdempotencyConflict) && told(Reason::IdempotencyUsed));
        assert!(told(Reason::Internal) && told(Reason::UpstreamUnreachable), "it may be under way");
        assert!(!told(Reason::RateLimited) && !told(Reason::TooManyCalls));
        assert!(!told(Reason::JournalUnreachable), "nothing went upstream");
        assert!(!told(Reason::BalanceExhausted), "no library tries a 402 again");
    }

    #[test]
    fn every_code_is_unique_and_found_again() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
            assert!((400..=599).contains(&reason.status()));
        }
    }
}

//! Weir's own refusals, as Dify would say them: `{code, message, status}`.

use serde::Serialize;

use crate::refusal::Refusal;

/// The body: Dify's code for the status, our own code beside it, and `log_id` for whoever asks the
/// operator about it.
pub fn body(refusal: &Refusal, log_id: &str) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        code: &'a str,
        message: &'a str,
        status: u16,
        weir_code: &'a str,
        call_id: &'a str,
    }
    let status = refusal.reason.status();
    let body = Body {
        code: code(status),
        message: &refusal.message(),
        status,
        weir_code: refusal.reason.code(),
        call_id: log_id,
    };
    // A struct of strings and one integer always serialises.
    serde_json::to_string(&body).unwrap_or_default()
}

/// Dify's code for an HTTP status (contract §7.3). For an empty balance it has none of its own; what is
/// nearest is a provider without quota.
fn code(status: u16) -> &'static str {
    match status {
        400 | 409 => "invalid_param",
        401 => "unauthorized",
        402 => "provider_quota_exceeded",
        403 => "forbidden",
        // A host that is not served is as unknown here as a path is.
        404 | 421 => "not_found",
        413 => "file_too_large",
        429 => "too_many_requests",
        _ => "internal_server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Reason;

    #[test]
    fn a_refusal_has_difys_shape_and_our_code() {
        assert_eq!(
            body(&Reason::BalanceExhausted.into(), "c01"),
            r#"{"code":"provider_quota_exceeded","message":"the balance does not cover this call","status":402,"weir_code":"balance_exhausted","call_id":"c01"}"#
        );
        let detail = Refusal::with_detail(Reason::BodyInvalid, "`user` is missing");
        assert!(body(&detail, "c01").contains("the body is not valid: `user` is missing"));
    }

    #[test]
    fn every_refusal_has_a_code_of_difys() {
        for reason in Reason::ALL {
            let is_ours = code(reason.status()) == "internal_server_error";
            assert_eq!(is_ours, reason.status() >= 500, "{reason:?}");
        }
    }
}

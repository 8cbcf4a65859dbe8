//! How an alarm is written and signed, and whether an answer means that it was taken.
//!
//! - **weir**: the document, with `weir-timestamp` (seconds) and `weir-signature: v1=…`, which is
//!   HMAC-SHA256 of timestamp, a full stop and the body, in hexadecimal. `weir-alarm` is the alarm's number.
//! - **Feishu**: a text with `timestamp` (seconds) and `sign`: HMAC-SHA256 of nothing, with timestamp,
//!   newline and secret as the key, in base64, as its documentation of custom bots says.
//! - **`DingTalk`**: a text, and `timestamp` (milliseconds) and `sign` in the query: HMAC-SHA256 of timestamp,
//!   newline and secret, with the secret as the key, in base64, as its documentation of robots says.
//! - **`WeCom`**: a text; the key is in the URL.
//!
//! The chats answer 200 also when they refuse; then a code in the body says so.
//!
//! # Bounds
//! A text has at most [`TEXT_BYTES_MAX`] bytes.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, Mac as _};
use meter::time::UnixMs;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clock;
use crate::draw;
use crate::error::Error;

use super::hook::{Form, Hook};
use super::{AlarmDoc, Kind};

/// Longest text: `WeCom` takes 2,048 bytes, the others more.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Characters of an answer that are told.
const ANSWER_CHARS_MAX: usize = 200;

/// An alarm that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub url: String,
    /// Headers besides the content's.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// Writes and signs an alarm for a webhook.
pub fn message(hook: &Hook, alarm: &AlarmDoc, now: UnixMs) -> Result<Message, Error> {
    let seconds = (now.get() / 1_000).to_string();
    let mut message = Message { url: hook.url.clone(), headers: Vec::new(), body: String::new() };
    let secret = hook.secret.as_deref();
    let document = match hook.form {
        Form::Weir => serde_json::to_value(alarm).map_err(unprintable)?,
        Form::Feishu => {
            let mut body = json!({ "msg_type": "text", "content": { "text": text(alarm) } });
            if let (Some(secret), Some(fields)) = (secret, body.as_object_mut()) {
                let sign = base64(&mac(&format!("{seconds}\n{secret}"), "")?);
                fields.insert("timestamp".to_owned(), json!(seconds));
                fields.insert("sign".to_owned(), json!(sign));
            }
            body
        }
        Form::DingTalk => {
            if let Some(secret) = secret {
                let ms = now.get();
                let sign = base64(&mac(secret, &format!("{ms}\n{secret}"))?);
                let sign = utf8_percent_encode(&sign, NON_ALPHANUMERIC);
                let before = if message.url.contains('?') { '&' } else { '?' };
                // Writing to a String cannot fail.
                let _ = write!(message.url, "{before}timestamp={ms}&sign={sign}");
            }
            json!({ "msgtype": "text", "text": { "content": text(alarm) } })
        }
        Form::WeCom => json!({ "msgtype": "text", "text": { "content": text(alarm) } }),
    };
    message.body = serde_json::to_string(&document).map_err(unprintable)?;
    if let (Form::Weir, Some(secret)) = (hook.form, secret) {
        let signature = draw::hex(&mac(secret, &format!("{seconds}.{}", message.body))?);
        message.headers = vec![
            ("weir-alarm", alarm.alarm.to_string()),
            ("weir-timestamp", seconds),
            ("weir-signature", format!("v1={signature}")),
        ];
    }
    Ok(message)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unprintable(error: serde_json::Error) -> Error {
    Error::Unprintable(error.to_string())
}

fn mac(key: &str, message: &str) -> Result<[u8; 32], Error> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mac = mac.map_err(|error| Error::Signing(error.to_string()))?;
    Ok(mac.chain_update(message).finalize().into_bytes().into())
}

fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Whether an answer means that the alarm was taken; otherwise why not.
pub fn verdict(form: Form, status: u16, body: &[u8]) -> Result<(), String> {
    let told = || -> String {
        let text = String::from_utf8_lossy(body);
        text.chars().filter(|c| !c.is_control()).take(ANSWER_CHARS_MAX).collect()
    };
    if !(200..300).contains(&status) {
        return Err(format!("it answered {status}: {}", told()));
    }
    let field = match form {
        Form::Weir => return Ok(()),
        Form::Feishu => "code",
        Form::DingTalk | Form::WeCom => "errcode",
    };
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.get(field).and_then(Value::as_i64) {
        Some(0) => Ok(()),
        _ => Err(format!("it answered {status} and did not take it: {}", told())),
    }
}

/// An alarm, for people who read either language.
pub fn text(alarm: &AlarmDoc) -> String {
    let AlarmDoc { kind, subject, detail, raised_at, .. } = alarm;
    let at = clock::text(*raised_at);
    let said = |name: &str| match detail.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) if !value.is_null() => value.to_string(),
        _ => "-".to_owned(),
    };
    let mut text = if kind == Kind::Finding.name() {
        let count = said("count");
        format!("[Weir] 对账发现 {count} 处不符 / {count} findings in journal {subject}, {at}")
    } else if kind == Kind::LowBalance.name() {
        let (name, balance, threshold) =
            (said("name"), said("balance_quota"), said("threshold_quota"));
        format!(
            "[Weir] 余额不足 / low balance: {name} ({subject}), {balance} quota left, below \
             {threshold}, {at}"
        )
    } else {
        format!("[Weir] 测试消息，无需处理 / a test, nothing to do, {at}")
    };
    let findings = detail.get("findings").and_then(Value::as_array);
    for finding in findings.into_iter().flatten() {
        let part = |name: &str| finding.get(name).map(ToString::to_string).unwrap_or_default();
        let plain = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            text,
            "\n#{} {} at {}: {}",
            part("finding"),
            plain("code"),
            part("seq"),
            plain("detail")
        );
    }
    shortened(text)
}

/// Cut behind a whole character, and marked as cut.
fn shortened(mut text: String) -> String {
    const MARK: char = '…';
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let mut end = TEXT_BYTES_MAX.saturating_sub(MARK.len_utf8());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text.push(MARK);
    text
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const NOW: UnixMs = UnixMs::new(1_599_360_473_123);

    fn hook(form: Form, url: &str, secret: Option<&str>) -> Hook {
        let (name, url, secret) = ("n".to_owned(), url.to_owned(), secret.map(str::to_owned));
        Hook { name, url, form, secret }
    }

    fn alarm(detail: Value) -> AlarmDoc {
        let raised_at = DateTime::from_timestamp_millis(1_599_360_473_000).unwrap();
        AlarmDoc {
            kind: "finding".to_owned(),
            alarm: 7,
            subject: "j0".to_owned(),
            detail,
            ..AlarmDoc::test(raised_at)
        }
    }

    // The signatures were computed by another implementation of HMAC, from the vendors' descriptions.

    #[test]
    fn weirs_own_form_is_signed_over_time_and_body() {
        let hook = hook(Form::Weir, "http://a/x", Some("hush"));
        let message = message(&hook, &alarm(json!({})), NOW).unwrap();
        let want = r#"{"v":1,"alarm":7,"kind":"finding","raised_at":"2020-09-06T02:47:53.000Z","subject":"j0","detail":{}}"#;
        // Fields of a value come in the order of their names.
        let read: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(want).unwrap());
        let signature = mac("hush", &format!("1599360473.{}", message.body)).unwrap();
        let want = [
            ("weir-alarm", "7".to_owned()),
            ("weir-timestamp", "1599360473".to_owned()),
            ("weir-signature", format!("v1={}", draw::hex(&signature))),
        ];
        assert_eq!(message.headers, want);
        assert_eq!(
            draw::hex(&mac("hush", "1599360473.{}").unwrap()),
            "87c93240a39869c90a06db989a0c05f30e1476c505225a9f9b864b0931ca674a"
        );
    }

    #[test]
    fn feishu_is_signed_with_time_and_secret_as_the_key() {
        let hook = hook(Form::Feishu, "http://a/hook/t", Some("demo"));
        let message = message(&hook, &alarm(json!({})), NOW).unwrap();
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&body["timestamp"], &body["msg_type"]), (&json!("1599360473"), &json!("text")));
        assert_eq!(body["sign"], "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
        assert_eq!(message.url, "http://a/hook/t");
    }

    #[test]
    fn dingtalk_is_signed_in_the_query() {
        let secret = Some("SECdemo");
        let message = message(
            &hook(Form::DingTalk, "http://a/r?access_token=t", secret),
            &alarm(json!({})),
            NOW,
        );
        let url = message.unwrap().url;
        assert_eq!(
            url,
            "http://a/r?access_token=t&timestamp=1599360473123&sign=1HQs9f3cSAHzovKqY78he1KVa4lpHx38oe3kOWE08vc%3D"
        );
    }

    #[test]
    fn without_a_secret_the_chats_get_no_signature() {
        for form in [Form::Feishu, Form::DingTalk, Form::WeCom] {
            let message = message(&hook(form, "http://a/", None), &alarm(json!({})), NOW).unwrap();
            assert!(!message.body.contains("sign") && message.url == "http://a/", "{message:?}");
        }
    }

    #[test]
    fn a_chat_that_says_200_and_a_code_did_not_take_it() {
        assert!(verdict(Form::Weir, 204, b"").is_ok());
        assert!(verdict(Form::Weir, 302, b"").is_err());
        assert!(verdict(Form::Feishu, 200, br#"{"code":0,"msg":"success"}"#).is_ok());
        let refused = verdict(Form::Feishu, 200, br#"{"code":19021,"msg":"sign match fail"}"#);
        assert!(refused.unwrap_err().contains("sign match fail"));
        assert!(verdict(Form::DingTalk, 200, br#"{"errcode":0,"errmsg":"ok"}"#).is_ok());
        assert!(verdict(Form::WeCom, 200, br#"{"errcode":93000}"#).is_err());
        assert!(verdict(Form::WeCom, 200, b"<html>").is_err());
        assert!(verdict(Form::DingTalk, 500, br#"{"errcode":0}"#).is_err());
    }

    #[test]
    fn a_text_names_its_findings_and_is_cut_behind_a_whole_character() {
        let finding =
            json!({"finding": 3, "code": "gap", "seq": 4, "detail": "entry 2 is followed by 4"});
        let told = text(&alarm(json!({"count": 1, "findings": [finding]})));
        assert!(told.contains("1 findings in journal j0"), "{told}");
        assert!(told.ends_with("\n#3 gap at 4: entry 2 is followed by 4"), "{told}");
        let long = json!({"finding": 3, "code": "gap", "seq": 4, "detail": "不".repeat(1_000)});
        let told = text(&alarm(json!({"count": 1, "findings": [long]})));
        assert!(told.len() <= TEXT_BYTES_MAX && told.ends_with('…'), "{}", told.len());
    }

    #[test]
    fn an_answer_is_told_up_to_its_bound() {
        let told = |chars: usize| {
            let refused = verdict(Form::Weir, 500, "不".repeat(chars).as_bytes()).unwrap_err();
            refused.matches('不').count()
        };
        assert_eq!(told(ANSWER_CHARS_MAX), ANSWER_CHARS_MAX);
        assert_eq!(told(ANSWER_CHARS_MAX + 1), ANSWER_CHARS_MAX);
    }

    #[test]
    fn a_text_is_whole_up_to_its_bound() {
        let told = |detail: usize| {
            let finding =
                json!({"finding": 3, "code": "gap", "seq": 4, "detail": "x".repeat(detail)});
            text(&alarm(json!({"count": 1, "findings": [finding]})))
        };
        let fits = TEXT_BYTES_MAX - told(0).len();
        assert!(told(fits).len() == TEXT_BYTES_MAX && told(fits).ends_with('x'));
        assert!(told(fits + 1).len() <= TEXT_BYTES_MAX && told(fits + 1).ends_with('…'));
    }
}

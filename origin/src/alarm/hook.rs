//! Where alarms are told: webhooks, as they are configured.
//!
//! # Bounds
//! At most [`HOOKS_MAX`] of them.

use meter::entry::Hash;
use serde::Deserialize;

use crate::error::Error;

/// Most webhooks.
pub const HOOKS_MAX: usize = 10;
/// Longest URL and longest secret, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// Characters of a hash that name a webhook.
const NAME_CHARS: usize = 16;
/// The setting that names them.
pub const SETTING: &str = "WEIR_WEBHOOKS";

/// How an alarm is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Weir's own document, signed.
    Weir,
    /// A message to a bot in a group of Feishu or Lark.
    Feishu,
    /// A message to a robot in a group of `DingTalk`.
    DingTalk,
    /// A message to a robot in a group of `WeCom`.
    WeCom,
}

impl Form {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Feishu => "feishu",
            Self::DingTalk => "dingtalk",
            Self::WeCom => "wecom",
        }
    }

    /// Most messages in one look, which comes every [`super::run::LOOK_MS`]: chats take 20 a minute.
    pub const fn messages_max(self) -> usize {
        match self {
            Self::Weir => 20,
            Self::Feishu | Self::DingTalk | Self::WeCom => 1,
        }
    }
}

/// A webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name: a hash, since the URL itself is a secret with some of them.
    pub name: String,
    /// Where.
    pub url: String,
    /// How.
    pub form: Form,
    /// What alarms are signed with.
    pub secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookDoc {
    url: String,
    format: Form,
    #[serde(default)]
    secret: Option<String>,
}

impl Hook {
    /// Where it goes, without what may be secret in it.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host.rsplit('@').next().unwrap_or_default()
    }
}

/// Reads the setting: a JSON list of `{"url", "format", "secret"}`. No text is no webhook.
pub fn parse(text: Option<&str>) -> Result<Vec<Hook>, Error> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let docs: Vec<HookDoc> =
        serde_json::from_str(text).map_err(|error| Error::invalid(SETTING, error))?;
    if docs.len() > HOOKS_MAX {
        return Err(Error::invalid(SETTING, format!("has more than {HOOKS_MAX} webhooks")));
    }
    let mut hooks: Vec<Hook> = Vec::new();
    for (number, doc) in (1..).zip(docs) {
        let hook = hook(doc)
            .map_err(|problem| Error::invalid(SETTING, format!("webhook {number}: {problem}")))?;
        if hooks.iter().any(|other| other.name == hook.name) {
            return Err(Error::invalid(SETTING, format!("webhook {number}: is there twice")));
        }
        hooks.push(hook);
    }
    Ok(hooks)
}

fn hook(doc: HookDoc) -> Result<Hook, String> {
    let HookDoc { url, format: form, secret } = doc;
    let uri: axum::http::Uri = url.parse().map_err(|error| format!("`url` {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err("`url` is not an http or https URL".to_owned());
    }
    let secret = secret.filter(|secret| !secret.is_empty());
    if url.len() > TEXT_BYTES_MAX || secret.as_ref().is_some_and(|s| s.len() > TEXT_BYTES_MAX) {
        return Err(format!("`url` and `secret` have at most {TEXT_BYTES_MAX} bytes"));
    }
    match (form, &secret) {
        (Form::Weir, None) => return Err("`secret` is needed: alarms are signed".to_owned()),
        (Form::WeCom, Some(_)) => {
            return Err("`secret` is nothing that WeCom knows: the key is in the URL".to_owned());
        }
        _ => {}
    }
    let hash = Hash::of_parts(&[form.name().as_bytes(), url.as_bytes()]).to_string();
    let name = hash.get(..NAME_CHARS).unwrap_or_default().to_owned();
    Ok(Hook { name, url, form, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, want: &str) {
        let error = parse(Some(text)).err().unwrap().to_string();
        assert!(error.contains(want), "{error}");
        assert!(!error.contains("hush"), "a secret is told: {error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_number() {
        refused("{}", "WEIR_WEBHOOKS");
        refused(r#"[{"url":"http://a/","format":"slack"}]"#, "unknown variant");
        refused(r#"[{"url":"http://a/","format":"weir","secret":"hush","x":1}]"#, "unknown field");
        refused(r#"[{"url":"http://a/","format":"weir"}]"#, "webhook 1: `secret` is needed");
        let two = r#"[{"url":"http://a/","format":"feishu"},{"url":"ftp://a","format":"feishu"}]"#;
        refused(two, "webhook 2: `url` is not");
        let twice = r#"{"url":"http://a/","format":"feishu","secret":"hush"}"#;
        refused(&format!("[{twice},{twice}]"), "webhook 2: is there twice");
        refused(r#"[{"url":"http://a/","format":"wecom","secret":"hush"}]"#, "nothing that WeCom");
        let many = [twice; HOOKS_MAX + 1].join(",");
        refused(&format!("[{many}]"), "more than 10");
    }

    #[test]
    fn a_webhook_is_shown_by_its_host_alone() {
        let url = r#"[{"url":"https://u:p@hooks.example:8443/token?key=1","format":"feishu"}]"#;
        let hooks = parse(Some(url)).unwrap();
        assert_eq!(hooks[0].host(), "hooks.example:8443");
        assert_eq!(hooks[0].name.len(), NAME_CHARS);
        assert!(parse(None).unwrap().is_empty());
        assert!(parse(Some(" ")).unwrap().is_empty());
    }

    #[test]
    fn a_webhook_and_their_number_have_their_bounds() {
        let hook = |url: &str, secret: &str| {
            format!(r#"{{"url":"{url}","format":"weir","secret":"{secret}"}}"#)
        };
        let begins = "http://a/";
        let url = |bytes: usize| format!("{begins}{}", "x".repeat(bytes - begins.len()));
        let secret = |bytes: usize| "s".repeat(bytes);
        let parse = |hook: String| parse(Some(&format!("[{hook}]")));
        assert!(parse(hook(&url(TEXT_BYTES_MAX), &secret(TEXT_BYTES_MAX))).is_ok());
        assert!(parse(hook(&url(TEXT_BYTES_MAX + 1), "s")).is_err());
        assert!(parse(hook("http://a/", &secret(TEXT_BYTES_MAX + 1))).is_err());
        let many = |count: usize| {
            let hooks: Vec<_> = (0..count).map(|n| hook(&format!("http://h{n}/"), "s")).collect();
            parse(hooks.join(","))
        };
        assert_eq!(many(HOOKS_MAX).unwrap().len(), HOOKS_MAX);
        assert!(many(HOOKS_MAX + 1).is_err());
    }
}

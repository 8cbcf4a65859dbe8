//! The two languages. What is said stands in both, side by side, where it is said.

use axum::extract::{Path, Query};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};

use super::HOME;
use crate::http::Pairs;

/// The cookie that remembers which one was chosen.
const COOKIE_NAME: &str = "weir_language";
/// How long it is remembered: a year.
const REMEMBERED_S: u64 = 31_536_000;
/// Longest address that is gone back to.
const BACK_BYTES_MAX: usize = 1_000;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The one that was chosen, or the one that the browser prefers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let cookies = text(COOKIE).unwrap_or_default().split(';');
        let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
        let chosen =
            pairs.find(|(name, _)| *name == COOKIE_NAME).and_then(|(_, it)| Self::named(it));
        let prefers_chinese =
            || text(ACCEPT_LANGUAGE).is_some_and(|list| list.trim_start().starts_with("zh"));
        chosen.unwrap_or_else(|| if prefers_chinese() { Self::Chinese } else { Self::English })
    }

    fn named(name: &str) -> Option<Self> {
        [Self::English, Self::Chinese].into_iter().find(|language| language.tag() == name)
    }

    /// As HTML names it.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The other one, and what it calls itself.
    pub(super) const fn other(self) -> (Self, &'static str) {
        match self {
            Self::English => (Self::Chinese, "中文"),
            Self::Chinese => (Self::English, "English"),
        }
    }

    /// What is said, in this language.
    pub(super) const fn say(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// Remembers a language and goes back to the page where it was chosen.
pub(super) async fn choose(Path(name): Path<String>, Query(pairs): Pairs) -> Response {
    let back = pairs.into_iter().find(|(name, _)| name == "to").map(|(_, value)| value);
    let go = Redirect::to(&inside(back.as_deref()));
    let Some(language) = Language::named(&name) else { return go.into_response() };
    let cookie = format!(
        "{COOKIE_NAME}={}; Path=/console; Max-Age={REMEMBERED_S}; HttpOnly; SameSite=Lax",
        language.tag()
    );
    match HeaderValue::try_from(cookie) {
        Ok(cookie) => (AppendHeaders([(SET_COOKIE, cookie)]), go).into_response(),
        Err(_) => go.into_response(),
    }
}

/// An address to go to, if it is one of the console's own; its beginning otherwise.
pub(super) fn inside(to: Option<&str>) -> String {
    let ours = |to: &&str| {
        let rest = to.strip_prefix(HOME);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            && to.len() <= BACK_BYTES_MAX
            && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    to.filter(ours).unwrap_or(HOME).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_anywhere_but_into_the_console() {
        for refused in [
            "",
            "//evil",
            "https://evil/console",
            "/console.evil",
            "/consoles",
            "/console\\evil",
            "/console/\r\nSet-Cookie: a=b",
            "/api/v1/accounts",
            "javascript:alert(1)",
        ] {
            assert_eq!(inside(Some(refused)), HOME, "{refused:?}");
        }
        for taken in ["/console", "/console?a=b", "/console/calls?cursor=x&ending=settled"] {
            assert_eq!(inside(Some(taken)), taken);
        }
    }

    #[test]
    fn the_chosen_language_goes_before_the_browsers() {
        let language = |cookie: &'static str, accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
            Language::of(&headers)
        };
        assert_eq!(language("", "zh-CN,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(language("", "en-GB,zh;q=0.5"), Language::English);
        assert_eq!(language("a=b; weir_language=zh", "en"), Language::Chinese);
        assert_eq!(language("weir_language=xx", "en"), Language::English);
    }

    #[test]
    fn an_address_is_gone_back_to_up_to_its_bound() {
        let address = |bytes: usize| format!("{HOME}?{}", "x".repeat(bytes - HOME.len() - 1));
        let longest = address(BACK_BYTES_MAX);
        assert_eq!(inside(Some(&longest)), longest);
        assert_eq!(inside(Some(&address(BACK_BYTES_MAX + 1))), HOME);
    }
}

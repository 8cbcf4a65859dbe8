//! What every page has around it.

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::language::Language;
use super::visitor::{Content, Visitor};
use crate::page::Page;

/// A part of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Accounts,
    Calls,
    Reports,
    Prices,
    Findings,
    Audit,
}

impl Section {
    const ALL: [Self; 7] = [
        Self::Overview,
        Self::Accounts,
        Self::Calls,
        Self::Reports,
        Self::Prices,
        Self::Findings,
        Self::Audit,
    ];

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/console",
            Self::Accounts => "/console/accounts",
            Self::Calls => "/console/calls",
            Self::Reports => "/console/reports",
            Self::Prices => "/console/prices",
            Self::Findings => "/console/findings",
            Self::Audit => "/console/audit",
        }
    }

    pub(super) const fn name(self, language: Language) -> &'static str {
        match self {
            Self::Overview => language.say("Overview", "概览"),
            Self::Accounts => language.say("Accounts", "账户"),
            Self::Calls => language.say("Calls", "调用"),
            Self::Reports => language.say("Reports", "报表"),
            Self::Prices => language.say("Prices", "价格"),
            Self::Findings => language.say("Findings", "差异"),
            Self::Audit => language.say("Audit log", "操作日志"),
        }
    }
}

/// A document with nothing in it but its body.
pub(super) fn document(language: Language, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Weir" }
                link rel="stylesheet" href="/console/style.css";
            }
            body { (body) }
        }
    }
}

/// The link that switches the language and stays where it is.
pub(super) fn language_switch(language: Language, at: &str) -> Markup {
    let (other, name) = language.other();
    let to = utf8_percent_encode(at, NON_ALPHANUMERIC);
    html! {
        a lang=(other.tag()) href={ "/console/language/" (other.tag()) "?to=" (to) } { (name) }
    }
}

/// A page of somebody who is signed in.
pub(super) fn page(visitor: &Visitor, section: Section, content: &Content) -> Markup {
    let language = visitor.language;
    let body = html! {
        a.skip href="#main" { (language.say("Skip to the content", "跳到正文")) }
        header {
            a.brand href="/console" { "Weir" }
            nav aria-label=(language.say("Sections", "栏目")) {
                @for each in Section::ALL {
                    a href=(each.path()) aria-current=[(each == section).then_some("page")] {
                        (each.name(language))
                    }
                }
            }
            div.who {
                (language_switch(language, visitor.at()))
                span { (visitor.person.name) " · " (visitor.person.role.name()) }
                form method="post" action="/console/logout" {
                    button type="submit" { (language.say("Sign out", "退出")) }
                }
            }
        }
        main #main {
            h1 { (content.title) }
            (content.body)
        }
        footer { (language.say("Times are UTC. Amounts are in quota.", "时间为 UTC,金额单位为 quota。")) }
    };
    document(language, &content.title, &body)
}

/// The way to the next page of a list; `query` is what else the list was asked for.
pub(super) fn next<T>(
    language: Language,
    page: &Page<T>,
    path: &str,
    query: &[(&str, Option<&str>)],
) -> Markup {
    let Some(cursor) = &page.next_cursor else { return html! {} };
    let query = [&[("cursor", Some(cursor.as_str()))], query].concat();
    let address = address(path, &query);
    html! { p.next { a rel="next" href=(address) { (language.say("Next page", "下一页")) " →" } } }
}

/// An address with what it asks for, where that is anything.
pub(super) fn address(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in query {
        if let Some(value) = value {
            let mark = if address.len() == path.len() { '?' } else { '&' };
            address =
                format!("{address}{mark}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    address
}

/// A list that has nothing in it.
pub(super) fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

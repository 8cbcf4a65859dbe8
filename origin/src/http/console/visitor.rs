//! Who looks at a page, and the page around what they look at.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::language::Language;
use super::layout::{Section, page};
use crate::error::Error;
use crate::http::Site;
use crate::http::authenticate::{Person, Viewer};

/// Somebody who is signed in.
pub(super) struct Visitor {
    pub(super) person: Person,
    pub(super) language: Language,
    /// Where they are, for coming back.
    at: String,
}

/// What a page has to show: its title and its body.
pub(super) struct Content {
    pub(super) title: String,
    pub(super) body: Markup,
}

impl Visitor {
    /// A page, or the page that says why there is none.
    pub(super) fn show(&self, section: Section, content: Result<Content, Error>) -> Response {
        match content {
            Ok(content) => page(self, section, &content).into_response(),
            Err(error) => {
                let (status, body) = told(&error, self.language);
                let title = self.language.say("That did not work", "未能完成").to_owned();
                (status, page(self, section, &Content { title, body })).into_response()
            }
        }
    }

    /// Where they are.
    pub(super) fn at(&self) -> &str {
        &self.at
    }
}

/// Why there is no page.
fn told(error: &Error, language: Language) -> (StatusCode, Markup) {
    let (status, code, message) = error.told();
    let body = html! {
        p.notice.bad { (message) }
        p.quiet { (language.say("Code", "代码")) ": " code { (code) } }
    };
    (status, body)
}

impl FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Response> {
        let at = parts.uri.path_and_query().map_or("/console", |it| it.as_str()).to_owned();
        let language = Language::of(&parts.headers);
        match Viewer::from_request_parts(parts, site).await {
            Ok(Viewer::Person(person)) => Ok(Self { person, language, at }),
            Ok(Viewer::Account(_)) => Err(Error::Role("finance").into_response()),
            Err(error) if error.told().0 == StatusCode::UNAUTHORIZED => {
                let to = utf8_percent_encode(&at, NON_ALPHANUMERIC);
                Err(Redirect::to(&format!("/console/login?to={to}")).into_response())
            }
            Err(error) => Err(error.into_response()),
        }
    }
}

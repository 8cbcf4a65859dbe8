//! Signing in and out.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::language::{Language, inside};
use super::layout::{document, language_switch};
use super::visitor::Visitor;
use crate::error::Error;
use crate::http::origin::check_not_elsewhere;
use crate::http::session::{begin, cookie, session_s};
use crate::http::{Pairs, Site};
use crate::person::session;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Login {
    user: String,
    password: String,
    to: Option<String>,
}

/// The form.
pub(super) async fn show(headers: HeaderMap, Query(pairs): Pairs) -> Markup {
    let to = pairs.into_iter().find(|(name, _)| name == "to").map(|(_, value)| value);
    form(Language::of(&headers), &inside(to.as_deref()), "", None)
}

/// Begins a session and goes where somebody wanted to go.
pub(super) async fn sign_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    login: Result<Form<Login>, FormRejection>,
) -> Response {
    let language = Language::of(&headers);
    let Ok(Form(Login { user, password, to })) = login else {
        let error = Error::invalid("user", "and `password` are needed");
        return refused(language, "/console", "", &error);
    };
    let to = inside(to.as_deref());
    let begun = async {
        check_not_elsewhere(&headers)?;
        let begun = begin(&site, user.clone(), password).await?;
        cookie(&begun.token, session_s(), &headers)
    };
    match begun.await {
        Ok(cookie) => (AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(&to)).into_response(),
        Err(error) => refused(language, &to, &user, &error),
    }
}

fn refused(language: Language, to: &str, user: &str, error: &Error) -> Response {
    let (status, _, message) = error.told();
    let message = match (status, language) {
        (StatusCode::UNAUTHORIZED, Language::Chinese) => "用户名或密码不正确".to_owned(),
        (StatusCode::TOO_MANY_REQUESTS, Language::Chinese) => "尝试次数过多,请稍后再试".to_owned(),
        _ => message,
    };
    (status, form(language, to, user, Some(&message))).into_response()
}

/// Ends the session.
pub(super) async fn sign_out(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    visitor: Visitor,
) -> Response {
    let ended = async {
        if let Some((hash, _)) = visitor.person.session {
            session::end(&site.pool, hash, &visitor.person.actor()).await?;
        }
        cookie("", 0, &headers)
    };
    match ended.await {
        Ok(cookie) => {
            let go = Redirect::to("/console/login");
            (AppendHeaders([(SET_COOKIE, cookie)]), go).into_response()
        }
        Err(error) => error.into_response(),
    }
}

fn form(language: Language, to: &str, user: &str, problem: Option<&str>) -> Markup {
    let title = language.say("Sign in", "登录");
    let body = html! {
        main.login {
            h1 { "Weir" }
            @if let Some(problem) = problem { p.notice.bad role="alert" { (problem) } }
            form method="post" action="/console/login" {
                input type="hidden" name="to" value=(to);
                label for="user" { (language.say("Name", "用户名")) }
                input #user name="user" value=(user) required maxlength="64" autofocus
                    autocomplete="username" autocapitalize="none" spellcheck="false";
                label for="password" { (language.say("Password", "密码")) }
                input #password name="password" type="password" required maxlength="200"
                    autocomplete="current-password";
                button.primary type="submit" { (title) }
            }
            p.quiet { (language_switch(language, "/console")) }
        }
    };
    document(language, title, &body)
}

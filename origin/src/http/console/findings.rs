//! Findings, and saying what became of them.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::language::Language;
use super::layout::{Section, empty, next};
use super::visitor::{Content, Visitor};
use super::{ROWS, number};
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::{Pairs, Site};
use crate::ledger::finding::{self, Filter, FindingRow, State as FindingState};
use crate::page::Span;
use crate::person::role::Role;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Change {
    finding: i64,
    state: String,
    reason: String,
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = content(&site, &visitor, pairs).await;
    visitor.show(Section::Findings, content)
}

/// Says what became of a finding. That the form was on a page of ours was seen when the session was.
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<Change>, FormRejection>,
) -> Response {
    let changed = async {
        if visitor.person.role != Role::Admin {
            return Err(Error::Role("admin"));
        }
        let Form(form) = form.map_err(|_| Error::invalid("form", "is not complete"))?;
        let state = FindingState::from_name(&form.state);
        let state = state.ok_or_else(|| Error::invalid("state", "is not one"))?;
        let actor = visitor.person.actor();
        finding::set_state(&site.pool, form.finding, state, &form.reason, &actor).await
    };
    match changed.await {
        Ok(_) => Redirect::to("/console/findings").into_response(),
        Err(error) => visitor.show(Section::Findings, Err(error)),
    }
}

async fn content(
    site: &Site,
    visitor: &Visitor,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let language = visitor.language;
    let mut parameters = Parameters::new(pairs)?;
    let asked = parameters.text("state")?;
    let span = Span::new(parameters.text("cursor")?, Some(ROWS));
    parameters.end()?;
    let state = asked.as_deref().map(|name| {
        FindingState::from_name(name).ok_or_else(|| Error::invalid("state", "is not one"))
    });
    let filter = Filter { state: state.transpose()?, ..Filter::default() };
    let page = finding::list(&site.pool, &filter, &span).await?;
    let may_act = visitor.person.role == Role::Admin;
    let body = html! {
        p.tabs {
            @for (name, text) in [(None, language.say("All", "全部")),
                                  (Some("open"), language.say("Open", "未处理")),
                                  (Some("explained"), language.say("Explained", "已说明")),
                                  (Some("resolved"), language.say("Resolved", "已解决"))] {
                a href={ "/console/findings" @if let Some(name) = name { "?state=" (name) } }
                  aria-current=[(name == asked.as_deref()).then_some("true")] { (text) }
            }
        }
        @if page.items.is_empty() {
            (empty(language.say("None: the edge and the ledger agree.", "没有差异:边缘与账本一致。")))
        }
        @for row in &page.items { (card(row, language, may_act)) }
        (next(language, &page, "/console/findings", &[("state", asked.as_deref())]))
    };
    Ok(Content { title: Section::Findings.name(language).to_owned(), body })
}

fn card(row: &FindingRow, language: Language, may_act: bool) -> Markup {
    let is_open = row.state == "open";
    html! {
        article.finding {
            h2 { code { (row.code) } " " span.tag.bad[is_open] { (row.state) } }
            p { (row.detail) }
            p.quiet {
                "#" (row.finding_id) " · " code { (row.journal_id) "/" (row.seq) } " · "
                (number::time(row.found_at)) " · × " (row.times_seen)
                @if let Some(call) = &row.call_id {
                    " · " a href={ "/console/calls/" (call) } { code { (call) } }
                }
            }
            @if let Some(reason) = &row.state_reason {
                p { (row.state_actor.as_deref().unwrap_or_default()) ": " (reason) }
            }
            @if may_act && is_open {
                form.inline method="post" action="/console/findings" {
                    input type="hidden" name="finding" value=(row.finding_id);
                    label { (language.say("Why", "原因"))
                        input name="reason" required maxlength="1000"; }
                    button type="submit" name="state" value="explained" {
                        (language.say("Explained", "已说明")) }
                    button type="submit" name="state" value="resolved" {
                        (language.say("Resolved", "已解决")) }
                }
            }
        }
    }
}

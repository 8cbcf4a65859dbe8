//! What administrators did.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;

use super::language::Language;
use super::layout::{Section, empty, next};
use super::visitor::{Content, Visitor};
use super::{ROWS, number};
use crate::audit::{self, Filter};
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::{Pairs, Site};
use crate::page::Span;

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = content(&site, visitor.language, pairs).await;
    visitor.show(Section::Audit, content)
}

async fn content(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let filter = Filter {
        actor: parameters.text("actor")?,
        act: parameters.text("act")?,
        subject: parameters.text("subject")?,
    };
    let span = Span::new(parameters.text("cursor")?, Some(ROWS));
    parameters.end()?;
    let page = audit::list(&site.pool, &filter, &span).await?;
    let query = [
        ("actor", filter.actor.as_deref()),
        ("act", filter.act.as_deref()),
        ("subject", filter.subject.as_deref()),
    ];
    let body = html! {
        @if page.items.is_empty() {
            (empty(language.say("Nothing was done.", "没有操作记录。")))
        } @else { div.table { table {
            thead { tr {
                th { (language.say("Time", "时间")) } th { (language.say("Who", "操作人")) }
                th { (language.say("By", "途径")) } th { (language.say("What", "操作")) }
                th { (language.say("To", "对象")) } th { (language.say("Detail", "详情")) }
            } }
            tbody { @for row in &page.items { tr {
                td { (number::time(row.at)) } td { (row.actor) } td { (row.via) }
                td { code { (row.act) } } td { code { (row.subject) } }
                td { code.wrap { (row.detail.to_string()) } }
            } } }
        } } }
        (next(language, &page, "/console/audit", &query))
    };
    Ok(Content { title: Section::Audit.name(language).to_owned(), body })
}

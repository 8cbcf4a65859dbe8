//! The prices in force, what is planned, and every book that there was.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;

use super::language::Language;
use super::layout::{Section, empty, next};
use super::visitor::{Content, Visitor};
use super::{ROWS, number};
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::{Pairs, Site};
use crate::page::Span;
use crate::price::{history, plan, words};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = content(&site, visitor.language, pairs).await;
    visitor.show(Section::Prices, content)
}

async fn content(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let span = Span::new(parameters.text("cursor")?, Some(ROWS));
    parameters.end()?;
    let mut connection = site.pool.acquire().await?;
    let plan::Now { plan, .. } = plan::load(&mut connection).await?;
    drop(connection);
    let (book, planned) = (plan.in_force(), history::planned(&plan)?);
    let books = history::list(&site.pool, &span).await?;
    let body = html! {
        section {
            h2 { (language.say("Price book", "价格表")) " " (book.version) }
            div.table { table {
                thead { tr { th { (language.say("Of", "对象")) } th { (language.say("Price", "价格")) } } }
                tbody { @for (scope, price) in &book.prices { tr {
                    td { (words::scope(scope)) } td { (words::price(price)) }
                } } }
            } }
        }
        section {
            h2 { (language.say("Groups", "分组倍率")) }
            @if book.groups.is_empty() {
                (empty(language.say("Every group has ratio 1.", "所有分组倍率均为 1。")))
            } @else { div.table { table {
                thead { tr { th { (language.say("Group", "分组")) }
                             th.number { (language.say("Ratio", "倍率")) } } }
                tbody { @for (group, ratio) in &book.groups { tr {
                    td { (group.as_str()) } td.number { (ratio) }
                } } }
            } } }
        }
        @if !planned.is_empty() { section {
            h2 { (language.say("Planned", "计划中")) }
            div.table { table {
                thead { tr {
                    th.number { (language.say("Book", "价格表")) } th { (language.say("From", "生效")) }
                    th.number { (language.say("Changes", "改动数")) }
                } }
                tbody { @for row in &planned { tr {
                    td.number { (row.version) } td { (number::time(row.starts_at)) }
                    td.number { (row.changes) }
                } } }
            } }
        } }
        section {
            h2 { (language.say("History", "历史")) }
            div.table { table {
                thead { tr {
                    th.number { (language.say("Book", "价格表")) } th { (language.say("State", "状态")) }
                    th { (language.say("From", "生效")) } th { (language.say("Made at", "创建")) }
                    th { (language.say("By", "经手人")) } th { (language.say("What", "改动")) }
                } }
                tbody { @for row in &books.items { tr {
                    td.number { (row.price_book_id) } td { (state(language, &row.state)) }
                    td { (number::time(row.starts_at)) } td { (number::time(row.created_at)) }
                    td { (row.actor) } td { (row.reason) }
                } } }
            } }
            (next(language, &books, "/console/prices", &[]))
        }
    };
    Ok(Content { title: Section::Prices.name(language).to_owned(), body })
}

fn state(language: Language, state: &str) -> &'static str {
    match state {
        "in_force" => language.say("in force", "生效中"),
        "planned" => language.say("planned", "计划中"),
        "replaced" => language.say("replaced", "已被取代"),
        _ => language.say("past", "已过期"),
    }
}

//! Calls, filtered, page by page.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::language::Language;
use super::layout::{Section, address, empty, next};
use super::visitor::{Content, Visitor};
use super::{ROWS, number};
use crate::account;
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::{Pairs, Site, calls as http_calls};
use crate::page::Page;
use crate::read::calls::{self, Call, Filter, Place, Words};

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = content(&site, visitor.language, pairs).await;
    visitor.show(Section::Calls, content)
}

async fn content(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    // A form sends every field, also those that nobody filled in.
    let given = pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
    let mut parameters = Parameters::new(given)?;
    let behind = parameters.text("cursor")?.as_deref().map(Place::parse).transpose()?;
    let account = parameters.text("account")?;
    let account_id = match &account {
        Some(account) => Some(account::find(&site.pool, account).await?.account_id),
        None => None,
    };
    let words = http_calls::words(&mut parameters)?;
    parameters.end()?;
    let filter = Filter::read(account_id, words.clone())?;
    let found = calls::read(&site.pool, &filter, behind, ROWS).await?;
    let page = Page { items: found.calls, next_cursor: found.next_cursor };
    let amount = words.amount_min_nanos.map(|amount| amount.to_string());
    let query = [
        ("account", account.as_deref()),
        ("workflow", words.workflow.as_deref()),
        ("bot", words.bot.as_deref()),
        ("subject", words.subject.as_deref()),
        ("operation", words.operation.as_deref()),
        ("key", words.key.as_deref()),
        ("ending", words.ending.as_deref()),
        ("source", words.source.as_deref()),
        ("from", words.from.as_deref()),
        ("to", words.to.as_deref()),
        ("tz", words.tz.as_deref()),
        ("amount_min_nanos", amount.as_deref()),
    ];
    let body = html! {
        (form(language, account.as_deref(), &words))
        (table(&page.items, language))
        (next(language, &page, "/console/calls", &query))
        @if !page.items.is_empty() {
            p { a href=(address("/api/v1/calls.csv", &query)) download="weir-calls.csv" {
                (language.say("All of these as a sheet (CSV)", "全部导出为表格(CSV)"))
            } }
        }
    };
    Ok(Content { title: Section::Calls.name(language).to_owned(), body })
}

fn form(language: Language, account: Option<&str>, words: &Words) -> Markup {
    let field = |name: &str, label: &str, value: Option<&str>| {
        html! { label { (label) input name=(name) value=(value.unwrap_or_default()) maxlength="200"; } }
    };
    let day = |name: &str, label: &str, value: Option<&str>| {
        html! { label { (label) input type="date" name=(name) value=(value.unwrap_or_default()); } }
    };
    let endings = [
        ("settled", language.say("settled", "已结算")),
        ("released", language.say("released", "已释放")),
        ("expired", language.say("expired", "已过期")),
    ];
    html! {
        form.filter method="get" action="/console/calls" {
            (field("account", language.say("Account", "账户"), account))
            (field("workflow", language.say("Workflow", "工作流"), words.workflow.as_deref()))
            (field("bot", language.say("Bot", "智能体"), words.bot.as_deref()))
            (field("key", language.say("Key", "密钥"), words.key.as_deref()))
            label { (language.say("Ending", "结果"))
                select name="ending" {
                    option value="" { (language.say("any", "全部")) }
                    @for (name, text) in endings {
                        option value=(name) selected[words.ending.as_deref() == Some(name)] { (text) }
                    }
                }
            }
            (day("from", language.say("From", "自"), words.from.as_deref()))
            (day("to", language.say("To", "至"), words.to.as_deref()))
            button type="submit" { (language.say("Filter", "筛选")) }
        }
    }
}

/// Calls in a table.
pub(super) fn table(calls: &[Call], language: Language) -> Markup {
    if calls.is_empty() {
        return empty(language.say("No such call.", "没有符合条件的调用。"));
    }
    html! {
        div.table { table {
            thead { tr {
                th { (language.say("Ended", "结束")) } th { (language.say("Call", "调用")) }
                th { (language.say("Account", "账户")) } th { (language.say("Operation", "操作")) }
                th { (language.say("Subject", "对象")) } th { (language.say("Ending", "结果")) }
                th.number { (language.say("Tokens", "令牌")) }
                th.number { (language.say("Charged", "计费")) }
            } }
            tbody { @for call in calls { tr {
                td { (number::written(&call.finished_at)) }
                td { a href={ "/console/calls/" (call.call_id) } { code { (call.call_id) } } }
                td { a href={ "/console/accounts/" (call.account) } { code { (call.account) } } }
                td { (call.operation) }
                td { (call.subject_kind) " " code { (call.subject) } }
                td { span.tag.bad[call.ending != "settled"] { (call.ending) } }
                td.number { @if let Some(usage) = &call.usage { (number::count(usage.total)) }
                            @else { "–" } }
                td.number { (number::quota(call.amount_nanos)) }
            } } }
        } }
    }
}

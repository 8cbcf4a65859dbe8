//! Accounts, and one of them: its balance, its keys, what it was given, what it called.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::language::Language;
use super::layout::{Section, empty, next};
use super::visitor::{Content, Visitor};
use super::{ROWS, calls, number};
use crate::account::{self, AccountRow};
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::path::Named;
use crate::http::{Pairs, Site};
use crate::key::{self, KeyRow};
use crate::ledger::credit::{self, CreditTold};
use crate::page::Span;
use crate::read::account::AccountTold;
use crate::read::calls::{self as read, Filter};

/// Rows of each list on an account's page.
const FEW: i64 = 10;

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = all(&site, visitor.language, pairs).await;
    visitor.show(Section::Accounts, content)
}

pub(super) async fn one(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Named(account): Named,
) -> Response {
    let content = single(&site, visitor.language, &account).await;
    visitor.show(Section::Accounts, content)
}

async fn all(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let span = Span::new(parameters.text("cursor")?, Some(ROWS));
    parameters.end()?;
    let page = account::list(&site.pool, &span).await?.try_map(AccountTold::of)?;
    let body = html! {
        @if page.items.is_empty() {
            (empty(language.say("No account yet: `weir account create NAME` makes one.",
                                "还没有账户:用 `weir account create 名称` 创建。")))
        } @else {
            div.table { table {
                thead { tr {
                    th { (language.say("Name", "名称")) }
                    th { (language.say("Group", "分组")) }
                    th { (language.say("State", "状态")) }
                    th.number { (language.say("Calls", "调用")) }
                    th.number { (language.say("Charged", "计费")) }
                    th.number { (language.say("Balance", "余额")) }
                } }
                tbody { @for told in &page.items { tr {
                    td { a href={ "/console/accounts/" (told.account.account_id) } { (told.account.name) } }
                    td { (told.account.group_name) }
                    td { (status(&told.account, language)) }
                    td.number { (number::count(told.account.entries)) }
                    td.number { (number::quota(told.account.spent_nanos)) }
                    td.number.bad[told.arrears] { (number::quota(told.balance_nanos)) }
                } } }
            } }
            (next(language, &page, "/console/accounts", &[]))
        }
    };
    Ok(Content { title: Section::Accounts.name(language).to_owned(), body })
}

async fn single(site: &Site, language: Language, name: &str) -> Result<Content, Error> {
    let told = AccountTold::of(account::find(&site.pool, name).await?)?;
    let id = told.account.account_id.as_str();
    let few = Span::new(None, Some(FEW));
    let keys = key::list(&site.pool, Some(id), &few).await?;
    let credits = credit::list(&site.pool, Some(id), &few).await?;
    let filter = Filter { account: Some(id.to_owned()), ..Filter::default() };
    let called = read::read(&site.pool, &filter, None, FEW).await?;
    let body = html! {
        (facts(&told, language))
        section {
            h2 { (Section::Calls.name(language)) }
            (calls::table(&called.calls, language))
            @if called.next_cursor.is_some() {
                p { a href={ "/console/calls?account=" (id) } { (language.say("All calls", "全部调用")) } }
            }
        }
        (keys_table(&keys.items, language))
        (credits_table(&credits.items, language))
    };
    Ok(Content { title: told.account.name.clone(), body })
}

fn status(account: &AccountRow, language: Language) -> Markup {
    let text = match account.status.as_str() {
        "active" => language.say("active", "正常"),
        _ => language.say("suspended", "已停用"),
    };
    html! { span.tag.bad[account.status != "active"] { (text) } }
}

fn facts(told: &AccountTold, language: Language) -> Markup {
    let account = &told.account;
    let overdraft = account.overdraft_nanos.map(number::quota);
    let unlimited = language.say("unlimited", "不限");
    let count = |count: Option<i32>| count.map_or_else(|| "–".to_owned(), |n| n.to_string());
    html! {
        dl.facts {
            dt { (language.say("Balance", "余额")) }
            dd.bad[told.arrears] { strong { (number::quota(told.balance_nanos)) } }
            dt { (language.say("Given", "充值")) } dd { (number::quota(account.credits_nanos)) }
            dt { (language.say("Charged", "计费")) } dd { (number::quota(account.spent_nanos)) }
            dt { (language.say("State", "状态")) } dd { (status(account, language)) }
            dt { (language.say("Group", "分组")) } dd { (account.group_name) }
            dt { (language.say("Overdraft", "透支额度")) }
            dd { (overdraft.as_deref().unwrap_or(unlimited)) }
            dt { (language.say("Calls a minute / at once", "每分钟 / 并发")) }
            dd { (count(account.requests_per_minute)) " / " (count(account.concurrent_calls)) }
            dt { (language.say("Budget a day", "每日预算")) }
            dd { (account.daily_budget_nanos.map(number::quota).as_deref().unwrap_or("–")) " · "
                 (account.time_zone) }
            dt { (language.say("Journal", "日志")) } dd { code { (account.journal_id) } }
            dt { (language.say("Id", "编号")) } dd { code { (account.account_id) } }
        }
    }
}

fn keys_table(keys: &[KeyRow], language: Language) -> Markup {
    html! {
        section {
            h2 { (language.say("Keys", "密钥")) }
            @if keys.is_empty() { (empty(language.say("No key was issued yet.", "还没有密钥。"))) }
            @else { div.table { table {
                thead { tr {
                    th { (language.say("Name", "名称")) } th { (language.say("Key", "密钥")) }
                    th { (language.say("Issued", "签发")) } th { (language.say("Expires", "到期")) }
                    th { (language.say("Last used", "最近使用")) } th { (language.say("State", "状态")) }
                } }
                tbody { @for key in keys { tr {
                    td { (key.name) } td { code { (key.api_key_id) } }
                    td { (number::time(key.created_at)) }
                    td { @if let Some(at) = key.expires_at { (number::time(at)) } @else { "–" } }
                    td { @if let Some(at) = key.last_used_at { (number::time(at)) } @else { "–" } }
                    td { @if key.revoked_at.is_some() {
                        span.tag.bad { (language.say("revoked", "已吊销")) }
                    } @else { span.tag { (language.say("good", "有效")) } } }
                } } }
            } } }
        }
    }
}

fn credits_table(credits: &[CreditTold], language: Language) -> Markup {
    html! {
        section {
            h2 { (language.say("Credits", "充值记录")) }
            @if credits.is_empty() { (empty(language.say("Nothing was given yet.", "还没有充值。"))) }
            @else { div.table { table {
                thead { tr {
                    th { (language.say("Time", "时间")) } th { (language.say("Kind", "类型")) }
                    th { (language.say("Reason", "原因")) } th { (language.say("By", "经手人")) }
                    th { (language.say("Payment", "支付凭证")) }
                    th.number { (language.say("Amount", "金额")) }
                } }
                tbody { @for credit in credits { tr {
                    td { (number::time(credit.created_at)) } td { (credit.kind) }
                    td { (credit.reason) } td { (credit.actor) }
                    td { (credit.reference.as_deref().unwrap_or("–")) }
                    td.number { (number::quota(credit.amount_nanos)) }
                } } }
            } } }
        }
    }
}

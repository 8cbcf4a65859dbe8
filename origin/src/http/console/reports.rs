//! Reports: a day of the books, what is worth a look about it, and whether all agrees.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::language::Language;
use super::layout::{Section, address, empty};
use super::number;
use super::visitor::{Content, Visitor};
use crate::account;
use crate::clock;
use crate::error::Error;
use crate::http::parameters::Parameters;
use crate::http::reports::turn;
use crate::http::{Pairs, Site};
use crate::read::anomalies::{self, Anomalies, Kind, TIMES_DEFAULT};
use crate::read::daily::{self, Daily};
use crate::read::days::Days;
use crate::read::drift::{self, Drift};
use crate::read::summary::Sums;

/// Groups of a kind on a page.
const TOP: i64 = 10;

/// Which day of whose books is looked at.
struct Asked {
    account: Option<String>,
    account_id: Option<String>,
    date: String,
    tz: Option<String>,
    days: Days,
}

impl Asked {
    async fn read(site: &Site, pairs: Vec<(String, String)>) -> Result<Self, Error> {
        // A form sends every field, also those that nobody filled in.
        let given = pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut parameters = Parameters::new(given)?;
        let (account, date) = (parameters.text("account")?, parameters.text("date")?);
        let tz = parameters.text("tz")?;
        parameters.end()?;
        let now = clock::timestamp(clock::now())?;
        let days = Days::one(date.as_deref(), tz.as_deref(), now)?;
        let account_id = match &account {
            Some(account) => Some(account::find(&site.pool, account).await?.account_id),
            None => None,
        };
        Ok(Self { account, account_id, date: days.first.to_string(), tz, days })
    }

    /// The same day elsewhere.
    fn at(&self, path: &str) -> String {
        let query = [
            ("account", self.account.as_deref()),
            ("date", Some(self.date.as_str())),
            ("tz", self.tz.as_deref()),
        ];
        address(path, &query)
    }

    fn form(&self, language: Language, path: &str) -> Markup {
        html! {
            form.filter method="get" action=(path) {
                label { (language.say("Day", "日期")) input type="date" name="date" value=(self.date); }
                label { (language.say("Time zone", "时区"))
                    input name="tz" value=(self.tz.as_deref().unwrap_or_default()) placeholder="UTC" maxlength="200"; }
                label { (language.say("Account", "账户"))
                    input name="account" value=(self.account.as_deref().unwrap_or_default()) maxlength="200"; }
                button type="submit" { (language.say("Show", "查看")) }
            }
        }
    }
}

pub(super) async fn day(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = day_content(&site, visitor.language, pairs).await;
    visitor.show(Section::Reports, content)
}

pub(super) async fn look(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Response {
    let content = look_content(&site, visitor.language, pairs).await;
    visitor.show(Section::Reports, content)
}

pub(super) async fn agreement(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let content = agreement_content(&site, visitor.language).await;
    visitor.show(Section::Reports, content)
}

async fn day_content(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let asked = Asked::read(site, pairs).await?;
    let told = daily::read(&site.pool, asked.account_id.as_deref(), &asked.days, TOP).await?;
    let body = html! {
        (asked.form(language, "/console/reports"))
        p {
            a href=(asked.at("/console/reports/anomalies")) { (language.say("Calls worth a look", "值得关注的调用")) }
            " · "
            a href="/console/reports/drift" { (language.say("Check whether the books agree", "核对账目")) }
        }
        @if !told.complete {
            p.notice { (language.say("Not every journal was pulled since the day ended: calls may still come.",
                                     "当日结束后尚未同步全部日志:仍可能有调用入账。")) }
        }
        (movement(&told, language))
        (groups(&told, language))
    };
    Ok(Content { title: language.say("Daily report", "日报").to_owned(), body })
}

fn movement(told: &Daily, language: Language) -> Markup {
    let total = &told.summary.total;
    html! {
        dl.facts {
            dt { (language.say("Opening", "期初")) } dd { (number::quota(told.opening_nanos)) }
            dt { (language.say("Credits", "充值")) } dd { (number::quota(told.credits_nanos)) }
            dt { (language.say("Charged", "计费")) } dd { (number::quota(told.spent_nanos)) }
            dt { (language.say("Closing", "期末")) }
            dd.bad[told.closing_nanos < 0] { strong { (number::quota(told.closing_nanos)) } }
            dt { (language.say("Calls", "调用")) } dd { (number::count(total.calls)) }
            dt { (language.say("Not charged by their reading", "未按用量计费")) }
            dd { (number::count(total.failed)) }
            dt { (language.say("Tokens", "令牌")) } dd { (number::count(total.total_tokens)) }
            @for found in &told.findings {
                dt { code { (found.code) } }
                dd { (number::count(found.findings)) " · "
                     (language.say("open", "未处理")) " " (number::count(found.open)) }
            }
        }
    }
}

fn groups(told: &Daily, language: Language) -> Markup {
    let summary = &told.summary;
    let others = |name: &str| summary.others.get(name);
    let accounts = summary.accounts.iter().flatten().map(|each| {
        let link = format!("/console/accounts/{}", each.account);
        let name = each.name.as_deref().unwrap_or(&each.account);
        (html! { a href=(link) { (name) } }, &each.sums)
    });
    let subjects = summary
        .subjects
        .iter()
        .flatten()
        .map(|each| (html! { (each.subject_kind) " " code { (each.subject) } }, &each.sums));
    let operations = summary.operations.iter().flatten();
    let operations = operations.map(|each| (html! { (each.operation) }, &each.sums));
    html! {
        (table(language, language.say("Accounts", "账户"), accounts.collect(), others("account")))
        (table(language, language.say("Subjects", "对象"), subjects.collect(), others("subject")))
        (table(language, language.say("Operations", "操作"), operations.collect(), others("operation")))
    }
}

fn table<'a>(
    language: Language,
    title: &str,
    mut rows: Vec<(Markup, &'a Sums)>,
    others: Option<&'a Sums>,
) -> Markup {
    if let Some(others) = others {
        rows.push((html! { (language.say("All others", "其余")) }, others));
    }
    html! {
        section {
            h2 { (title) }
            @if rows.is_empty() { (empty(language.say("No calls that day.", "当日没有调用。"))) }
            @else { div.table { table {
                thead { tr {
                    th { (title) }
                    th.number { (language.say("Calls", "调用")) }
                    th.number { (language.say("Failed", "失败")) }
                    th.number { (language.say("Tokens", "令牌")) }
                    th.number { (language.say("Charged", "计费")) }
                } }
                tbody { @for (name, sums) in &rows { tr {
                    td { (name) }
                    td.number { (number::count(sums.calls)) }
                    td.number { (number::count(sums.failed)) }
                    td.number { (number::count(sums.total_tokens)) }
                    td.number { (number::quota(sums.amount_nanos)) }
                } } }
            } } }
        }
    }
}

async fn look_content(
    site: &Site,
    language: Language,
    pairs: Vec<(String, String)>,
) -> Result<Content, Error> {
    let asked = Asked::read(site, pairs).await?;
    let _turn = turn()?;
    let account = asked.account_id.as_deref();
    let told = anomalies::read(&site.pool, account, &asked.days, TIMES_DEFAULT).await?;
    let body = html! {
        (asked.form(language, "/console/reports/anomalies"))
        p { a href=(asked.at("/console/reports")) { "← " (language.say("Daily report", "日报")) } }
        (kinds(&told, language))
        section {
            h2 { (language.say("Charged by the default price", "按默认价格计费")) " "
                 (told.default_priced_subjects) }
            @if told.default_priced.is_empty() {
                (empty(language.say("Every subject has a price of its own.", "所有对象都有单独的价格。")))
            } @else { div.table { table {
                thead { tr {
                    th { (language.say("Subject", "对象")) }
                    th.number { (language.say("Calls", "调用")) }
                    th.number { (language.say("Accounts", "账户")) }
                    th.number { (language.say("Charged", "计费")) }
                } }
                tbody { @for each in &told.default_priced { tr {
                    td { (each.subject_kind) " " code { (each.subject) } }
                    td.number { (number::count(each.calls)) }
                    td.number { (number::count(each.accounts)) }
                    td.number { (number::quota(each.amount_nanos)) }
                } } }
            } } }
        }
    };
    Ok(Content {
        title: language.say("Calls worth a look", "值得关注的调用").to_owned(), body
    })
}

fn kinds(told: &Anomalies, language: Language) -> Markup {
    html! {
        @for (kind, found) in Kind::ALL.into_iter().zip(&told.kinds) {
            section {
                h2 { (name(kind, language)) " " (number::count(found.calls)) }
                @if found.listed.is_empty() {
                    (empty(language.say("None that day.", "当日没有。")))
                } @else { div.table { table {
                    thead { tr {
                        th { (language.say("Ended", "结束")) } th { (language.say("Call", "调用")) }
                        th { (language.say("Subject", "对象")) } th { (language.say("Detail", "详情")) }
                        th.number { (language.say("Charged", "计费")) }
                    } }
                    tbody { @for each in &found.listed { tr {
                        td { (number::written(&each.finished_at)) }
                        td { a href={ "/console/calls/" (each.call_id) } { code { (each.call_id) } } }
                        td { (each.subject_kind) " " code { (each.subject) } }
                        td { (each.detail) }
                        td.number { (number::quota(each.amount_nanos)) }
                    } } }
                } } }
            }
        }
    }
}

fn name(kind: Kind, language: Language) -> &'static str {
    match kind {
        Kind::ChargedNothing => language.say("Settled and charged nothing", "已结算但未计费"),
        Kind::UsageMissing => language.say("Usage unknown", "用量缺失"),
        Kind::UsageFell => language.say("Usage fell", "用量回退"),
        Kind::UsageMismatched => language.say("Parts and total differ", "分项与合计不符"),
        Kind::UnusuallyLarge => language.say("Much dearer than usual", "费用异常偏高"),
    }
}

async fn agreement_content(site: &Site, language: Language) -> Result<Content, Error> {
    let _turn = turn()?;
    let told = drift::read(&site.pool, &mut |_| {}).await?;
    let body = html! {
        p { a href="/console/reports" { "← " (language.say("Daily report", "日报")) } }
        (verdict(&told, language))
        @if !told.differences.is_empty() { div.table { table {
            thead { tr {
                th { (language.say("Of", "对象")) } th { (language.say("What", "项目")) }
                th { (language.say("Says", "各表数值")) }
            } }
            tbody { @for each in &told.differences { tr {
                td { (each.of) " " code { (each.name) } } td { code { (each.what) } }
                td { @for (table, number) in &each.says { code { (table) } " " (number) " " } }
            } } }
        } } }
    };
    Ok(Content { title: language.say("Do the books agree?", "账目核对").to_owned(), body })
}

fn verdict(told: &Drift, language: Language) -> Markup {
    html! {
        @if told.differences_found == 0 {
            p.notice { (language.say("Every sum is the same wherever it stands.", "所有合计一致。"))
                       " (" (number::count(i64::try_from(told.compared).unwrap_or(i64::MAX))) ")" }
        } @else {
            p.notice.bad { (told.differences_found) " "
                           (language.say("sums differ.", "项合计不一致。")) }
        }
        dl.facts {
            dt { (language.say("Calls", "调用")) } dd { (number::count(told.calls)) }
            dt { (language.say("Given", "充值")) } dd { (number::quota(told.credits_nanos)) }
            dt { (language.say("Charged", "计费")) } dd { (number::quota(told.spent_nanos)) }
            dt { (language.say("Balance", "余额")) } dd { (number::quota(told.balance_nanos)) }
            dt { (language.say("Open findings", "未处理差异")) }
            dd.bad[told.findings_open > 0] { a href="/console/findings" { (number::count(told.findings_open)) } }
        }
    }
}

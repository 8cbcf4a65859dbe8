//! The overview: the money's health, what was found, what costs most.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::language::Language;
use super::layout::{Section, empty};
use super::number;
use super::visitor::{Content, Visitor};
use crate::clock;
use crate::error::Error;
use crate::http::Site;
use crate::ledger::finding::{self, Filter, State as FindingState};
use crate::page::Span;
use crate::read::balance;
use crate::read::days::Days;
use crate::read::health::{self, Health};
use crate::read::summary::{self, Grouping, Question, Summary};

/// Findings that are shown here.
const FINDINGS: i64 = 5;
/// Subjects that are shown here.
const SUBJECTS: usize = 10;

pub(super) async fn show(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let content = content(&site, visitor.language).await;
    visitor.show(Section::Overview, content)
}

async fn content(site: &Site, language: Language) -> Result<Content, Error> {
    let now = clock::now();
    let days = Days::read(None, None, None, clock::timestamp(now)?)?;
    let health = health::read(&site.pool, site.process, now).await;
    let balance = balance::read(&site.pool, None).await?;
    let asked = Question { by: vec![Grouping::Subject], ..Question::of(None) };
    let summary = summary::read(&site.pool, &asked, &days).await?;
    let open = Filter { state: Some(FindingState::Open), ..Filter::default() };
    let span = Span::new(None, Some(FINDINGS));
    let findings = finding::list(&site.pool, &open, &span).await?;
    let body = html! {
        div.cards {
            (card(language.say("State", "状态"), state(&health, language), health.status != "ok"))
            (card(language.say("Open findings", "未处理差异"),
                  &number::count(health.findings_open.unwrap_or_default()),
                  health.findings_open != Some(0)))
            (card(language.say("Calls still open", "进行中的调用"),
                  &number::count(health.open_calls.unwrap_or_default()), false))
            (card(language.say("Last pull", "最近同步"), &number::age(health.last_pull_age_ms), false))
            (card(language.say("Calls in 30 days", "30 天调用数"),
                  &number::count(summary.total.calls), false))
            (card(language.say("Charged in 30 days", "30 天计费"),
                  &number::quota(summary.total.amount_nanos), false))
            (card(language.say("Balance of all accounts", "所有账户余额"),
                  &number::quota(balance.balance_nanos), balance.arrears))
        }
        section {
            h2 { (language.say("Open findings", "未处理差异")) }
            @if findings.items.is_empty() {
                (empty(language.say("None: the edge and the ledger agree.", "没有差异:边缘与账本一致。")))
            } @else {
                ul.plain {
                    @for finding in &findings.items {
                        li { code { (finding.code) } " " (finding.detail) }
                    }
                }
                p { a href="/console/findings" { (language.say("All findings", "全部差异")) } }
            }
        }
        (subjects(&summary, language))
        (journals(&health, language))
    };
    Ok(Content { title: Section::Overview.name(language).to_owned(), body })
}

fn card(name: &str, value: &str, bad: bool) -> Markup {
    html! { div.card.bad[bad] { span.name { (name) } span.value { (value) } } }
}

fn state(health: &Health, language: Language) -> &'static str {
    match health.status {
        "ok" => language.say("All is well", "正常"),
        "degraded" => language.say("Degraded", "降级"),
        _ => language.say("Down", "不可用"),
    }
}

fn subjects(summary: &Summary, language: Language) -> Markup {
    let subjects = summary.subjects.as_deref().unwrap_or_default();
    html! {
        section {
            h2 { (language.say("What cost most in 30 days", "30 天内费用最高")) }
            @if subjects.is_empty() {
                (empty(language.say("No calls yet.", "暂无调用。")))
            } @else {
                div.table { table {
                    thead { tr {
                        th { (language.say("Subject", "对象")) }
                        th.number { (language.say("Calls", "调用")) }
                        th.number { (language.say("Tokens", "令牌")) }
                        th.number { (language.say("Charged", "计费")) }
                    } }
                    tbody { @for each in subjects.iter().take(SUBJECTS) { tr {
                        td { (each.subject_kind) " " code { (each.subject) } }
                        td.number { (number::count(each.sums.calls)) }
                        td.number { (number::count(each.sums.total_tokens)) }
                        td.number { (number::quota(each.sums.amount_nanos)) }
                    } } }
                } }
            }
        }
    }
}

fn journals(health: &Health, language: Language) -> Markup {
    html! {
        section {
            h2 { (language.say("Journals", "日志")) }
            div.table { table {
                thead { tr {
                    th { (language.say("Journal", "日志")) }
                    th.number { (language.say("Posted", "已入账")) }
                    th.number { (language.say("Behind", "落后")) }
                    th.number { (language.say("Open", "进行中")) }
                    th.number { (language.say("Pulled", "同步")) }
                    th { (language.say("Problem", "问题")) }
                } }
                tbody { @for each in &health.journals { tr {
                    td { code { (each.name) } }
                    td.number { (number::count(each.cursor_seq)) }
                    td.number { (number::count(each.behind)) }
                    td.number { (number::count(each.open_holds)) }
                    td.number { (number::age(each.last_pull_age_ms)) }
                    td { (each.stopped_by.as_deref().or(each.last_error.as_deref()).unwrap_or("–")) }
                } } }
            } }
        }
    }
}

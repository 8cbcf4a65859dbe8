//! One call, explained: why it was let in, what was read, what it cost and how that comes about.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::language::Language;
use super::layout::Section;
use super::number;
use super::visitor::{Content, Visitor};
use crate::clock;
use crate::error::Error;
use crate::http::Site;
use crate::http::calls::call_id;
use crate::http::path::Named;
use crate::read::explain::{self, Explanation, Finished, Open};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Named(call): Named,
) -> Response {
    let content = content(&site, visitor.language, call).await;
    visitor.show(Section::Calls, content)
}

async fn content(site: &Site, language: Language, call: String) -> Result<Content, Error> {
    let title = format!("{} {call}", language.say("Call", "调用"));
    let call = call_id(call)?;
    let body = match explain::read(&site.pool, None, &call, clock::now()).await? {
        Explanation::Finished(told) => finished(&told, language),
        Explanation::Open(told) => open(&told, language),
    };
    Ok(Content { title, body })
}

fn finished(told: &Finished, language: Language) -> Markup {
    let (let_in, charge, place) = (&told.let_in, &told.charge, &told.place);
    let status = told.upstream.status.map(|status| status.to_string());
    let follows = match place.follows {
        Some(true) => language.say("continues the entry before", "与前一条相连"),
        Some(false) => language.say("does NOT continue the entry before", "与前一条不相连"),
        None => language.say("the entry before is not here", "没有前一条"),
    };
    html! {
        section {
            h2 { (language.say("What it cost", "费用")) }
            dl.facts {
                dt { (language.say("Charged", "计费")) }
                dd { strong { (number::quota(charge.amount_nanos)) } " quota" }
                dt { (language.say("How", "计算")) } dd { code { (charge.arithmetic) } }
                dt { (language.say("Derived again", "复核")) }
                dd.bad[!charge.equals] {
                    (if charge.equals { language.say("the same to the nano", "一致") }
                     else { language.say("differs", "不一致") })
                }
            }
        }
        section {
            h2 { (language.say("Why it was let in", "准入")) }
            dl.facts {
                dt { (language.say("Account", "账户")) }
                dd { a href={ "/console/accounts/" (let_in.account) } {
                    (let_in.account_name.as_deref().unwrap_or(&let_in.account)) } }
                dt { (language.say("When", "时间")) } dd { (number::written(&let_in.at)) }
                dt { (language.say("Why", "依据")) } dd { (let_in.why) }
                dt { (language.say("Subject", "对象")) }
                dd { (let_in.operation) " · " (let_in.subject_kind) " " code { (let_in.subject) } }
                dt { (language.say("Price", "价格")) }
                dd { (let_in.rule.text) " · " (language.say("book", "价格表")) " " (let_in.book)
                     " · " (let_in.group) " × " (let_in.ratio) }
                dt { (language.say("Key", "密钥")) } dd { code { (let_in.key) } }
            }
        }
        section {
            h2 { (language.say("How it ended", "结果")) }
            dl.facts {
                dt { (language.say("Ending", "结果")) } dd { (told.outcome.text) }
                dt { (language.say("When", "时间")) }
                dd { (number::written(&told.outcome.at)) " · " (told.outcome.duration_ms) " ms" }
                dt { (language.say("Reading", "读数")) } dd { (told.reading.text) }
                @if let Some(usage) = &told.reading.usage {
                    dt { (language.say("Tokens", "令牌")) }
                    dd { (number::count(usage.total)) }
                }
                dt { (language.say("Upstream", "上游")) }
                dd { "HTTP " (status.as_deref().unwrap_or("–"))
                     @if let Some(code) = told.upstream.code { " · code " (code) } }
                @for (name, id) in [("chat", &told.upstream.chat_id),
                                    ("execution", &told.upstream.execute_id),
                                    ("log", &told.upstream.log_id)] {
                    @if let Some(id) = id { dt { (name) } dd { code { (id) } } }
                }
            }
        }
        section {
            h2 { (language.say("Where it stands", "账本位置")) }
            dl.facts {
                dt { (language.say("Journal", "日志")) }
                dd { code { (place.journal) } " · " (place.seq) }
                dt { (language.say("Hash", "哈希")) } dd { code.wrap { (place.hash) } }
                dt { (language.say("Chain", "链")) } dd { (follows) }
                @for posting in &told.postings {
                    dt { (language.say("Posting", "入账")) " " (posting.posting_id) }
                    dd { (number::quota(posting.balance_effect_nanos)) " · "
                         (number::written(&posting.posted_at)) }
                }
                @if let Some(order) = &told.order {
                    dt { (language.say("Decided by", "人工处理")) }
                    dd { (order.order.actor) ": " (order.order.reason) }
                }
                @for finding in &told.findings {
                    dt { (language.say("Finding", "差异")) " " (finding.finding_id) }
                    dd { code { (finding.code) } " " (finding.detail) " · " (finding.state) }
                }
            }
        }
    }
}

fn open(told: &Open, language: Language) -> Markup {
    let hold = &told.open.hold;
    html! {
        p.notice { (language.say("It was open when its journal was last pulled.", "最近一次同步时仍在进行中。")) }
        dl.facts {
            dt { (language.say("Account", "账户")) }
            dd { a href={ "/console/accounts/" (hold.account) } { code { (hold.account) } } }
            dt { (language.say("Subject", "对象")) }
            dd { (hold.asked.operation) " · " (hold.asked.subject_kind) " " code { (hold.asked.subject) } }
            dt { (language.say("Open for", "已进行")) } dd { (number::age(Some(told.age_ms))) }
            dt { (language.say("Set aside", "预留")) } dd { (number::quota(hold.amount_nanos)) }
            dt { (language.say("Waits for", "等待")) } dd { (told.open.waits_for) }
            dt { (language.say("Journal", "日志")) } dd { code { (told.journal) } }
            @if let Some(order) = &told.order {
                dt { (language.say("Decided by", "人工处理")) }
                dd { (order.order.actor) ": " (order.order.reason) }
            }
        }
    }
}

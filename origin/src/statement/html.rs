//! A statement as a page to print, in Chinese or English.
//!
//! The page carries the statement's written form inside it, and shows nothing else: whoever checks it
//! makes the page again from that text and compares every byte ([`read`]).

use std::str::FromStr;

use chrono_tz::Tz;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use meter::entry::Hash;
use meter::money::Nanos;
use meter::statement::{self, CreditLine, Statement, Sums};

use crate::clock;
use crate::error::Error;

use super::verify::NotGenuine;

/// Where the written form begins and ends in a page.
const TEXT_BEGINS: &str = "<pre id=\"weir-statement\" hidden>";
const TEXT_ENDS: &str = "</pre>";

const STYLE: &str = "\
:root{color-scheme:light}body{font:15px/1.5 system-ui,'PingFang SC','Microsoft YaHei',sans-serif;\
max-width:52rem;margin:3rem auto;padding:0 1.5rem;color:#16202a}h1{font-size:1.6rem;margin:0}\
h2{font-size:1rem;margin:2.2rem 0 .4rem}p.sub{color:#5a6772;margin:.2rem 0 2rem}\
table{border-collapse:collapse;width:100%}th,td{padding:.32rem .5rem;border-bottom:1px solid #e3e8ec;\
text-align:left;vertical-align:top}th{font-weight:600;color:#5a6772;font-size:.85rem}\
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
tr.sum td{font-weight:600;border-bottom:2px solid #16202a}footer{margin-top:3rem;color:#5a6772;\
font-size:.8rem;overflow-wrap:anywhere}@media print{body{margin:0;max-width:none}}";

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Simplified Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    const fn say(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "zh" => Ok(Self::Zh),
            "en" => Ok(Self::En),
            _ => Err(Error::invalid("lang", "is neither `zh` nor `en`")),
        }
    }
}

/// The page of a statement whose written form this is.
pub fn page(text: &str, language: Language) -> Result<String, NotGenuine> {
    let (statement, hash) = statement::read(text)?;
    let charges = statement.charges().map_err(statement::NotAStatement::from)?;
    let say = |zh, en| language.say(zh, en);
    let title = format!("{} {}", say("账单", "Statement"), statement.month);
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · " (statement.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p.sub {
                    (statement.name) " · " (statement.account) " · "
                    (say("第", "no. ")) (statement.number) (say(" 期", "")) " · " (statement.zone)
                }
                (balances(&statement, &charges, language))
                (credits(&statement, language))
                (calls(&statement, &charges, language))
                footer {
                    p { (say("金额单位：quota（1 美元 = 500,000 quota）。", "Amounts are in quota: 1 USD = 500,000 quota.")) }
                    p { "SHA-256 " (hash) }
                    p { (say("上一期", "before it")) " " (statement.previous) }
                }
                (PreEscaped(TEXT_BEGINS)) (text) (PreEscaped(TEXT_ENDS))
            }
        }
    };
    Ok(page.into_string())
}

fn balances(statement: &Statement, charges: &Sums, language: Language) -> Markup {
    let say = |zh, en| language.say(zh, en);
    let credited = statement.credited().unwrap_or_default();
    let row = |name: &str, amount: String| html! { tr { td { (name) } td.n { (amount) } } };
    html! {
        table {
            (row(say("期初余额", "Opening balance"), quota(statement.opening)))
            (row(say("入账", "Credits"), quota(credited)))
            (row(say("消费", "Charges"), format!("−{}", quota(charges.amount))))
            tr.sum { td { (say("期末余额", "Closing balance")) } td.n { (quota(statement.closing)) } }
        }
    }
}

fn credits(statement: &Statement, language: Language) -> Markup {
    let say = |zh, en| language.say(zh, en);
    html! {
        h2 { (say("入账明细", "Credits")) }
        @if statement.credits.is_empty() {
            p { (say("本月没有入账。", "Nothing was credited this month.")) }
        } @else {
            table {
                tr {
                    th { (say("日期", "Day")) } th { (say("类型", "Kind")) }
                    th { (say("说明", "Reason")) } th { (say("凭证", "Reference")) }
                    th.n { (say("金额", "Amount")) }
                }
                @for CreditLine { day, kind, amount, reference, reason } in &statement.credits {
                    tr {
                        td { (day) } td { (kind_name(kind, language)) } td { (reason) }
                        td { (reference) } td.n { (quota(*amount)) }
                    }
                }
            }
        }
    }
}

fn kind_name(kind: &str, language: Language) -> String {
    let name = match kind {
        "grant" => language.say("赠送", "grant"),
        "top_up" => language.say("充值", "top-up"),
        "refund" => language.say("退款", "refund"),
        "adjustment" => language.say("调整", "adjustment"),
        other => other,
    };
    name.to_owned()
}

fn calls(statement: &Statement, charges: &Sums, language: Language) -> Markup {
    let say = |zh, en| language.say(zh, en);
    let heads = html! {
        th.n { (say("调用", "Calls")) } th.n { (say("令牌", "Tokens")) } th.n { (say("金额", "Amount")) }
    };
    let sums = |sums: &Sums| {
        html! {
            td.n { (sums.calls) } td.n { (sums.tokens) } td.n { (quota(sums.amount)) }
        }
    };
    html! {
        h2 { (say("按工作流和智能体", "By workflow and bot")) }
        @if statement.subjects.is_empty() {
            p { (say("本月没有调用。", "Nothing was called this month.")) }
        } @else {
            table {
                tr { th { (say("操作", "Operation")) } th { "ID" } (heads) }
                @for line in &statement.subjects {
                    tr { td { (line.operation) } td { (line.subject) } (sums(&line.sums)) }
                }
                tr.sum { td { (say("合计", "Total")) } td {} (sums(charges)) }
            }
            h2 { (say("按日", "By day")) }
            table {
                tr { th { (say("日期", "Day")) } (heads) }
                @for line in &statement.days {
                    tr { td { (line.day) } (sums(&line.sums)) }
                }
            }
        }
    }
}

fn quota(amount: Nanos) -> String {
    amount.in_quota().to_string()
}

/// Whether a text is a page rather than a written form.
pub(super) fn is_page(text: &str) -> bool {
    text.starts_with("<!DOCTYPE html>")
}

/// The statement in a page, when the page is, to the byte, the one that Weir makes of it.
pub fn read(page_text: &str) -> Result<(Statement, Hash), NotGenuine> {
    let begin = page_text.find(TEXT_BEGINS).ok_or(NotGenuine::NoStatement)?;
    let inside = page_text.get(begin.saturating_add(TEXT_BEGINS.len())..).unwrap_or_default();
    let end = inside.find(TEXT_ENDS).ok_or(NotGenuine::NoStatement)?;
    let text = unescape(inside.get(..end).unwrap_or_default());
    let (statement, hash) = statement::read(&text)?;
    let is_same = [Language::Zh, Language::En]
        .into_iter()
        .any(|language| page(&text, language).is_ok_and(|again| again == page_text));
    if is_same { Ok((statement, hash)) } else { Err(NotGenuine::Page) }
}

/// The four characters that are escaped in a page, as they were.
fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}

/// When a statement's month ends, for people.
pub fn period(statement: &Statement) -> String {
    let zone: Tz = statement.zone.parse().unwrap_or(Tz::UTC);
    let day = |at| {
        let at = clock::timestamp(at).unwrap_or_default();
        at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
    };
    format!("{} – {}", day(statement.from), day(statement.to))
}

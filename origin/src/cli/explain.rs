//! `weir explain`: why a call stands as it does.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, StatusCode};
use clap::Args;
use http_body_util::Full;
use meter::ids::CallId;
use meter::money::Nanos;
use meter::time::UnixMs;
use meter::wire::explained::{ExplainedDoc, OpenDoc};

use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::https::{Https, Limits};
use crate::read::explain::{self, Explanation, Finished, OrderTold};

use super::Answer;

/// Longest wait for the edge's answer.
pub(crate) const EDGE_MS_MAX: u64 = 10_000;
/// Largest answer of the edge's; one call's explanation has a kilobyte.
pub(crate) const EDGE_BYTES_MAX: usize = 64 << 10;

/// `weir explain`
#[derive(Args)]
pub(super) struct Explain {
    /// The call's id, as `weir-call-id` says it
    call: CallId,
    /// The edge, which is asked about a call that is not known here
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    edge_url: Option<String>,
    /// A key of the call's account, needed to ask the edge
    #[arg(long, env = "WEIR_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Explain {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        match explain::read(&pool, None, &self.call, clock::now()).await {
            Ok(explanation) => {
                let text = match &explanation {
                    Explanation::Finished(finished) => finished_text(finished),
                    Explanation::Open(open) => {
                        let journal = format!("journal {}", open.journal);
                        open_text(&open.open, &journal, open.order.as_ref())?
                    }
                };
                Answer::new(&explanation, text)
            }
            Err(Error::CallUnknown(call)) => match (&self.edge_url, &self.key) {
                (Some(url), Some(key)) => ask_edge(url, key, &self.call).await,
                _ => Err(Error::CallUnknown(call)),
            },
            Err(error) => Err(error),
        }
    }
}

/// What the edge says this second.
async fn ask_edge(url: &str, key: &str, call: &CallId) -> Result<Answer, Error> {
    let https = Https::new(url)?;
    let request = Request::get(https.url(&format!("/api/v1/calls/{call}/explain")))
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .body(Full::new(Bytes::new()))
        // A key with a line break in it cannot stand in a header.
        .map_err(|_| Error::invalid("key", "is not a key"))?;
    let (status, body) =
        https.send(request, Limits { ms_max: EDGE_MS_MAX, bytes_max: EDGE_BYTES_MAX }).await?;
    if status == StatusCode::NOT_FOUND {
        return Err(Error::CallUnknown(call.to_string()));
    }
    if status != StatusCode::OK {
        return Err(Error::Edge(status.as_u16()));
    }
    let explained: ExplainedDoc = serde_json::from_slice(&body)
        .map_err(|error| Error::Unprintable(format!("the edge's answer: {error}")))?;
    let text = match &explained {
        ExplainedDoc::Open(open) => open_text(open, "the edge", None)?,
        ExplainedDoc::Finished { ending, amount_nanos } => format!(
            "Call {call} has ended: {ending}, for {} quota. Its entry is not pulled yet.",
            Nanos::new(*amount_nanos).in_quota()
        ),
        ExplainedDoc::Refused { reason, at_ms } => {
            format!("Call {call} was refused at {}: {reason}.", time(*at_ms)?)
        }
    };
    Answer::new(&explained, text)
}

fn time(ms: u64) -> Result<String, Error> {
    Ok(clock::text(clock::timestamp(UnixMs::new(ms))?))
}

/// Labelled lines under a heading. Writing to a String cannot fail.
struct Lines(String);

impl Lines {
    fn line(&mut self, label: &str, text: impl std::fmt::Display) {
        let _ = write!(self.0, "\n  {label:<10} {text}");
    }

    fn order(&mut self, told: &OrderTold) {
        let OrderTold { order, carried_out } = told;
        let at = clock::text(order.created_at);
        let (actor, decision) = (&order.actor, order.decision());
        self.line("ordered", format_args!("{decision}, says {actor} at {at}: {}", order.reason));
        if !carried_out {
            self.line("", "which is not what ended it, or not yet");
        }
    }
}

fn known(id: Option<&impl std::fmt::Display>) -> String {
    id.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn finished_text(call: &Finished) -> String {
    let Finished { call_id, let_in, upstream, reading, outcome, charge, place, .. } = call;
    let mut lines = Lines(format!(
        "Call {call_id} is {}: {} quota from account {} ({})",
        outcome.ending,
        charge.amount_quota,
        let_in.account,
        let_in.account_name.as_deref().unwrap_or("not known here"),
    ));
    lines.line("let in", format_args!("{}, since {}", let_in.at, let_in.why));
    let asked = format!("{} to {} {}", let_in.operation, let_in.subject_kind, let_in.subject);
    lines.line("asked", format_args!("{asked}, with key {}", let_in.key));
    let agrees = if let_in.rule.agrees { "" } else { ", which does NOT say what was charged by" };
    let (book, rule) = (let_in.book, &let_in.rule.text);
    lines.line("price", format_args!("{rule} in book {book}{agrees}"));
    let (group, ratio) = (&let_in.group, &let_in.ratio);
    lines.line("", format_args!("for group {group}, times {ratio}"));
    lines.line("held", format_args!("{} quota", let_in.hold_quota));
    let (status, code) = (known(upstream.status.as_ref()), known(upstream.code.as_ref()));
    lines.line("upstream", format_args!("status {status}, code {code}"));
    let (chat, execution) = (known(upstream.chat_id.as_ref()), known(upstream.execute_id.as_ref()));
    let log = known(upstream.log_id.as_ref());
    lines.line("", format_args!("chat {chat}, execution {execution}, log {log}"));
    let tokens = match &reading.usage {
        None => "no tokens known".to_owned(),
        Some(usage) => {
            let (input, output) = (known(usage.input.as_ref()), known(usage.output.as_ref()));
            let cost =
                usage.cost.as_ref().map(|cost| format!(", {} {}", cost.amount, cost.currency));
            let cost = cost.unwrap_or_default();
            format!("{} tokens, {input} in and {output} out{cost}", usage.total)
        }
    };
    lines.line("reading", format_args!("{tokens}; from {}", reading.text));
    lines.line("outcome", format_args!("{}, after {} ms", outcome.text, outcome.duration_ms));
    lines.line("charge", &charge.arithmetic);
    if !charge.equals {
        lines.line("", format_args!("which is NOT the {} nano charged", charge.amount_nanos));
    }
    let (journal, seq, epoch) = (&place.journal, place.seq, &place.epoch);
    let follows = match place.follows {
        Some(true) => "it continues the entry before",
        Some(false) => "it does NOT continue the entry before",
        None => "the entry before is not here",
    };
    lines.line("entry", format_args!("{seq} of journal {journal}, epoch {epoch}; {follows}"));
    lines.line("", format_args!("total {} nano, hash {}", place.total_nanos, place.hash));
    for posting in &call.postings {
        let (id, at, effect) =
            (posting.posting_id, &posting.posted_at, &posting.balance_effect_quota);
        lines.line("posting", format_args!("{id} at {at}: {effect} quota to the balance"));
    }
    for finding in &call.findings {
        let (code, state, detail) = (&finding.code, &finding.state, &finding.detail);
        lines.line("finding", format_args!("{code} ({state}): {detail}"));
    }
    if let Some(order) = &call.order {
        lines.order(order);
    }
    lines.0
}

fn open_text(open: &OpenDoc, says: &str, order: Option<&OrderTold>) -> Result<String, Error> {
    let OpenDoc { hold, waits_for, asked, due_at_ms, seen_at_ms: _ } = open;
    let mut lines = Lines(format!("Call {} is open, says {says}", hold.call));
    lines.line("let in", time(hold.admitted_at_ms)?);
    let work = &hold.asked;
    let asks = format!("{} to {} {}", work.operation, work.subject_kind, work.subject);
    lines.line("asked", format_args!("{asks}, with key {} of {}", hold.key, hold.account));
    let held = Nanos::new(hold.amount_nanos).in_quota();
    lines.line("held", format_args!("{held} quota, by price book {}", hold.book));
    let ids = &hold.ids;
    let (chat, execution) = (known(ids.chat_id.as_ref()), known(ids.execute_id.as_ref()));
    lines.line("upstream", format_args!("chat {chat}, execution {execution}"));
    lines.line("waits for", format_args!("{waits_for}; asked {asked} times so far"));
    lines.line("due", time(*due_at_ms)?);
    if let Some(order) = order {
        lines.order(order);
    }
    Ok(lines.0)
}

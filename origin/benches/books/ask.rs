//! What people ask, and how long they wait for the answer.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::serve::Served;

/// Bytes in a megabyte.
const MB: u128 = 1 << 20;
/// A month in the zone that most reports are made in.
const MONTH: &str = "from=2025-09-01&to=2025-09-30&tz=Asia/Shanghai";
/// The largest account, and one of the smallest.
const LARGE: &str = "acc_00000000000000000001";
const SMALL: &str = "acc_00000000000000000300";
/// What hardly anybody calls, and the key that hardly anybody uses.
const RARE_WORKFLOW: &str = "7480000000000039905";
const RARE_KEY: &str = "key_20000000000000000399";

/// A question.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) path: String,
}

/// The questions that are measured.
pub(crate) async fn questions(site: &Served) -> Result<Vec<Question>> {
    let summary = |rest: &str| format!("/api/v1/token-usage/summary?{rest}");
    let calls = |rest: &str| format!("/api/v1/calls?limit=50{rest}");
    // A page in the middle of everything, and one far back in the largest account's calls.
    let deep = cursor(site, &calls("&to=2025-09-01")).await?;
    let deep_account = cursor(site, &calls(&format!("&account={LARGE}&to=2025-07-15"))).await?;
    let india = MONTH.replace("Asia/Shanghai", "Asia/Kolkata");
    let week = "from=2025-09-01&to=2025-09-07&tz=Asia/Shanghai";
    Ok([
        ("balance of all", "/api/v1/token-usage/balance".to_owned()),
        ("summary of a month, all accounts, by day", summary(&format!("{MONTH}&by=day"))),
        ("the same in India's zone", summary(&format!("{india}&by=day"))),
        ("the same by workflow", summary(&format!("{MONTH}&by=subject"))),
        ("the same by account", summary(&format!("{MONTH}&by=account"))),
        ("the same by key", summary(&format!("{MONTH}&by=key"))),
        ("the same by day and workflow", summary(MONTH)),
        ("a week, all accounts, by hour", summary(&format!("{week}&by=hour"))),
        ("a month of the largest account", summary(&format!("{MONTH}&account={LARGE}"))),
        ("the same in India's zone, largest account", summary(&format!("{india}&account={LARGE}"))),
        ("a month of a small account", summary(&format!("{MONTH}&account={SMALL}"))),
        ("calls, first page", calls("")),
        ("calls, a deep page", calls(&format!("&cursor={deep}"))),
        ("calls of the largest account", calls(&format!("&account={LARGE}"))),
        ("the same, a deep page", calls(&format!("&account={LARGE}&cursor={deep_account}"))),
        ("calls of a rare workflow", calls(&format!("&workflow={RARE_WORKFLOW}"))),
        ("calls with a rare key", calls(&format!("&key={RARE_KEY}"))),
        ("calls that expired", calls("&ending=expired")),
        (
            "calls of a small account that expired",
            calls(&format!("&ending=expired&account={SMALL}")),
        ),
        ("calls that the bill told, of which there are none", calls("&source=bill")),
        ("calls of an operation", calls("&operation=chat")),
        (
            "calls of a day that cost much",
            calls("&amount_min_nanos=5000000&from=2025-09-15&to=2025-09-15"),
        ),
    ]
    .into_iter()
    .map(|(name, path)| Question { name, path })
    .collect())
}

async fn cursor(site: &Served, path: &str) -> Result<String> {
    let page = site.ask(path).await?;
    Ok(page["next_cursor"].as_str().context("more calls than a page has")?.to_owned())
}

/// Asks each so many times, one after the other, and prints the median and the 95th percentile.
pub(crate) async fn measure(site: &Served, questions: &[Question], times: u32) -> Result<()> {
    println!("## Questions over HTTP, {times} times each, one after the other\n");
    println!("| question | p50 ms | p95 ms | answer KB |\n|---|---|---|---|");
    for Question { name, path } in questions {
        let bytes = site.reply(path).await?.bytes().await?.len();
        let mut took = Vec::new();
        for _ in 0..times {
            let began = Instant::now();
            site.reply(path).await?.bytes().await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let (p50, p95) = (percentile(&took, 50), percentile(&took, 95));
        println!("| {name} | {} | {} | {} |", ms(p50), ms(p95), bytes.div_ceil(1_024));
    }
    println!();
    Ok(())
}

/// Of times in order, the one that so many of a hundred do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Milliseconds with one decimal.
pub(crate) fn ms(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A month as a sheet: how fast, and what memory this process, server and client in one, takes at most.
pub(crate) async fn sheet(site: &Served) -> Result<()> {
    println!("## A month as a sheet\n");
    let before = memory_peak_kb();
    let began = Instant::now();
    let mut reply = site.reply(&format!("/api/v1/calls.csv?{MONTH}")).await?;
    let (mut lines, mut bytes) = (0_u128, 0_u128);
    while let Some(piece) = reply.chunk().await? {
        bytes = bytes.saturating_add(u128::try_from(piece.len())?);
        let ends = piece.split(|byte| *byte == b'\n').count().saturating_sub(1);
        lines = lines.saturating_add(u128::try_from(ends)?);
    }
    let ms = began.elapsed().as_millis().max(1);
    let (calls, per_second) = (lines.saturating_sub(1), lines.saturating_mul(1_000) / ms);
    println!("{calls} calls, {} MB, in {ms} ms: {per_second} calls a second.", bytes / MB);
    println!("Memory at most: {before} KB before, {} KB afterwards.\n", memory_peak_kb());
    Ok(())
}

/// The most memory that this process has had, as Linux tells it.
fn memory_peak_kb() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or("?").to_owned()
}

/// The reports, once each.
pub(crate) async fn reports(site: &Served) -> Result<()> {
    println!("## Reports, once each\n\n| report | ms |\n|---|---|");
    for (name, path) in [
        ("a day", "/api/v1/reports/daily?date=2025-09-15&tz=Asia/Shanghai"),
        ("a day in India's zone", "/api/v1/reports/daily?date=2025-09-15&tz=Asia/Kolkata"),
        ("anomalies of a day", "/api/v1/reports/anomalies?from=2025-09-15&tz=Asia/Shanghai"),
        ("drift", "/api/v1/reports/drift"),
    ] {
        let began = Instant::now();
        let answer = site.ask(path).await?;
        let took = began.elapsed().as_millis();
        let agrees = answer["agrees"].as_bool().map(|agrees| format!(" (agrees: {agrees})"));
        println!("| {name}{} | {took} |", agrees.unwrap_or_default());
    }
    println!();
    Ok(())
}

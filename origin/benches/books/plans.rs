//! How Postgres carried out the statements behind an answer: it tells with `auto_explain`, in messages that
//! the driver logs.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use tracing_subscriber::EnvFilter;

use crate::ask::Question;
use crate::serve::Served;

/// Of a line of a plan, so much is printed: some list every day of a month.
const LINE_CHARS_MAX: usize = 160;

/// What was told since somebody looked.
static TOLD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what is written.
struct Keep;

impl Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to what the database tells from now on.
pub(crate) fn listen() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,sqlx::postgres::notice=trace"))
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_writer(|| Keep)
        .init();
}

/// What was told since the last time, one message a statement.
pub(crate) fn told() -> Vec<String> {
    let told = std::mem::take(&mut *TOLD.lock().unwrap_or_else(PoisonError::into_inner));
    let told = String::from_utf8_lossy(&told).into_owned();
    let messages = told.split("duration: ").skip(1);
    // The formatter escapes line ends where a message is a field.
    messages.map(|message| message.replace("\\n", "\n").replace("\\t", "\t")).collect()
}

/// Asks once more, and prints how it was answered.
pub(crate) async fn print(site: &Served, question: &Question) -> Result<()> {
    site.ask(&question.path).await?;
    told();
    site.ask(&question.path).await?;
    println!("### {}\n\n`{}`\n", question.name, question.path);
    for message in told() {
        // What everybody knows is left out: the statement stands in the source.
        let Some((_, plan)) = message.split_once("Query Text:") else { continue };
        let is_plan = |line: &&str| line.contains("(cost=") || line.contains("->");
        let Some(start) = plan.lines().position(|line| is_plan(&line)) else { continue };
        let line = |line: &str| line.chars().take(LINE_CHARS_MAX).collect::<String>();
        let plan: Vec<_> = plan.lines().skip(start).map(line).collect();
        println!("```\n{}\n```\n", plan.join("\n").trim_end());
    }
    Ok(())
}

//! `weir report drift`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::read::drift::{self, Difference, Drift as Told, STEPS};

use super::quota;
use crate::cli::Answer;
use crate::cli::answer::table;

/// The exit code when something does not agree.
const DIFFERS: u8 = 3;
/// How often the seconds are shown anew.
const TICK: Duration = Duration::from_millis(200);

/// `weir report drift`
#[derive(Args)]
#[command(
    after_help = "Goes through every posting, entry and rollup: about ten seconds for ten million \
                        calls. It changes nothing, and may be stopped with Ctrl-C."
)]
pub(in crate::cli) struct Drift {
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Drift {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let bar = bar();
        let told = drift::read(&pool, &mut |step| {
            bar.set_message(step);
            bar.inc(1);
        })
        .await;
        bar.finish_and_clear();
        let told = told?;
        let code = if told.agrees { 0 } else { DIFFERS };
        Ok(Answer::new(&told, text(&told))?.with_code(code))
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{pos} of {len}, {elapsed}: {msg}");
    let bar = ProgressBar::new(STEPS);
    bar.enable_steady_tick(TICK);
    style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
}

/// Writing to a String cannot fail.
fn text(told: &Told) -> String {
    let mut text = format!(
        "{} calls of {} accounts cost {} of {} quota credited; {} are left.",
        told.calls,
        told.accounts,
        quota(told.spent_nanos),
        quota(told.credits_nanos),
        quota(told.balance_nanos)
    );
    let (found, compared) = (told.differences_found, told.compared);
    if found == 0 {
        let _ = write!(text, "\nAll {compared} sums agree.");
    } else {
        let _ = write!(text, "\n{found} of {compared} sums differ:");
        let rows: Vec<_> = told.differences.iter().map(row).collect();
        let _ = write!(text, "\n\n{}", table(["of", "name", "what", "says"], &rows));
    }
    if told.findings_open == 0 {
        text.push_str("\nNo findings are open.");
    } else {
        let _ = write!(text, "\n{} findings are open: `weir finding list`.", told.findings_open);
    }
    text
}

fn row(difference: &Difference) -> [String; 4] {
    let Difference { of, name, what, says } = difference;
    let says: Vec<_> = says.iter().map(|(table, number)| format!("{table} {number}")).collect();
    [(*of).to_owned(), name.clone(), (*what).to_owned(), says.join(", ")]
}

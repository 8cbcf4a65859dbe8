//! `weir backfill`: rollups and balances, built again from the entries.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::backfill::{Backfill, Difference, LISTED_MAX, Progress};

use super::Answer;
use super::answer::table;
use super::progress::bar;

/// The exit code when something differs that was only looked at.
const DIFFERS: u8 = 3;

/// `weir backfill`
#[derive(Args)]
#[command(
    after_help = "Stopped with Ctrl-C it goes on from there when it is called again within a day. It does no harm while \
                  pulls go on, or when it is done twice. Exits with 3 when --check finds a difference."
)]
pub(super) struct BackfillArguments {
    /// Only look; change nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Serialize)]
struct Told {
    entries: i64,
    differing: i64,
    corrected: bool,
    differences: Vec<Difference>,
}

impl BackfillArguments {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let backfill = Backfill::begin(&pool, self.check).await?;
        let bar = bar("entries");
        let progress = loop {
            let progress = backfill.step(&pool, actor).await?;
            bar.set_length(u64::try_from(progress.total.max(progress.entries)).unwrap_or_default());
            bar.set_position(u64::try_from(progress.entries).unwrap_or_default());
            if progress.ended {
                break progress;
            }
        };
        bar.finish_and_clear();
        answer(progress, self.check)
    }
}

fn answer(progress: Progress, is_check: bool) -> Result<Answer, Error> {
    let Progress { entries, differences, differing, .. } = progress;
    let text = text(entries, &differences, differing, is_check);
    let code = if is_check && differing > 0 { DIFFERS } else { 0 };
    let told = Told { entries, differing, corrected: !is_check && differing > 0, differences };
    Ok(Answer::new(&told, text)?.with_code(code))
}

fn text(entries: i64, differences: &[Difference], differing: i64, is_check: bool) -> String {
    if differing == 0 {
        return format!("Rollups and balances are the sums of {entries} entries.");
    }
    let line = |difference: &Difference| {
        [
            difference.account.clone(),
            difference.hour.clone().unwrap_or_else(|| "-".to_owned()),
            difference.of.clone(),
            difference.field.clone(),
            difference.stands.to_string(),
            difference.should.to_string(),
        ]
    };
    let lines: Vec<_> = differences.iter().map(line).collect();
    let stood = if is_check { "stands" } else { "stood" };
    let heading = ["account", "hour", "of", "number", stood, "entries say"];
    let mut text = table(heading, &lines);
    // Writing to a String cannot fail.
    if usize::try_from(differing).is_ok_and(|count| count > LISTED_MAX) {
        let _ = write!(text, "\n… of which the first {LISTED_MAX} are listed");
    }
    let done = if is_check { "differ; nothing was changed" } else { "differed and were put right" };
    let _ = write!(text, "\n\n{differing} numbers {done}. {entries} entries were added up.");
    text
}

//! `weir journal`: how the journals stand, and going on with one whose store was lost or put back.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use meter::ids::{Epoch, JournalName};

use crate::audit::Actor;
use crate::clock;
use crate::config::{DatabaseSettings, EdgeSettings, SigningSettings};
use crate::database;
use crate::error::Error;
use crate::journal::JOURNALS_MAX;
use crate::page::Span;
use crate::pull::accept::{self, Accepted, Decision};
use crate::pull::edge::Edge;
use crate::read::journals::{self, JournalTold};

use super::Answer;
use super::answer::table;

/// What can be done with journals.
#[derive(Subcommand)]
pub(super) enum JournalCommand {
    /// List the journals: what is posted of each, and what the edge says
    List(List),
    /// Go on with a journal whose store was lost, or was put back from an old copy
    Accept(Accept),
}

/// `weir journal list`
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir journal accept`
#[derive(Args)]
#[command(
    after_help = "What was posted stands. What the journal has behind the last entry that both have in \
                  common is posted by the pulls that follow, except calls that stand already. Accounts \
                  keep what they spent."
)]
pub(super) struct Accept {
    /// Its name
    journal: JournalName,
    /// The epoch that the edge names, as `weir journal list` shows it
    #[arg(long)]
    epoch: Epoch,
    /// Why, in a sentence
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    edge: EdgeSettings,
    #[command(flatten)]
    signing: SigningSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl JournalCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::List(List { database }) => {
                let pool = database::pool(&database.database_url)?;
                let page = journals::list(&pool, &Span::first(JOURNALS_MAX)).await?;
                Answer::new(&page.items, list(&page.items))
            }
            Self::Accept(accept) => accept.run(actor).await,
        }
    }
}

impl Accept {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let Self { journal, epoch, reason, edge, signing, database } = self;
        let pool = database::pool(&database.database_url)?;
        let edge = Edge::new(&edge.edge_url, Arc::new(signing.signer()?))?;
        let decision = Decision { journal: &journal, epoch: &epoch, reason: &reason, actor };
        let accepted = accept::accept(&pool, &edge, &decision).await?;
        Answer::new(&accepted, text(&accepted))
    }
}

fn list(journals: &[JournalTold]) -> String {
    let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = |told: &JournalTold| {
        [
            told.journal.clone(),
            some(&told.epoch),
            told.posted_as.clone().unwrap_or_else(|| some(&told.epoch)),
            told.cursor_seq.to_string(),
            some(&told.seen_epoch),
            told.head_seq.to_string(),
            told.accounts.to_string(),
            format!(
                "{} open, {} again, {} lost",
                told.open_calls, told.calls_again, told.calls_lost
            ),
            told.last_pull_at.map_or_else(|| "never".to_owned(), clock::text),
            some(&told.stopped_by),
        ]
    };
    let lines: Vec<_> = journals.iter().map(line).collect();
    let heading = [
        "journal",
        "epoch",
        "posted as",
        "posted",
        "edge's epoch",
        "edge's newest",
        "accounts",
        "calls",
        "pulled",
        "stopped by",
    ];
    let mut text = table(heading, &lines);
    for told in journals.iter().filter(|told| told.stopped_by.is_some()) {
        let epoch = some(&told.seen_epoch);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n\nJournal {} is not posted. To go on with it as it is now:\n  weir journal accept {} \
             --epoch {epoch} --reason \"…\"",
            told.journal, told.journal
        );
    }
    text
}

fn text(accepted: &Accepted) -> String {
    let Accepted { journal, posted_as, common_seq, left_seq, head_seq, .. } = accepted;
    let mut text = format!(
        "Journal {journal} goes on behind entry {common_seq}, posted as {posted_as}; it ends at \
         {head_seq}, and {left_seq} entries were posted before.\n\
         {} accounts carry what they spent and the journal does not know of.",
        accepted.accounts_carrying
    );
    if accepted.lost_calls.is_empty() {
        text.push_str("\nNo call was open when the store was lost.");
        return text;
    }
    let line = |lost: &accept::LostCall| {
        [lost.call_id.clone(), lost.account_id.clone(), clock::text(lost.admitted_at)]
    };
    let lines: Vec<_> = accepted.lost_calls.iter().map(line).collect();
    let _ = write!(
        text,
        "\n\nThese calls were open when the store was lost, and stand in no book:\n{}",
        table(["call", "account", "let in"], &lines)
    );
    text
}

//! `weir price`.

mod file;
mod look;
mod set;
mod trial;
mod when;

use clap::Subcommand;
use serde_json::json;

use crate::audit::Actor;
use crate::clock;
use crate::error::Error;
use crate::price::{Changed, Made};

use super::Answer;

/// What can be done with prices.
#[derive(Subcommand)]
pub(super) enum PriceCommand {
    /// Set a price; calls admitted before keep theirs
    Set(set::Set),
    /// Clear a price; what it covered is priced by the next less specific one
    Unset(set::Unset),
    /// Set the ratio that multiplies all prices of a group
    Group(set::SetGroup),
    /// Take back a book that is planned for later
    Cancel(set::Cancel),
    /// Bring in a price list, all of it or nothing
    Import(file::Import),
    /// Give out a price book as a list that can be brought in again
    Export(file::Export),
    /// List the prices in force, and what is planned
    List(look::List),
    /// List the books that there were and are to be: who made each, when and why
    History(look::History),
    /// Show what differs between two books
    Diff(look::Diff),
}

impl PriceCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Set(set) => set.run(actor).await,
            Self::Unset(unset) => unset.run(actor).await,
            Self::Group(group) => group.run(actor).await,
            Self::Cancel(cancel) => cancel.run(actor).await,
            Self::Import(import) => import.run(actor).await,
            Self::Export(export) => export.run().await,
            Self::List(list) => list.run().await,
            Self::History(history) => history.run().await,
            Self::Diff(diff) => diff.run().await,
        }
    }
}

/// What came of a change.
fn answer(made: Made) -> Result<Answer, Error> {
    let Made { changed, starts_at, carried } = made;
    let starts = clock::text(starts_at);
    let (version, did) = match &changed {
        Changed::To(book) => (book.version, true),
        Changed::Nothing(book) => (book.version, false),
    };
    let versions: Vec<u32> = carried.iter().map(|(version, _)| *version).collect();
    let value = json!({
        "version": version, "changed": did, "starts_at": starts, "carried": versions,
    });
    if !did {
        return Answer::new(&value, format!("Price book {version} says so already; nothing done."));
    }
    let is_planned = starts_at > chrono::Utc::now();
    let text = if is_planned {
        format!("Price book {version} comes into force at {starts}.")
    } else {
        format!("Price book {version} is in force.")
    };
    let carried = carried.iter().map(|(version, starts_at)| {
        let starts = clock::text(*starts_at);
        format!("\nIt holds in what is planned, too: book {version} from {starts}.")
    });
    Answer::new(&value, text + &carried.collect::<String>())
}

//! `weir call`: decisions by hand about calls that are still open.

use clap::{Args, Subcommand};
use meter::ids::{CallId, JournalName};
use meter::usage::{TOKENS_MAX, Usage};
use meter::wire::pull::ActionDoc;

use crate::audit::Actor;
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::order::{self, Given, NewOrder};

use super::Answer;

/// What can be done with calls.
#[derive(Subcommand)]
pub(super) enum CallCommand {
    /// Have an open call charged: by its price, and by tokens where that counts them
    Settle(Settle),
    /// Let an open call go for nothing
    Release(Ordered),
}

/// `weir call settle`
#[derive(Args)]
pub(super) struct Settle {
    #[command(flatten)]
    used: Used,
    #[command(flatten)]
    ordered: Ordered,
}

/// What the call used, as far as a person found out.
#[derive(Args)]
struct Used {
    /// Tokens in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=TOKENS_MAX),
          conflicts_with_all = ["input_tokens", "output_tokens"])]
    tokens: Option<u64>,
    /// Tokens in
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=TOKENS_MAX),
          requires = "output_tokens")]
    input_tokens: Option<u64>,
    /// Tokens out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=TOKENS_MAX),
          requires = "input_tokens")]
    output_tokens: Option<u64>,
}

/// About which call, why, and by whom.
#[derive(Args)]
pub(super) struct Ordered {
    /// The call's id
    call: CallId,
    /// Why, in a sentence
    #[arg(long)]
    reason: String,
    /// Who decides, as it is recorded; the actor unless named
    #[arg(long, value_name = "NAME", value_parser = super::actor)]
    by: Option<Actor>,
    /// The journal that has the call; needed when none lists it as open
    #[arg(long)]
    journal: Option<JournalName>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl CallCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Settle(Settle { used, ordered }) => {
                let Used { tokens, input_tokens, output_tokens } = used;
                let usage = Usage::from_counts(input_tokens, output_tokens, tokens);
                ordered.run(ActionDoc::Settle { usage: usage.map(Into::into) }, actor).await
            }
            Self::Release(ordered) => ordered.run(ActionDoc::Release, actor).await,
        }
    }
}

impl Ordered {
    async fn run(self, action: ActionDoc, actor: &Actor) -> Result<Answer, Error> {
        let Self { call, reason, by, journal, database } = self;
        let pool = database::pool(&database.database_url)?;
        let new =
            NewOrder { call, action, journal, reason, actor: by.unwrap_or_else(|| actor.clone()) };
        let given = order::give(&pool, &new).await?;
        let text = text(&given);
        Answer::new(&given, text)
    }
}

fn text(given: &Given) -> String {
    let Given { order, was_there } = given;
    let said = format!("Call {} {}", order.call_id, order.decision());
    if *was_there {
        let at = clock::text(order.created_at);
        format!("{said}: so {} ordered before, at {at}; nothing done.", order.actor)
    } else {
        format!("{said}; journal {} is told with the next pull.", order.journal_id)
    }
}

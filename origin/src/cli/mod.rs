//! The way in from the command line: `weir`.
//!
//! Each command gives an [`Answer`]: a value, printed as JSON on request, and the same for people.
//!
//! # Exit codes
//! 0 when it went well, 1 when it failed, 2 when it was called wrongly, 3 when findings are open.

mod account;
mod admin;
mod amount;
mod answer;
mod audit;
mod backfill;
mod bill;
mod call;
mod doctor;
pub(crate) mod explain;
mod finding;
mod import;
mod journal;
mod key;
mod price;
mod progress;
pub(crate) mod reconcile;
mod register;
mod report;
mod rerate;
mod scope;
mod serve;
mod settings;
mod setup;
mod statement;
mod tables;
mod wait;
mod webhook;

use clap::{Parser, Subcommand};

use crate::audit::{self as audit_log, Actor, Via};
use crate::config::{DatabaseSettings, LogFormat};
use crate::error::Error;

pub use answer::Answer;

/// Weir's origin: pulls what was metered at the edge, keeps the books, answers for them.
#[derive(Parser)]
#[command(name = "weir", version, about, long_about = None, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 called wrongly, 3 findings are open.")]
pub struct Cli {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Who acts, as the ledger and the audit log record it; the operating system's user by default
    #[arg(long, global = true, env = "WEIR_ACTOR", value_name = "NAME", value_parser = actor)]
    actor: Option<Actor>,
    #[command(subcommand)]
    command: Command,
}

fn actor(text: &str) -> Result<Actor, String> {
    let bound = audit_log::NAME_CHARS_MAX;
    match text.trim() {
        "" => Err("is empty".to_owned()),
        text if text.chars().count() > bound => Err(format!("is longer than {bound} characters")),
        text => Ok(Actor::new(text, Via::Cli)),
    }
}

/// Whoever the operating system says runs this; where it does not say, the way in is all we know.
fn os_user() -> Actor {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    Actor::new(&named.unwrap_or_default(), Via::Cli)
}

#[derive(Subcommand)]
enum Command {
    /// Pull the journals, post what they bring, and answer over HTTP
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate(DatabaseSettings),
    /// Say what is wrong with settings, database, edge or books, and what to do; changes nothing
    Doctor(doctor::Doctor),
    /// Show how the journals stand and which findings are open; exits with 3 when one is
    Reconcile(reconcile::Reconcile),
    /// Make a signing key and print it
    #[command(
        after_help = "The whole is the origin's WEIR_SIGNING_KEY. `kid` and `x` alone, in a \
                            JSON array, are the public keys that the edge is configured with."
    )]
    SigningKey,
    /// Add, list and remove the people who may sign in, and set their passwords
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// List what administrators did, newest first
    Audit(audit::Audit),
    /// Make, list, show and change accounts
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Issue, register, list, rotate and revoke keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Give an account money
    Credit(account::Credit),
    /// Set, clear, plan, bring in and list prices and group ratios
    #[command(subcommand)]
    Price(price::PriceCommand),
    /// List findings, and say what became of them
    #[command(subcommand)]
    Finding(finding::FindingCommand),
    /// List journals, and go on with one whose store was lost or put back
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Decide by hand about calls that are still open
    #[command(subcommand)]
    Call(call::CallCommand),
    /// Say why a call stands as it does: its terms, its reading, its charge, its place in the books
    Explain(explain::Explain),
    /// Print every route that is served, and what each one is
    Routes,
    /// Print what follows from what a reply tells: every cell of the rule
    Outcomes,
    /// Build rollups and balances again from the entries, and show what differed
    Backfill(backfill::BackfillArguments),
    /// Take in upstream's own bill, and hold it against the books
    #[command(subcommand)]
    Bill(bill::BillCommand),
    /// Charge the calls of some days again, and show the difference for each account
    Rerate(rerate::Rerate),
    /// Close months, and show and check what was closed
    #[command(subcommand)]
    Statement(statement::StatementCommand),
    /// Bring over what another program kept
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Try the webhooks that alarms go to, and list what became of alarms
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Report on what was metered
    #[command(subcommand)]
    Report(report::ReportCommand),
}

impl Cli {
    /// How to log: the server tells what it does, the others only what goes wrong.
    pub fn logging(&self) -> (LogFormat, &'static str) {
        match &self.command {
            Command::Serve(serve) => (serve.settings.log_format, "info"),
            _ => (LogFormat::Text, "error"),
        }
    }

    /// Runs the command.
    pub async fn run(self) -> Result<Answer, Error> {
        let actor = self.actor.unwrap_or_else(os_user);
        match self.command {
            Command::Admin(admin) => admin.run(&actor).await,
            Command::Audit(audit) => audit.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Migrate(database) => setup::migrate(&database).await,
            Command::Doctor(doctor) => doctor.run().await,
            Command::Reconcile(reconcile) => reconcile.run().await,
            Command::SigningKey => setup::signing_key(),
            Command::Account(account) => account.run(&actor).await,
            Command::Key(key) => key.run(&actor).await,
            Command::Credit(credit) => credit.run(&actor).await,
            Command::Price(price) => price.run(&actor).await,
            Command::Finding(finding) => finding.run(&actor).await,
            Command::Journal(journal) => journal.run(&actor).await,
            Command::Call(call) => call.run(&actor).await,
            Command::Explain(explain) => explain.run().await,
            Command::Routes => tables::routes(),
            Command::Outcomes => tables::outcomes(),
            Command::Backfill(backfill) => backfill.run(&actor).await,
            Command::Bill(bill) => bill.run(&actor).await,
            Command::Rerate(rerate) => rerate.run(&actor).await,
            Command::Statement(statement) => statement.run().await,
            Command::Import(import) => import.run(&actor).await,
            Command::Webhook(webhook) => webhook.run().await,
            Command::Report(report) => report.run().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}

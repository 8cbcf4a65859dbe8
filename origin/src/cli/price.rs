//! `weir price`.

use clap::{Args, Subcommand};
use meter::ids::{Group, UpstreamId};
use meter::money::{NANOS_PER_POINT, Nanos, Ratio};
use meter::price::{Price, PriceBook};
use meter::route::{Operation, Provider};
use meter::wire::book::BookDoc;
use serde_json::json;

use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::price::act::{self, Named};
use crate::price::{self, Changed, words};

use super::answer::table;
use super::{Answer, amount};

/// What can be done with prices.
#[derive(Subcommand)]
pub(super) enum PriceCommand {
    /// Set a price; calls admitted before keep theirs
    Set(Set),
    /// Clear a price; what it covered is priced by the next less specific one
    Unset(Unset),
    /// List the newest price book
    List(DatabaseSettings),
    /// Set the ratio that multiplies all prices of a group
    Group(SetGroup),
}

/// What a price applies to.
#[derive(Args)]
struct Of {
    /// A workflow, bot, voice or plugin by its id at Coze, or a Dify app by its name here
    #[arg(long, value_name = "ID", visible_aliases = ["workflow", "bot", "app"],
          conflicts_with = "operation")]
    subject: Option<UpstreamId>,
    /// An operation, by its name in `weir routes`
    #[arg(long, value_name = "NAME", value_parser = operation, conflicts_with = "account")]
    operation: Option<Operation>,
    /// Only for this account, by id or name
    #[arg(long)]
    account: Option<String>,
    /// Everything else at this provider, `coze` or `dify`; Coze when nothing is named
    #[arg(long, value_name = "NAME", value_parser = provider,
          conflicts_with_all = ["subject", "operation", "account"])]
    provider: Option<Provider>,
}

fn provider(text: &str) -> Result<Provider, &'static str> {
    Provider::from_name(text).ok_or("is neither `coze` nor `dify`")
}

fn operation(text: &str) -> Result<Operation, &'static str> {
    Operation::from_name(text).ok_or("is not an operation")
}

/// How much; amounts are in quota.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct HowMuch {
    /// The same for every call that succeeds
    #[arg(long, value_name = "QUOTA", value_parser = amount::price,
          conflicts_with_all = ["per_unit", "per_million_input", "per_million_output",
                                "cost_plus", "free"])]
    per_call: Option<Nanos>,
    /// For one unit of the operation's own: a character to speak
    #[arg(long, value_name = "QUOTA", value_parser = amount::price,
          conflicts_with_all = ["per_million_input", "per_million_output", "cost_plus", "free"])]
    per_unit: Option<Nanos>,
    /// For a million tokens in
    #[arg(long, value_name = "QUOTA", value_parser = amount::price,
          requires = "per_million_output", conflicts_with_all = ["cost_plus", "free"])]
    per_million_input: Option<Nanos>,
    /// For a million tokens out
    #[arg(long, value_name = "QUOTA", value_parser = amount::price,
          requires = "per_million_input", conflicts_with_all = ["cost_plus", "free"])]
    per_million_output: Option<Nanos>,
    /// Upstream's own cost, in US dollars, times this: a decimal such as 1.2
    #[arg(long, value_name = "MARGIN", value_parser = amount::ratio, conflicts_with = "free")]
    cost_plus: Option<Ratio>,
    /// What cost plus is rounded up to a multiple of; a whole point, if not named
    #[arg(long, value_name = "QUOTA", value_parser = amount::step, requires = "cost_plus",
          conflicts_with_all = ["per_call", "per_unit", "per_million_input", "per_million_output",
                                "free"])]
    step: Option<Nanos>,
    /// Nothing
    #[arg(long)]
    free: bool,
}

/// `weir price set`
#[derive(Args)]
#[group(skip)]
pub(super) struct Set {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    how_much: HowMuch,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price unset`
#[derive(Args)]
#[group(skip)]
pub(super) struct Unset {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price group`
#[derive(Args)]
pub(super) struct SetGroup {
    /// The group's name
    name: Group,
    /// A decimal such as 1.2
    #[arg(value_parser = amount::ratio)]
    ratio: Ratio,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl PriceCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Set(set) => set.run(actor).await,
            Self::Unset(unset) => unset.run(actor).await,
            Self::List(settings) => {
                let pool = database::pool(&settings.database_url)?;
                let mut connection = pool.acquire().await?;
                let book = price::newest(&mut connection).await?;
                Answer::new(&BookDoc::from(&book), text(&book))
            }
            Self::Group(group) => group.run(actor).await,
        }
    }
}

impl Of {
    fn named(self) -> Named {
        let Self { subject, operation, account, provider } = self;
        Named { subject, operation, account, provider }
    }
}

impl HowMuch {
    fn price(&self) -> Price {
        if let Some(amount) = self.per_call {
            return Price::PerCall { amount };
        }
        if let Some(amount) = self.per_unit {
            return Price::PerUnit { amount };
        }
        if let Some(margin) = self.cost_plus {
            let step = self.step.unwrap_or(Nanos::new(NANOS_PER_POINT));
            return Price::CostPlus { margin, step };
        }
        match (self.per_million_input, self.per_million_output) {
            (Some(input_per_million), Some(output_per_million)) => {
                Price::PerToken { input_per_million, output_per_million }
            }
            _ => Price::Free,
        }
    }
}

impl Set {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let price = self.how_much.price();
        answer(act::set(&pool, self.of.named(), price, actor).await?)
    }
}

impl Unset {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        answer(act::unset(&pool, self.of.named(), actor).await?)
    }
}

impl SetGroup {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        answer(act::set_group(&pool, &self.name, self.ratio, actor).await?)
    }
}

fn answer(changed: Changed) -> Result<Answer, Error> {
    let (book, did) = match changed {
        Changed::To(book) => (book, true),
        Changed::Nothing(book) => (book, false),
    };
    let text = if did {
        format!("Price book {} is in force.", book.version)
    } else {
        format!("Price book {} says so already; nothing done.", book.version)
    };
    Answer::new(&json!({ "version": book.version, "changed": did }), text)
}

fn text(book: &PriceBook) -> String {
    let mut lines: Vec<_> = book
        .prices
        .iter()
        .map(|(scope, price)| [words::scope(scope), words::price(price)])
        .collect();
    let group = |(group, ratio): (&Group, &Ratio)| {
        [format!("group {group}"), format!("times {}", words::ratio(*ratio))]
    };
    lines.extend(book.groups.iter().map(group));
    format!("Price book {}\n\n{}", book.version, table(["of", "price"], &lines))
}

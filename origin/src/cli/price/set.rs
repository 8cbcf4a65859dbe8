//! `weir price set`, `unset`, `group` and `cancel`.

use clap::Args;
use meter::ids::{Group, UpstreamId};
use meter::money::{NANOS_PER_POINT, Nanos, Ratio};
use meter::price::Price;
use meter::route::{Operation, Provider};

use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::price::act::{self, Named};

use super::super::{Answer, amount};
use super::answer;
use super::trial::{self, TrialArguments};
use super::when::WhenArguments;

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
pub(in crate::cli) struct Set {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    how_much: HowMuch,
    #[command(flatten)]
    when: WhenArguments,
    #[command(flatten)]
    trial: TrialArguments,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price unset`
#[derive(Args)]
#[group(skip)]
pub(in crate::cli) struct Unset {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    when: WhenArguments,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price group`
#[derive(Args)]
#[group(skip)]
pub(in crate::cli) struct SetGroup {
    /// The group's name
    name: Group,
    /// A decimal such as 1.2
    #[arg(value_parser = amount::ratio)]
    ratio: Ratio,
    #[command(flatten)]
    when: WhenArguments,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price cancel`
#[derive(Args)]
pub(in crate::cli) struct Cancel {
    /// The planned book's number, as `weir price list` shows it
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    version: i32,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
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
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let Self { of, how_much, when, trial, database } = self;
        let pool = database::pool(&database.database_url)?;
        let (named, price) = (of.named(), how_much.price());
        if trial.dry_run {
            let days = trial.days(&when)?;
            let proposed = act::propose_set(&pool, named, price, &when.of_trial()).await?;
            return trial::run(&pool, days, proposed).await;
        }
        answer(act::set(&pool, named, price, &when.when()?, actor).await?)
    }
}

impl Unset {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        answer(act::unset(&pool, self.of.named(), &self.when.when()?, actor).await?)
    }
}

impl SetGroup {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let when = self.when.when()?;
        answer(act::set_group(&pool, &self.name, self.ratio, &when, actor).await?)
    }
}

impl Cancel {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        answer(act::cancel(&pool, self.version, self.reason, actor).await?)
    }
}

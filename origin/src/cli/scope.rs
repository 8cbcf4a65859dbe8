//! What a key may do, as it is typed: the same for keys that are issued and keys that are registered.

use clap::Args;
use meter::account::Limits;
use meter::money::Nanos;

use crate::key::scope::Scope;

use super::amount;

/// The arguments of a key's scope.
#[derive(Args)]
pub(super) struct ScopeArguments {
    /// An operation or a right that it is limited to, as `weir routes` calls it; several times for several
    #[arg(long = "allow-operation", value_name = "OPERATION")]
    operations: Vec<String>,
    /// A bot, workflow, Dify app or other subject that it is limited to; several times for several
    #[arg(long = "allow-subject", visible_aliases = ["allow-bot", "allow-workflow", "allow-app"], value_name = "ID")]
    subjects: Vec<String>,
    /// An address or a network that it may be used from, such as 203.0.113.0/24; several times for several
    #[arg(long = "allow-ip", value_name = "CIDR")]
    networks: Vec<String>,
    /// Billable calls that may begin with it in any one minute
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Billable calls that may run with it at once
    #[arg(long, value_name = "N")]
    concurrent_calls: Option<u32>,
    /// What may be charged to it in one day, in quota
    #[arg(long, value_name = "QUOTA", value_parser = amount::price)]
    daily_budget: Option<Nanos>,
}

impl From<ScopeArguments> for Scope {
    fn from(typed: ScopeArguments) -> Self {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        Self {
            operations: some(typed.operations),
            subjects: some(typed.subjects),
            networks: some(typed.networks),
            limits: Limits {
                requests_per_minute: typed.requests_per_minute,
                concurrent_calls: typed.concurrent_calls,
                daily_budget: typed.daily_budget,
            },
        }
    }
}

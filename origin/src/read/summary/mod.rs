//! What was used and what it cost: by day and hour, by subject, key, operation and account.
//!
//! Every number here is a sum over rollups, which posting writes together with the entries they sum; where
//! an hour is cut (see [`Slots`]), over its entries. All of one summary is read from one state of the
//! database, so that each grouping adds up to the same total while calls are being posted.
//!
//! # Bounds
//! At most [`crate::read::days::DAYS_MAX`] days, and [`TOP_MAX`] groups of a kind; what is beyond them is
//! one sum, so that nothing is left out.

mod query;
mod sums;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone as _, Utc};
use meter::money::Nanos;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::database;
use crate::error::Error;
use crate::read::balance::{self, Balance};
use crate::read::calls::Filter;
use crate::read::days::Days;
use crate::read::slots::Slots;

pub use query::Order;
pub use sums::{Counts, Sums};

/// Groups of a kind in a summary that names no number.
pub const TOP_DEFAULT: i64 = 100;
/// Most groups of a kind.
pub const TOP_MAX: i64 = 1_000;

/// What a summary is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grouping {
    /// Days.
    Day,
    /// Hours.
    Hour,
    /// What was called: bots, workflows and other subjects.
    Subject,
    /// Keys.
    Key,
    /// Operations.
    Operation,
    /// Accounts.
    Account,
}

impl Grouping {
    /// Every grouping.
    pub const ALL: [Self; 6] =
        [Self::Day, Self::Hour, Self::Subject, Self::Key, Self::Operation, Self::Account];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Subject => "subject",
            Self::Key => "key",
            Self::Operation => "operation",
            Self::Account => "account",
        }
    }

    /// Reads names with commas between them.
    pub fn read(text: &str) -> Result<Vec<Self>, Error> {
        let read = |name: &str| Self::ALL.into_iter().find(|each| each.name() == name.trim());
        let all: Option<Vec<_>> = text.split(',').map(read).collect();
        let mut all = all.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid("by", format!("is not made of {names} with commas between them"))
        })?;
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whose calls, and which of them: by account, subject, operation and key. The others do not narrow.
    pub filter: Filter,
    /// What the sums are grouped by.
    pub by: Vec<Grouping>,
    /// Which groups come first.
    pub order: Order,
    /// At most so many groups of a kind; the others are one.
    pub top: i64,
}

impl Question {
    /// What most ask for: an account's calls, or all, by day and by subject.
    pub fn of(account: Option<String>) -> Self {
        Self {
            filter: Filter { account, ..Filter::default() },
            by: vec![Grouping::Day, Grouping::Subject],
            order: Order::Amount,
            top: TOP_DEFAULT,
        }
    }
}

/// The sums of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DaySums {
    /// The day.
    pub day: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HourSums {
    /// When it began, as the clocks there showed it, such as `2025-11-21T08:00:00+08:00`.
    pub hour: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectSums {
    /// `bot`, `workflow`, `voice`, `plugin`, `app` or `service`.
    pub subject_kind: String,
    /// Its id at upstream.
    pub subject: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeySums {
    /// The key, by id.
    pub key: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperationSums {
    /// The operation.
    pub operation: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountSums {
    /// The account.
    pub account: String,
    /// What it is called; null where only a journal knows it.
    pub name: Option<String>,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// A summary. The groupings that were asked for are there, and each adds up to the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Summary {
    /// Whose; `None` for all accounts together.
    pub account: Option<String>,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The zone they are days in.
    pub tz: String,
    /// The sums of all of it.
    pub total: Sums,
    /// By day, days without calls included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<DaySums>>,
    /// By hour, hours without calls included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<HourSums>>,
    /// By subject, the dearest first unless another order was asked for; so are those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<SubjectSums>>,
    /// By key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<KeySums>>,
    /// By operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<OperationSums>>,
    /// By account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountSums>>,
    /// For each grouping that has more groups than are listed, the sums of the others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Sums>,
    /// The balance now, in whole tokens, rounded down.
    pub token_balance: i64,
    /// Whether more was spent than was credited, now.
    pub arrears: bool,
}

/// Answers a question about these days.
pub async fn read(pool: &PgPool, question: &Question, days: &Days) -> Result<Summary, Error> {
    let mut tx = database::snapshot(pool).await?;
    let summary = read_from(&mut tx, question, days).await?;
    tx.commit().await?;
    Ok(summary)
}

/// The same, within a transaction that sees one state of the database.
pub async fn read_from(
    connection: &mut PgConnection,
    question: &Question,
    days: &Days,
) -> Result<Summary, Error> {
    let account = question.filter.account.as_deref();
    let Balance { token_balance, arrears, .. } = balance::read(&mut *connection, account).await?;
    let mut summary = Summary {
        account: question.filter.account.clone(),
        from: days.first.to_string(),
        to: days.last.to_string(),
        tz: days.zone.to_string(),
        total: Counts::default().into(),
        days: None,
        hours: None,
        subjects: None,
        keys: None,
        operations: None,
        accounts: None,
        others: BTreeMap::new(),
        token_balance,
        arrears,
    };
    for grouping in &question.by {
        let total = match grouping {
            Grouping::Day | Grouping::Hour => {
                summary.add_times(connection, *grouping, question, days).await?
            }
            Grouping::Subject | Grouping::Key | Grouping::Operation | Grouping::Account => {
                summary.add_groups(connection, *grouping, question, days).await?
            }
        };
        summary.total = total.into();
    }
    if question.by.is_empty() {
        let slots = Slots::whole(days)?;
        let all = query::times(connection, &question.filter, &slots).await?;
        summary.total = Counts::total(all.values())?.into();
    }
    Ok(summary)
}

/// What the calls that finished before a point in time cost.
pub async fn spent_before(
    connection: &mut PgConnection,
    filter: &Filter,
    time: DateTime<Utc>,
) -> Result<Nanos, Error> {
    let slots = Slots::between(vec![DateTime::UNIX_EPOCH, time])?;
    let total = if *filter == Filter::default() {
        Counts::total(query::times(connection, filter, &slots).await?.values())?
    } else {
        // By days, of which there are fewer than of hours.
        let question = Question { filter: filter.clone(), ..Question::of(None) };
        query::groups(connection, Grouping::Account, &question, &slots).await?.total()?
    };
    Ok(Nanos::new(total.amount_nanos))
}

impl Summary {
    /// Adds a grouping by time, and says what all of it is.
    async fn add_times(
        &mut self,
        connection: &mut PgConnection,
        grouping: Grouping,
        question: &Question,
        days: &Days,
    ) -> Result<Counts, Error> {
        let is_by_day = grouping == Grouping::Day;
        let slots = if is_by_day { Slots::days(days)? } else { Slots::hours(days)? };
        let mut found = query::times(connection, &question.filter, &slots).await?;
        let total = Counts::total(found.values())?;
        let mut sums_of = |place: usize| found.remove(&place).unwrap_or_default().into();
        if is_by_day {
            let days = days.dates().enumerate();
            let each = |(place, day): (usize, NaiveDate)| DaySums {
                day: day.to_string(),
                sums: sums_of(place),
            };
            self.days = Some(days.map(each).collect());
        } else {
            let starts = slots.edges.iter().take(slots.edges.len().saturating_sub(1));
            let each = |(place, start): (usize, &DateTime<Utc>)| {
                let shown = days.zone.from_utc_datetime(&start.naive_utc());
                let hour = shown.to_rfc3339_opts(SecondsFormat::Secs, false);
                HourSums { hour, sums: sums_of(place) }
            };
            self.hours = Some(starts.enumerate().map(each).collect());
        }
        Ok(total)
    }

    /// Adds another grouping, and says what all of it is.
    async fn add_groups(
        &mut self,
        connection: &mut PgConnection,
        grouping: Grouping,
        question: &Question,
        days: &Days,
    ) -> Result<Counts, Error> {
        let slots = Slots::whole(days)?;
        database::group_in_memory(connection).await?;
        let found = query::groups(connection, grouping, question, &slots).await?;
        let total = found.total()?;
        if let Some(others) = found.others {
            self.others.insert(grouping.name().to_owned(), others.into());
        }
        let groups = found.groups.into_iter();
        match grouping {
            Grouping::Subject => {
                let each = |group: query::Group| SubjectSums {
                    subject_kind: group.kind,
                    subject: group.name,
                    sums: group.counts.into(),
                };
                self.subjects = Some(groups.map(each).collect());
            }
            Grouping::Key => {
                let each =
                    |group: query::Group| KeySums { key: group.name, sums: group.counts.into() };
                self.keys = Some(groups.map(each).collect());
            }
            Grouping::Account => {
                let mut names = query::account_names(connection, groups.as_slice()).await?;
                let each = |group: query::Group| AccountSums {
                    name: names.remove(&group.name),
                    account: group.name,
                    sums: group.counts.into(),
                };
                self.accounts = Some(groups.map(each).collect());
            }
            Grouping::Operation | Grouping::Day | Grouping::Hour => {
                let each = |group: query::Group| OperationSums {
                    operation: group.name,
                    sums: group.counts.into(),
                };
                self.operations = Some(groups.map(each).collect());
            }
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groupings_are_read_in_any_order_and_each_once() {
        let read = |text| Grouping::read(text).unwrap();
        assert_eq!(read("key, day,key"), [Grouping::Day, Grouping::Key]);
        assert_eq!(read("hour"), [Grouping::Hour]);
        for text in ["", "days", "day,", "day;key"] {
            let refused = Grouping::read(text).unwrap_err().to_string();
            assert!(refused.starts_with("`by` is not made of day, hour"), "{refused}");
        }
    }
}

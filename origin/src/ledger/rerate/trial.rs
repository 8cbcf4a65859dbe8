//! Trying a book out: what the calls of some days would have cost by it, and nothing is written.
//!
//! The same arithmetic as a re-rating that is posted; what is found is kept in memory, since nobody goes
//! on with a trial that was stopped.
//!
//! # Bounds
//! At most [`SUBJECTS_MAX`] bots and workflows are told one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Tz;
use meter::money::{Nanos, OutOfRange};
use meter::price::PriceBook;
use meter::price_list::difference;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;
use crate::ledger::stored::{self, Stretch};
use crate::price::propose::Proposed;
use crate::price::words;
use crate::read::days::Days;

use super::{ByAccount, Sums, rerated};

/// Most subjects that are told one by one; the calls of further ones are told together.
pub const SUBJECTS_MAX: usize = 10_000;
/// What stands for them.
const OTHERS: (&str, &str) = ("other", "all others");

/// A trial under way.
pub struct Trial {
    days: Days,
    proposed: Proposed,
    stretch: Stretch,
    behind: (DateTime<Utc>, i64),
    /// Entries gone through.
    pub entries: i64,
    /// Entries there were when it began.
    pub total: i64,
    accounts: ByAccount,
    subjects: BTreeMap<(String, String), Sums>,
}

/// What a book would have made of some days.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialTold {
    /// The first day.
    pub first: String,
    /// The last day.
    pub last: String,
    /// The time zone that they are of.
    pub tz: String,
    /// What the change changes.
    pub changes: Vec<ChangeTold>,
    /// By account.
    pub accounts: Vec<AccountLine>,
    /// By bot, workflow, app or voice.
    pub subjects: Vec<SubjectLine>,
    /// How many calls there were.
    pub calls: i64,
    /// What all would have cost more; negative when less.
    pub difference_nanos: i64,
}

/// One thing that differs between two books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeTold {
    /// Of what.
    pub of: String,
    /// What it is in the first, in words.
    pub before: String,
    /// What it is in the second.
    pub after: String,
}

/// What was found for one account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountLine {
    /// Whose.
    pub account: String,
    #[serde(flatten)]
    #[schema(inline)]
    sums: Line,
}

/// What was found for one bot, workflow, app or voice.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubjectLine {
    /// What it is.
    pub kind: String,
    /// Its id.
    pub subject: String,
    #[serde(flatten)]
    #[schema(inline)]
    sums: Line,
}

#[derive(Debug, Serialize, ToSchema)]
struct Line {
    /// How many calls.
    calls: i64,
    /// What they were charged.
    charged_nanos: i64,
    /// What they would have been charged.
    rerated_nanos: i64,
    /// The difference.
    difference_nanos: i64,
    /// How many the book would not price.
    unpriced: i64,
}

impl Line {
    fn of(sums: &Sums) -> Result<Self, OutOfRange> {
        let Sums { calls, charged_nanos, rerated_nanos, unpriced } = *sums;
        let difference_nanos = sums.difference()?.get();
        Ok(Self { calls, charged_nanos, rerated_nanos, difference_nanos, unpriced })
    }

    fn cells(&self) -> [String; 5] {
        let quota = |nanos| Nanos::new(nanos).in_quota().to_string();
        [
            self.calls.to_string(),
            quota(self.charged_nanos),
            quota(self.rerated_nanos),
            quota(self.difference_nanos),
            self.unpriced.to_string(),
        ]
    }
}

impl AccountLine {
    /// The line of a table.
    pub fn cells(&self) -> [String; 6] {
        let [calls, charged, rerated, difference, unpriced] = self.sums.cells();
        [self.account.clone(), calls, charged, rerated, difference, unpriced]
    }
}

impl SubjectLine {
    /// The line of a table.
    pub fn cells(&self) -> [String; 6] {
        let [calls, charged, rerated, difference, unpriced] = self.sums.cells();
        let subject = format!("{} {}", self.kind, self.subject);
        [subject, calls, charged, rerated, difference, unpriced]
    }
}

/// What differs between two books, told.
pub fn changes(before: &PriceBook, after: &PriceBook) -> Vec<ChangeTold> {
    let told = difference::between(before, after);
    told.iter()
        .map(|difference| {
            let [of, before, after] = words::difference(difference);
            ChangeTold { of, before, after }
        })
        .collect()
}

/// The days that are asked for; the whole of last month when none are.
pub fn days(
    from: Option<&str>,
    to: Option<&str>,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Days, Error> {
    match (from, to) {
        (Some(_), Some(_)) => Days::read(from, to, Some(zone.name()), now),
        (None, None) => {
            let this = now.with_timezone(&zone).date_naive().with_day(1);
            let last = this.and_then(|first| first.pred_opt());
            let first = last.and_then(|last| last.with_day(1));
            let (Some(first), Some(last)) = (first, last) else {
                return Err(Error::invalid("from", "has no month before it"));
            };
            let (first, last) = (first.to_string(), last.to_string());
            Days::read(Some(&first), Some(&last), Some(zone.name()), now)
        }
        (Some(_), None) => Err(Error::invalid("to", "is missing: a trial is of whole days")),
        (None, Some(_)) => Err(Error::invalid("from", "is missing: a trial is of whole days")),
    }
}

impl Trial {
    /// Begins one; what is posted from now on is not part of it.
    pub async fn begin(pool: &PgPool, days: Days, proposed: Proposed) -> Result<Self, Error> {
        let (Some(from), Some(to)) = (days.edges.first().copied(), days.edges.last().copied())
        else {
            return Err(Error::invalid("from", "names no day"));
        };
        let row = sqlx::query!(
            r#"WITH upto AS (SELECT coalesce(max(posting_id), 0) AS number FROM posting)
               SELECT upto.number AS "number!",
                      (SELECT count(*) FROM entry
                       WHERE finished_at >= $1 AND finished_at < $2
                         AND entry_id <= upto.number) AS "total!"
               FROM upto"#,
            from,
            to
        )
        .fetch_one(pool)
        .await?;
        let stretch = Stretch { from, to, posted_upto: row.number, account: None };
        Ok(Self {
            days,
            proposed,
            stretch,
            behind: (from, -1),
            entries: 0,
            total: row.total,
            accounts: ByAccount::new(),
            subjects: BTreeMap::new(),
        })
    }

    /// Goes through one more page, and says whether there may be another.
    pub async fn step(&mut self, pool: &PgPool) -> Result<bool, Error> {
        let mut connection = pool.acquire().await?;
        let page = stored::page(&mut connection, &self.stretch, self.behind).await?;
        for posted in &page {
            let facts = &posted.entry.facts;
            let amount = rerated(facts, Some(&self.proposed.after));
            let account = self.accounts.entry(facts.account.to_string()).or_default();
            account.add(facts.amount, amount)?;
            let subject = &facts.asked.subject;
            let key = (subject.kind.name().to_owned(), subject.id.to_string());
            of_subject(&mut self.subjects, key).add(facts.amount, amount)?;
        }
        self.entries = self.entries.saturating_add(i64::try_from(page.len())?);
        let Some(last) = page.last() else { return Ok(false) };
        self.behind = (clock::timestamp(last.entry.facts.finished_at)?, last.number);
        Ok(true)
    }

    /// What was found.
    pub fn told(self) -> Result<TrialTold, Error> {
        let mut difference = Nanos::ZERO;
        let mut calls: i64 = 0;
        let mut accounts = Vec::new();
        for (account, sums) in self.accounts {
            difference = difference.plus(sums.difference()?)?;
            calls = calls.saturating_add(sums.calls);
            accounts.push(AccountLine { account, sums: Line::of(&sums)? });
        }
        let subjects = self.subjects.into_iter().map(|((kind, subject), sums)| {
            Ok(SubjectLine { kind, subject, sums: Line::of(&sums)? })
        });
        Ok(TrialTold {
            first: self.days.first.to_string(),
            last: self.days.last.to_string(),
            tz: self.days.zone.name().to_owned(),
            changes: changes(&self.proposed.before, &self.proposed.after),
            accounts,
            subjects: subjects.collect::<Result<_, OutOfRange>>()?,
            calls,
            difference_nanos: difference.get(),
        })
    }
}

/// The sums of a subject, or of all others once there are too many to be told one by one.
fn of_subject(
    subjects: &mut BTreeMap<(String, String), Sums>,
    mut key: (String, String),
) -> &mut Sums {
    if subjects.len() >= SUBJECTS_MAX && !subjects.contains_key(&key) {
        key = (OTHERS.0.to_owned(), OTHERS.1.to_owned());
    }
    subjects.entry(key).or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn without_days_it_is_the_whole_of_last_month_in_that_zone() {
        let now = Utc.with_ymd_and_hms(2026, 2, 28, 17, 0, 0).unwrap();
        let month = |zone: Tz| {
            let days = days(None, None, zone, now).unwrap();
            [days.first.to_string(), days.last.to_string()]
        };
        assert_eq!(month(Tz::UTC), ["2026-01-01", "2026-01-31"]);
        // There it is the first of March already.
        assert_eq!(month(Tz::Asia__Shanghai), ["2026-02-01", "2026-02-28"]);
        for (from, to) in [(Some("2026-01-01"), None), (None, Some("2026-01-01"))] {
            assert!(days(from, to, Tz::UTC, now).is_err());
        }
    }

    #[test]
    fn so_many_subjects_are_told_one_by_one_and_the_others_together() {
        let mut subjects = BTreeMap::new();
        let key = |number: usize| ("bot".to_owned(), number.to_string());
        let one = |subjects: &mut BTreeMap<_, _>, number| {
            of_subject(subjects, key(number)).add(Nanos::new(1), Some(Nanos::new(1))).unwrap();
        };
        for number in 0..SUBJECTS_MAX {
            one(&mut subjects, number);
        }
        for number in [SUBJECTS_MAX, SUBJECTS_MAX + 1, 0] {
            one(&mut subjects, number);
        }
        let others = (OTHERS.0.to_owned(), OTHERS.1.to_owned());
        assert_eq!(subjects.len(), SUBJECTS_MAX + 1);
        assert_eq!((subjects[&others].calls, subjects[&key(0)].calls), (2, 2));
    }
}

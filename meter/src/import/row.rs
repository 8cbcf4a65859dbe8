//! One row of one of new-api's tables (contract §8.4).
//!
//! A row is asked for its columns by name, each a text or nothing, since a CSV file has nothing else and
//! `SQLite` keeps any kind of value in any column.

use super::exact::{Exact, NotExact};
use super::{ColumnError, DOCUMENT_BYTES_MAX, TEXT_BYTES_MAX, error};
use crate::time::UnixMs;

/// A table that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Who pays, in which group, with how much left.
    Users,
    /// What a workflow costs, in the fork that prices workflows.
    Abilities,
    /// Prices and ratios, as JSON documents.
    Options,
    /// What was used.
    Logs,
}

impl Table {
    /// Every table, in the order in which they are read.
    pub const ALL: [Self; 4] = [Self::Users, Self::Abilities, Self::Options, Self::Logs];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Abilities => "abilities",
            Self::Options => "options",
            Self::Logs => "logs",
        }
    }

    /// The columns without which it is not the table.
    pub const fn needed(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["id", "username", "quota"],
            Self::Abilities => &["model"],
            Self::Options => &["key", "value"],
            Self::Logs => &["id", "user_id", "created_at", "type", "quota"],
        }
    }

    /// The columns that older versions, or the base project, do not have.
    pub const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["group", "status", "deleted_at"],
            Self::Abilities => {
                &["group", "channel_id", "enabled", "workflow_price", "channel_ratio"]
            }
            Self::Options => &[],
            Self::Logs => &[
                "model_name",
                "token_name",
                "prompt_tokens",
                "completion_tokens",
                "use_time",
                "is_stream",
            ],
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub id: i64,
    /// What it signs in with; unique there.
    pub name: String,
    /// Its group, as it is called there.
    pub group: String,
    /// What it has left.
    pub quota: i64,
    /// Whether it may call.
    pub is_enabled: bool,
    /// Whether it is only kept for the record.
    pub is_deleted: bool,
}

/// Below this a balance is what a 32-bit number becomes when it runs over, and no debt: 2,000 units.
const QUOTA_BELIEVED_MIN: i64 = -1_000_000_000;

impl User {
    /// Whether what it has left looks like a 32-bit number that ran over or stopped at its end
    /// (contract §8.4).
    pub fn quota_is_doubtful(&self) -> bool {
        self.quota < QUOTA_BELIEVED_MIN || self.quota == i64::from(i32::MAX)
    }
}

/// A model that a channel serves to a group, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// The model; for a workflow its id.
    pub model: String,
    /// Whether it is in use.
    pub is_enabled: bool,
    /// Quota for each call. Nothing and zero both say that there is no such price.
    pub workflow_price: Option<Exact>,
    /// What multiplies every price of the channel.
    pub channel_ratio: Exact,
}

/// What a row of the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// Money was given.
    TopUp,
    /// A call was charged.
    Consume,
}

impl LogKind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Consume => "consume",
        }
    }
}

/// What was used or given, once. What was said is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub user: i64,
    /// When, to the second.
    pub at: UnixMs,
    /// What it is about.
    pub kind: LogKind,
    /// The model, for a workflow its id.
    pub model: String,
    /// The key, by name.
    pub token_name: String,
    /// How much, in quota.
    pub quota: i64,
    /// Tokens in.
    pub input_tokens: i64,
    /// Tokens out.
    pub output_tokens: i64,
    /// How long it took, in seconds.
    pub duration_s: i64,
    /// Whether it was a stream.
    pub is_stream: bool,
}

/// Reads a row of `users`.
pub fn user(field: impl Fn(&str) -> Option<String>) -> Result<User, ColumnError> {
    let row = Row(field);
    let name = row.text("username")?;
    if name.trim().is_empty() {
        return Err(error("username", "is empty"));
    }
    Ok(User {
        id: row.needed("id")?,
        name,
        group: row.text("group")?,
        quota: row.needed("quota")?,
        // 1 is in use; without the column nobody is suspended.
        is_enabled: row.integer("status")?.is_none_or(|status| status == 1),
        is_deleted: !row.text("deleted_at")?.is_empty(),
    })
}

/// Reads a row of `abilities`.
pub fn ability(field: impl Fn(&str) -> Option<String>) -> Result<Ability, ColumnError> {
    let row = Row(field);
    let price = row.number("workflow_price")?;
    let ratio = row.number("channel_ratio")?.unwrap_or(Exact::ONE);
    for (column, number) in [("workflow_price", price), ("channel_ratio", Some(ratio))] {
        if number.is_some_and(Exact::is_negative) {
            return Err(error(column, "is negative"));
        }
    }
    Ok(Ability {
        model: row.text("model")?,
        is_enabled: row.flag("enabled")?.unwrap_or(true),
        workflow_price: price.filter(|price| *price != Exact::ZERO),
        channel_ratio: ratio,
    })
}

/// Reads a row of `options`: its key and its document.
pub fn option(field: impl Fn(&str) -> Option<String>) -> Result<(String, String), ColumnError> {
    let row = Row(field);
    let value = (row.0)("value").unwrap_or_default();
    if value.len() > DOCUMENT_BYTES_MAX {
        return Err(error("value", format!("is longer than {DOCUMENT_BYTES_MAX} bytes")));
    }
    Ok((row.text("key")?, value))
}

/// Reads a row of `logs`; `None` for what is neither a call nor a top-up.
pub fn log(field: impl Fn(&str) -> Option<String>) -> Result<Option<Log>, ColumnError> {
    let row = Row(field);
    let kind = match row.needed("type")? {
        1 => LogKind::TopUp,
        2 => LogKind::Consume,
        _ => return Ok(None),
    };
    Ok(Some(Log {
        id: row.needed("id")?,
        user: row.needed("user_id")?,
        at: row.time("created_at")?,
        kind,
        model: row.text("model_name")?,
        token_name: row.text("token_name")?,
        quota: row.needed("quota")?,
        input_tokens: row.count("prompt_tokens")?,
        output_tokens: row.count("completion_tokens")?,
        duration_s: row.count("use_time")?,
        is_stream: row.flag("is_stream")?.unwrap_or(false),
    }))
}

struct Row<F>(F);

impl<F: Fn(&str) -> Option<String>> Row<F> {
    /// A text; nothing is an empty one.
    fn text(&self, column: &'static str) -> Result<String, ColumnError> {
        let text = (self.0)(column).unwrap_or_default();
        if text.len() > TEXT_BYTES_MAX {
            return Err(error(column, format!("is longer than {TEXT_BYTES_MAX} bytes")));
        }
        // What Postgres would not keep, and what nobody typed.
        if text.chars().any(char::is_control) {
            return Err(error(column, "holds a control character"));
        }
        Ok(text)
    }

    fn number(&self, column: &'static str) -> Result<Option<Exact>, ColumnError> {
        let text = self.text(column)?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let shown: String = text.chars().take(40).collect();
        let number = text
            .parse()
            .map_err(|problem: NotExact| error(column, format!("{shown:?} {problem}")))?;
        Ok(Some(number))
    }

    fn integer(&self, column: &'static str) -> Result<Option<i64>, ColumnError> {
        let Some(number) = self.number(column)? else { return Ok(None) };
        let integer = number.in_parts(1).map_err(|problem| match problem {
            NotExact::TooFine => error(column, format!("{number} is not a whole number")),
            problem => error(column, format!("{number} {problem}")),
        })?;
        Ok(Some(integer))
    }

    /// A whole number that has to be there.
    fn needed(&self, column: &'static str) -> Result<i64, ColumnError> {
        self.integer(column)?.ok_or_else(|| error(column, "is empty"))
    }

    /// A number of things; nothing is none.
    fn count(&self, column: &'static str) -> Result<i64, ColumnError> {
        let count = self.integer(column)?.unwrap_or_default();
        if count < 0 {
            return Err(error(column, format!("{count} is negative")));
        }
        Ok(count)
    }

    /// Yes or no, as `SQLite`, Postgres and `MySQL` write it.
    fn flag(&self, column: &'static str) -> Result<Option<bool>, ColumnError> {
        match self.text(column)?.trim() {
            "" => Ok(None),
            "1" | "t" | "true" | "TRUE" => Ok(Some(true)),
            "0" | "f" | "false" | "FALSE" => Ok(Some(false)),
            other => Err(error(column, format!("{other:?} is neither yes nor no"))),
        }
    }

    /// A time in seconds since 1970, before the year 10000.
    fn time(&self, column: &'static str) -> Result<UnixMs, ColumnError> {
        const END: i64 = 253_402_300_800;
        let seconds = self.needed(column)?;
        let ms = (1..END).contains(&seconds).then(|| seconds.checked_mul(1_000)).flatten();
        ms.and_then(|ms| u64::try_from(ms).ok())
            .map(UnixMs::new)
            .ok_or_else(|| error(column, format!("{seconds} is not a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    const USER: [(&str, &str); 6] = [
        ("id", "7"),
        ("username", "li"),
        ("group", "vip"),
        ("quota", "500000"),
        ("status", "1"),
        ("deleted_at", ""),
    ];
    const LOG: [(&str, &str); 9] = [
        ("id", "9"),
        ("user_id", "7"),
        ("created_at", "1763700000"),
        ("type", "2"),
        ("model_name", "7480000000000000001"),
        ("quota", "365"),
        ("prompt_tokens", "300"),
        ("completion_tokens", "65"),
        ("is_stream", "1"),
    ];

    #[track_caller]
    fn user_refused(column: &str, value: &str) {
        let refused = user(fields(&[&USER[..], &[(column, value)]].concat())).unwrap_err();
        assert_eq!(refused.column, column, "{value:?}");
    }

    #[track_caller]
    fn log_refused(column: &str, value: &str) {
        let refused = log(fields(&[&LOG[..], &[(column, value)]].concat())).unwrap_err();
        assert_eq!(refused.column, column, "{value:?}");
    }

    #[test]
    fn a_user_that_makes_no_sense_is_refused_by_its_column() {
        for quota in ["", "NaN", "1.5", "0x10", "1e30", "1,000", "NULL"] {
            user_refused("quota", quota);
        }
        user_refused("id", "");
        user_refused("username", " ");
        user_refused("username", "a\0b");
        user_refused("group", &"g".repeat(TEXT_BYTES_MAX + 1));
        let longest = "g".repeat(TEXT_BYTES_MAX);
        assert!(user(fields(&[&USER[..], &[("group", longest.as_str())]].concat())).is_ok());
    }

    #[test]
    fn a_document_has_its_bound() {
        let read = |bytes: usize| {
            let value = "x".repeat(bytes);
            option(fields(&[("key", "ModelRatio"), ("value", value.as_str())]))
        };
        assert_eq!(read(DOCUMENT_BYTES_MAX).unwrap().1.len(), DOCUMENT_BYTES_MAX);
        assert_eq!(read(DOCUMENT_BYTES_MAX + 1).unwrap_err().column, "value");
    }

    #[test]
    fn a_user_is_read_whole_and_without_the_columns_that_may_be_missing() {
        let read = user(fields(&USER)).unwrap();
        let want = User {
            id: 7,
            name: "li".to_owned(),
            group: "vip".to_owned(),
            quota: 500_000,
            is_enabled: true,
            is_deleted: false,
        };
        assert_eq!(read, want);
        let bare = user(fields(&[("id", "7"), ("username", "li"), ("quota", "-3.0")])).unwrap();
        assert_eq!((bare.quota, bare.is_enabled, bare.group.as_str()), (-3, true, ""));
        let other =
            |column, value| user(fields(&[&USER[..], &[(column, value)]].concat())).unwrap();
        assert!(other("deleted_at", "2025-11-21 04:40:00").is_deleted);
        assert!(!other("status", "2").is_enabled);
        let text = "Robert'); DROP TABLE account; --";
        assert_eq!(other("username", text).name, text);
    }

    #[test]
    fn a_balance_that_ran_over_is_doubted_and_a_debt_is_not() {
        let doubtful = |quota| {
            user(fields(&[&USER[..], &[("quota", quota)]].concat())).unwrap().quota_is_doubtful()
        };
        assert!(doubtful("-2147483648") && doubtful("2147483647") && doubtful("-1000000001"));
        assert!(!doubtful("-5000") && !doubtful("2147483646") && !doubtful("5000000000"));
    }

    #[test]
    fn a_log_that_makes_no_sense_is_refused_by_its_column() {
        for (column, value) in [
            ("id", ""),
            ("user_id", "x"),
            ("created_at", "0"),
            ("created_at", "1763700000000"),
            ("type", ""),
            ("quota", "NaN"),
            ("prompt_tokens", "-1"),
            ("is_stream", "maybe"),
            ("token_name", "a\nb"),
        ] {
            log_refused(column, value);
        }
    }

    #[test]
    fn calls_and_top_ups_are_read_and_other_rows_are_passed_over() {
        let read = log(fields(&LOG)).unwrap().unwrap();
        assert_eq!((read.kind, read.quota, read.input_tokens), (LogKind::Consume, 365, 300));
        assert_eq!((read.at, read.is_stream), (UnixMs::new(1_763_700_000_000), true));
        let of_type = |kind| log(fields(&[&LOG[..], &[("type", kind)]].concat())).unwrap();
        assert_eq!(of_type("1").unwrap().kind, LogKind::TopUp);
        for other in ["0", "3", "4", "5", "6"] {
            assert_eq!(of_type(other), None, "{other}");
        }
    }

    #[test]
    fn a_price_of_nothing_is_no_price() {
        let row = |price| [("model", "7480"), ("workflow_price", price), ("channel_ratio", "1.2")];
        let price = |price| ability(fields(&row(price))).unwrap().workflow_price;
        assert_eq!((price(""), price("0")), (None, None));
        assert_eq!(price("5000"), Some(Exact::whole(5_000)));
        assert_eq!(ability(fields(&row("-1"))).unwrap_err().column, "workflow_price");
        assert_eq!(ability(fields(&row("NaN"))).unwrap_err().column, "workflow_price");
    }
}

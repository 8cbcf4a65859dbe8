//! What another program's rows mean for our books: new-api's users, prices and logs.
//!
//! Path: its database or its CSV files → **import** → accounts, credits, prices, history. [`row`] reads
//! one row of a table (contract §8.4), [`price`] makes prices of several, [`exact`] keeps both away from
//! floats, which is how new-api and `SQLite` keep them. Knows nothing of files or SQL.
//!
//! # Invariants
//! - An amount is what its digits say, to the last nano, or an error that names the row and the column.
//! - Nothing is guessed: what makes no sense, or could mean two things, is an error.
//!
//! # Bounds
//! A text has at most [`TEXT_BYTES_MAX`] bytes, a document of `options` at most [`DOCUMENT_BYTES_MAX`].

pub mod exact;
pub mod row;
pub mod price;

use crate::ids::Group;
use crate::money::{NANOS_PER_UNIT, Nanos, OutOfRange};

/// Longest text that is kept of a row, in bytes. The widest of new-api's columns has 191 characters.
pub const TEXT_BYTES_MAX: usize = 800;
/// Longest document in a row of `options`, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// How many quota new-api counts for one unit of its currency unless it is told otherwise
/// (contract §8.3).
pub const QUOTA_PER_UNIT: u32 = 500_000;

/// What one quota of new-api's is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    quota_per_unit: u32,
    nanos_per_quota: i64,
}

/// A number of quota for one unit of which a single one is no whole number of nanos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must divide 1000000000, so that each quota is a whole number of nanos: 500000 does")]
pub struct NotWhole;

impl Worth {
    /// By how many quota make one unit of our currency.
    pub fn new(quota_per_unit: u32) -> Result<Self, NotWhole> {
        let per_unit = i64::from(quota_per_unit);
        match (NANOS_PER_UNIT.checked_rem(per_unit), NANOS_PER_UNIT.checked_div(per_unit)) {
            (Some(0), Some(nanos_per_quota)) => Ok(Self { quota_per_unit, nanos_per_quota }),
            _ => Err(NotWhole),
        }
    }

    /// How many quota make one unit.
    pub const fn quota_per_unit(self) -> u32 {
        self.quota_per_unit
    }

    /// Nanos in one quota.
    pub const fn nanos_per_quota(self) -> i64 {
        self.nanos_per_quota
    }

    /// This many quota.
    pub fn of(self, quota: i64) -> Result<Nanos, OutOfRange> {
        quota.checked_mul(self.nanos_per_quota).map(Nanos::new).ok_or(OutOfRange)
    }
}

/// A field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{column}` {problem}")]
pub struct ColumnError {
    /// Which one, as its table calls it.
    pub column: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

fn error(column: &'static str, problem: impl Into<String>) -> ColumnError {
    ColumnError { column, problem: problem.into() }
}

/// A group of new-api's, as it is called here. new-api allows any text; we do not.
pub fn group(name: &str) -> Result<Group, ColumnError> {
    if name.is_empty() {
        return Ok(Group::standard());
    }
    name.parse().map_err(|problem| {
        let problem = format!("{name:?} {problem}: say what it is to be called here");
        error("group", problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_worth_a_whole_number_of_nanos_or_is_refused() {
        assert_eq!(Worth::new(QUOTA_PER_UNIT).unwrap().of(3), Ok(Nanos::new(6_000)));
        assert_eq!(Worth::new(4_000_000).unwrap().of(-1), Ok(Nanos::new(-250)));
        for wrong in [0, 3, 3_500_000, u32::MAX] {
            assert_eq!(Worth::new(wrong), Err(NotWhole), "{wrong}");
        }
        assert_eq!(Worth::new(1).unwrap().of(i64::MAX), Err(OutOfRange));
    }

    #[test]
    fn a_group_that_cannot_be_named_here_is_told_by_its_name() {
        assert_eq!(group("").unwrap(), Group::standard());
        assert_eq!(group("vip").unwrap().as_str(), "vip");
        let told = group("VIP客户").unwrap_err().to_string();
        assert!(told.contains("VIP客户"), "{told}");
        assert!(group("a b").is_err() && group("'); DROP TABLE account; --").is_err());
    }
}

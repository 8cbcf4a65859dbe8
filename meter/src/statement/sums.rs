//! What the lines of a statement come to.

use std::fmt;

use crate::money::{Nanos, OutOfRange};

use super::Statement;

/// The sums of some calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// How many there were, the free ones included.
    pub calls: u64,
    /// Tokens, where known.
    pub tokens: u64,
    /// What they cost.
    pub amount: Nanos,
}

impl Sums {
    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            calls: self.calls.checked_add(other.calls).ok_or(OutOfRange)?,
            tokens: self.tokens.checked_add(other.tokens).ok_or(OutOfRange)?,
            amount: self.amount.plus(other.amount)?,
        })
    }

    fn of(mut lines: impl Iterator<Item = Self>) -> Result<Self, OutOfRange> {
        lines.try_fold(Self::default(), Self::plus)
    }
}

/// Lines that do not come to what stands below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// By day and by subject.
    #[error("the days and the subjects sum to different calls")]
    DaysAndSubjects,
    /// With both balances.
    #[error("the opening balance, the credits and the charges do not make the closing balance")]
    Closing,
    /// A sum that does not fit.
    #[error("the lines sum to more than an amount can be")]
    OutOfRange,
}

impl From<OutOfRange> for Disagreement {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

impl Statement {
    /// The sums of its calls, when its lines agree with each other and with its balances.
    pub fn charges(&self) -> Result<Sums, Disagreement> {
        let days = Sums::of(self.days.iter().map(|line| line.sums))?;
        let subjects = Sums::of(self.subjects.iter().map(|line| line.sums))?;
        if days != subjects {
            return Err(Disagreement::DaysAndSubjects);
        }
        let closing = self.opening.plus(self.credited()?)?.minus(days.amount)?;
        if closing != self.closing {
            return Err(Disagreement::Closing);
        }
        Ok(days)
    }

    /// Sets the closing balance to what the opening one, the credits and the charges make.
    pub fn close(&mut self) -> Result<(), Disagreement> {
        let days = Sums::of(self.days.iter().map(|line| line.sums))?;
        self.closing = self.opening.plus(self.credited()?)?.minus(days.amount)?;
        self.charges().map(drop)
    }

    /// The sum of its credits.
    pub fn credited(&self) -> Result<Nanos, OutOfRange> {
        self.credits.iter().try_fold(Nanos::ZERO, |sum, line| sum.plus(line.amount))
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} tokens, {} nano", self.calls, self.tokens, self.amount.get())
    }
}

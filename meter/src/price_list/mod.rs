//! A price book as a file: CSV for people, JSON for machines, read strictly and written exactly.
//!
//! Path: price → wire → **`price_list`**. A [`PriceList`] is what a file says: prices, ratios, and whether calls
//! without a price are refused. It is read as a whole or not at all; what is wrong with it is told by
//! line and field, several problems at once. Brought into a book it either adds to it or takes its
//! place; written out again it is the same list. Knows nothing of files, HTTP or SQL.
//!
//! # Correctness
//! - What a book writes, every reader reads as the same book (a property test holds it).
//! - Nothing is guessed: a row has to name what it is for, and a cell that its kind does not know is an
//!   error. An amount is exact or refused.
//!
//! # Bounds
//! At most [`LIST_BYTES_MAX`] bytes, [`ROWS_MAX`] rows, [`CELL_BYTES_MAX`] bytes in a cell; at most
//! [`PROBLEMS_MAX`] problems are told.

pub mod difference;
pub mod problem;
mod csv;
mod json;
mod row;
mod text;

use std::collections::BTreeMap;

use crate::ids::Group;
use crate::money::Ratio;
use crate::price::bound::{self, TooLarge};
use crate::price::{GROUPS_MAX, PRICES_MAX, Price, PriceBook, Scope};
use crate::route::Provider;

pub use problem::{PROBLEMS_MAX, Problem, Refused};
use row::{Row, Spelling};

/// Largest file: a full book in the longest words takes a third of it.
pub const LIST_BYTES_MAX: usize = 8 << 20;
/// Most rows: as many as a book has prices and groups, and one that says whether unpriced calls are
/// refused.
pub const ROWS_MAX: usize = PRICES_MAX + GROUPS_MAX + 1;
/// Longest cell, in bytes; the longest that means anything is an upstream id of 128.
pub const CELL_BYTES_MAX: usize = 1_000;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A heading and a row for each price or ratio; amounts in quota.
    Csv,
    /// The document of a price book; amounts in nanos.
    Json,
}

/// What becomes of that which a list does not mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It stays as it is.
    Merge,
    /// It goes: the book has the list's prices and ratios, and no others.
    Replace,
}

/// Something that a list says, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed<T> {
    line: usize,
    value: T,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList {
    spelling: Spelling,
    deny_unpriced: Option<bool>,
    groups: BTreeMap<Group, Listed<Ratio>>,
    prices: BTreeMap<Scope, Listed<Price>>,
}

impl PriceList {
    /// Reads a file.
    pub fn read(bytes: &[u8], format: Format) -> Result<Self, Refused> {
        let text = text::read(bytes)?;
        match format {
            Format::Csv => csv::read(text),
            Format::Json => json::read(text),
        }
    }

    /// How many prices it sets.
    pub fn prices(&self) -> usize {
        self.prices.len()
    }

    /// How many ratios it sets.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The accounts it names, each with the line that does so first.
    pub fn accounts(&self) -> BTreeMap<&str, usize> {
        let mut accounts = BTreeMap::new();
        for (scope, Listed { line, .. }) in &self.prices {
            if let Scope::Account(account) | Scope::AccountSubject(account, _) = scope {
                let first = accounts.entry(account.as_str()).or_insert(*line);
                *first = (*first).min(*line);
            }
        }
        accounts
    }

    /// Brings the list into a book, which stays as it is when that cannot be done.
    pub fn apply(&self, book: &mut PriceBook, mode: Mode) -> Result<(), Refused> {
        let mut after = book.clone();
        if mode == Mode::Replace {
            self.check_defaults(book)?;
            after.prices.clear();
            after.groups.clear();
        }
        after.deny_unpriced = self.deny_unpriced.unwrap_or(after.deny_unpriced);
        let ratios = self.groups.iter().map(|(group, listed)| (group.clone(), listed.value));
        after.groups.extend(ratios);
        let prices = self.prices.iter().map(|(scope, listed)| (scope.clone(), listed.value));
        after.prices.extend(prices);
        bound::check(&after).map_err(|problem| self.too_large(&problem))?;
        *book = after;
        Ok(())
    }

    /// Without its default a provider's calls would be refused, and nobody means that by leaving it out.
    fn check_defaults(&self, book: &PriceBook) -> Result<(), Refused> {
        for provider in [Provider::Coze, Provider::Dify] {
            let rest = Scope::rest_of(provider);
            if book.prices.contains_key(&rest) && !self.prices.contains_key(&rest) {
                let problem = format!("has no row for everything else at `{}`", provider.name());
                return Err(Refused::one(1, "provider", problem));
            }
        }
        Ok(())
    }

    /// The line and the field that make the book too large.
    fn too_large(&self, problem: &TooLarge) -> Refused {
        let (scope, group) = match problem {
            TooLarge::Prices | TooLarge::Groups => return Refused::one(1, "file", problem),
            TooLarge::Amount(scope) => (scope, None),
            TooLarge::Charge(scope, group) => (scope, group.as_ref()),
        };
        if let Some(Listed { line, value }) = self.prices.get(scope) {
            return Refused::one(*line, row::amount_field(self.spelling, value), problem);
        }
        let listed = group.and_then(|group| self.groups.get(group));
        let line = listed.map_or(1, |listed| listed.line);
        let problem = format!("is too high for a price of the book: {problem}");
        Refused::one(line, self.spelling.name(row::Field::Ratio), problem)
    }
}

/// A book as a file that [`PriceList::read`] reads.
pub fn write(book: &PriceBook, format: Format) -> String {
    match format {
        Format::Csv => csv::write(book),
        Format::Json => json::write(book),
    }
}

/// A list that is being put together: each thing once.
struct Gathered {
    list: PriceList,
    rows: usize,
    unpriced_line: Option<usize>,
}

impl Gathered {
    fn new(spelling: Spelling) -> Self {
        let list = PriceList {
            spelling,
            deny_unpriced: None,
            groups: BTreeMap::new(),
            prices: BTreeMap::new(),
        };
        Self { list, rows: 0, unpriced_line: None }
    }

    fn add(&mut self, line: usize, row: Row) -> Result<(), Problem> {
        self.rows = self.rows.saturating_add(1);
        let before = match row {
            Row::Price(scope, value) => put(&mut self.list.prices, scope, Listed { line, value }),
            Row::Ratio(group, value) => put(&mut self.list.groups, group, Listed { line, value }),
            Row::DenyUnpriced(deny) => {
                self.list.deny_unpriced = Some(deny);
                self.unpriced_line.replace(line)
            }
        };
        match before {
            None => Ok(()),
            Some(before) => {
                Err(Problem::new(line, "row", format!("says what line {before} says already")))
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= ROWS_MAX
    }

    /// The list, when it says anything.
    fn list(self) -> Result<PriceList, Refused> {
        if self.rows == 0 {
            return Err(Refused::one(1, "file", "holds no row"));
        }
        Ok(self.list)
    }
}

/// Puts something in, and gives the line of what was there.
fn put<K: Ord, T>(map: &mut BTreeMap<K, Listed<T>>, key: K, listed: Listed<T>) -> Option<usize> {
    map.insert(key, listed).map(|before| before.line)
}

#[cfg(test)]
mod tests;

//! What the tables say, and where they differ.

use std::collections::BTreeMap;

use meter::money::OutOfRange;

use crate::read::summary::Counts;

use super::Difference;

/// What is counted, and the tables that say it of an account.
const OF_ACCOUNTS: [(&str, &[&str]); 7] = [
    ("credits_nanos", &["balance", "credit"]),
    ("calls", &["balance", "posting", "entry", "rollup_hour", "rollup_day"]),
    ("amount_nanos", &["balance", "posting", "entry", "rollup_hour", "rollup_day"]),
    ("settled", &["entry", "rollup_hour", "rollup_day"]),
    ("input_tokens", &["entry", "rollup_hour", "rollup_day"]),
    ("output_tokens", &["entry", "rollup_hour", "rollup_day"]),
    ("total_tokens", &["entry", "rollup_hour", "rollup_day"]),
];
/// The same of a journal. Its cursor counts the links of its chain: postings, and calls that came again.
const OF_JOURNALS: [(&str, &[&str]); 8] = [
    ("cursor_calls", &["journal", "posting"]),
    ("cursor_nanos", &["journal", "posting"]),
    ("calls", &["posting", "entry", "rollup_journal"]),
    ("amount_nanos", &["posting", "entry", "rollup_journal"]),
    ("settled", &["entry", "rollup_journal"]),
    ("input_tokens", &["entry", "rollup_journal"]),
    ("output_tokens", &["entry", "rollup_journal"]),
    ("total_tokens", &["entry", "rollup_journal"]),
];

/// What each table says of one account or journal: by what is counted, and by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said(BTreeMap<(&'static str, &'static str), i64>);

impl Said {
    /// Adds to what a table says.
    pub(super) fn add(
        &mut self,
        what: &'static str,
        table: &'static str,
        number: i64,
    ) -> Result<(), OutOfRange> {
        let said = self.0.entry((what, table)).or_default();
        *said = said.checked_add(number).ok_or(OutOfRange)?;
        Ok(())
    }

    /// Adds sums over calls.
    pub(super) fn add_calls(
        &mut self,
        table: &'static str,
        counts: &Counts,
    ) -> Result<(), OutOfRange> {
        for (what, number) in [
            ("calls", counts.calls),
            ("settled", counts.settled),
            ("input_tokens", counts.input_tokens),
            ("output_tokens", counts.output_tokens),
            ("total_tokens", counts.total_tokens),
            ("amount_nanos", counts.amount_nanos),
        ] {
            self.add(what, table, number)?;
        }
        Ok(())
    }

    /// What a table says. One that has no row says zero.
    pub(super) fn says(&self, what: &'static str, table: &'static str) -> i64 {
        self.0.get(&(what, table)).copied().unwrap_or_default()
    }
}

/// Everything that is held against each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) accounts: BTreeMap<String, Said>,
    pub(super) journals: BTreeMap<String, Said>,
}

impl Books {
    /// What is said of an account.
    pub(super) fn account(&mut self, name: String) -> &mut Said {
        self.accounts.entry(name).or_default()
    }

    /// What is said of a journal.
    pub(super) fn journal(&mut self, name: String) -> &mut Said {
        self.journals.entry(name).or_default()
    }

    /// The sum over all accounts of what a table says.
    pub(super) fn total(&self, what: &'static str, table: &'static str) -> Result<i64, OutOfRange> {
        let mut accounts = self.accounts.values().map(|said| said.says(what, table));
        accounts.try_fold(0_i64, i64::checked_add).ok_or(OutOfRange)
    }

    /// How many sums were held against each other, and those that differ.
    pub(super) fn compare(&self) -> (usize, Vec<Difference>) {
        let mut differences = Vec::new();
        let mut compared = 0_usize;
        let accounts = self.accounts.iter().map(|each| ("account", each, &OF_ACCOUNTS[..]));
        let journals = self.journals.iter().map(|each| ("journal", each, &OF_JOURNALS[..]));
        for (of, (name, said), table) in accounts.chain(journals) {
            for (what, tables) in table {
                let says: BTreeMap<_, _> =
                    tables.iter().map(|table| (*table, said.says(what, table))).collect();
                compared = compared.saturating_add(1);
                let mut numbers = says.values();
                let first = numbers.next();
                if numbers.any(|number| Some(number) != first) {
                    differences.push(Difference { of, name: name.clone(), what, says });
                }
            }
        }
        (compared, differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> Books {
        let mut books = Books::default();
        let counts = Counts { calls: 2, settled: 1, amount_nanos: 7, ..Counts::default() };
        let account = books.account("acc_1".to_owned());
        for table in ["balance", "posting", "entry", "rollup_hour", "rollup_day"] {
            account.add_calls(table, &counts).unwrap();
        }
        let journal = books.journal("j0".to_owned());
        for table in ["posting", "entry", "rollup_journal"] {
            journal.add_calls(table, &counts).unwrap();
        }
        books
    }

    #[test]
    fn books_that_say_the_same_everywhere_do_not_differ() {
        assert_eq!(books().compare(), (15, Vec::new()));
        assert_eq!(books().total("amount_nanos", "balance"), Ok(7));
        assert_eq!(Books::default().compare(), (0, Vec::new()));
    }

    #[test]
    fn each_sum_that_differs_is_told_with_what_each_table_says() {
        let mut books = books();
        books.account("acc_1".to_owned()).add("amount_nanos", "rollup_day", 1).unwrap();
        books.account("acc_2".to_owned()).add("credits_nanos", "credit", 5).unwrap();
        books.journal("j0".to_owned()).add("cursor_calls", "journal", 3).unwrap();
        let (_, differences) = books.compare();
        let told: Vec<_> = differences.iter().map(|it| (it.name.as_str(), it.what)).collect();
        let want = [("acc_1", "amount_nanos"), ("acc_2", "credits_nanos"), ("j0", "cursor_calls")];
        assert_eq!(told, want);
        assert_eq!(differences[0].says["rollup_day"], 8);
        assert_eq!(differences[1].says["balance"], 0, "a table without a row says zero");
    }
}

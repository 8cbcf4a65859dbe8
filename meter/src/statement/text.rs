//! The one written form of a statement: CSV whose first field says what a line is.
//!
//! The last line is a SHA-256 over every byte before it, so that `head -n -1 FILE | sha256sum` shows it. Reading is strict in the simplest way there is:
//! what was read is written again, and has to be the same bytes.

use std::fmt::Write as _;

use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};

use crate::entry::Hash;
use crate::money::Nanos;
use crate::time::UnixMs;

use super::{CreditLine, DayLine, Disagreement, STATEMENT_VERSION, Statement, SubjectLine, Sums};

/// Largest statement that is read: a hundred thousand lines.
pub const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// The mark of the last line.
const HASH: &str = "hash";

/// Why a text is not a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAStatement {
    /// Not the form of one.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from one.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More bytes than are read.
    #[error("it is larger than {STATEMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// The last line is not the hash of those before.
    #[error("it was changed: its hash is not that of its lines")]
    Changed,
    /// It says the right things in another form.
    #[error("it was changed: it is not written as Weir writes it")]
    Spelling,
    /// Its figures contradict each other.
    #[error(transparent)]
    Disagrees(#[from] Disagreement),
}

impl Statement {
    /// The written form, and its hash.
    pub fn to_text(&self) -> (String, Hash) {
        let mut lines = Lines::new();
        lines.put(&["weir-statement", &STATEMENT_VERSION.to_string()]);
        lines.put(&["account", self.account.as_str(), &self.name]);
        lines.put(&["number", &self.number.to_string()]);
        let (from, to) = (self.from.get().to_string(), self.to.get().to_string());
        lines.put(&["month", &self.month, &self.zone, &from, &to]);
        lines.put(&["previous", &self.previous.to_string()]);
        lines.put(&["opening", &nanos(self.opening)]);
        for CreditLine { day, kind, amount, reference, reason } in &self.credits {
            lines.put(&["credit", day, kind, &nanos(*amount), reference, reason]);
        }
        for DayLine { day, sums } in &self.days {
            let [calls, tokens, amount] = columns(sums);
            lines.put(&["day", day, &calls, &tokens, &amount]);
        }
        for SubjectLine { operation, kind, subject, sums } in &self.subjects {
            let [calls, tokens, amount] = columns(sums);
            lines.put(&["subject", operation, kind, subject, &calls, &tokens, &amount]);
        }
        lines.put(&["closing", &nanos(self.closing)]);
        let mut text = lines.text();
        let hash = Hash::of(text.as_bytes());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{HASH},{hash}");
        (text, hash)
    }
}

fn nanos(amount: Nanos) -> String {
    amount.get().to_string()
}

fn columns(sums: &Sums) -> [String; 3] {
    [sums.calls.to_string(), sums.tokens.to_string(), nanos(sums.amount)]
}

/// CSV that is being written. Every line may have its own number of fields.
struct Lines(csv::Writer<Vec<u8>>);

impl Lines {
    fn new() -> Self {
        let mut builder = WriterBuilder::new();
        Self(builder.flexible(true).terminator(Terminator::Any(b'\n')).from_writer(Vec::new()))
    }

    fn put(&mut self, fields: &[&str]) {
        // Writing into memory does not fail.
        let _ = self.0.write_record(fields);
    }

    fn text(self) -> String {
        String::from_utf8(self.0.into_inner().unwrap_or_default()).unwrap_or_default()
    }
}

/// Reads a statement, checks its hash and its sums, and says what its hash is.
pub fn read(text: &str) -> Result<(Statement, Hash), NotAStatement> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(NotAStatement::TooLarge);
    }
    let mut reading = Reading::of(text)?;
    let statement = reading.statement()?;
    let (body, stated) = reading.hash(text)?;
    if Hash::of(body.as_bytes()) != stated {
        return Err(NotAStatement::Changed);
    }
    if statement.to_text().0 != text {
        return Err(NotAStatement::Spelling);
    }
    statement.charges()?;
    Ok((statement, stated))
}

/// Lines that are being read.
struct Reading {
    lines: Vec<StringRecord>,
    at: usize,
}

impl Reading {
    fn of(text: &str) -> Result<Self, NotAStatement> {
        let mut reader =
            ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
        let lines: Result<Vec<_>, _> = reader.records().collect();
        let lines =
            lines.map_err(|_| NotAStatement::Line { line: 1, problem: "is not CSV in UTF-8" })?;
        Ok(Self { lines, at: 0 })
    }

    fn wrong(&self, problem: &'static str) -> NotAStatement {
        NotAStatement::Line { line: self.at.saturating_add(1), problem }
    }

    /// The fields of the next line behind its mark, when it has this mark and as many fields.
    fn next_if<const N: usize>(
        &mut self,
        mark: &str,
    ) -> Result<Option<[String; N]>, NotAStatement> {
        let Some(line) = self.lines.get(self.at).filter(|line| line.get(0) == Some(mark)) else {
            return Ok(None);
        };
        let fields: Vec<String> = line.iter().skip(1).map(ToOwned::to_owned).collect();
        let fields = fields.try_into().map_err(|_| self.wrong("has another number of fields"))?;
        self.at = self.at.saturating_add(1);
        Ok(Some(fields))
    }

    fn next<const N: usize>(
        &mut self,
        mark: &str,
        problem: &'static str,
    ) -> Result<[String; N], NotAStatement> {
        self.next_if(mark)?.ok_or_else(|| self.wrong(problem))
    }

    fn parsed<T: std::str::FromStr>(&self, text: &str) -> Result<T, NotAStatement> {
        text.parse().map_err(|_| NotAStatement::Line {
            line: self.at,
            problem: "holds something that is no number, id or hash",
        })
    }

    fn amount(&self, text: &str) -> Result<Nanos, NotAStatement> {
        self.parsed(text).map(Nanos::new)
    }

    fn sums(&self, [calls, tokens, amount]: [&str; 3]) -> Result<Sums, NotAStatement> {
        let (calls, tokens) = (self.parsed(calls)?, self.parsed(tokens)?);
        Ok(Sums { calls, tokens, amount: self.amount(amount)? })
    }

    fn statement(&mut self) -> Result<Statement, NotAStatement> {
        let [version] = self.next("weir-statement", "is not the first line of a statement")?;
        if self.parsed::<u32>(&version)? != STATEMENT_VERSION {
            return Err(NotAStatement::Line { line: 1, problem: "is of a version not known here" });
        }
        let [account, name] = self.next("account", "does not name the account")?;
        let account = self.parsed(&account)?;
        let [number] = self.next("number", "does not number the statement")?;
        let number = self.parsed(&number)?;
        let [month, zone, from, to] = self.next("month", "does not name the month")?;
        let (from, to) = (UnixMs::new(self.parsed(&from)?), UnixMs::new(self.parsed(&to)?));
        let [previous] = self.next("previous", "does not name the statement before")?;
        let previous = self.parsed(&previous)?;
        let [opening] = self.next("opening", "does not name the opening balance")?;
        let opening = self.amount(&opening)?;
        let (credits, days, subjects) = (self.credits()?, self.days()?, self.subjects()?);
        let [closing] = self.next("closing", "is no line of a statement")?;
        let closing = self.amount(&closing)?;
        Ok(Statement {
            account,
            name,
            number,
            month,
            zone,
            from,
            to,
            previous,
            opening,
            credits,
            days,
            subjects,
            closing,
        })
    }

    fn credits(&mut self) -> Result<Vec<CreditLine>, NotAStatement> {
        let mut credits = Vec::new();
        while let Some([day, kind, amount, reference, reason]) = self.next_if("credit")? {
            let amount = self.amount(&amount)?;
            credits.push(CreditLine { day, kind, amount, reference, reason });
        }
        Ok(credits)
    }

    fn days(&mut self) -> Result<Vec<DayLine>, NotAStatement> {
        let mut days = Vec::new();
        while let Some([day, calls, tokens, amount]) = self.next_if("day")? {
            days.push(DayLine { day, sums: self.sums([&calls, &tokens, &amount])? });
        }
        Ok(days)
    }

    fn subjects(&mut self) -> Result<Vec<SubjectLine>, NotAStatement> {
        let mut subjects = Vec::new();
        while let Some([operation, kind, subject, calls, tokens, amount]) =
            self.next_if("subject")?
        {
            let sums = self.sums([&calls, &tokens, &amount])?;
            subjects.push(SubjectLine { operation, kind, subject, sums });
        }
        Ok(subjects)
    }

    /// What stands before the last line, and the hash in it.
    fn hash<'a>(&mut self, text: &'a str) -> Result<(&'a str, Hash), NotAStatement> {
        let [hash] = self.next(HASH, "is not the hash")?;
        let hash = self.parsed(&hash)?;
        if self.at != self.lines.len() {
            return Err(self.wrong("stands behind the hash"));
        }
        let body = text.rfind(HASH).and_then(|at| text.get(..at)).unwrap_or_default();
        Ok((body, hash))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(calls: u64, tokens: u64, amount: i64) -> Sums {
        Sums { calls, tokens, amount: Nanos::new(amount) }
    }

    fn october() -> Statement {
        Statement {
            account: "acc_1".parse().unwrap(),
            name: "Shop 12, \"the\nsecond\"".to_owned(),
            number: 2,
            month: "2026-10".to_owned(),
            zone: "Asia/Shanghai".to_owned(),
            from: UnixMs::new(1_790_784_000_000),
            to: UnixMs::new(1_793_462_400_000),
            previous: Hash([0xab; 32]),
            opening: Nanos::new(-5),
            credits: vec![CreditLine {
                day: "2026-10-02".to_owned(),
                kind: "top_up".to_owned(),
                amount: Nanos::new(1_000),
                reference: "pay_7".to_owned(),
                reason: "发票 7".to_owned(),
            }],
            days: vec![
                DayLine { day: "2026-09-30".to_owned(), sums: sums(1, 7, 100) },
                DayLine { day: "2026-10-31".to_owned(), sums: sums(2, 8, 50) },
            ],
            subjects: vec![SubjectLine {
                operation: "workflow_run".to_owned(),
                kind: "workflow".to_owned(),
                subject: "7480".to_owned(),
                sums: sums(3, 15, 150),
            }],
            closing: Nanos::new(845),
        }
    }

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        let (text, hash) = october().to_text();
        assert_eq!(read(&text), Ok((october(), hash)));
        let bare = Statement {
            credits: Vec::new(),
            days: Vec::new(),
            subjects: Vec::new(),
            closing: Nanos::new(-5),
            ..october()
        };
        let (text, hash) = bare.to_text();
        assert_eq!(read(&text), Ok((bare, hash)));
    }

    #[test]
    fn no_bit_of_a_statement_can_be_flipped_and_no_byte_left_out_or_put_in() {
        let (text, _) = october().to_text();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).ok();
                assert!(changed.is_none_or(|text| read(&text).is_err()), "bit {bit} of byte {at}");
            }
            let (before, behind) = (&text.as_bytes()[..at], &text.as_bytes()[at..]);
            for changed in [[before, &behind[1..]].concat(), [before, b"\n", behind].concat()] {
                let changed = String::from_utf8(changed).ok();
                assert!(changed.is_none_or(|text| read(&text).is_err()), "byte {at}");
            }
        }
        assert!(read(&format!("{text}\n")).is_err());
        assert!(read(&format!("\u{feff}{text}")).is_err());
        assert!(read(&text.replace('\n', "\r\n")).is_err());
    }

    #[test]
    fn figures_that_disagree_are_refused_though_their_hash_is_right() {
        let wrong = Statement { closing: Nanos::new(846), ..october() };
        assert_eq!(read(&wrong.to_text().0), Err(Disagreement::Closing.into()));
        let wrong = Statement { subjects: Vec::new(), ..october() };
        assert_eq!(read(&wrong.to_text().0), Err(Disagreement::DaysAndSubjects.into()));
    }

    #[test]
    fn what_is_no_statement_is_told_by_its_line() {
        assert_eq!(
            read("").unwrap_err().to_string(),
            "line 1: is not the first line of a statement"
        );
        let (text, _) = october().to_text();
        let odd = text.replace("credit,2026-10-02,", "credit,");
        assert_eq!(read(&odd).unwrap_err().to_string(), "line 7: has another number of fields");
        let odd = text.replace("opening,-5", "opening,none");
        assert!(read(&odd).unwrap_err().to_string().starts_with("line 6: holds something"));
        let long = "x".repeat(STATEMENT_BYTES_MAX.saturating_add(1));
        assert_eq!(read(&long), Err(NotAStatement::TooLarge));
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9 ,\"\n\r;]{0,12}", any::<String>()]
    }

    proptest! {
        #[test]
        fn whatever_names_and_reasons_hold_the_statement_is_read_as_written(
            name in any_text(), reason in any_text(), reference in any_text(),
        ) {
            let mut statement = Statement { name, ..october() };
            statement.credits[0].reason = reason;
            statement.credits[0].reference = reference;
            let (text, hash) = statement.to_text();
            prop_assert_eq!(read(&text), Ok((statement, hash)));
        }
    }
}

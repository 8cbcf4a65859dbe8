//! Entries and sums as columns, the form in which one statement inserts a whole page.
//!
//! Each struct is the transpose of its table: one vector per column, all of one length. Every field of
//! the rules' types is named, so that a new one cannot be forgotten here.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use meter::entry::{Entry, Tail};
use meter::ledger::{Movements, Rollup, RollupKey, Spending};
use meter::time::UnixMs;
use meter::wire::asked::AskedDoc;
use meter::wire::book::PriceDoc;
use meter::wire::entry::{EntryDoc, WorkIdsDoc};
use sqlx::types::Json;

use crate::clock;
use crate::error::Error;

/// The rows of `entry`, and of `posting`, which takes some of the same columns.
#[derive(Default)]
pub(super) struct EntryColumns {
    pub(super) seq: Vec<i64>,
    pub(super) call: Vec<String>,
    pub(super) account: Vec<String>,
    pub(super) key: Vec<String>,
    pub(super) operation: Vec<String>,
    pub(super) subject_kind: Vec<String>,
    pub(super) subject: Vec<String>,
    pub(super) units: Vec<i64>,
    pub(super) resumes: Vec<Option<String>>,
    pub(super) group: Vec<String>,
    pub(super) book: Vec<i64>,
    pub(super) price: Vec<Json<PriceDoc>>,
    pub(super) ratio_ppm: Vec<i64>,
    pub(super) admitted_at: Vec<DateTime<Utc>>,
    pub(super) finished_at: Vec<DateTime<Utc>>,
    pub(super) ending: Vec<String>,
    pub(super) status: Vec<Option<i32>>,
    pub(super) code: Vec<Option<i64>>,
    pub(super) source: Vec<String>,
    pub(super) input_tokens: Vec<Option<i64>>,
    pub(super) output_tokens: Vec<Option<i64>>,
    pub(super) total_tokens: Vec<Option<i64>>,
    pub(super) cost_nanos: Vec<Option<i64>>,
    pub(super) cost_currency: Vec<Option<String>>,
    pub(super) usage_fell: Vec<bool>,
    pub(super) chat_id: Vec<Option<String>>,
    pub(super) conversation_id: Vec<Option<String>>,
    pub(super) execute_id: Vec<Option<String>>,
    pub(super) log_id: Vec<Option<String>>,
    pub(super) amount_nanos: Vec<i64>,
    pub(super) total_nanos: Vec<i64>,
    pub(super) hash: Vec<Vec<u8>>,
}

impl EntryColumns {
    pub(super) fn of(entries: &[Entry]) -> Result<Self, Error> {
        let mut columns = Self::default();
        for entry in entries {
            columns.push(entry)?;
        }
        Ok(columns)
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Error> {
        let Entry { facts, tail: Tail { seq, total: _, hash } } = entry;
        // The document spells names and ids the way the database keeps them too.
        let EntryDoc {
            v: _,
            seq: _,
            call,
            account,
            key,
            asked: AskedDoc { operation, subject_kind, subject, units, resumes },
            group,
            book,
            price,
            ratio_ppm,
            admitted_at_ms: _,
            finished_at_ms: _,
            ending,
            status,
            code,
            source,
            input_tokens,
            output_tokens,
            total_tokens,
            cost,
            usage_fell,
            ids: WorkIdsDoc { chat_id, conversation_id, execute_id, log_id },
            amount_nanos,
            total_nanos,
            hash: _,
        } = EntryDoc::from(entry);
        self.seq.push(i64::try_from(*seq)?);
        self.call.push(call);
        self.account.push(account);
        self.key.push(key);
        self.operation.push(operation);
        self.subject_kind.push(subject_kind);
        self.subject.push(subject);
        self.units.push(i64::try_from(units)?);
        self.resumes.push(resumes);
        self.group.push(group);
        self.book.push(book.into());
        self.price.push(Json(price));
        self.ratio_ppm.push(ratio_ppm.into());
        self.admitted_at.push(clock::timestamp(facts.admitted_at)?);
        self.finished_at.push(clock::timestamp(facts.finished_at)?);
        self.ending.push(ending);
        self.status.push(status.map(i32::from));
        self.code.push(code);
        self.source.push(source);
        self.input_tokens.push(input_tokens.map(i64::try_from).transpose()?);
        self.output_tokens.push(output_tokens.map(i64::try_from).transpose()?);
        self.total_tokens.push(total_tokens.map(i64::try_from).transpose()?);
        self.cost_nanos.push(cost.as_ref().map(|cost| cost.nanos));
        self.cost_currency.push(cost.map(|cost| cost.currency));
        self.usage_fell.push(usage_fell);
        self.chat_id.push(chat_id);
        self.conversation_id.push(conversation_id);
        self.execute_id.push(execute_id);
        self.log_id.push(log_id);
        self.amount_nanos.push(amount_nanos);
        self.total_nanos.push(total_nanos);
        self.hash.push(hash.0.to_vec());
        Ok(())
    }
}

/// What is added to rows of `balance`.
#[derive(Default)]
pub(super) struct SpendingColumns {
    pub(super) account: Vec<String>,
    pub(super) spent_nanos: Vec<i64>,
    pub(super) entries: Vec<i64>,
}

impl SpendingColumns {
    pub(super) fn of(movements: &Movements) -> Result<Self, Error> {
        let mut columns = Self::default();
        for (account, Spending { spent, entries }) in &movements.spending {
            columns.account.push(account.to_string());
            columns.spent_nanos.push(spent.get());
            columns.entries.push(i64::try_from(*entries)?);
        }
        Ok(columns)
    }
}

/// What is added to rows of `rollup_hour` or `rollup_day`.
#[derive(Default)]
pub(super) struct RollupColumns {
    pub(super) account: Vec<String>,
    pub(super) since: Vec<DateTime<Utc>>,
    pub(super) operation: Vec<String>,
    pub(super) subject_kind: Vec<String>,
    pub(super) subject: Vec<String>,
    pub(super) key: Vec<String>,
    pub(super) sums: SumColumns,
}

/// What is added to rows of `rollup_journal`.
#[derive(Default)]
pub(super) struct CourseColumns {
    pub(super) hour_at: Vec<DateTime<Utc>>,
    pub(super) sums: SumColumns,
}

/// The sums of each.
#[derive(Default)]
pub(super) struct SumColumns {
    pub(super) calls: Vec<i64>,
    pub(super) settled: Vec<i64>,
    pub(super) failed: Vec<i64>,
    pub(super) input_tokens: Vec<i64>,
    pub(super) output_tokens: Vec<i64>,
    pub(super) total_tokens: Vec<i64>,
    pub(super) amount_nanos: Vec<i64>,
}

impl RollupColumns {
    pub(super) fn of(rollups: &BTreeMap<RollupKey, Rollup>) -> Result<Self, Error> {
        let mut columns = Self::default();
        for (key, rollup) in rollups {
            let RollupKey { account, since, operation, subject, key } = key;
            columns.account.push(account.to_string());
            columns.since.push(clock::timestamp(*since)?);
            columns.operation.push(operation.name().to_owned());
            columns.subject_kind.push(subject.kind.name().to_owned());
            columns.subject.push(subject.id.to_string());
            columns.key.push(key.to_string());
            columns.sums.push(rollup)?;
        }
        Ok(columns)
    }
}

impl CourseColumns {
    pub(super) fn of(course: &BTreeMap<UnixMs, Rollup>) -> Result<Self, Error> {
        let mut columns = Self::default();
        for (hour, rollup) in course {
            columns.hour_at.push(clock::timestamp(*hour)?);
            columns.sums.push(rollup)?;
        }
        Ok(columns)
    }
}

impl SumColumns {
    fn push(&mut self, rollup: &Rollup) -> Result<(), Error> {
        let Rollup { calls, settled, failed, input_tokens, output_tokens, total_tokens, amount } =
            rollup;
        self.calls.push(i64::try_from(*calls)?);
        self.settled.push(i64::try_from(*settled)?);
        self.failed.push(i64::try_from(*failed)?);
        self.input_tokens.push(i64::try_from(*input_tokens)?);
        self.output_tokens.push(i64::try_from(*output_tokens)?);
        self.total_tokens.push(i64::try_from(*total_tokens)?);
        self.amount_nanos.push(amount.get());
        Ok(())
    }
}

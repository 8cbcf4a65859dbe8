//! Keeping records: each charge once, however often and by whichever way it is told.
//!
//! # Correctness
//! A record and the sum of its call are written by one statement, so a sum is that of the records that
//! stand beside it. A record that is there already adds nothing.
//!
//! # Bounds
//! At most [`RECORDS_MAX`] records in one statement.

use chrono::{DateTime, Utc};
use meter::bill::Record;
use meter::time::UnixMs;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;

/// Most records in one statement.
pub const RECORDS_MAX: usize = 1_000;

/// How records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One by one, as upstream charges.
    Callback,
    /// In a bill file.
    File,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::File => "file",
        }
    }
}

/// The columns of some records, a vector each.
#[derive(Default)]
struct Columns {
    event: Vec<String>,
    consumed_at: Vec<DateTime<Utc>>,
    texts: [Vec<Option<String>>; 13],
    kinds: [Vec<Option<i64>>; 2],
    resource_kind: Vec<i64>,
    counts: [Vec<i64>; 6],
}

impl Columns {
    fn of(records: &[Record]) -> Result<Self, Error> {
        let mut columns = Self::default();
        for record in records {
            columns.push(record)?;
        }
        Ok(columns)
    }

    fn push(&mut self, record: &Record) -> Result<(), Error> {
        let stamp = record.stamp();
        self.event.push(record.id.clone());
        self.consumed_at.push(clock::timestamp(record.consumed_at)?);
        let texts = [
            record.root.clone(),
            record.connector.clone(),
            record.connector_user.clone(),
            record.device.clone(),
            record.consumer.clone(),
            record.space.clone(),
            record.cost_account.clone(),
            record.entity.clone(),
            record.change.clone(),
            record.resource.clone(),
            record.model.clone(),
            stamp.as_ref().map(|stamp| stamp.account.to_string()),
            stamp.as_ref().map(|stamp| stamp.call.to_string()),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
        for (column, kind) in self.kinds.iter_mut().zip([record.entity_kind, record.balance_kind]) {
            column.push(kind.map(i64::try_from).transpose()?);
        }
        self.resource_kind.push(i64::try_from(record.resource_kind)?);
        let counts = [
            record.input_tokens,
            record.output_tokens,
            record.tts_characters,
            record.tts_count,
            record.asr_ms,
            record.rtc_ms,
        ];
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.push(i64::try_from(count)?);
        }
        Ok(())
    }
}

/// Keeps records; gives how many of them are new.
pub async fn keep(
    connection: &mut PgConnection,
    records: &[Record],
    source: Source,
    now: UnixMs,
) -> Result<u64, Error> {
    let columns = Columns::of(records)?;
    let [
        root,
        connector,
        connector_user,
        device,
        consumer,
        space,
        cost_account,
        entity,
        change,
        resource,
        model,
        account,
        call,
    ] = &columns.texts;
    let [entity_kind, balance_kind] = &columns.kinds;
    let [input, output, tts, tts_count, asr, rtc] = &columns.counts;
    let new = sqlx::query_scalar!(
        r#"
        WITH told AS (
            SELECT * FROM unnest(
                $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
                $15::text[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::bigint[],
                $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
                $26::bigint[]
            ) AS told (
                event_id, consumed_at, root_id, connector_id, connector_uid, device_id,
                custom_consumer, space_id, cost_account_id, root_entity_id, change_balance,
                resource_id, model_id, account_id, call_id, root_entity_type, balance_type,
                resource_type, input_tokens, output_tokens, tts_characters, tts_count, asr_ms,
                rtc_ms
            )
        ), new AS (
            INSERT INTO bill_record
                (source, received_at, event_id, consumed_at, root_id, connector_id, connector_uid,
                 device_id, custom_consumer, space_id, cost_account_id, root_entity_id,
                 change_balance, resource_id, model_id, account_id, call_id, root_entity_type,
                 balance_type, resource_type, input_tokens, output_tokens, tts_characters,
                 tts_count, asr_ms, rtc_ms)
            SELECT $1, $2, event_id, consumed_at, root_id, connector_id, connector_uid, device_id,
                   custom_consumer, space_id, cost_account_id, root_entity_id,
                   change_balance::numeric, resource_id, model_id, account_id, call_id,
                   root_entity_type, balance_type, resource_type, input_tokens, output_tokens,
                   tts_characters, tts_count, asr_ms, rtc_ms
            FROM told
            -- Whoever tells several at once locks them in the same order as everybody else.
            ORDER BY event_id
            ON CONFLICT ON CONSTRAINT bill_record_event_key DO NOTHING
            RETURNING call_id, account_id, input_tokens, output_tokens
        ), summed AS (
            INSERT INTO bill_call
                (call_id, account_id, records, input_tokens, output_tokens, billed_at, look_at)
            SELECT call_id, min(account_id), count(*), sum(input_tokens), sum(output_tokens), $2, $2
            FROM new WHERE call_id IS NOT NULL GROUP BY call_id ORDER BY call_id
            ON CONFLICT ON CONSTRAINT bill_call_pkey DO UPDATE SET
                records = bill_call.records + excluded.records,
                input_tokens = bill_call.input_tokens + excluded.input_tokens,
                output_tokens = bill_call.output_tokens + excluded.output_tokens,
                billed_at = excluded.billed_at, look_at = excluded.look_at, state = 'waiting'
        )
        SELECT count(*) AS "new!" FROM new
        "#,
        source.name(),
        clock::timestamp(now)?,
        &columns.event,
        &columns.consumed_at,
        root as &[Option<String>],
        connector as &[Option<String>],
        connector_user as &[Option<String>],
        device as &[Option<String>],
        consumer as &[Option<String>],
        space as &[Option<String>],
        cost_account as &[Option<String>],
        entity as &[Option<String>],
        change as &[Option<String>],
        resource as &[Option<String>],
        model as &[Option<String>],
        account as &[Option<String>],
        call as &[Option<String>],
        entity_kind as &[Option<i64>],
        balance_kind as &[Option<i64>],
        &columns.resource_kind,
        input,
        output,
        tts,
        tts_count,
        asr,
        rtc
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(new)?)
}

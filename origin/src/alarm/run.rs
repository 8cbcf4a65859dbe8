//! Delivering alarms: each to every webhook, until it is taken or too old.
//!
//! # Correctness
//! - An alarm becomes a delivery for each webhook that is configured when it is first seen here, in one
//!   transaction; a webhook that is added later gets what is raised from then on.
//! - A delivery is locked while it is sent, so that of several origins one sends it. Once an answer that it
//!   was taken is stored it is not sent again. Only a crash between that answer and its being stored has it
//!   come twice, with the same number.
//!
//! # Bounds
//! A delivery is tried for [`RETRY_MS_MAX`], with waits from [`WAIT_MS_MIN`], doubled up to [`WAIT_MS_MAX`].
//! A webhook that fails is left alone until the next look, so it keeps the others waiting for one attempt
//! at most.

use std::time::Duration;

use meter::time::UnixMs;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::clock;
use crate::database::Tx;
use crate::error::Error;

use super::hook::Hook;
use super::send::send;
use super::{ALARM_VERSION, AlarmDoc};

/// The pause between two looks.
pub const LOOK_MS: u64 = 3_000;
/// How long a delivery is tried.
pub const RETRY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The wait after the first failure.
pub const WAIT_MS_MIN: u64 = 5_000;
/// The longest wait.
pub const WAIT_MS_MAX: u64 = 60 * 60 * 1_000;
/// Most alarms that become deliveries in one look.
pub const ALARMS_MAX: i64 = 1_000;

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Deliveries that were taken.
    pub sent: u64,
    /// Attempts that failed and are made again.
    pub failed: u64,
    /// Deliveries that were tried for long enough.
    pub given_up: u64,
}

/// Delivers until `stop` says so; what is under way then is finished first.
pub async fn run(pool: PgPool, hooks: Vec<Hook>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = look(&pool, &hooks, clock::now()).await {
            error!(%error, "alarms could not be delivered");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Makes deliveries of new alarms, and tries those that are due.
pub async fn look(pool: &PgPool, hooks: &[Hook], now: UnixMs) -> Result<Looked, Error> {
    let mut looked = Looked { given_up: spread(pool, hooks, now).await?, ..Looked::default() };
    let mut attempts = JoinSet::new();
    for hook in hooks {
        attempts.spawn(deliver(pool.clone(), hook.clone(), now));
    }
    while let Some(attempted) = attempts.join_next().await {
        let more = attempted.unwrap_or_else(|error| {
            error!(%error, "a webhook's task broke off");
            Ok(Looked::default())
        })?;
        looked.sent = looked.sent.saturating_add(more.sent);
        looked.failed = looked.failed.saturating_add(more.failed);
        looked.given_up = looked.given_up.saturating_add(more.given_up);
    }
    Ok(looked)
}

/// A delivery of each new alarm for each webhook. Without webhooks there is nothing to deliver, and what
/// waits for one that is not there any more is given up in the end.
async fn spread(pool: &PgPool, hooks: &[Hook], now: UnixMs) -> Result<u64, Error> {
    let mut tx = Tx::begin(pool, "spread_alarms").await?;
    let new = sqlx::query_scalar!(
        "SELECT alarm_id FROM alarm WHERE NOT is_spread
         ORDER BY alarm_id LIMIT $1 FOR UPDATE SKIP LOCKED",
        ALARMS_MAX
    )
    .fetch_all(&mut *tx)
    .await?;
    let names: Vec<String> = hooks.iter().map(|hook| hook.name.clone()).collect();
    let at = clock::timestamp(now)?;
    if !new.is_empty() {
        sqlx::query!(
            "INSERT INTO alarm_delivery (alarm_id, webhook, due_at)
             SELECT alarm_id, webhook, $3 FROM unnest($1::bigint[]) AS new (alarm_id)
             CROSS JOIN unnest($2::text[]) AS webhook",
            &new,
            &names,
            at
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("UPDATE alarm SET is_spread = true WHERE alarm_id = ANY($1)", &new)
            .execute(&mut *tx)
            .await?;
    }
    let given_up = sqlx::query!(
        "UPDATE alarm_delivery d SET state = 'given_up', ended_at = $2,
             last_error = 'no such webhook is configured any more'
         FROM alarm a
         WHERE d.alarm_id = a.alarm_id AND d.state = 'waiting' AND d.webhook <> ALL($1)
           AND a.raised_at < $3",
        &names,
        at,
        clock::timestamp(UnixMs::new(now.get().saturating_sub(RETRY_MS_MAX)))?
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(given_up.rows_affected())
}

/// What is due for one webhook, until one fails.
async fn deliver(pool: PgPool, hook: Hook, now: UnixMs) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    for _ in 0..hook.form.messages_max() {
        match deliver_one(&pool, &hook, now).await? {
            None => break,
            Some(Attempt::Sent) => looked.sent = looked.sent.saturating_add(1),
            Some(Attempt::Failed) => {
                looked.failed = looked.failed.saturating_add(1);
                break;
            }
            Some(Attempt::GivenUp) => {
                looked.given_up = looked.given_up.saturating_add(1);
                break;
            }
        }
    }
    Ok(looked)
}

/// What an attempt came to.
enum Attempt {
    Sent,
    Failed,
    GivenUp,
}

async fn deliver_one(pool: &PgPool, hook: &Hook, now: UnixMs) -> Result<Option<Attempt>, Error> {
    let mut tx = Tx::begin(pool, "deliver_alarm").await?;
    let due = sqlx::query!(
        "SELECT d.alarm_id, d.attempts, a.kind, a.subject, a.detail, a.raised_at
         FROM alarm_delivery d JOIN alarm a USING (alarm_id)
         WHERE d.webhook = $1 AND d.state = 'waiting' AND d.due_at <= $2
         ORDER BY d.due_at, d.alarm_id LIMIT 1 FOR UPDATE OF d SKIP LOCKED",
        hook.name,
        clock::timestamp(now)?
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(due) = due else { return Ok(None) };
    let raised_at = clock::unix_ms(due.raised_at);
    let alarm = AlarmDoc {
        v: ALARM_VERSION,
        alarm: due.alarm_id,
        kind: due.kind,
        raised_at: due.raised_at,
        subject: due.subject,
        detail: due.detail,
    };
    let sent = send(hook, &alarm, now).await;
    let attempts = u32::try_from(due.attempts)?.saturating_add(1);
    let next = now.plus_ms(wait_ms(attempts));
    let attempt = match &sent {
        Ok(()) => Attempt::Sent,
        Err(_) if next.since(raised_at) > RETRY_MS_MAX => Attempt::GivenUp,
        Err(_) => Attempt::Failed,
    };
    let (host, form) = (hook.host(), hook.form.name());
    let state = match (&attempt, &sent) {
        (Attempt::Sent, _) => {
            info!(alarm = due.alarm_id, host, form, "an alarm was told");
            "sent"
        }
        (Attempt::GivenUp, sent) => {
            let error = sent.as_ref().err();
            error!(alarm = due.alarm_id, host, form, error, "an alarm is given up");
            "given_up"
        }
        (Attempt::Failed, sent) => {
            let error = sent.as_ref().err();
            warn!(alarm = due.alarm_id, host, form, error, "an alarm was not taken");
            "waiting"
        }
    };
    sqlx::query!(
        "UPDATE alarm_delivery SET state = $3, attempts = $4, due_at = $5, last_error = $6,
             ended_at = CASE WHEN $3 <> 'waiting' THEN $7::timestamptz END
         WHERE alarm_id = $1 AND webhook = $2",
        due.alarm_id,
        hook.name,
        state,
        i32::try_from(attempts)?,
        clock::timestamp(next)?,
        sent.err(),
        clock::timestamp(now)?
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(attempt))
}

/// The wait after this many failures.
fn wait_ms(attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(u64::BITS - 1);
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    WAIT_MS_MIN.saturating_mul(factor).min(WAIT_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        assert_eq!([1, 2, 4].map(wait_ms), [5_000, 10_000, 40_000]);
        // It would be 85 minutes.
        assert_eq!([11, 40, u32::MAX].map(wait_ms), [WAIT_MS_MAX; 3]);
        assert!(wait_ms(10) < WAIT_MS_MAX);
    }
}

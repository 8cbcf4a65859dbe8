//! Telling each charge to whoever subscribed to the bill, caller or no caller.
//!
//! One task takes the works that were charged and posts their records, one POST per record. Coze
//! documents that a callback is to be answered 200 within 3 seconds, and not how often it tries again;
//! here it is [`TRIES_MAX`] times.
//!
//! # Bounds
//! At most [`TOLD_AT_ONCE_MAX`] works are told at the same time.

// What a charge is as JSON.
mod record;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use sha1::{Digest as _, Sha1};
use tokio::sync::Semaphore;

use self::record::records;
use crate::visit::hexadecimal;
use crate::world::Upstream;
use crate::world::callbacks::Subscription;
use crate::world::works::Work;

/// How many works are told at once.
const TOLD_AT_ONCE_MAX: usize = 16;
/// How often one callback is tried.
const TRIES_MAX: u32 = 5;
/// The pause between two tries.
const PAUSE_MS: u64 = 200;
/// How long an answer is waited for.
const ANSWER_MS_MAX: u64 = 3_000;

/// Tells charges for as long as the stand-in lives.
pub(crate) async fn tell(upstream: Upstream) {
    let Ok(client) = Client::builder().no_proxy().build() else { return };
    let permits = Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX));
    let mut changes = upstream.changes();
    loop {
        // Looked at first: what is already there is no change, and only a change would wake the task.
        if upstream.read(|world| world.callbacks.is_idle()) {
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some((subscription, work)) = upstream.change(|world| world.callbacks.next()) else {
            continue;
        };
        // Never closed, so a permit always comes.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (upstream, client) = (upstream.clone(), client.clone());
        tokio::spawn(async move {
            // Whoever is held back holds nobody else up.
            if subscription.delay_ms > 0 {
                drop(permit);
                tokio::time::sleep(Duration::from_millis(subscription.delay_ms)).await;
                tell_one(&upstream, &client, &subscription, &work).await;
            } else {
                tell_one(&upstream, &client, &subscription, &work).await;
                drop(permit);
            }
        });
    }
}

async fn tell_one(upstream: &Upstream, client: &Client, to: &Subscription, work: &Work) {
    let (mut taken, mut failed) = (0_u64, 0_u64);
    for body in records(to, work, upstream.now_seconds()) {
        for _ in 0..to.times {
            if post(client, to, &body, upstream.now_seconds()).await {
                taken = taken.saturating_add(1);
            } else {
                failed = failed.saturating_add(1);
            }
        }
    }
    upstream.change(|world| world.callbacks.told(taken, failed));
}

/// Posts one callback until it is taken; says whether it was.
async fn post(client: &Client, to: &Subscription, body: &str, now: i64) -> bool {
    for left in (0..TRIES_MAX).rev() {
        let mut request = client
            .post(&to.url)
            .header("content-type", "application/json")
            .timeout(Duration::from_millis(ANSWER_MS_MAX))
            .body(body.to_owned());
        if let Some(token) = &to.token {
            let (timestamp, nonce) = (now.to_string(), "standin");
            let signature = sign(&timestamp, nonce, token, body);
            request = request
                .header("x-coze-timestamp", timestamp)
                .header("x-coze-nonce", nonce)
                .header("x-coze-signature", signature);
        }
        if request.send().await.is_ok_and(|reply| reply.status() == 200) {
            return true;
        }
        if left > 0 {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }
    false
}

/// As the upstream signs a callback: SHA-1 over time, nonce, the app's token and the body.
fn sign(timestamp: &str, nonce: &str, token: &str, body: &str) -> String {
    let digest = Sha1::new().chain_update(timestamp).chain_update(nonce).chain_update(token);
    hexadecimal(&digest.chain_update(body).finalize())
}

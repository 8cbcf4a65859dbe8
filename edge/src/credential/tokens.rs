//! Tokens that were minted: remembered until they end, each minted once however many calls wait for it.
//!
//! # Shape
//! Whoever finds no fresh token mints one and leaves a promise behind; whoever comes meanwhile waits for
//! that promise. The promise is JavaScript's and not Rust's, since requests of one isolate may share
//! nothing else: the platform sees to it that each goes on as itself.
//!
//! # Bounds
//! At most [`TOKENS_MAX`] tokens are remembered, the oldest are forgotten. Nobody waits for a promise
//! longer than [`WAIT_MAX`]: the request that was to keep it may have been cut off. After a failure no
//! token is asked for during [`PAUSE_MS`].

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use futures_util::future::{Either, select};
use meter::credential::{Secret, Token};
use meter::entry::Hash;
use meter::time::UnixMs;
use wasm_bindgen::JsValue;
use worker::Delay;
use worker::js_sys::Promise;
use worker::js_sys::futures::{JsFuture, future_to_promise};

use crate::platform;

/// Most tokens an isolate remembers; about 300 bytes each.
const TOKENS_MAX: usize = 2_000;
/// How long somebody else's minting is waited for.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a failure stands before upstream is asked again.
const PAUSE_MS: u64 = 1_000;

enum Slot {
    Minted(Token),
    Minting(Promise),
    Failed { until: UnixMs, problem: String },
}

#[derive(Default)]
struct Tokens {
    slots: HashMap<Hash, Slot>,
    order: VecDeque<Hash>,
}

thread_local! {
    static TOKENS: RefCell<Tokens> = RefCell::default();
}

impl Tokens {
    fn put(&mut self, key: Hash, slot: Slot) {
        if self.slots.insert(key, slot).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.slots.remove(&oldest);
        }
    }
}

/// What is known when a token is wanted.
enum Known {
    Token(Secret),
    Promise(Promise),
    Failure(String),
    Nothing,
}

fn known(key: &Hash, now: UnixMs) -> Known {
    TOKENS.with_borrow(|tokens| match tokens.slots.get(key) {
        Some(Slot::Minted(token)) if token.is_fresh(now) => Known::Token(token.secret.clone()),
        Some(Slot::Minting(promise)) => Known::Promise(promise.clone()),
        Some(Slot::Failed { until, problem }) if now < *until => Known::Failure(problem.clone()),
        _ => Known::Nothing,
    })
}

/// The token under this key: remembered, awaited, or minted now. An error is for the log.
pub(super) async fn token<F>(key: Hash, minting: impl FnOnce() -> F) -> Result<Secret, String>
where
    F: Future<Output = Result<Token, String>> + 'static,
{
    let promise = match known(&key, platform::now()) {
        Known::Token(secret) => return Ok(secret),
        Known::Failure(problem) => return Err(problem),
        Known::Promise(promise) => {
            if let Some(outcome) = wait(promise).await {
                return outcome;
            }
            // Nobody is left to keep that promise.
            begin(key, minting())
        }
        Known::Nothing => begin(key, minting()),
    };
    let outcome = wait(promise).await;
    outcome.unwrap_or_else(|| Err("upstream did not answer in time".to_owned()))
}

/// Begins to mint, and remembers that it did.
fn begin<F>(key: Hash, minting: F) -> Promise
where
    F: Future<Output = Result<Token, String>> + 'static,
{
    let promise = future_to_promise(async move {
        let outcome = minting.await;
        TOKENS.with_borrow_mut(|tokens| {
            let (slot, outcome) = match outcome {
                Ok(token) => {
                    let secret = JsValue::from_str(token.secret.reveal());
                    (Slot::Minted(token), Ok(secret))
                }
                Err(problem) => {
                    let until = platform::now().plus_ms(PAUSE_MS);
                    let error = JsValue::from_str(&problem);
                    (Slot::Failed { until, problem }, Err(error))
                }
            };
            tokens.put(key, slot);
            outcome
        })
    });
    TOKENS.with_borrow_mut(|tokens| tokens.put(key, Slot::Minting(promise.clone())));
    promise
}

/// What a promise comes to; `None` when it does not.
async fn wait(promise: Promise) -> Option<Result<Secret, String>> {
    let delay = Delay::from(WAIT_MAX);
    match select(JsFuture::from(promise), delay).await {
        Either::Left((Ok(secret), _)) => {
            Some(Ok(Secret::new(secret.as_string().unwrap_or_default())))
        }
        Either::Left((Err(problem), _)) => Some(Err(problem.as_string().unwrap_or_default())),
        Either::Right(_) => None,
    }
}

/// Forgets a token, unless another one stands there by now.
pub(super) fn forget(key: &Hash, secret: &Secret) {
    TOKENS.with_borrow_mut(|tokens| {
        let is_it =
            matches!(tokens.slots.get(key), Some(Slot::Minted(token)) if token.secret == *secret);
        if is_it {
            tokens.slots.remove(key);
            tokens.order.retain(|known| known != key);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_tokens_are_remembered_and_the_oldest_is_forgotten() {
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            Hash(key)
        };
        let failed = || Slot::Failed { until: UnixMs::new(0), problem: String::new() };
        let mut tokens = Tokens::default();
        for number in 0..TOKENS_MAX {
            tokens.put(key(number), failed());
            // What comes in its place is not one more.
            tokens.put(key(number), failed());
        }
        assert!(tokens.slots.contains_key(&key(0)));
        tokens.put(key(TOKENS_MAX), failed());
        assert!(!tokens.slots.contains_key(&key(0)) && tokens.slots.contains_key(&key(1)));
        assert_eq!((tokens.slots.len(), tokens.order.len()), (TOKENS_MAX, TOKENS_MAX));
    }
}

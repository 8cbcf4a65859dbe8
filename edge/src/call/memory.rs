//! The last answers to questions about earlier work, for callers that ask too often.
//!
//! A library polls every 100 ms (contract §3), which Coze would count against the account. An answer that
//! is less than a second old is given again. Answers are kept per account, so that nobody sees another's.
//!
//! # Bounds
//! At most [`ANSWERS_MAX`] answers of at most [`ANSWER_BYTES_MAX`] bytes, in this isolate only.

use std::cell::RefCell;
use std::collections::VecDeque;

use meter::ids::AccountId;
use meter::time::UnixMs;
use worker::js_sys::Uint8Array;
use worker::web_sys::Headers;

/// How long an answer is as good as a new one.
const FRESH_MS: u64 = 1_000;
/// Most answers kept.
const ANSWERS_MAX: usize = 256;
/// Largest answer kept, in bytes.
const ANSWER_BYTES_MAX: u32 = 64 << 10;

/// Upstream's answer to a question.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) bytes: Uint8Array,
}

/// What was asked, by whom.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) account: AccountId,
    /// Path, query and body.
    pub(super) question: String,
}

struct Remembered {
    asked: Asked,
    at: UnixMs,
    answer: Answer,
}

thread_local! {
    static ANSWERS: RefCell<VecDeque<Remembered>> = const { RefCell::new(VecDeque::new()) };
}

/// The answer to this question, when it was asked less than a second ago.
pub(super) fn recall(asked: &Asked, now: UnixMs) -> Option<Answer> {
    ANSWERS.with_borrow(|answers| {
        let fresh = answers.iter().rev().take_while(|known| now.since(known.at) < FRESH_MS);
        fresh.filter(|known| known.asked == *asked).map(|known| known.answer.clone()).next()
    })
}

/// Keeps an answer.
pub(super) fn remember(asked: Asked, answer: Answer, now: UnixMs) {
    if answer.bytes.length() > ANSWER_BYTES_MAX {
        return;
    }
    ANSWERS.with_borrow_mut(|answers| {
        while answers.front().is_some_and(|known| now.since(known.at) >= FRESH_MS)
            || answers.len() >= ANSWERS_MAX
        {
            answers.pop_front();
        }
        answers.push_back(Remembered { asked, at: now, answer });
    });
}

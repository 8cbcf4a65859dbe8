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

struct Remembered<A> {
    asked: Asked,
    at: UnixMs,
    answer: A,
}

/// The last answers, oldest first.
struct Answers<A>(VecDeque<Remembered<A>>);

impl<A: Clone> Answers<A> {
    fn recall(&self, asked: &Asked, now: UnixMs) -> Option<A> {
        let fresh = self.0.iter().rev().take_while(|known| now.since(known.at) < FRESH_MS);
        fresh.filter(|known| known.asked == *asked).map(|known| known.answer.clone()).next()
    }

    fn remember(&mut self, asked: Asked, answer: A, bytes: u32, now: UnixMs) {
        if bytes > ANSWER_BYTES_MAX {
            return;
        }
        while self.0.front().is_some_and(|known| now.since(known.at) >= FRESH_MS)
            || self.0.len() >= ANSWERS_MAX
        {
            self.0.pop_front();
        }
        self.0.push_back(Remembered { asked, at: now, answer });
    }
}

thread_local! {
    static ANSWERS: RefCell<Answers<Answer>> = const { RefCell::new(Answers(VecDeque::new())) };
}

/// The answer to this question, when it was asked less than a second ago.
pub(super) fn recall(asked: &Asked, now: UnixMs) -> Option<Answer> {
    ANSWERS.with_borrow(|answers| answers.recall(asked, now))
}

/// Keeps an answer.
pub(super) fn remember(asked: Asked, answer: Answer, now: UnixMs) {
    let bytes = answer.bytes.length();
    ANSWERS.with_borrow_mut(|answers| answers.remember(asked, answer, bytes, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

    fn asked(number: usize) -> Asked {
        Asked { account: "acc_1".parse().unwrap(), question: number.to_string() }
    }

    #[test]
    fn so_many_answers_are_kept_and_the_oldest_is_forgotten() {
        let mut answers = Answers(VecDeque::new());
        for number in 0..ANSWERS_MAX {
            answers.remember(asked(number), number, 1, NOW);
        }
        assert_eq!(answers.recall(&asked(0), NOW), Some(0));
        answers.remember(asked(ANSWERS_MAX), ANSWERS_MAX, 1, NOW);
        assert_eq!((answers.recall(&asked(0), NOW), answers.0.len()), (None, ANSWERS_MAX));
        assert_eq!(answers.recall(&asked(1), NOW), Some(1));
    }

    #[test]
    fn an_answer_is_kept_up_to_its_size_and_its_age() {
        let mut answers = Answers(VecDeque::new());
        answers.remember(asked(1), 1, ANSWER_BYTES_MAX + 1, NOW);
        assert_eq!(answers.recall(&asked(1), NOW), None);
        answers.remember(asked(1), 1, ANSWER_BYTES_MAX, NOW);
        assert_eq!(answers.recall(&asked(1), NOW.plus_ms(FRESH_MS - 1)), Some(1));
        assert_eq!(answers.recall(&asked(1), NOW.plus_ms(FRESH_MS)), None);
    }
}

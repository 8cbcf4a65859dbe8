//! Trying again, so often and no more.

/// Tries something until it succeeds, at most `tries_max` times. The attempt is told its number, from 1 on.
pub(crate) async fn up_to<T>(
    tries_max: u32,
    mut attempt: impl AsyncFnMut(u32) -> Option<T>,
) -> Option<T> {
    for number in 1..=tries_max {
        if let Some(done) = attempt(number).await {
            return Some(done);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::call::{own, owner, settle};
    use crate::door::memo;

    #[test]
    fn what_fails_is_tried_as_often_as_it_may_be_and_no_more() {
        let bounds = [own::TRIES_MAX, owner::TRIES_MAX, owner::LOOKS_MAX, settle::TRIES_MAX];
        for tries_max in bounds.into_iter().chain([memo::TRIES_MAX]) {
            let mut tried = 0;
            // It would succeed at the first try beyond the bound, and does at the last one within.
            for (succeeds_at, want) in [(tries_max + 1, None), (tries_max, Some(tries_max))] {
                tried = 0;
                let done = up_to(tries_max, async |number| {
                    tried = number;
                    (number == succeeds_at).then_some(number)
                });
                assert_eq!(done.now_or_never(), Some(want));
            }
            assert_eq!(tried, tries_max);
        }
    }
}

//! When somebody wants to know that an account has little left.
//!
//! One message for each fall: an account that is below and stays there says nothing more, and one that
//! came up again can fall again.

use crate::money::Nanos;

/// What happened to a balance, as far as somebody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// It is below now and was not: this is told.
    Fell,
    /// It is not below any more: the next fall is told.
    Rose,
}

/// Whether a balance crossed its threshold. Without a threshold it never does, and one that is taken away
/// counts as risen.
pub fn crossing(balance: Nanos, threshold: Option<Nanos>, was_low: bool) -> Option<Crossing> {
    let is_low = threshold.is_some_and(|threshold| balance < threshold);
    match (was_low, is_low) {
        (false, true) => Some(Crossing::Fell),
        (true, false) => Some(Crossing::Rose),
        (false, false) | (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn at_the_threshold_there_is_enough() {
        let cross = |balance, was_low| crossing(Nanos::new(balance), Some(Nanos::new(10)), was_low);
        assert_eq!(cross(10, false), None);
        assert_eq!(cross(9, false), Some(Crossing::Fell));
        assert_eq!(cross(9, true), None);
        assert_eq!(cross(10, true), Some(Crossing::Rose));
        assert_eq!(crossing(Nanos::new(-5), None, false), None);
        assert_eq!(crossing(Nanos::new(-5), None, true), Some(Crossing::Rose));
    }

    proptest! {
        #[test]
        fn falls_and_rises_take_turns(balances in prop::collection::vec(-20..20i64, 0..50)) {
            let (mut was_low, mut last) = (false, None);
            for balance in balances {
                let crossed = crossing(Nanos::new(balance), Some(Nanos::ZERO), was_low);
                if let Some(crossed) = crossed {
                    prop_assert_ne!(last, Some(crossed));
                    prop_assert_eq!(crossed == Crossing::Fell, balance < 0);
                    was_low = crossed == Crossing::Fell;
                    last = Some(crossed);
                }
                prop_assert_eq!(was_low, balance < 0);
            }
        }
    }
}

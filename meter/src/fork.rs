//! Where two copies of a chain part: what is posted, and what the journal has now.
//!
//! Path: reconcile → **fork**. A journal whose store was put back from an old copy has the first entries
//! of what is posted and others behind them. A hash covers everything before it, so up to some entry all
//! hashes are the same and behind it none is; the last common one is found by halving, one entry looked
//! at each time.
//!
//! # Bounds
//! At most [`LOOKS_MAX`] entries are looked at.

/// Most entries that are looked at: each look halves what is left, and a number has 64 bits.
pub const LOOKS_MAX: u32 = u64::BITS;

/// What an entry's number shows in both copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The same hash.
    Same,
    /// Another hash, or none on one side.
    Other,
    /// The journal does not keep it any more. The oldest go first, so what parts them lies behind it.
    Gone,
}

/// A search for the last entry that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// The same up to here, or gone.
    common: u64,
    /// Different from here on.
    parted: u64,
}

impl Search {
    /// A search between what is posted up to one entry, and a journal that ends at another.
    pub fn new(posted_seq: u64, head_seq: u64) -> Self {
        Self { common: 0, parted: posted_seq.min(head_seq).saturating_add(1) }
    }

    /// The entry to look at next; `None` when it is found.
    pub fn next_seq(&self) -> Option<u64> {
        let between = self.parted.saturating_sub(self.common) / 2;
        (between > 0).then(|| self.common.saturating_add(between))
    }

    /// Takes in what an entry showed.
    #[must_use]
    pub fn looked(self, seq: u64, looked: Looked) -> Self {
        match looked {
            Looked::Same | Looked::Gone => Self { common: self.common.max(seq), ..self },
            Looked::Other => Self { parted: self.parted.min(seq), ..self },
        }
    }

    /// The last common entry, as far as is known: 0 when there is none. Where entries were gone it is a
    /// guess, which the entry behind it proves by following it.
    pub fn common(&self) -> u64 {
        self.common
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches where entries up to `common` are the same, and the first `gone` are not kept.
    fn search(posted: u64, head: u64, common: u64, gone: u64) -> (u64, u32) {
        let mut search = Search::new(posted, head);
        let mut looks = 0;
        while let Some(seq) = search.next_seq() {
            assert!(seq >= 1 && seq <= posted.min(head), "entry {seq} is in neither");
            let looked = match seq {
                seq if seq <= gone => Looked::Gone,
                seq if seq <= common => Looked::Same,
                _ => Looked::Other,
            };
            search = search.looked(seq, looked);
            looks += 1;
        }
        (search.common(), looks)
    }

    #[test]
    fn nothing_is_looked_at_where_one_side_is_empty() {
        assert_eq!(search(0, 9, 0, 0), (0, 0));
        assert_eq!(search(9, 0, 0, 0), (0, 0));
    }

    #[test]
    fn the_longest_chain_is_searched_within_the_bound() {
        let (common, looks) = search(u64::MAX - 1, u64::MAX - 1, 77, 0);
        assert_eq!(common, 77);
        assert!(looks <= LOOKS_MAX, "{looks}");
    }

    proptest! {
        #[test]
        fn the_last_common_entry_is_found_also_when_the_oldest_are_gone(
            posted in 0..5_000u64,
            head in 0..5_000u64,
            common in 0..5_000u64,
            gone in 0..5_000u64,
        ) {
            let common = common.min(posted).min(head);
            let gone = gone.min(common);
            let (found, looks) = search(posted, head, common, gone);
            prop_assert_eq!(found, common);
            prop_assert!(looks <= 13, "{}", looks);
        }
    }
}

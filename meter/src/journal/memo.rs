//! Small facts that a door keeps for an account: which run a task is, which conversation a user is in.
//!
//! The shell keeps them in the journal's storage, outside of the state machine: no money depends on them.
//! A memo holds ids of upstream's and nothing that anybody said.
//!
//! # Bounds
//! A name has at most [`MEMO_NAME_BYTES_MAX`] bytes and a value [`MEMO_VALUE_BYTES_MAX`]; a memo is kept
//! for [`MEMO_KEEP_MS`] after it was written last.

use std::fmt;

use crate::ids::AccountId;

/// Longest name of a memo, in bytes.
pub const MEMO_NAME_BYTES_MAX: usize = 128;
/// Longest value of a memo, in bytes: two ids of upstream's and what parts them.
pub const MEMO_VALUE_BYTES_MAX: usize = 300;
/// How long a memo is kept: 180 days, for as long as Coze keeps a conversation's messages (contract §3).
pub const MEMO_KEEP_MS: u64 = 180 * 24 * 60 * 60 * 1_000;

/// A memo's name, within its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoName(Box<str>);

impl MemoName {
    /// The name within this account; `None` when it is empty, too long or not printable.
    pub fn new(account: &AccountId, name: &str) -> Option<Self> {
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = !name.is_empty() && name.len() <= MEMO_NAME_BYTES_MAX;
        // No account id holds a slash, so two accounts never share a name.
        (plain && fits).then(|| Self(format!("{account}/{name}").into()))
    }
}

impl fmt::Display for MemoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_its_account() {
        let name = |account: &str, name: &str| {
            MemoName::new(&account.parse().unwrap(), name).map(|name| name.to_string())
        };
        assert_eq!(name("acc_1", ""), None);
        assert_eq!(name("acc_1", "a b"), None);
        assert_eq!(name("acc_1", &"a".repeat(MEMO_NAME_BYTES_MAX + 1)), None);
        assert_eq!(name("acc_1", "task/c1").as_deref(), Some("acc_1/task/c1"));
        assert_ne!(name("acc_1", "x"), name("acc_2", "x"));
    }
}

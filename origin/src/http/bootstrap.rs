//! The administrator that the environment names, with whom an installation begins.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The administrator's credentials, as hashes: comparing those takes the same time for any guess.
pub struct Admin {
    name: String,
    expected: [u8; 32],
    mark: [u8; 32],
}

impl Admin {
    /// The administrator with this user name and password.
    pub fn new(user: &str, password: &str) -> Self {
        let expected = hash(format!("{user}:{password}").as_bytes());
        // Stored with sessions, so it is not what a password is compared with.
        let mark = hash(&[b"session".as_slice(), &expected].concat());
        Self { name: user.to_owned(), expected, mark }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Changes with the name and the password, and tells neither.
    pub(super) fn mark(&self) -> &[u8; 32] {
        &self.mark
    }

    pub(super) fn is(&self, user_and_password: &[u8]) -> bool {
        hash(user_and_password).ct_eq(&self.expected).into()
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

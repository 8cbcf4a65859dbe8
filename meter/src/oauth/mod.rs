//! Callers that sign their own requests for tokens, as Coze's OAuth (JWT) apps do.
//!
//! Path: key → **oauth** → the edge's own key. The caller signs a short statement, an [`Assertion`], with
//! the private half of a key that was registered with Weir; it gets a key of Weir's that is good for some
//! minutes and stands for the registered one. Revoking that one therefore ends all of them with the next
//! request. The shell verifies signatures; here it is decided what is believed.
//!
//! # Bounds
//! A statement has at most [`crate::key::KEY_BYTES_MAX`] bytes and lives at most a day; each is redeemed
//! once. At most [`REGISTERED_KEYS_MAX`] keys are registered, at most [`REDEEMED_MAX`] statements are
//! remembered by one journal.

mod assertion;
mod denied;
mod grant;

pub use assertion::{Assertion, Scheme};
pub use denied::{Denied, Kind};
pub use grant::{Grant, SUBJECTS_MAX};

use crate::account::Limits;
use crate::entry::Hash;
use crate::ids::{AccountId, JournalName, KeyId, SessionId};
use crate::key::{CLOCK_SKEW_MS, Caller};
use crate::refusal::{Reason, Refusal};
use crate::time::UnixMs;

/// The journal that lists the registered keys.
///
/// A statement names an app and a key, and the edge has to find them before it knows any account. So all
/// of them stand in one journal, the first that every installation has, and each isolate of the edge
/// remembers what it read there. They are few, they seldom change and each token asks at most once, so
/// that one object is enough; a journal of its own would have to be pulled, watched and restored too.
/// When its store is lost no tokens are given out until an operator decided, and those given out go on.
pub const DIRECTORY: &str = "j0";
/// Most keys that are registered at once; about a kilobyte each, read whole.
pub const REGISTERED_KEYS_MAX: usize = 1_000;
/// What the id of a registered key begins with. The edge's own key signs for no other.
pub const REGISTERED_PREFIX: &str = "reg_";
/// Most redeemed statements that one journal remembers.
pub const REDEEMED_MAX: usize = 20_000;
/// The longest life of a token, as Coze has it (contract §5.1).
pub const TOKEN_SECONDS_MAX: u64 = 86_399;
/// The life of a token unless the caller wishes another.
pub const TOKEN_SECONDS_DEFAULT: u64 = 900;
/// How many hexadecimal digits of a session name's hash name the session here.
const SESSION_DIGITS: usize = 32;

/// A public key that was registered, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Its id, under which it is revoked.
    pub key: KeyId,
    /// Who pays.
    pub account: AccountId,
    /// Where the account's calls are kept.
    pub journal: JournalName,
    /// The public key: a `SubjectPublicKeyInfo` in base64.
    pub public_key: String,
    /// Operations it may use; all of them when absent.
    pub operations: Option<Vec<String>>,
    /// Bots and workflows it may use; all of them when absent.
    pub subjects: Option<Vec<String>>,
    /// Networks it may be used from; all of them when absent.
    pub networks: Option<Vec<String>>,
    /// How much it may do.
    pub limits: Limits,
}

impl RegisteredKey {
    /// The subjects of a token, when the request for it wishes for these only.
    pub fn narrowed(&self, wished: Option<Vec<String>>) -> Result<Option<Vec<String>>, Denied> {
        match (&self.subjects, wished) {
            (own, None) => Ok(own.clone()),
            (None, Some(wished)) => Ok(Some(wished)),
            (Some(own), Some(wished)) if wished.iter().all(|one| own.contains(one)) => {
                Ok(Some(wished))
            }
            (Some(_), Some(_)) => {
                Err(Denied::new(Kind::AccessDenied, "scope names a bot that the key is not for"))
            }
        }
    }
}

/// The session of a name that a caller chose, without the name: that may be a person's.
pub fn session(name: &str) -> Option<SessionId> {
    let hash = Hash::of_parts(&[name.as_bytes()]).to_string();
    hash.get(..SESSION_DIGITS)?.parse().ok()
}

/// What a statement is remembered by once it was redeemed.
pub fn redeemed(key: &KeyId, assertion: &Assertion) -> Hash {
    Hash::of_parts(&[key.as_str().as_bytes(), assertion.id.as_bytes()])
}

/// What becomes of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// It is redeemed, for the first time.
    Done,
    /// It was redeemed before.
    Repeated,
    /// No more can be remembered now.
    Full,
}

/// Whether the edge's own key may have signed for this caller: a registered key, and not for long.
pub fn check_issued(caller: &Caller, now: UnixMs) -> Result<(), Refusal> {
    let latest = now.plus_ms(TOKEN_SECONDS_MAX * 1_000).plus_ms(CLOCK_SKEW_MS);
    let is_registered = caller.key.as_str().starts_with(REGISTERED_PREFIX);
    match caller.expires_at {
        Some(end) if is_registered && end <= latest => Ok(()),
        _ => Err(Reason::KeyInvalid.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{CALLER_AUDIENCE, Claims};

    fn registered(subjects: Option<&[&str]>) -> RegisteredKey {
        RegisteredKey {
            key: "reg_1".parse().unwrap(),
            account: "acc_1".parse().unwrap(),
            journal: "j3".parse().unwrap(),
            public_key: String::new(),
            operations: None,
            subjects: subjects.map(|list| list.iter().map(ToString::to_string).collect()),
            networks: None,
            limits: Limits::default(),
        }
    }

    #[test]
    fn a_request_can_narrow_what_a_key_may_and_never_widen_it() {
        let list = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
        let limited = registered(Some(&["1", "2"]));
        let widened = limited.narrowed(list(&["1", "3"])).unwrap_err();
        assert_eq!(widened.kind, Kind::AccessDenied);
        assert_eq!(limited.narrowed(list(&["2"])), Ok(list(&["2"])));
        assert_eq!(limited.narrowed(None), Ok(list(&["1", "2"])));
        assert_eq!(registered(None).narrowed(list(&["3"])), Ok(list(&["3"])));
        assert_eq!(registered(None).narrowed(None), Ok(None));
    }

    #[test]
    fn a_session_is_known_by_its_names_hash() {
        let alice = session("alice@example.org").unwrap();
        assert_eq!(alice.as_str().len(), SESSION_DIGITS);
        assert_ne!(Some(alice), session("bob@example.org"));
        assert!(session("").is_some() && session("名字").is_some());
    }

    #[test]
    fn the_edges_own_key_stands_for_registered_keys_and_for_a_day_at_most() {
        let now = UnixMs::new(1_764_000_000_000);
        let check = |key: &str, seconds: Option<u64>| {
            let claims = Claims {
                audience: CALLER_AUDIENCE,
                account: "acc_1",
                key,
                journal: "j0",
                expires_at: seconds.map(|seconds| now.plus_ms(seconds * 1_000)),
                operations: None,
                subjects: None,
                networks: None,
                limits: Limits::default(),
                session: None,
            };
            check_issued(&Caller::from_claims(&claims, now).unwrap(), now)
        };
        assert!(check("key_1", Some(900)).is_err());
        assert!(check("reg_1", None).is_err());
        assert!(check("reg_1", Some(86_400 + 30)).is_err());
        let latest = TOKEN_SECONDS_MAX + CLOCK_SKEW_MS / 1_000;
        assert_eq!(check("reg_1", Some(latest)), Ok(()));
        assert!(check("reg_1", Some(latest + 1)).is_err());
    }
}

//! Passwords: hashed with Argon2id, compared slowly on purpose.
//!
//! # Bounds
//! A password has [`PASSWORD_CHARS_MIN`] to [`PASSWORD_BYTES_MAX`] characters, so that hashing one is
//! bounded too: 19 MiB and two passes, which OWASP recommends and the library takes by default.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};

use crate::draw;
use crate::error::Error;

/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 200;
/// Random bytes in a password that is made here: 120 bits, 20 characters.
const DRAWN_BYTES: usize = 15;

/// A password's hash, as it is stored.
pub struct Hashed(String);

impl Hashed {
    /// Hashes a password that is fit to be one. Takes tens of milliseconds.
    pub fn of(password: &str) -> Result<Self, Error> {
        let long = password.len() > PASSWORD_BYTES_MAX;
        if long || password.chars().count() < PASSWORD_CHARS_MIN {
            let problem = format!(
                "must have at least {PASSWORD_CHARS_MIN} characters and at most \
                 {PASSWORD_BYTES_MAX} bytes"
            );
            return Err(Error::invalid("password", problem));
        }
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| Self(hash.to_string())).map_err(|error| Error::Random(error.to_string()))
    }

    /// As the column holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new password, strong enough for good.
pub fn draw() -> Result<String, Error> {
    Ok(Base64UrlUnpadded::encode_string(&draw::bytes::<DRAWN_BYTES>()?))
}

/// Whether this is the password behind a hash. With no hash it takes as long, and the answer is no:
/// otherwise time would tell whether there is somebody of that name.
pub fn is(password: &str, hash: Option<&str>) -> Result<bool, Error> {
    let known = hash.unwrap_or(NOBODYS);
    let parsed = PasswordHash::new(known).map_err(|error| Error::impossible("person", error))?;
    let same = password.len() <= PASSWORD_BYTES_MAX
        && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    Ok(same && hash.is_some())
}

/// The hash of a password that nobody has, at the library's default cost.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
     AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hashed = Hashed::of("correct horse").unwrap();
        assert!(is("correct horse", Some(hashed.as_str())).unwrap());
        assert!(!is("correct horses", Some(hashed.as_str())).unwrap());
        assert!(!is("correct horse", None).unwrap());
        assert_ne!(Hashed::of("correct horse").unwrap().as_str(), hashed.as_str());
    }

    #[test]
    fn nobodys_hash_costs_what_a_new_one_costs() {
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(NOBODYS), cost(Hashed::of("correct horse").unwrap().as_str()));
    }

    #[test]
    fn a_password_that_is_too_short_or_too_long_is_refused() {
        let of = |chars: usize| Hashed::of(&"x".repeat(chars));
        assert!(of(PASSWORD_CHARS_MIN - 1).is_err() && of(PASSWORD_BYTES_MAX + 1).is_err());
        assert!(of(PASSWORD_CHARS_MIN).is_ok() && of(PASSWORD_BYTES_MAX).is_ok());
        assert!(Hashed::of(&draw().unwrap()).is_ok());
    }
}

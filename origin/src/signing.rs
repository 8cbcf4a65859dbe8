//! The origin's signing key: what it issues and what it recognises.
//!
//! One Ed25519 pair signs callers' keys and the origin's own pulls; the edge is configured with its
//! public half. The key comes from the environment and is kept nowhere else.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ed25519_dalek::{SigningKey, VerifyingKey};
use jwt_compact::alg::Ed25519;
use jwt_compact::prelude::*;
use meter::ids::JournalName;
use meter::key::{Caller, KEY_PREFIX, PULL_AUDIENCE};
use meter::refusal::{Reason, Refusal};
use meter::time::UnixMs;
use meter::wire::claims::{KeyClaims, PublicKeyDoc, PullClaims};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::draw;
use crate::error::Error;

/// How long the token of one pull is good.
const PULL_TOKEN_MS: u64 = 60_000;
/// Bytes of the public key's hash that name it: 16 hexadecimal digits.
const KID_BYTES: usize = 8;

/// A pair of keys as it is printed and configured: the fields of RFC 8037 and a name.
#[derive(Serialize, Deserialize)]
pub struct SigningKeyDoc {
    /// The name that a token's header calls it by.
    pub kid: String,
    /// The 32 secret bytes, base64url without padding.
    pub d: String,
    /// The 32 public bytes, likewise.
    pub x: String,
}

/// Most further keys that are recognised: one in use, one being rotated in, some to spare.
const RECOGNISED_MAX: usize = 16;

/// Signs and verifies.
pub struct Signer {
    kid: String,
    key: SigningKey,
    /// Whose keys are recognised besides its own: those signed before the pair was replaced.
    recognised: Vec<(String, VerifyingKey)>,
}

impl Signer {
    /// A new pair.
    pub fn generate() -> Result<Self, Error> {
        let key = SigningKey::from_bytes(&draw::bytes()?);
        let hash = Sha256::digest(key.verifying_key().as_bytes());
        let kid = hash.get(..KID_BYTES).map(draw::hex).unwrap_or_default();
        Ok(Self { kid, key, recognised: Vec::new() })
    }

    /// The pair in `WEIR_SIGNING_KEY`.
    pub fn parse(json: &str) -> Result<Self, Error> {
        const FIELD: &str = "WEIR_SIGNING_KEY";
        // Neither the value nor a parser's view of it may reach a log, so the problem is only named.
        let doc: SigningKeyDoc = serde_json::from_str(json)
            .map_err(|_| Error::invalid(FIELD, "is not the JSON that `weir signing-key` prints"))?;
        let mut secret = [0; 32];
        let read = Base64UrlUnpadded::decode(&doc.d, &mut secret).map(<[u8]>::len);
        if read != Ok(secret.len()) {
            return Err(Error::invalid(FIELD, "has a `d` that is not 32 bytes in base64url"));
        }
        let key = SigningKey::from_bytes(&secret);
        let signer = Self { kid: doc.kid, key, recognised: Vec::new() };
        if signer.public().x != doc.x {
            return Err(Error::invalid(FIELD, "has a `d` and an `x` that are not a pair"));
        }
        if signer.kid.is_empty() {
            return Err(Error::invalid(FIELD, "has no `kid`"));
        }
        Ok(signer)
    }

    /// Recognises the keys in `WEIR_PUBLIC_KEYS`, too.
    pub fn recognising(self, json: &str) -> Result<Self, Error> {
        const FIELD: &str = "WEIR_PUBLIC_KEYS";
        let docs: Vec<PublicKeyDoc> =
            serde_json::from_str(json).map_err(|error| Error::invalid(FIELD, error))?;
        if docs.len() > RECOGNISED_MAX {
            let problem = format_args!("holds {} keys, {RECOGNISED_MAX} are allowed", docs.len());
            return Err(Error::invalid(FIELD, problem));
        }
        let read = |PublicKeyDoc { kid, x }: PublicKeyDoc| {
            let mut bytes = [0; 32];
            let whole =
                Base64UrlUnpadded::decode(&x, &mut bytes).is_ok_and(|read| read.len() == 32);
            let key = VerifyingKey::from_bytes(&bytes).ok().filter(|_| whole);
            let problem =
                format_args!("has an `x` of {kid:?} that is no Ed25519 public key").to_string();
            key.map(|key| (kid, key)).ok_or(Error::Invalid { field: FIELD, problem })
        };
        let recognised = docs.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { recognised, ..self })
    }

    /// The key that a token's header calls by this name.
    fn public_key(&self, kid: &str) -> Option<VerifyingKey> {
        if kid == self.kid {
            return Some(self.key.verifying_key());
        }
        self.recognised.iter().find(|(name, _)| name == kid).map(|(_, key)| *key)
    }

    /// The pair, as it is printed.
    pub fn doc(&self) -> SigningKeyDoc {
        let PublicKeyDoc { kid, x } = self.public();
        SigningKeyDoc { kid, d: Base64UrlUnpadded::encode_string(self.key.as_bytes()), x }
    }

    /// The public half, as the edge is configured with it.
    pub fn public(&self) -> PublicKeyDoc {
        let x = Base64UrlUnpadded::encode_string(self.key.verifying_key().as_bytes());
        PublicKeyDoc { kid: self.kid.clone(), x }
    }

    /// A caller's key.
    pub fn issue(
        &self,
        claims: KeyClaims,
        now: UnixMs,
        expires_at: Option<UnixMs>,
    ) -> Result<String, Error> {
        let token = self.sign(claims, now, expires_at)?;
        Ok(format!("{KEY_PREFIX}{token}"))
    }

    /// The token with which a journal is pulled once.
    pub fn pull_token(&self, journal: &JournalName, now: UnixMs) -> Result<String, Error> {
        let claims = PullClaims { aud: PULL_AUDIENCE.to_owned(), jnl: journal.to_string() };
        self.sign(claims, now, Some(now.plus_ms(PULL_TOKEN_MS)))
    }

    fn sign(
        &self,
        claims: impl Serialize,
        now: UnixMs,
        expires_at: Option<UnixMs>,
    ) -> Result<String, Error> {
        let mut claims = Claims::new(claims);
        claims.issued_at = Some(clock::timestamp(now)?);
        claims.expiration = expires_at.map(clock::timestamp).transpose()?;
        let header = Header::empty().with_key_id(self.kid.clone());
        let token = Ed25519.token(&header, &claims, &self.key);
        token.map_err(|error| Error::Signing(error.to_string()))
    }

    /// The caller that a token describes, if it was signed with a key that is recognised and is still
    /// good.
    pub fn caller(&self, token: &str, now: UnixMs) -> Result<Caller, Refusal> {
        let token = UntrustedToken::new(token).map_err(|_| Reason::KeyInvalid)?;
        let kid = token.header().key_id.as_deref();
        let key = kid.and_then(|kid| self.public_key(kid)).ok_or(Reason::KeyInvalid)?;
        // The validator compares the header's algorithm with its own, so `none` does not pass.
        let token = Ed25519.validator::<KeyClaims>(&key).validate(&token);
        let token = token.map_err(|_| Reason::KeyInvalid)?;
        let claims = token.claims();
        let stated = claims.custom.stated(claims.expiration.map(clock::unix_ms));
        Caller::from_claims(&stated, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs::new(1_763_700_000_000);

    fn token(signer: &Signer, expires_at: Option<UnixMs>) -> String {
        let key =
            signer.issue(KeyClaims::unlimited("acc_1", "key_1", "j0"), NOW, expires_at).unwrap();
        key.strip_prefix(KEY_PREFIX).unwrap().to_owned()
    }

    #[track_caller]
    fn refuses(signer: &Signer, token: &str, want: Reason) {
        assert_eq!(signer.caller(token, NOW).map_err(|refusal| refusal.reason), Err(want));
    }

    #[test]
    fn only_its_own_unexpired_keys_are_recognised() {
        let signer = Signer::generate().unwrap();
        let good = token(&signer, None);
        refuses(&signer, "", Reason::KeyInvalid);
        refuses(&signer, "a.b.c", Reason::KeyInvalid);
        refuses(&Signer::generate().unwrap(), &good, Reason::KeyInvalid);
        let (body, _) = good.rsplit_once('.').unwrap();
        refuses(&signer, &format!("{body}.{}", "A".repeat(86)), Reason::KeyInvalid);
        let header = format!(r#"{{"alg":"none","kid":"{}"}}"#, signer.kid);
        let header = Base64UrlUnpadded::encode_string(header.as_bytes());
        let claims = good.split('.').nth(1).unwrap();
        refuses(&signer, &format!("{header}.{claims}."), Reason::KeyInvalid);
        refuses(&signer, &token(&signer, Some(UnixMs::new(1_000))), Reason::KeyExpired);
        let pull = signer.pull_token(&"j0".parse().unwrap(), NOW).unwrap();
        refuses(&signer, &pull, Reason::KeyInvalid);
        let caller = signer.caller(&good, NOW).unwrap();
        assert_eq!((caller.account.as_str(), caller.key.as_str()), ("acc_1", "key_1"));
    }

    #[test]
    fn keys_of_a_former_pair_are_recognised_while_its_public_half_is_configured() {
        let former = Signer::generate().unwrap();
        let old = token(&former, None);
        let public = serde_json::to_string(&[former.public()]).unwrap();
        let signer = Signer::generate().unwrap();
        refuses(&signer, &old, Reason::KeyInvalid);
        let signer = signer.recognising(&public).unwrap();
        assert!(
            signer.caller(&old, NOW).is_ok() && signer.caller(&token(&signer, None), NOW).is_ok()
        );
        refuses(&signer, &token(&Signer::generate().unwrap(), None), Reason::KeyInvalid);
        let wrong = public.replace(&former.public().x, "AAAA");
        for wrong in ["", "{}", r#"[{"kid":"k"}]"#, wrong.as_str()] {
            assert!(Signer::generate().unwrap().recognising(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pair_is_read_back_from_what_was_printed_and_nothing_else() {
        let signer = Signer::generate().unwrap();
        let doc = signer.doc();
        let read = |doc: &SigningKeyDoc| Signer::parse(&serde_json::to_string(doc).unwrap());
        assert_eq!(doc.kid.len(), 16);
        assert_eq!(read(&doc).unwrap().public(), signer.public());
        assert!(Signer::parse("{}").is_err());
        assert!(read(&SigningKeyDoc { d: doc.x.clone(), ..signer.doc() }).is_err());
        assert!(read(&SigningKeyDoc { d: "AAAA".to_owned(), ..signer.doc() }).is_err());
        assert!(read(&SigningKeyDoc { kid: String::new(), ..signer.doc() }).is_err());
    }

    #[test]
    fn so_many_further_keys_are_recognised_and_no_more() {
        let public = Signer::generate().unwrap().public();
        let recognising = |count: usize| {
            let keys: Vec<_> = (0..count).map(|_| &public).collect();
            Signer::generate().unwrap().recognising(&serde_json::to_string(&keys).unwrap())
        };
        assert!(recognising(RECOGNISED_MAX).is_ok());
        assert!(recognising(RECOGNISED_MAX + 1).is_err());
    }
}

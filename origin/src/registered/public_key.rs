//! A public key as people have it, and as the edge verifies with it.

use spki::der::asn1::{AnyRef, ObjectIdentifier};
use spki::der::{Decode as _, Document, Encode as _};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::error::Error;

const FIELD: &str = "public_key";
/// `rsaEncryption` (RFC 8017 appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// What RS256 asks for at least (RFC 7518 §3.3), and what keeps a signature cheap to verify.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// Longest file that is read, in bytes.
const PEM_BYTES_MAX: usize = 8 << 10;

/// An RSA public key: a `SubjectPublicKeyInfo` in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads PEM: `BEGIN PUBLIC KEY`, or `BEGIN RSA PUBLIC KEY`.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let refuse = |problem: &str| Err(Error::invalid(FIELD, problem));
        if pem.len() > PEM_BYTES_MAX {
            return refuse("is larger than any public key");
        }
        if pem.contains("PRIVATE KEY") {
            return refuse("is a private key: keep that to yourself and register its public half");
        }
        let Ok((label, document)) = Document::from_pem(pem.trim()) else {
            return refuse("is not PEM");
        };
        let der = match label {
            "PUBLIC KEY" => document.as_bytes().to_vec(),
            "RSA PUBLIC KEY" => wrapped(document.as_bytes())?,
            _ => return refuse("is PEM of something else than a public key"),
        };
        let bits = rsa_bits(&der)?;
        if !BITS.contains(&bits) {
            let problem =
                format!("has {bits} bits, {} to {} are allowed", BITS.start(), BITS.end());
            return refuse(&problem);
        }
        Ok(Self(der))
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

/// A bare RSA key in its envelope.
fn wrapped(pkcs1: &[u8]) -> Result<Vec<u8>, Error> {
    let impossible = |_| Error::invalid(FIELD, "is not a public key");
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) },
        subject_public_key: spki::der::asn1::BitStringRef::from_bytes(pkcs1).map_err(impossible)?,
    };
    info.to_der().map_err(impossible)
}

fn rsa_bits(spki: &[u8]) -> Result<usize, Error> {
    let no_key = |_| Error::invalid(FIELD, "is not a public key");
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(no_key)?;
    if info.algorithm.oid != RSA {
        return Err(Error::invalid(FIELD, "is not an RSA key, which RS256 needs"));
    }
    let key = info.subject_public_key.as_bytes().unwrap_or_default();
    let key = pkcs1::RsaPublicKey::from_der(key).map_err(no_key)?;
    let modulus = key.modulus.as_bytes();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
    Ok(modulus.len().saturating_mul(8).saturating_sub(usize::try_from(leading)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPKI: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwYPhStqzR70WzGsNCy9x
mq4g2pbZoAm72pAWLC4nyZ3ZnhIeScwlj84HEy0Vc6uj5QEFgYLaHYHHbgymnS7J
tujuNoAr3uVYl56pdc9eZ/cZB5SmBQy78D3WuStr1LDiW3WrtMePowC7qzC01S2r
A8h8DmYrmeDF6ijpUbvRo5UdJOC5wX4ZverGGpiojP/KM6PZmiFHQ5tRACtzl9hF
A4sKLhN7XK98eBO7Db03tqdrG9JY3TsSf/kk/MlcsZrYrrEosCTQdiW8tQ1+4TRk
EHlxpTj/6aIc1/drKjk+uq03nr6gkKTgVJKlljpSeCqQTVzx+a8NtTf2N7Nn9T1J
NwIDAQAB
-----END PUBLIC KEY-----
";
    const PKCS1: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAwYPhStqzR70WzGsNCy9xmq4g2pbZoAm72pAWLC4nyZ3ZnhIeScwl
j84HEy0Vc6uj5QEFgYLaHYHHbgymnS7JtujuNoAr3uVYl56pdc9eZ/cZB5SmBQy7
8D3WuStr1LDiW3WrtMePowC7qzC01S2rA8h8DmYrmeDF6ijpUbvRo5UdJOC5wX4Z
verGGpiojP/KM6PZmiFHQ5tRACtzl9hFA4sKLhN7XK98eBO7Db03tqdrG9JY3TsS
f/kk/MlcsZrYrrEosCTQdiW8tQ1+4TRkEHlxpTj/6aIc1/drKjk+uq03nr6gkKTg
VJKlljpSeCqQTVzx+a8NtTf2N7Nn9T1JNwIDAQAB
-----END RSA PUBLIC KEY-----
";
    const SHORT: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+6KQl1VF57U0synUNJuGE1EmM
8PDM5H+B0dIE+uWrfskXmQPu3vS1xdxbE+wfEYsaLp9jhFoKXYXEcRIUhpAJAsUY
/72avhj5Eib7VlVmHQPFL3Qm08O5QJeomYs/rctEieVnZLLvH/RwpxbGhfJn18HU
VkgTcWH9GQ6vJcJ1zwIDAQAB
-----END PUBLIC KEY-----
";
    const EC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMgwsFGWUJLnrtkGTTarqvSS2ibfZ
eNOjTpcNoKPqHMETgiWb57QgeYAh8fXvvjjD7rgvhTWK4hwhaTsvsZMuCg==
-----END PUBLIC KEY-----
";

    #[track_caller]
    fn refused(pem: &str, because: &str) {
        let error = PublicKey::from_pem(pem).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn what_is_no_rsa_public_key_of_a_fair_size_is_refused_by_what_it_is() {
        refused("", "not PEM");
        refused("-----BEGIN PRIVATE KEY-----", "private key");
        refused(&"x".repeat(PEM_BYTES_MAX + 1), "larger");
        refused(&SPKI.replace("PUBLIC KEY", "CERTIFICATE"), "something else");
        refused(&PKCS1.replace("RSA PUBLIC KEY", "PUBLIC KEY"), "not a public key");
        refused(SHORT, "1024 bits");
        refused(EC, "RSA");
    }

    #[test]
    fn both_forms_of_a_key_are_the_same_key() {
        assert_eq!(PublicKey::from_pem(SPKI).unwrap(), PublicKey::from_pem(PKCS1).unwrap());
    }
}

//! Private keys in PEM, as `WebCrypto` wants them: PKCS#8 in DER.
//!
//! Coze's console gives PKCS#8 (`BEGIN PRIVATE KEY`), older tools PKCS#1 (`BEGIN RSA PRIVATE KEY`), which
//! is the same key without its envelope.

use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::{AnyRef, Encode as _, SecretDocument};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfo};

/// `rsaEncryption` (RFC 8017 appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The key in DER, or what is wrong with it.
pub(super) fn to_pkcs8(pem: &str) -> Result<Vec<u8>, &'static str> {
    // Environment files often write line ends as two characters.
    let pem = pem.replace("\\n", "\n");
    let read = SecretDocument::from_pem(pem.trim());
    let (label, key) = read.map_err(|_| "the private key is not PEM")?;
    match label {
        "PRIVATE KEY" => Ok(key.as_bytes().to_vec()),
        "RSA PRIVATE KEY" => {
            let algorithm = AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) };
            PrivateKeyInfo::new(algorithm, key.as_bytes())
                .to_der()
                .map_err(|_| "the private key is too long")
        }
        "ENCRYPTED PRIVATE KEY" => Err("the private key is encrypted"),
        _ => Err("what should be a private key is something else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SEQUENCE { INTEGER 0 }`, which is no key and reads as one here.
    const INNER: &str = "MAMCAQA=";

    fn pem(label: &str) -> String {
        format!("-----BEGIN {label}-----\n{INNER}\n-----END {label}-----\n")
    }

    #[test]
    fn what_is_no_private_key_is_refused_by_what_it_is() {
        assert_eq!(to_pkcs8("MAMCAQA="), Err("the private key is not PEM"));
        assert_eq!(to_pkcs8(""), Err("the private key is not PEM"));
        assert!(to_pkcs8(&pem("PUBLIC KEY")).unwrap_err().contains("something else"));
        assert!(to_pkcs8(&pem("ENCRYPTED PRIVATE KEY")).unwrap_err().contains("encrypted"));
    }

    #[test]
    fn a_key_of_either_form_ends_up_in_the_same_envelope() {
        assert_eq!(to_pkcs8(&pem("PRIVATE KEY")).unwrap(), [0x30, 3, 2, 1, 0]);
        let wrapped = to_pkcs8(&pem("RSA PRIVATE KEY")).unwrap();
        let expected: &[u8] = &[
            0x30, 25, 2, 1, 0, // the version
            0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5,
            0, // rsaEncryption
            4, 5, 0x30, 3, 2, 1, 0, // the key
        ];
        assert_eq!(wrapped, expected);
        let escaped = pem("RSA PRIVATE KEY").replace('\n', "\\n");
        assert_eq!(to_pkcs8(&escaped).unwrap(), expected);
    }
}

//! RS256 signatures, by the platform's `WebCrypto`.
//!
//! One signature of a 2,048-bit key takes twenty times as long in wasm (`docs/credentials.md` has the figures),
//! so this is the one place where the platform does the arithmetic.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Array, ArrayBuffer, Object, Promise, Reflect, Uint8Array};

/// RS256 is this with SHA-256 (RFC 7518 §3.3).
const ALGORITHM: &str = "RSASSA-PKCS1-v1_5";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn verify(
        algorithm: &str,
        key: &JsValue,
        signature: &Uint8Array,
        message: &Uint8Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn sign(algorithm: &str, key: &JsValue, message: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Signs with a private key in PKCS#8. An error says nothing of the key.
pub(super) async fn signature(pkcs8: &[u8], message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let key = import("pkcs8", pkcs8, "sign").await?;
    let signing = sign(ALGORITHM, &key, &Uint8Array::from(message))?;
    let signature: ArrayBuffer = JsFuture::from(signing).await?.unchecked_into();
    Ok(Uint8Array::new(&signature).to_vec())
}

/// Whether a public key, a `SubjectPublicKeyInfo`, verifies a signature.
pub(crate) async fn verifies(
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, JsValue> {
    let key = import("spki", spki, "verify").await?;
    let (signature, message) = (Uint8Array::from(signature), Uint8Array::from(message));
    let verifying = verify(ALGORITHM, &key, &signature, &message)?;
    Ok(JsFuture::from(verifying).await?.is_truthy())
}

async fn import(format: &str, key: &[u8], usage: &str) -> Result<JsValue, JsValue> {
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &ALGORITHM.into())?;
    Reflect::set(&algorithm, &"hash".into(), &"SHA-256".into())?;
    let usages = Array::of1(&usage.into());
    let importing = import_key(format, &Uint8Array::from(key), &algorithm, false, &usages)?;
    JsFuture::from(importing).await
}

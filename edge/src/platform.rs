//! The clock and the dice. Rules get both as arguments, from here.

use meter::ids::CallId;
use meter::time::UnixMs;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Date;

#[wasm_bindgen]
extern "C" {
    /// Fills a buffer from the platform's secure source.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(buffer: &mut [u8]);
}

/// Now. On Cloudflare it stands still between two awaits.
pub(crate) fn now() -> UnixMs {
    UnixMs::new(Date::now().as_millis())
}

/// Bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    get_random_values(&mut bytes);
    bytes
}

/// A name nobody else draws, in hexadecimal.
pub(crate) fn new_name() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

/// An id for a new call.
pub(crate) fn new_call_id() -> CallId {
    CallId::new(now().get(), random())
}

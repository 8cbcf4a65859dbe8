//! The clock, the dice and the network. Rules get the first two as arguments, from here.

use meter::ids::CallId;
use meter::time::UnixMs;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{RequestInit, Response, WorkerGlobalScope};
use worker::{Date, Result, js_sys};

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

/// Sends a request.
pub(crate) async fn fetch(url: &str, init: &RequestInit) -> Result<Response> {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let reply = JsFuture::from(global.fetch_with_str_and_init(url, init)).await?;
    Ok(reply.unchecked_into())
}

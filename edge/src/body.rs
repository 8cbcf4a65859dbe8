//! Bodies, read whole and within bounds, or written as they go.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Result;
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Reflect, Uint8Array};
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader, WritableStream};

#[wasm_bindgen]
extern "C" {
    /// The platform's own pipe for bytes: what is written waits until it is read.
    type IdentityTransformStream;

    #[wasm_bindgen(constructor)]
    fn new() -> IdentityTransformStream;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &IdentityTransformStream) -> ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &IdentityTransformStream) -> WritableStream;
}

/// A body that is written as it goes: its end to read, and its end to write.
pub(crate) fn pipe() -> (ReadableStream, WritableStream) {
    let pipe = IdentityTransformStream::new();
    (pipe.readable(), pipe.writable())
}

/// A body that was read.
pub(crate) enum Body {
    /// All of it.
    Whole(Uint8Array),
    /// It has more bytes than are allowed; what is left of it was not read.
    TooLarge,
}

/// Reads a body to its end, or until it is too large.
pub(crate) async fn read(stream: Option<ReadableStream>, bytes_max: usize) -> Result<Body> {
    let Some(stream) = stream else { return Ok(Body::Whole(Uint8Array::new_with_length(0))) };
    let reader = reader(&stream);
    let mut chunks: Vec<Uint8Array> = Vec::new();
    let mut length = 0_u32;
    while let Some(chunk) = next_chunk(&reader).await? {
        length = length.saturating_add(chunk.length());
        if length as usize > bytes_max {
            reader.release_lock();
            return Ok(Body::TooLarge);
        }
        chunks.push(chunk);
    }
    // Most bodies come in one piece, and that one is not copied.
    if let [only] = chunks.as_slice() {
        return Ok(Body::Whole(only.clone()));
    }
    let whole = Uint8Array::new_with_length(length);
    let mut at = 0;
    for chunk in &chunks {
        whole.set(chunk, at);
        at += chunk.length();
    }
    Ok(Body::Whole(whole))
}

/// Reads on through a body that is not wanted, within bounds: a caller that is still sending would
/// otherwise see its connection break and never the reason.
pub(crate) async fn drain(stream: Option<ReadableStream>, bytes_max: usize) -> Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    let reader = reader(&stream);
    let mut drained = 0_usize;
    while let Some(chunk) = next_chunk(&reader).await? {
        drained = drained.saturating_add(chunk.length() as usize);
        if drained > bytes_max {
            break;
        }
    }
    Ok(())
}

/// A reader for a stream, which nobody else can read meanwhile.
pub(crate) fn reader(stream: &ReadableStream) -> ReadableStreamDefaultReader {
    stream.get_reader().unchecked_into()
}

/// The next bytes of a stream; `None` at its end.
pub(crate) async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>> {
    let result = JsFuture::from(reader.read()).await?;
    if Reflect::get(&result, &JsValue::from_str("done"))?.is_truthy() {
        return Ok(None);
    }
    Ok(Some(Reflect::get(&result, &JsValue::from_str("value"))?.unchecked_into()))
}

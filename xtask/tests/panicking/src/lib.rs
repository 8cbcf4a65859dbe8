//! A Worker and a Durable Object that die in every way a Rust program can, when asked to.
//!
//! `xtask/tests/panic.rs` runs it behind the product's shim and looks at what is alive afterwards.
#![expect(clippy::panic, clippy::missing_panics_doc, reason = "to panic is what it is for")]
#![expect(missing_docs, reason = "the macro's methods have none")]

use std::hint::black_box;
use std::time::Duration;

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};
use worker::js_sys::Promise;
use worker::js_sys::futures::JsFuture;
use worker::{
    Context, Delay, DurableObject, Env, Request, Response, Result, State, durable_object, event,
};

#[wasm_bindgen]
extern "C" {
    /// The object, called by remote procedure.
    type Stub;

    #[wasm_bindgen(method)]
    fn add(this: &Stub, how: &str) -> Promise;
}

/// What to do is the path.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    match path.as_str() {
        "/panic" => panic!("at once"),
        "/panic-later" => {
            Delay::from(Duration::from_millis(1)).await;
            panic!("after an await")
        }
        "/overflow" => Response::ok(descend(0).to_string()),
        "/health" => Response::ok("alive"),
        path if path.starts_with("/object/") => {
            env.durable_object("JOURNAL")?.get_by_name("one")?.fetch_with_request(request).await
        }
        path => {
            let stub: Stub = env.durable_object("JOURNAL")?.get_by_name("one")?.into_rpc();
            let rows = JsFuture::from(stub.add(path)).await;
            rows.map_or_else(
                |_| Response::error("the object refused", 400),
                |rows| Response::ok(format!("{} rows", rows.as_f64().unwrap_or_default())),
            )
        }
    }
}

/// Uses up the stack, which is a trap and no panic.
fn descend(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { black_box(descend(depth + 1)) + 1 }
}

/// An object that counts in its storage.
#[durable_object]
pub struct Journal {
    state: State,
}

impl DurableObject for Journal {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/object/panic" => panic!("in the object"),
            _ => Response::ok("the object is alive"),
        }
    }
}

#[wasm_bindgen]
impl Journal {
    /// Adds a row, then ends as told, and answers how many rows there are.
    pub fn add(&self, how: &str) -> std::result::Result<u32, JsError> {
        let rows = self.add_row().map_err(|error| JsError::new(&error.to_string()))?;
        match how {
            "/rpc/panic" => panic!("with half of it written"),
            "/rpc/overflow" => black_box(descend(0)).try_into().map_err(JsError::from),
            "/rpc/error" => Err(JsError::new("with half of it written")),
            _ => Ok(rows),
        }
    }

    fn add_row(&self) -> Result<u32> {
        let sql = self.state.storage().sql();
        sql.exec("CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY)", None)?;
        sql.exec("INSERT INTO entry DEFAULT VALUES", None)?;
        let counted = sql.exec("SELECT count(*) FROM entry", None)?;
        let count = counted.raw().next().transpose()?.and_then(|row| match row.first() {
            Some(worker::SqlStorageValue::Integer(count)) => u32::try_from(*count).ok(),
            _ => None,
        });
        count.ok_or_else(|| JsValue::from_str("no count").into())
    }
}

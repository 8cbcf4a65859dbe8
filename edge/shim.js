// The JavaScript around the Worker's wasm: all of it that we wrote ourselves.
//
// Shape: workerd calls the default export for a request and a `Journal` for a Durable Object; both
// hand the call to the wasm module and give back what it answers. `edge-wasm` is what wasm-bindgen
// generated from the crate; `cargo xtask build-edge` bundles the two.
//
// What this file adds is what Rust cannot do for itself: to outlive its own panic. A panic or any
// other trap leaves the module's memory half-way through a change, so that memory is never used
// again. The next call gets a fresh instance, an object built in the old one is built anew from its
// storage, and whoever still waits for the old one is told so at once.
//
// It knows no route, no rule and no money.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "edge-wasm";

// Deep enough to reach from a panic through the executor to the function that asked for it.
Error.stackTraceLimit = 100;

/** Rejections for those who wait for the current instance; at most one per call in flight. */
let waiting = new Set();

/** What `worker` shares with us: `instanceId` counts instances, `criticalError` is set by a panic. */
const state = wasm.__worker_init_state();

/** The instance that was alive when we last looked. */
let instanceSeen = state.instanceId;

// A panic sets the flag while its frames are still on the stack. Futures of that instance will
// never be polled again, so those who wait for them would wait for ever.
Object.defineProperty(state, "criticalError", {
  get: () => false,
  set: (died) => died && abandonWaiting(),
});

function abandonWaiting() {
  const abandoned = waiting;
  waiting = new Set();
  for (const reject of abandoned) reject(new Error("the Worker's instance died"));
}

/**
 * The number of the instance that the next call will run in.
 *
 * Any call into the module replaces a dead instance first, but a method of an object would then run
 * in the new instance with a pointer into the old one. So this harmless call goes ahead of it.
 */
function liveInstance() {
  const { instanceId } = wasm.__worker_init_state();
  if (instanceId !== instanceSeen) {
    // It died of a trap that was no panic, a stack overflow for one, and nothing told us.
    instanceSeen = instanceId;
    abandonWaiting();
  }
  return instanceId;
}

// Any other trap inside a future ends up here: the executor is nobody's callee.
addEventListener("error", liveInstance);

/** The promise of a wasm future, which is also settled when its instance dies. */
function whileAlive(promise) {
  return new Promise((resolve, reject) => {
    waiting.add(reject);
    promise.then(
      (value) => {
        waiting.delete(reject);
        resolve(value);
      },
      (error) => {
        waiting.delete(reject);
        reject(error);
      },
    );
  });
}

/** One request to the Worker. */
export default class extends WorkerEntrypoint {
  async fetch(request) {
    try {
      liveInstance();
      return await whileAlive(wasm.fetch(request, this.env, this.ctx));
    } catch (error) {
      // Rust turns its errors into answers, so what arrives here is a panic or a trap. The body is
      // the combined one that every refusal carries, so that callers' libraries can read it.
      console.error("call abandoned:", error);
      const code = "internal_error";
      const message = "Weir failed on this request.";
      const body = { code: 5000, msg: message, error: { code, type: "server_error", message } };
      return Response.json(body, { status: 500 });
    }
  }
}

/** What wasm-bindgen gives to every class, and nobody outside may call. */
const NOT_FORWARDED = new Set(["constructor", "free", "__destroy_into_raw"]);

/** What the runtime itself calls; each of them is asynchronous on the Rust side. */
const HANDLERS = new Set(["fetch", "alarm"]);

/**
 * The Durable Object: a shell around the wasm object of the same name.
 *
 * Each method that Rust exports with `#[wasm_bindgen] impl Journal` can be called on a stub, which
 * is cheaper than `stub.fetch`. What such a method does before it returns is one transaction: when
 * it throws or panics, nothing of it was stored.
 */
export class Journal extends DurableObject {
  #wasm;
  #instance;

  constructor(ctx, env) {
    super(ctx, env);
    this.#live();
  }

  /** The wasm object, built in the instance that is alive now. */
  #live() {
    const instance = liveInstance();
    if (this.#instance !== instance) {
      this.#wasm = new wasm.Journal(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#wasm;
  }

  static {
    for (const name of Object.getOwnPropertyNames(wasm.Journal.prototype)) {
      if (NOT_FORWARDED.has(name)) continue;
      this.prototype[name] = HANDLERS.has(name)
        ? function (...args) {
            return whileAlive(this.#live()[name](...args));
          }
        : function (...args) {
            const journal = this.#live();
            const answer = this.ctx.storage.transactionSync(() => journal[name](...args));
            return answer instanceof Promise ? whileAlive(answer) : answer;
          };
    }
  }
}

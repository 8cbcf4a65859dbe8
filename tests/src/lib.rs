//! The upstream stand-in: a deterministic Coze on 127.0.0.1, to run the product against without a network.
//!
//! It speaks the wire contract to the byte, keeps a record of every billable unit of work it
//! accepted (so that somebody's books can be held against it), and can be told per bot or workflow
//! how to misbehave. It knows nothing of the product in front of it.
//!
//! # Shape
//! [`StandIn::start`] serves two namespaces on one port: the upstream's own paths, and `/_standin/…`
//! for control. All state is one `World` behind one lock, which is never held across an await.
//! Whoever asks without preparing anything gets [`Behaviour::default`], which just works.
//!
//! # Bounds
//! Named where they bite: request bodies, works, requests seen, conversations, messages, events of
//! one stream, and every delay and hold.

// What a bot or a workflow is told to do.
pub mod behaviour;
// What the stand-in itself is started with.
mod config;
// Everything it remembers, behind one lock.
mod world;
// JSON in a chosen key order, server-sent events, and how the bytes leave.
mod wire;
// Who is asking: each request is numbered, noted and authenticated.
mod visit;
// The upstream's own paths.
mod coze;
// Dify's paths, beside them.
mod dify;
// Telling charges to whoever subscribed to the bill.
mod callback;
// The control paths, `/_standin/…`.
mod control;
// Listening and stopping.
mod server;

pub use self::behaviour::Behaviour;
pub use self::config::{Clock, Config, FIRST_ID_DEFAULT, TOKEN_DEFAULT};
pub use self::server::StandIn;
pub use self::world::callbacks::{CallbackCount, Subscription};
pub use self::world::seen::{RequestPage, SeenRequest};
pub use self::world::works::{Kind, Status, Work, WorkPage};

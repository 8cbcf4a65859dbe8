//! Where calls are kept: one Durable Object per journal.
//!
//! [`Handle`] is how a request speaks to a journal. `object_do` is the object itself: it loads, has
//! `meter::wire::desk` carry out what it is told, and stores, with no await in between. Only `object_do`
//! reaches `store`, which `storage` lends to the desk, and only `store` and `schema` hold SQL.

mod handle;
mod object_do;
mod store;
mod storage;
mod registered;
mod schema;
mod sql;

pub(crate) use handle::Handle;
pub use object_do::Journal;

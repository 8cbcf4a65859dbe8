//! From what is said to the bytes that leave.

// JSON whose keys keep the order they were written in.
pub(crate) mod node;
// Server-sent events in the upstream's three dialects.
pub(crate) mod sse;
// How bytes leave: in chunks, or cut off.
pub(crate) mod pour;

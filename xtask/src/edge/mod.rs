//! The edge as this machine needs it: built from source, and run on `workerd`.

pub mod build;

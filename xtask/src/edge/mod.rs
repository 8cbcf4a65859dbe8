//! The edge as this machine needs it: built from source, and run on `workerd`.

pub mod build; // from the crate to the two files that are deployed
pub mod run; // the edge as a process

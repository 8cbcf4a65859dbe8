//! The only place where money is written.
//!
//! Path: reconcile → **post** → read. A [`page`](page()) becomes postings, entries, sums and a moved
//! cursor in one transaction, and a [`credit`](credit()) becomes a row, a sum and a revision in one
//! transaction. Whatever is cut off in between leaves nothing behind.
//!
//! # Correctness
//! - The journal's row is locked before anything is looked at, and a page that was asked for with
//!   another cursor than the one found there is left alone: its turn comes with the next pull.
//! - What has been posted once is refused a second time by `posting_place_key` and `posting_call_key`,
//!   should the cursor ever be wrong.
//! - A finding that stops posting is written by the same transaction, which then posts nothing.
//!
//! # Bounds
//! A page has at most [`meter::wire::pull::PAGE_ENTRIES_MAX`] entries; each table is written by one
//! statement.

mod again;
mod credit;
mod lost;
mod open;
mod page;
mod write;

pub use credit::credit;
pub use page::{Posted, Said, page};
pub(crate) use page::{make_month, page_in};
pub(in crate::ledger) use write::{add_course, add_days, add_hours};

use crate::error::Error;

/// Refuses any other count than one.
pub(in crate::ledger) fn one_row(table: &'static str, affected: u64) -> Result<(), Error> {
    all_rows(table, 1, affected)
}

fn all_rows(table: &'static str, expected: usize, affected: u64) -> Result<(), Error> {
    if u64::try_from(expected)? == affected {
        return Ok(());
    }
    let problem = format!("{affected} rows were written in place of {expected}");
    Err(Error::Impossible { table, problem })
}

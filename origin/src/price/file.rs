//! Price lists: brought in from a file, given out as one.

use meter::price::PriceBook;
use meter::price_list::{Mode, PriceList, Refused};
use sqlx::PgPool;

use crate::audit::Actor;
use crate::error::Error;

use super::propose::{Proposed, propose};
use super::{Made, When, revise};

/// Brings a list into the book: all of it, or nothing.
pub async fn import(
    pool: &PgPool,
    list: &PriceList,
    mode: Mode,
    when: &When,
    actor: &Actor,
) -> Result<Made, Error> {
    check_accounts(pool, list).await?;
    let (prices, groups) = (list.prices(), list.groups());
    let said = format!("{prices} {}, {groups} {}", of(prices, "price"), of(groups, "group"));
    let reason = match mode {
        Mode::Merge => format!("import {said}"),
        Mode::Replace => format!("import {said} in place of all others"),
    };
    revise(pool, actor, &reason, when, |_, book| apply(list, mode, book)).await
}

/// What [`import`] would make of the book.
pub async fn propose_import(
    pool: &PgPool,
    list: &PriceList,
    mode: Mode,
    when: &When,
) -> Result<Proposed, Error> {
    check_accounts(pool, list).await?;
    propose(pool, when, |_, book| apply(list, mode, book)).await
}

fn apply(list: &PriceList, mode: Mode, book: &mut PriceBook) -> Result<(), Error> {
    list.apply(book, mode).map_err(Error::PriceList)
}

/// A price for an account that does not exist is a slip of the keyboard.
async fn check_accounts(pool: &PgPool, list: &PriceList) -> Result<(), Error> {
    let named = list.accounts();
    let ids: Vec<String> = named.keys().map(|id| (*id).to_owned()).collect();
    let known =
        sqlx::query_scalar!("SELECT account_id FROM account WHERE account_id = ANY($1)", &ids)
            .fetch_all(pool)
            .await?;
    let unknown = named.into_iter().filter(|(id, _)| !known.iter().any(|known| known == id));
    match unknown.min_by_key(|(_, line)| *line) {
        None => Ok(()),
        Some((_, line)) => {
            let problem = "names no account by its id";
            Err(Error::PriceList(Refused::because(line, "account", problem)))
        }
    }
}

fn of(count: usize, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}

//! What people do with prices: set one, clear one, set a group's ratio, take back what is planned. Each
//! makes a new book.

use meter::ids::{AccountId, Group, UpstreamId};
use meter::money::Ratio;
use meter::price::plan::Plan;
use meter::price::{Price, PriceBook, Scope};
use meter::route::{Operation, Provider};
use sqlx::PgPool;

use crate::account;
use crate::audit::Actor;
use crate::clock;
use crate::error::Error;

use super::propose::{Proposed, propose};
use super::{Made, When, revise, words};

/// What a price applies to, as somebody names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// A workflow, bot, voice, plugin or app.
    pub subject: Option<UpstreamId>,
    /// An operation.
    pub operation: Option<Operation>,
    /// Only for this account, by id or name.
    pub account: Option<String>,
    /// Everything else at this provider; Coze when nothing is named.
    pub provider: Option<Provider>,
}

impl Named {
    /// As the rules know it.
    pub async fn scope(self, pool: &PgPool) -> Result<Scope, Error> {
        let Self { subject, operation, account, provider } = self;
        let alone = |field| Error::invalid(field, "excludes what else is named");
        if operation.is_some() && (subject.is_some() || account.is_some()) {
            return Err(alone("operation"));
        }
        if provider.is_some() && (subject.is_some() || account.is_some() || operation.is_some()) {
            return Err(alone("provider"));
        }
        let account: Option<AccountId> = match &account {
            None => None,
            Some(account) => {
                let id = account::find(pool, account).await?.account_id;
                Some(id.parse().map_err(|error| Error::impossible("account", error))?)
            }
        };
        Ok(match (account, subject, operation) {
            (Some(account), Some(subject), _) => Scope::AccountSubject(account, subject),
            (Some(account), None, _) => Scope::Account(account),
            (None, Some(subject), _) => Scope::Subject(subject),
            (None, None, Some(operation)) => Scope::Operation(operation),
            (None, None, None) => Scope::rest_of(provider.unwrap_or(Provider::Coze)),
        })
    }
}

/// Sets a price; calls admitted before keep theirs.
pub async fn set(
    pool: &PgPool,
    named: Named,
    price: Price,
    when: &When,
    actor: &Actor,
) -> Result<Made, Error> {
    let scope = named.scope(pool).await?;
    let reason = format!("set {} to {}", words::scope(&scope), words::price(&price));
    revise(pool, actor, &reason, when, |_, book| {
        book.prices.insert(scope, price);
        Ok(())
    })
    .await
}

/// What [`set`] would make of the book.
pub async fn propose_set(
    pool: &PgPool,
    named: Named,
    price: Price,
    when: &When,
) -> Result<Proposed, Error> {
    let scope = named.scope(pool).await?;
    propose(pool, when, |_, book| {
        book.prices.insert(scope, price);
        Ok(())
    })
    .await
}

/// Clears a price; what it covered is priced by the next less specific one.
pub async fn unset(pool: &PgPool, named: Named, when: &When, actor: &Actor) -> Result<Made, Error> {
    let scope = named.scope(pool).await?;
    if matches!(scope, Scope::Coze | Scope::Dify) {
        // Without it every call that no other price covers would be refused.
        return Err(Error::invalid("price", "of everything else can be set, not cleared"));
    }
    let reason = format!("clear {}", words::scope(&scope));
    revise(pool, actor, &reason, when, |_, book| {
        book.prices.remove(&scope);
        Ok(())
    })
    .await
}

/// Sets the ratio that multiplies all prices of a group.
pub async fn set_group(
    pool: &PgPool,
    group: &Group,
    ratio: Ratio,
    when: &When,
    actor: &Actor,
) -> Result<Made, Error> {
    let reason = format!("set group {group} to ratio {ratio}");
    revise(pool, actor, &reason, when, |_, book| {
        let is = book.groups.get(group).copied().unwrap_or(Ratio::ONE);
        // A group that is not named has ratio 1.
        if is != ratio && ratio == Ratio::ONE {
            book.groups.remove(group);
        } else if is != ratio {
            book.groups.insert(group.clone(), ratio);
        }
        Ok(())
    })
    .await
}

/// Takes back a book that is planned: from its start on the prices stay those before it. Taken back
/// twice it is taken back once.
pub async fn cancel(
    pool: &PgPool,
    version: i32,
    reason: Option<String>,
    actor: &Actor,
) -> Result<Made, Error> {
    let mut connection = pool.acquire().await?;
    let (starts_at, planned) = super::dated(&mut connection, version).await?;
    drop(connection);
    let when = When { starts_at: Some(starts_at), if_version: None, reason };
    let said = format!("cancel book {version}");
    let cancel = |plan: &Plan, book: &mut PriceBook| {
        let before = plan.before(clock::unix_ms(starts_at));
        let is_cancelled = PriceBook { version: before.version, ..book.clone() } == *before;
        if book.version != planned.version && !is_cancelled {
            return Err(Error::Conflict {
                field: "version",
                problem: format!("{version} is not planned any more: book {} is", book.version),
            });
        }
        *book = before.clone();
        Ok(())
    };
    revise(pool, actor, &said, &when, cancel).await.map_err(|error| match error {
        Error::Invalid { field: "from", .. } => Error::Conflict {
            field: "version",
            problem: format!("{version} is not planned: it has started"),
        },
        error => error,
    })
}

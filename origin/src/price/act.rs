//! What people do with prices: set one, clear one, set a group's ratio. Each makes a new book.

use meter::ids::{AccountId, Group, UpstreamId};
use meter::money::Ratio;
use meter::price::{Price, PriceBook, Scope};
use meter::route::{Operation, Provider};
use sqlx::PgPool;

use crate::account;
use crate::audit::Actor;
use crate::error::Error;

use super::{Changed, change, words};

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
    actor: &Actor,
) -> Result<Changed, Error> {
    let scope = named.scope(pool).await?;
    let reason = format!("set {} to {}", words::scope(&scope), words::price(&price));
    let set = |book: &mut PriceBook| {
        book.prices.insert(scope, price);
    };
    change(pool, actor, &reason, set).await
}

/// Clears a price; what it covered is priced by the next less specific one.
pub async fn unset(pool: &PgPool, named: Named, actor: &Actor) -> Result<Changed, Error> {
    let scope = named.scope(pool).await?;
    if matches!(scope, Scope::Coze | Scope::Dify) {
        // Without it every call that no other price covers would be refused.
        return Err(Error::invalid("price", "of everything else can be set, not cleared"));
    }
    let reason = format!("clear {}", words::scope(&scope));
    let unset = |book: &mut PriceBook| {
        book.prices.remove(&scope);
    };
    change(pool, actor, &reason, unset).await
}

/// Sets the ratio that multiplies all prices of a group.
pub async fn set_group(
    pool: &PgPool,
    group: &Group,
    ratio: Ratio,
    actor: &Actor,
) -> Result<Changed, Error> {
    let reason = format!("set group {group} to ratio {}", words::ratio(ratio));
    let set = |book: &mut PriceBook| {
        // A group that is not named has ratio 1.
        if ratio == Ratio::ONE {
            book.groups.remove(group)
        } else {
            book.groups.insert(group.clone(), ratio)
        };
    };
    change(pool, actor, &reason, set).await
}

//! Balances and summaries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock;
use crate::error::Error;
use crate::read::balance::{self, Balance};
use crate::read::calls::{Filter, Words};
use crate::read::days::Days;
use crate::read::summary::{self, Grouping, Order, Question, Summary, TOP_DEFAULT, TOP_MAX};

use super::authenticate::Viewer;
use super::document::ReadErrors;
use super::parameters::Parameters;
use super::{Pairs, Site};

pub(super) fn routes() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(balance)).routes(routes!(summary))
}

/// The balance
///
/// A caller's own account's; for others the one that they name, or of all accounts together.
#[utoipa::path(
    get, path = "/api/v1/token-usage/balance", tag = "usage",
    params(("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name.")),
    responses((status = 200, description = "The balance.", body = Balance), ReadErrors)
)]
async fn balance(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Balance>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    parameters.end()?;
    let account = viewer.account(&site.pool, account).await?;
    Ok(Json(balance::read(&site.pool, account.as_deref()).await?))
}

/// What was used and what it cost
///
/// By day and by subject, or by what `by` names. Every grouping adds up to the total, in every time zone:
/// what is beyond the groups that are listed stands in `others`.
#[utoipa::path(
    get, path = "/api/v1/token-usage/summary", tag = "usage",
    params(
        ("account" = Option<String>, Query, min_length = 1, max_length = 200, description = "An account, by id or name."),
        ("from" = Option<String>, Query, min_length = 1, max_length = 200, description = "The first day, such as 2025-11-21."),
        ("to" = Option<String>, Query, min_length = 1, max_length = 200, description = "The last day; today unless named. At most 366 days, and 31 by hour."),
        ("tz" = Option<String>, Query, min_length = 1, max_length = 200, description = "The zone of the days, such as Asia/Shanghai."),
        ("by" = Option<String>, Query, min_length = 1, max_length = 200, description = "Any of `day`, `hour`, `subject`, `key`, `operation`, `account`, with commas between them; `day,subject` unless named."),
        ("order" = Option<String>, Query, min_length = 1, max_length = 200, pattern = "^(amount|calls|tokens|failed)$", description = "Which groups come first: those with the highest `amount`, or most `calls`, `tokens` or `failed` calls."),
        ("top" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "At most so many groups of a kind; 100 unless named."),
        ("workflow" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only calls of this workflow."),
        ("bot" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only calls of this bot."),
        ("subject" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only calls of this subject, of whichever kind."),
        ("key" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only with this key, by id."),
        ("operation" = Option<String>, Query, min_length = 1, max_length = 200, description = "Only this operation, such as `workflow_run`.")
    ),
    responses((status = 200, description = "The summary.", body = Summary), ReadErrors)
)]
async fn summary(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    Query(pairs): Pairs,
) -> Result<Json<Summary>, Error> {
    let mut parameters = Parameters::new(pairs)?;
    let account = parameters.text("account")?;
    let days = days(&mut parameters)?;
    let by = parameters.text("by")?;
    let order = order(&mut parameters)?;
    let top = parameters.number("top", 1, TOP_MAX)?.unwrap_or(TOP_DEFAULT);
    let words = Words {
        workflow: parameters.text("workflow")?,
        bot: parameters.text("bot")?,
        subject: parameters.text("subject")?,
        key: parameters.text("key")?,
        operation: parameters.text("operation")?,
        ..Words::default()
    };
    parameters.end()?;
    let by = by.as_deref().map_or(Ok(Question::of(None).by), Grouping::read)?;
    let account = viewer.account(&site.pool, account).await?;
    let question = Question { filter: Filter::read(account, words)?, by, order, top };
    Ok(Json(summary::read(&site.pool, &question, &days).await?))
}

/// Takes which days are asked for.
pub(super) fn days(parameters: &mut Parameters) -> Result<Days, Error> {
    let (from, to) = (parameters.text("from")?, parameters.text("to")?);
    let zone = parameters.text("tz")?;
    let now = clock::timestamp(clock::now())?;
    Days::read(from.as_deref(), to.as_deref(), zone.as_deref(), now)
}

/// Takes which groups come first.
pub(super) fn order(parameters: &mut Parameters) -> Result<Order, Error> {
    let Some(name) = parameters.text("order")? else { return Ok(Order::Amount) };
    let problem = "is none of `amount`, `calls`, `tokens` and `failed`";
    Order::from_name(&name).ok_or_else(|| Error::invalid("order", problem))
}

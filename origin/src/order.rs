//! Orders: what an operator, or upstream's bill, decides about a call that is still open.
//!
//! An order is written here and carried out by the call's journal, which alone charges: it goes down
//! with the pull that it wakes, and its effect comes up as the call's entry. So an order can be given
//! twice, or come too late, and no call ends twice.

use chrono::{DateTime, Utc};
use meter::ids::{CallId, JournalName};
use meter::outcome::Source;
use meter::wire::book::PriceDoc;
use meter::wire::pull::ActionDoc;
use meter::wire::stored::UsageDoc;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::read::open;
use crate::text;

/// An order to be given.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// About this call.
    pub call: CallId,
    /// What is to become of it.
    pub action: ActionDoc,
    /// The journal that has it, for a call that none lists.
    pub journal: Option<JournalName>,
    /// Why, in a sentence.
    pub reason: String,
    /// By whom.
    pub actor: Actor,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person.
    Operator,
    /// Upstream's bill.
    Bill,
}

impl By {
    /// The stable name, which is that of the entry's source.
    const fn name(self) -> &'static str {
        match self {
            Self::Operator => Source::Operator.name(),
            Self::Bill => Source::Bill.name(),
        }
    }
}

/// An order that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderRow {
    /// About which call.
    pub call_id: String,
    /// Which journal is told.
    #[serde(rename = "journal")]
    pub journal_id: String,
    /// `settle` or `release`.
    pub action: String,
    /// Tokens in, when named.
    pub input_tokens: Option<i64>,
    /// Tokens out, when named.
    pub output_tokens: Option<i64>,
    /// Tokens in all, when named.
    pub total_tokens: Option<i64>,
    /// Why.
    pub reason: String,
    /// By whom.
    pub actor: String,
    /// Whose decision it is: `operator` or `bill`.
    pub source: String,
    /// When.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

/// What came of giving an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Given {
    /// The order that stands.
    #[serde(flatten)]
    pub order: OrderRow,
    /// It stood there before, and nothing was done.
    pub was_there: bool,
}

/// What is known of a call when somebody wants to decide about it.
struct Known {
    orders: Vec<OrderRow>,
    listed: Option<open::Told>,
    posted: Option<Posted>,
}

/// Where a call stands in the ledger.
struct Posted {
    journal: String,
    seq: i64,
    amount_nanos: i64,
}

impl NewOrder {
    fn check(&self) -> Result<(), Error> {
        text::check_reason(&self.reason)
    }

    /// The same decision; the words for it may differ.
    fn is(&self, row: &OrderRow) -> Result<bool, Error> {
        let (action, usage) = columns(&self.action)?;
        let told = (row.input_tokens, row.output_tokens, row.total_tokens);
        Ok(row.action == action && told == usage)
    }
}

/// As the columns hold it: the action, and tokens in, out and in all.
type Columns = (&'static str, (Option<i64>, Option<i64>, Option<i64>));

fn columns(action: &ActionDoc) -> Result<Columns, Error> {
    let count = |tokens: Option<u64>| tokens.map(i64::try_from).transpose();
    Ok(match action {
        ActionDoc::Release => ("release", (None, None, None)),
        ActionDoc::Settle { usage: None } => ("settle", (None, None, None)),
        ActionDoc::Settle { usage: Some(usage) } => {
            // An operator orders by tokens; a cost is upstream's to state.
            let UsageDoc { input_tokens, output_tokens, total_tokens, cost: _ } = usage;
            let total = i64::try_from(*total_tokens)?;
            ("settle", (count(*input_tokens)?, count(*output_tokens)?, Some(total)))
        }
    })
}

impl OrderRow {
    /// Whether upstream's bill decided.
    pub fn is_billed(&self) -> bool {
        self.source == By::Bill.name()
    }

    /// As the pull carries it.
    pub fn action(&self) -> Result<ActionDoc, Error> {
        let count = |tokens: Option<i64>| tokens.map(u64::try_from).transpose();
        match (self.action.as_str(), self.total_tokens) {
            ("release", _) => Ok(ActionDoc::Release),
            ("settle", None) => Ok(ActionDoc::Settle { usage: None }),
            ("settle", Some(total)) => {
                let usage = UsageDoc {
                    input_tokens: count(self.input_tokens)?,
                    output_tokens: count(self.output_tokens)?,
                    total_tokens: u64::try_from(total)?,
                    cost: None,
                };
                Ok(ActionDoc::Settle { usage: Some(usage) })
            }
            (other, _) => Err(Error::impossible("call_order", format_args!("action {other}"))),
        }
    }

    /// The decision in words, to follow "the call".
    pub fn decision(&self) -> String {
        match (self.action.as_str(), self.total_tokens, self.input_tokens, self.output_tokens) {
            ("release", ..) => "is to be released".to_owned(),
            (_, Some(_), Some(input), Some(output)) => {
                format!("is to be settled by {input} tokens in and {output} out")
            }
            (_, Some(total), ..) => format!("is to be settled by {total} tokens"),
            (_, None, ..) => "is to be settled by its price".to_owned(),
        }
    }
}

/// Gives an order; the edge learns of it with the pull that this wakes.
///
/// The same order a second time changes nothing. One that contradicts an earlier one, and one for a
/// call that is posted already, are refused.
pub async fn give(pool: &PgPool, new: &NewOrder) -> Result<Given, Error> {
    give_as(pool, new, By::Operator).await
}

/// The same, and who decided.
pub async fn give_as(pool: &PgPool, new: &NewOrder, by: By) -> Result<Given, Error> {
    new.check()?;
    let call = new.call.as_str();
    let known = known(pool, call).await?;
    let journal = journal_of(new, &known)?;
    if let Some(order) = same_or_other(new, &journal, &known)? {
        return Ok(Given { order, was_there: true });
    }
    refuse_posted(call, known.posted.as_ref())?;
    check_against(new, &journal, &known)?;

    let mut tx = Tx::begin(pool, "order_call").await?;
    let revision = journal::bump(&mut tx, &journal).await?;
    // It may have been posted while we waited for the lock under which its journal is posted.
    refuse_posted(call, posted(&mut tx, call).await?.as_ref())?;
    if let Some(order) = insert(&mut tx, new, by, &journal, revision).await? {
        // What upstream's bill decides is no act of anybody's; its order says so itself.
        if by == By::Operator {
            let detail = audit::document(&order)?;
            audit::record(&mut tx, &new.actor, Act::CallOrder, call, &detail).await?;
        }
        tx.commit().await?;
        return Ok(Given { order, was_there: false });
    }
    // Somebody else gave one meanwhile.
    drop(tx);
    let known = self::known(pool, call).await?;
    let order = same_or_other(new, &journal, &known)?;
    let gone = || Error::impossible("call_order", format_args!("{call} is taken by no order"));
    Ok(Given { order: order.ok_or_else(gone)?, was_there: true })
}

/// The orders about a call.
pub async fn about(connection: &mut PgConnection, call: &str) -> Result<Vec<OrderRow>, Error> {
    let rows = sqlx::query_as!(
        OrderRow,
        "SELECT call_id, journal_id, action, input_tokens, output_tokens, total_tokens, reason,
                actor, source, created_at
         FROM call_order WHERE call_id = $1 ORDER BY created_at, journal_id",
        call
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

async fn known(pool: &PgPool, call: &str) -> Result<Known, Error> {
    let listed = open::one(pool, None, call).await?;
    let mut connection = pool.acquire().await?;
    let orders = about(&mut connection, call).await?;
    let posted = posted(&mut connection, call).await?;
    Ok(Known { orders, listed, posted })
}

async fn posted(connection: &mut PgConnection, call: &str) -> Result<Option<Posted>, Error> {
    let posted = sqlx::query_as!(
        Posted,
        "SELECT journal_id AS journal, seq, amount_nanos FROM posting WHERE call_id = $1",
        call
    )
    .fetch_optional(connection)
    .await?;
    Ok(posted)
}

/// The journal to be told: the one named, or the one where the call is known to be.
fn journal_of(new: &NewOrder, known: &Known) -> Result<String, Error> {
    let Known { orders, listed, posted } = known;
    let named = new.journal.as_ref().map(ToString::to_string);
    let found = named
        .or_else(|| listed.as_ref().map(|told| told.journal.clone()))
        .or_else(|| posted.as_ref().map(|posted| posted.journal.clone()))
        .or_else(|| orders.last().map(|order| order.journal_id.clone()));
    found.ok_or_else(|| {
        let problem = format!("is needed: no journal lists call {} as open", new.call);
        Error::invalid("journal", problem)
    })
}

/// The order that stands, when it is the same; another one is a conflict.
fn same_or_other(new: &NewOrder, journal: &str, known: &Known) -> Result<Option<OrderRow>, Error> {
    let before = known.orders.iter().find(|order| order.journal_id == journal);
    let Some(before) = before else { return Ok(None) };
    if new.is(before)? {
        return Ok(Some(before.clone()));
    }
    let at = clock::text(before.created_at);
    let problem =
        format!("{} {}, as {} ordered at {at}", new.call, before.decision(), before.actor);
    Err(Error::Conflict { field: "call", problem })
}

fn refuse_posted(call: &str, posted: Option<&Posted>) -> Result<(), Error> {
    let Some(Posted { journal, seq, amount_nanos }) = posted else { return Ok(()) };
    let problem = format!(
        "{call} has ended already: it is entry {seq} of journal {journal}, for {amount_nanos} nanos"
    );
    Err(Error::Conflict { field: "call", problem })
}

/// Refuses what the journal's own list of open calls contradicts.
fn check_against(new: &NewOrder, journal: &str, known: &Known) -> Result<(), Error> {
    let Some(told) = &known.listed else { return Ok(()) };
    if told.journal != journal {
        let problem = format!("{journal} does not have call {}: {} has", new.call, told.journal);
        return Err(Error::Conflict { field: "journal", problem });
    }
    let counts_tokens = matches!(told.open.hold.price, PriceDoc::PerToken { .. });
    if counts_tokens && matches!(new.action, ActionDoc::Settle { usage: None }) {
        let problem = "is needed: the call's price counts tokens; 0 charges nothing";
        return Err(Error::invalid("tokens", problem));
    }
    Ok(())
}

/// Writes an order down; `None` when there is one already.
async fn insert(
    connection: &mut PgConnection,
    new: &NewOrder,
    by: By,
    journal: &str,
    revision: i64,
) -> Result<Option<OrderRow>, Error> {
    let (action, (input, output, total)) = columns(&new.action)?;
    let row = sqlx::query_as!(
        OrderRow,
        "INSERT INTO call_order (call_id, journal_id, action, input_tokens, output_tokens,
                                 total_tokens, reason, actor, revision, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT ON CONSTRAINT call_order_pkey DO NOTHING
         RETURNING call_id, journal_id, action, input_tokens, output_tokens, total_tokens, reason,
                   actor, source, created_at",
        new.call.as_str(),
        journal,
        action,
        input,
        output,
        total,
        new.reason,
        new.actor.name(),
        revision,
        by.name()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

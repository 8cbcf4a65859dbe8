//! `weir report history`.

use clap::Args;

use crate::clock;
use crate::error::Error;
use crate::import::history::{self, OldCall};
use crate::page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Span};

use super::Whose;
use crate::cli::Answer;
use crate::cli::answer::table;

/// `weir report history`
#[derive(Args)]
pub(in crate::cli) struct History {
    /// How many rows
    #[arg(long, default_value_t = PAGE_ROWS_DEFAULT, value_parser = clap::value_parser!(i64).range(1..=PAGE_ROWS_MAX))]
    limit: i64,
    /// Behind the rows of the page that told this
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

impl History {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let (pool, account) = self.whose.find().await?;
        let span = Span::new(self.cursor, Some(self.limit));
        let page = history::list(&pool, account.as_deref(), &span).await?;
        let line = |call: &OldCall| {
            [
                clock::text(call.at),
                call.account_id.clone(),
                call.kind.clone(),
                call.model.clone(),
                (call.input_tokens.saturating_add(call.output_tokens)).to_string(),
                call.amount_quota.clone(),
                format!("{} {}", call.instance, call.log_id),
            ]
        };
        let lines: Vec<_> = page.items.iter().map(line).collect();
        let heading = ["when", "account", "kind", "model", "tokens", "quota", "log"];
        let text = if lines.is_empty() {
            "There is no history: `weir import` brings it over.".to_owned()
        } else {
            table(heading, &lines)
        };
        let answer = Answer::new(&page, text)?;
        Ok(match &page.next_cursor {
            Some(cursor) => answer.with_line(&format!("There is more: --cursor {cursor}")),
            None => answer,
        })
    }
}

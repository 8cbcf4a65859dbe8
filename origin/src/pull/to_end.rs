//! Pulling now, to the end, for somebody who waits for it.

use meter::ids::JournalName;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::error::Error;
use crate::journal;

use super::edge::{Edge, PullError};
use super::{Attempt, attempt};

/// A journal that could not be pulled to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// Which one.
    pub journal: String,
    /// Why not.
    pub error: String,
}

/// Pulls each journal until it has no more, at most so many pages of each.
pub async fn pull_all(pool: &PgPool, edge: &Edge, pages_max: usize) -> Result<Vec<Failure>, Error> {
    let mut failures = Vec::new();
    for name in journal::names(pool).await? {
        if let Err(error) = pull_one(pool, edge, &name, pages_max).await {
            failures.push(Failure { journal: name.to_string(), error });
        }
    }
    Ok(failures)
}

async fn pull_one(
    pool: &PgPool,
    edge: &Edge,
    name: &JournalName,
    pages_max: usize,
) -> Result<(), String> {
    until_end(pages_max, || attempt(pool, edge, name)).await
}

async fn until_end<F>(pages_max: usize, mut attempt: impl FnMut() -> F) -> Result<(), String>
where
    F: Future<Output = Result<Attempt, PullError>>,
{
    for _ in 0..pages_max {
        match attempt().await {
            Ok(Attempt::More) => {}
            Ok(Attempt::UpToDate | Attempt::Stopped(_)) => return Ok(()),
            Ok(Attempt::Elsewhere) => return Err("another process is pulling it".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("it has more than {pages_max} pages"))
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::{cli, http};

    #[tokio::test]
    async fn so_many_pages_are_pulled_in_one_go_and_no_more() {
        for pages_max in [cli::reconcile::PAGES_MAX, http::reconcile::PAGES_MAX] {
            let pulled = async |pages: usize| {
                let mut left = pages;
                let ended = until_end(pages_max, || {
                    left = left.saturating_sub(1);
                    ready(Ok(if left == 0 { Attempt::UpToDate } else { Attempt::More }))
                });
                let ended = ended.await;
                (ended, left)
            };
            assert_eq!(pulled(pages_max).await, (Ok(()), 0));
            let problem = format!("it has more than {pages_max} pages");
            assert_eq!(pulled(pages_max + 1).await, (Err(problem), 1));
        }
    }
}

//! Waiting until the edge has been told what a command changed.

use std::time::Duration;

use clap::Args;

use crate::error::Error;

use super::Answer;

/// The exit code of a change that the edge was not told in time.
const NOT_TOLD: u8 = 1;

/// `--wait`, for commands whose change the edge has to be told.
#[derive(Args)]
pub(super) struct Wait {
    /// Wait up to this many seconds until the edge has been told, and fail when it has not by then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    wait: Option<u64>,
}

impl Wait {
    /// The answer, once `told` says whether the edge has been told; at once when nobody waits.
    pub(super) async fn until<F>(
        &self,
        answer: Answer,
        told: impl FnOnce(Duration) -> F,
    ) -> Result<Answer, Error>
    where
        F: Future<Output = Result<bool, Error>>,
    {
        let Some(seconds) = self.wait else { return Ok(answer) };
        if told(Duration::from_secs(seconds)).await? {
            return Ok(answer.with_line("The edge has been told."));
        }
        let line =
            format!("The edge has not been told within {seconds} s. Is `weir serve` running?");
        Ok(answer.with_line(&line).with_code(NOT_TOLD))
    }
}

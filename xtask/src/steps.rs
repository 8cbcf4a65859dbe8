//! Steps that are all taken, whatever became of the ones before, and summed up in a table.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::report;

/// What the steps came to so far.
#[derive(Default)]
pub struct Steps {
    outcomes: Vec<Outcome>,
}

/// What one step came to.
struct Outcome {
    name: String,
    passed: bool,
    seconds: String,
}

impl Steps {
    /// Takes a step and tells when it fails.
    pub fn take(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        let started = Instant::now();
        let result = report::loud_step(name, step);
        if let Err(error) = &result {
            report::line(&format!("weir: {name}: {error:#}"));
        }
        let seconds = report::seconds(started.elapsed());
        self.outcomes.push(Outcome { name: name.to_owned(), passed: result.is_ok(), seconds });
    }

    /// Whether none has failed.
    pub fn all_passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.passed)
    }

    /// Prints the table, and fails if a step failed.
    pub fn finish(&self) -> Result<()> {
        report::line(&self.summary());
        let failed = self.outcomes.iter().filter(|outcome| !outcome.passed).count();
        ensure!(failed == 0, "{failed} of {} steps failed", self.outcomes.len());
        Ok(())
    }

    fn summary(&self) -> String {
        let widths = self.outcomes.iter().map(|outcome| outcome.name.chars().count());
        let width = widths.max().unwrap_or_default();
        let lines = self.outcomes.iter().map(|Outcome { name, passed, seconds }| {
            let verdict = if *passed { "passed" } else { "FAILED" };
            format!("  {name:<width$} {verdict} {seconds:>9}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_remembered_and_the_next_one_is_taken() {
        let mut steps = Steps::default();
        steps.take("first", || anyhow::bail!("no"));
        steps.take("second", || Ok(()));
        let passed: Vec<_> = steps.outcomes.iter().map(|outcome| outcome.passed).collect();
        assert_eq!(passed, [false, true]);
        assert!(steps.summary().contains("FAILED") && !steps.all_passed());
        assert!(steps.finish().is_err());
    }
}

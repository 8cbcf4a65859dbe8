//! What this process has done since it began: requests answered and pulls made.
//!
//! Shape: counters that are handed to whoever counts, and read by `/metrics` together with what the
//! database knows ([`crate::read::metrics`]).
//!
//! # Bounds
//! Labels come from lists that the program knows: routes as they are written, outcomes by name. Nothing
//! that a caller sends becomes a label.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::pull::Attempt;
use crate::pull::edge::PullError;

/// Upper bounds of the times that are told apart, in seconds.
const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// A kind of answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// What a pull came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The counters.
pub struct Metrics {
    answers: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    pulls: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(histogram);
        Self { answers: Family::default(), seconds, pulls: Family::default() }
    }
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.seconds.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.answers.get_or_create(&Answered { method, route, status }).inc();
    }

    /// Counts a pull.
    pub fn pulled(&self, tried: &Result<Attempt, PullError>) {
        let outcome = match tried {
            Ok(Attempt::UpToDate) => "up_to_date",
            Ok(Attempt::More) => "more",
            Ok(Attempt::Stopped(_)) => "stopped",
            Ok(Attempt::Elsewhere) => "elsewhere",
            Err(_) => "failed",
        };
        self.pulls.get_or_create(&Outcome { outcome }).inc();
    }

    /// Puts the counters among what is shown.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered", self.answers.clone());
        registry.register(
            "http_request_duration_seconds",
            "How long answers took",
            self.seconds.clone(),
        );
        registry.register("pulls", "Pages that were asked for", self.pulls.clone());
    }
}

//! Metrics. Labels come from closed enums only: never a name, never a namespace.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use understudy::admission::{Decision, Stage};

/// `understudy_reviews_total`
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Review {
    stage: &'static str,
    verdict: &'static str,
}

/// `understudy_reasons_total`
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    stage: &'static str,
    reason: &'static str,
}

/// What the leader did to a branch, to previews, to Pods.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Action {
    action: &'static str,
}

/// Every metric of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    reasons: Family<ReasonLabel, Counter>,
    review_seconds: Histogram,
    malformed: Counter,
    actions: Family<Action, Counter>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
        ];
        let mut metrics = Metrics {
            registry: Registry::with_prefix("understudy"),
            reviews: Family::default(),
            reasons: Family::default(),
            review_seconds: Histogram::new(buckets),
            malformed: Counter::default(),
            actions: Family::default(),
            leader: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "reviews",
            "Admission reviews by stage and verdict",
            metrics.reviews.clone(),
        );
        registry.register(
            "reasons",
            "Reason codes behind changes and refusals",
            metrics.reasons.clone(),
        );
        registry.register(
            "review_seconds",
            "Time a review takes, reads included",
            metrics.review_seconds.clone(),
        );
        registry.register(
            "malformed_reviews",
            "Requests that were no review",
            metrics.malformed.clone(),
        );
        registry.register("actions", "What the leader did", metrics.actions.clone());
        registry.register("leader", "1 while this process leads", metrics.leader.clone());
        metrics
    }
}

impl Metrics {
    /// Counts one review.
    pub fn reviewed(&self, stage: Stage, decision: &Decision, took: Duration) {
        let stage = match stage {
            Stage::Mutate => "mutate",
            Stage::Validate => "validate",
        };
        self.reviews
            .get_or_create(&Review {
                stage,
                verdict: decision.verdict(),
            })
            .inc();
        for reason in decision.reasons() {
            self.reasons
                .get_or_create(&ReasonLabel {
                    stage,
                    reason: reason.code(),
                })
                .inc();
        }
        self.review_seconds.observe(took.as_secs_f64());
    }

    /// Counts a request that was no review.
    pub fn malformed(&self) {
        self.malformed.inc();
    }

    /// Counts something the leader did.
    pub fn acted(&self, action: &'static str) {
        self.actions.get_or_create(&Action { action }).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The exposition format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

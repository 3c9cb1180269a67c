//! Metrics. Labels come from closed enums only: never a name, never a namespace.

use crate::facts::{Followed, Freshness};
use crate::http::Counts;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use understudy::admission::{Decision, Stage};
use understudy::reason::Reason;

/// Most reviews take well below a millisecond; one that reads ends within half a second, or is late.
const BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0,
];

/// Why a request was refused before there was a review to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such path.
    Path,
    /// Not POST.
    Method,
    /// Not JSON, or encoded.
    MediaType,
    /// No AdmissionReview.
    Malformed,
    /// Over the limit.
    TooLarge,
    /// The body took too long.
    Slow,
    /// Too many at once.
    Busy,
    /// A panic outside of the rules.
    Defect,
}

impl Refusal {
    fn label(self) -> Cause {
        let cause = match self {
            Refusal::Path => "path",
            Refusal::Method => "method",
            Refusal::MediaType => "media-type",
            Refusal::Malformed => "malformed",
            Refusal::TooLarge => "too-large",
            Refusal::Slow => "slow",
            Refusal::Busy => "busy",
            Refusal::Defect => "defect",
        };
        Cause { cause }
    }
}

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

/// `understudy_refused_requests_total`
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cause {
    cause: &'static str,
}

/// `understudy_facts_age_seconds`
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Facts {
    facts: &'static str,
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
    refused: Family<Cause, Counter>,
    shed: Counter,
    /// Reviews that are being worked on.
    pub in_flight: Gauge,
    /// Connections of admission's clients.
    pub connections: Counts,
    certificate_expiry: Gauge,
    certificates_refused: Counter,
    facts_age: Family<Facts, Gauge>,
    actions: Family<Action, Counter>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("understudy"),
            reviews: Family::default(),
            reasons: Family::default(),
            review_seconds: Histogram::new(BUCKETS),
            refused: Family::default(),
            shed: Counter::default(),
            in_flight: Gauge::default(),
            connections: Counts::default(),
            certificate_expiry: Gauge::default(),
            certificates_refused: Counter::default(),
            facts_age: Family::default(),
            actions: Family::default(),
            leader: Gauge::default(),
        };
        let r = &mut metrics.registry;
        r.register(
            "reviews",
            "Admission reviews by stage and verdict",
            metrics.reviews.clone(),
        );
        r.register(
            "reasons",
            "Reason codes behind changes, refusals and removals",
            metrics.reasons.clone(),
        );
        r.register(
            "review_seconds",
            "Time a review takes from its head to its answer, reads included",
            metrics.review_seconds.clone(),
        );
        r.register(
            "refused_requests",
            "Requests refused before they were reviewed",
            metrics.refused.clone(),
        );
        r.register(
            "shed_reviews",
            "Reviews sent away because too many came at once",
            metrics.shed.clone(),
        );
        r.register(
            "reviews_in_flight",
            "Reviews being worked on",
            metrics.in_flight.clone(),
        );
        r.register(
            "connections",
            "Open connections of clients",
            metrics.connections.open.clone(),
        );
        r.register(
            "connections_ended",
            "Connections that did not end by themselves",
            metrics.connections.ended.clone(),
        );
        r.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate ends that is being served; 0 without one",
            metrics.certificate_expiry.clone(),
        );
        r.register(
            "certificates_refused",
            "Certificates found that could not be taken",
            metrics.certificates_refused.clone(),
        );
        r.register(
            "facts_age_seconds",
            "How long ago the API server last confirmed what is remembered",
            metrics.facts_age.clone(),
        );
        r.register("actions", "What the leader did", metrics.actions.clone());
        r.register("leader", "1 while this process leads", metrics.leader.clone());
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
        let verdict = decision.verdict();
        self.reviews.get_or_create(&Review { stage, verdict }).inc();
        for reason in decision.reasons() {
            let reason = reason.code();
            self.reasons.get_or_create(&ReasonLabel { stage, reason }).inc();
        }
        self.review_seconds.observe(took.as_secs_f64());
    }

    /// Counts a request that was not reviewed.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&refusal.label()).inc();
    }

    /// Counts a review that got no turn.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A certificate is served that ends then.
    pub fn serves_until(&self, end: Timestamp) {
        self.certificate_expiry.set(end.as_second());
    }

    /// Counts a certificate, ours or the client CA, that was not taken.
    pub fn refused_certificate(&self) {
        self.certificates_refused.inc();
    }

    /// Sets the ages of the facts, for who looks now.
    pub fn facts_are(&self, freshness: &Freshness) {
        for followed in Followed::ALL {
            let facts = followed.name();
            let age = i64::try_from(freshness.age(followed).as_secs()).unwrap_or(i64::MAX);
            self.facts_age.get_or_create(&Facts { facts }).set(age);
        }
    }

    /// Counts something that the leader took away, by the rule that it broke.
    pub fn took_away(&self, reason: Reason) {
        let (stage, reason) = ("control", reason.code());
        self.reasons.get_or_create(&ReasonLabel { stage, reason }).inc();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_leader_takes_away_is_counted_by_the_code_of_its_event() {
        let metrics = Metrics::default();
        metrics.took_away(Reason::OverQuota);
        let line = r#"understudy_reasons_total{stage="control",reason="over-quota"} 1"#;
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}

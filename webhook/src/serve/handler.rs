//! HTTP in, AdmissionReview out; and the validation of a Pod made ahead, while the API server works on its mutation.
//!
//! Answers are 200 once the uid is known, whatever was decided; before that 4xx with a short reason. A panic inside a
//! rule refuses that one request; one anywhere else is a 500 and the process lives.

use super::body::{Budget, NoBody};
use super::refusal::{refuse, stage};
use super::turn::{LARGE, Turns};
use super::vouched::Vouched;
use crate::facts::{self, Live, Memory};
use crate::http::{Answer, Reply, reply, text};
use crate::metrics::{Metrics, Refusal};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::{Request as HttpRequest, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use understudy::admission::{self, Decision, Facts, Request, Stage};
use understudy::reason::Reason;
use understudy::violation::Violation;

/// For the body to arrive. The API server has all of it in hand.
const BODY: Duration = Duration::from_secs(4);
/// From the head until the facts are there, so that the answer comes before the webhook configuration's
/// `timeoutSeconds` and the caller gets our words and not its own time-out.
const FACTS: Duration = Duration::from_millis(3500);

/// Where the facts of reviews come from.
pub trait Gather: Send + Sync + 'static {
    /// All that `request` has to be reviewed with.
    fn gather(&self, stage: Stage, request: &Request) -> impl Future<Output = Facts> + Send;

    /// What there is when that took too long.
    fn remembered(&self) -> Facts;

    /// Whether what was `taken` for given of the preview `namespace`, and of the rules, is so now.
    fn stands(&self, namespace: &str, taken: &Facts) -> impl Future<Output = bool> + Send;
}

/// The cluster: `memory` (namespaces, policies, Services, fingerprints) and `sources` (ConfigMaps and Secrets, the preview's own
/// namespace, whether there are Pods: live).
pub struct Cluster {
    /// What is remembered.
    pub memory: Memory,
    /// What is read.
    pub sources: Live,
}

impl Gather for Cluster {
    async fn gather(&self, stage: Stage, request: &Request) -> Facts {
        facts::gather(&self.memory, &self.sources, stage, request).await
    }

    fn remembered(&self) -> Facts {
        self.memory.facts(None, BTreeMap::new())
    }

    fn stands(&self, namespace: &str, taken: &Facts) -> impl Future<Output = bool> + Send {
        self.memory.stands(&self.sources, namespace, taken)
    }
}

/// What decides a request: the decision, and the object that its patch leads to.
type Decide = fn(Stage, &Request, &Facts) -> (Decision, Option<Value>);

/// Answers reviews with facts from `G`.
pub struct Reviewer<G> {
    facts: Arc<G>,
    rules: Decide,
    metrics: Arc<Metrics>,
    budget: Budget,
    turns: Turns,
    /// Validations that are made ahead; `None` makes each when it is asked.
    vouched: Option<Vouched>,
}

impl<G: Gather> Reviewer<G> {
    /// Reviews with `facts`, and counts in `metrics`.
    pub fn new(facts: G, metrics: Arc<Metrics>) -> Self {
        Reviewer {
            facts: Arc::new(facts),
            rules,
            budget: Budget::default(),
            turns: Turns::new(metrics.clone()),
            vouched: Some(Vouched::default()),
            metrics,
        }
    }

    /// Reviews with `facts` and metrics that nobody reads, and makes nothing ahead: to be measured alone.
    pub fn alone(facts: G) -> Self {
        Reviewer {
            vouched: None,
            ..Reviewer::new(facts, Arc::default())
        }
    }
}

impl<G: Gather> Answer for Reviewer<G> {
    async fn answer(&self, request: HttpRequest<Incoming>) -> Reply {
        let answered = AssertUnwindSafe(self.respond(request)).catch_unwind().await;
        let refused = answered.unwrap_or(Err(Refusal::Defect));
        refused.unwrap_or_else(|refusal| {
            self.metrics.refused(refusal);
            refuse(refusal)
        })
    }
}

impl<G: Gather> Reviewer<G> {
    async fn respond(&self, request: HttpRequest<Incoming>) -> Result<Reply, Refusal> {
        let started = Instant::now();
        let stage = stage(&request)?;
        let body = self.budget.read(request, started + BODY).await;
        let body = body.map_err(|no_body| match no_body {
            NoBody::TooLarge => Refusal::TooLarge,
            NoBody::Slow => Refusal::Slow,
            NoBody::Broken => Refusal::Malformed,
            NoBody::Crowded => Refusal::Busy,
        })?;
        let _turn = self
            .turns
            .take(body.bytes.len(), started + FACTS)
            .await
            .ok_or(Refusal::Busy)?;
        self.review(stage, &body.bytes, started).await
    }

    /// Answers the review that `bytes` are.
    async fn review(&self, stage: Stage, bytes: &[u8], started: Instant) -> Result<Reply, Refusal> {
        let large = bytes.len() > LARGE;
        let request = match apart(large, || admission::parse(bytes)) {
            Ok(request) => request,
            Err(error) => {
                self.metrics.refused(Refusal::Malformed);
                return Ok(text(StatusCode::BAD_REQUEST, error.to_string()));
            }
        };
        // Whoever makes what no rule speaks of must not wait for a read: Kubernetes makes the ServiceAccount of every
        // namespace, preview or not, with a single worker.
        let concerned = admission::concerns(&request);
        // A large one takes as long to recognise as to review.
        let is_made_ahead = concerned && !large && admission::is_birth_of_a_pod(&request);
        let ahead = self.vouched.as_ref().filter(|_| is_made_ahead);
        let deadline = started + FACTS;
        let vouched = match ahead {
            Some(ahead) if stage == Stage::Validate => {
                let held = timeout_at(deadline, ahead.holds(&request, started)).await;
                held.unwrap_or(false)
            }
            _ => false,
        };
        let (decision, object, facts) = if vouched || !concerned {
            (Decision::Allow { warnings: Vec::new() }, None, None)
        } else {
            let _reading = match admission::reads(&request) {
                true => Some(self.turns.take_to_read(deadline).await.ok_or(Refusal::Busy)?),
                false => None,
            };
            let facts = self.gather(stage, &request, deadline).await;
            let heavy = large || facts.size() > LARGE;
            let (decision, object) = apart(heavy, || decide(self.rules, stage, &request, &facts));
            (decision, object, Some(facts).filter(|_| !heavy))
        };
        let answer = apart(large, || admission::answer(&request.uid, &decision).to_string());
        let took = started.elapsed();
        self.metrics.reviewed(stage, &decision, took);
        if concerned {
            log(stage, &request, &decision, took, vouched);
        }
        if let (Stage::Mutate, Some(facts), Some(ahead)) = (stage, facts, ahead) {
            self.vouch(ahead, request, &decision, object, facts);
        }
        Ok(reply(StatusCode::OK, "application/json", answer))
    }

    async fn gather(&self, stage: Stage, request: &Request, deadline: Instant) -> Facts {
        let facts = timeout_at(deadline, self.facts.gather(stage, request)).await;
        facts.unwrap_or_else(|_| {
            tracing::warn!(
                namespace = request.namespace,
                "timed out gathering facts; deciding without"
            );
            self.facts.remembered()
        })
    }

    /// Validates a Pod that was let in before the API server asks for it, and makes sure of the preview by the one read that
    /// has to be live. While the API server works on the patch nobody waits for either.
    fn vouch(
        &self,
        ahead: &Vouched,
        request: Request,
        decision: &Decision,
        object: Option<Value>,
        facts: Facts,
    ) {
        if !matches!(decision, Decision::Allow { .. } | Decision::Patch { .. }) {
            return;
        }
        let request = match object {
            Some(object) => Request { object, ..request },
            None => request,
        };
        let Some((said, at_once)) = ahead.put(&request, Instant::now()) else {
            return;
        };
        let (gather, rules, namespace) = (self.facts.clone(), self.rules, request.namespace.clone());
        let taken = facts.without_sources();
        tokio::spawn(async move {
            // What it holds goes when it is done, which is long before the answer of the API server comes.
            let validated = async move {
                let (decision, _) = decide(rules, Stage::Validate, &request, &facts);
                matches!(decision, Decision::Allow { .. })
            };
            let (stands, passes) = tokio::join!(gather.stands(&namespace, &taken), validated);
            drop(at_once);
            said.send(stands && passes)
        });
    }
}

/// Runs `work`, which takes milliseconds if it is `large`, where it holds up nobody else.
fn apart<T>(large: bool, work: impl FnOnce() -> T) -> T {
    if large {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

fn rules(stage: Stage, request: &Request, facts: &Facts) -> (Decision, Option<Value>) {
    match stage {
        Stage::Mutate => admission::mutate(request, facts),
        Stage::Validate => (admission::validate(request, facts), None),
    }
}

/// What `rules` decide. A defect in one of them denies the request, since nobody knows what it would have said.
fn decide(rules: Decide, stage: Stage, request: &Request, facts: &Facts) -> (Decision, Option<Value>) {
    catch_unwind(AssertUnwindSafe(|| rules(stage, request, facts))).unwrap_or_else(|_| {
        let message = "this is a defect of Understudy; its log holds the details";
        let violation = Violation::new(Reason::InternalError, "metadata", message);
        (Decision::Deny(vec![violation]), None)
    })
}

/// Names and reason codes only: no body, no value.
fn log(stage: Stage, request: &Request, decision: &Decision, took: Duration, vouched: bool) {
    let reasons: Vec<&str> = decision.reasons().into_iter().map(Reason::code).collect();
    tracing::info!(
        ?stage,
        verdict = decision.verdict(),
        reasons = reasons.join(","),
        operation = ?request.operation,
        resource = request.resource,
        namespace = request.namespace,
        name = request.name,
        user = request.user.name,
        micros = took.as_micros(),
        vouched,
        "reviewed"
    );
}

#[cfg(test)]
mod tests;

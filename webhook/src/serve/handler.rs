//! HTTP in, AdmissionReview out.
//!
//! Answers are 200 once the uid is known, whatever was decided; before that 4xx with a short reason. A panic inside a
//! rule refuses that one request.

use crate::facts::{self, Live, Memory};
use crate::metrics::Metrics;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::limit::ConcurrencyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use understudy::admission::{self, Decision, Facts, Request, Stage};
use understudy::reason::Reason;
use understudy::violation::Violation;

/// The API server sends at most an object and its old self, 3 MiB each.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Below the webhook configuration's `timeoutSeconds`, so that the caller gets our words and not its own time-out.
const DEADLINE: Duration = Duration::from_secs(4);
/// Reviews in flight; a review holds at most a few objects in memory.
const IN_FLIGHT: usize = 512;

/// Everything a review needs.
pub struct Reviewer {
    /// Namespaces and policies.
    pub memory: Memory,
    /// ConfigMaps and Secrets, live.
    pub sources: Live,
    /// Counted here.
    pub metrics: Arc<Metrics>,
}

/// The two endpoints.
pub fn router(reviewer: Arc<Reviewer>) -> Router {
    Router::new()
        .route(
            "/mutate",
            post(async |state, headers, body| respond(Stage::Mutate, state, headers, body).await),
        )
        .route(
            "/validate",
            post(async |state, headers, body| respond(Stage::Validate, state, headers, body).await),
        )
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            DEADLINE,
        ))
        .layer(ConcurrencyLimitLayer::new(IN_FLIGHT))
        .with_state(reviewer)
}

async fn respond(
    stage: Stage,
    State(reviewer): State<Arc<Reviewer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let started = Instant::now();
    let refuse = |status: StatusCode, text: String| {
        reviewer.metrics.malformed();
        (status, text).into_response()
    };
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !json.is_some_and(|value| {
        value
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim() == "application/json")
    }) || headers.contains_key(header::CONTENT_ENCODING)
    {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/json, not encoded".to_owned(),
        );
    }
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the limit is {BODY_LIMIT} bytes"),
        );
    };
    let request = match admission::parse(&bytes) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let facts = facts::gather(&reviewer.memory, &reviewer.sources, stage, &request).await;
    // A large review must not hold up the others on this thread.
    let decision = tokio::task::block_in_place(|| decide(stage, &request, &facts));
    let took = started.elapsed();
    reviewer.metrics.reviewed(stage, &decision, took);
    log(stage, &request, &decision, took);
    axum::Json(admission::answer(&request.uid, &decision)).into_response()
}

fn decide(stage: Stage, request: &Request, facts: &Facts) -> Decision {
    let review = match stage {
        Stage::Mutate => admission::review,
        Stage::Validate => admission::validate,
    };
    catch_unwind(AssertUnwindSafe(|| review(request, facts))).unwrap_or_else(|_| {
        let message = "this is a defect of Understudy; its log holds the details";
        Decision::Deny(vec![Violation::new(Reason::InternalError, "metadata", message)])
    })
}

/// Names and reason codes only: no body, no value.
fn log(stage: Stage, request: &Request, decision: &Decision, took: Duration) {
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
        "reviewed"
    );
}

//! What is decided on a request before there is a review in it to answer: which endpoint it is for, or why it is none.

use super::body;
use crate::http::{Reply, text};
use crate::metrics::Refusal;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request as HttpRequest, StatusCode};
use understudy::admission::Stage;

/// Which endpoint is asked.
pub fn stage(request: &HttpRequest<Incoming>) -> Result<Stage, Refusal> {
    let stage = match request.uri().path() {
        "/mutate" => Stage::Mutate,
        "/validate" => Stage::Validate,
        _ => return Err(Refusal::Path),
    };
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    if !is_json(request.headers()) {
        return Err(Refusal::MediaType);
    }
    Ok(stage)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
        && !headers.contains_key(CONTENT_ENCODING)
}

/// What is answered before there is a review to answer.
pub fn refuse(refusal: Refusal) -> Reply {
    let limit = format!("the limit is {} bytes", body::LIMIT);
    let (status, why) = match refusal {
        Refusal::Path => (
            StatusCode::NOT_FOUND,
            "reviews are answered at /mutate and /validate",
        ),
        Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "send reviews by POST"),
        Refusal::MediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/json, not encoded",
        ),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, limit.as_str()),
        Refusal::Slow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "the body broke off"),
        // Not 503: of the two the API server's words for this one tell the user what is going on.
        Refusal::Busy => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many reviews at once; try again",
        ),
        Refusal::Defect => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "this is a defect of Understudy; its log holds the details",
        ),
    };
    let mut reply = text(status, why);
    match refusal {
        Refusal::Method => reply
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST")),
        // The API server's client then asks again by itself, as long as `timeoutSeconds` allows.
        Refusal::Busy => reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1")),
        _ => None,
    };
    reply
}

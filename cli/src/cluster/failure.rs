//! What an error of the API means for the person who typed the command.

use crate::error::{Exit, Failure};
use kube::Error;
use kube::core::Status;
use std::error::Error as _;

/// Our webhook's entries, as the API server names them.
const OUR_WEBHOOKS: &str = ".understudy.dev";

/// How validation begins when mutation never saw the namespace.
const NOT_MUTATED: &str = "lease-granted:";

/// The failure behind `error` while doing `what`.
pub fn explain(what: impl Into<String>, error: &Error) -> Failure {
    let what = what.into();
    match error {
        Error::Api(status) => refused(what, status),
        Error::Auth(_) => Failure::new(Exit::NoRights, what)
            .caused_by(chain(error))
            .hint("kubectl auth whoami"),
        Error::Service(_) | Error::HyperError(_) | Error::ReadEvents(_) => {
            let cause = chain(error);
            let failure =
                Failure::new(Exit::NoCluster, what).caused_by(format!("the server does not answer: {cause}"));
            if cause.contains("certificate") {
                failure.hint(
                    "kubectl config view --minify: does the certificate authority belong to this server?",
                )
            } else {
                failure.hint("kubectl cluster-info: is the cluster running, and is this its context?")
            }
        }
        error => Failure::new(Exit::Failed, what).caused_by(chain(error)),
    }
}

/// Whether the API says that there is no such object.
pub fn not_found(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// What the API server answered.
fn refused(what: String, status: &Status) -> Failure {
    let message = status.message.as_str();
    if message.contains("failed calling webhook") && message.contains(OUR_WEBHOOKS) {
        return Failure::new(Exit::NotInstalled, what)
            .caused_by(message)
            .caused_by("Understudy's admission does not answer, and nothing enters a preview unreviewed")
            .hint("understudy doctor");
    }
    let causes = causes(status);
    match status.code {
        401 => Failure::new(Exit::NoRights, what)
            .caused_by(
                "the server does not know you: the token or certificate has expired, or was never valid",
            )
            .hint("kubectl auth whoami"),
        403 if message.contains("exceeded quota") => Failure {
            causes,
            ..Failure::new(Exit::Refused, what)
        }
        .hint("kubectl describe resourcequota --namespace NAME"),
        403 if !message.contains("denied the request") => Failure {
            causes,
            ..Failure::new(Exit::NoRights, what)
        }
        .hint("kubectl auth can-i --list, and ask for what is missing"),
        404 => Failure {
            causes,
            ..Failure::new(Exit::NotFound, what)
        },
        409 => Failure {
            causes,
            ..Failure::new(Exit::Taken, what)
        },
        422 if causes.iter().any(|cause| cause.starts_with(NOT_MUTATED)) => Failure {
            causes,
            ..Failure::new(Exit::NotInstalled, what)
        }
        .hint("understudy doctor"),
        400 | 403 | 422 => Failure {
            causes,
            ..Failure::new(Exit::Refused, what)
        },
        _ => Failure {
            causes,
            ..Failure::new(Exit::Failed, what)
        },
    }
}

/// The whole of a denial: who denied it, then each cause with its code.
fn causes(status: &Status) -> Vec<String> {
    let causes = status
        .details
        .as_ref()
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    let message = status.message.as_str();
    if causes.is_empty() {
        return vec![if message.is_empty() {
            format!("HTTP {}", status.code)
        } else {
            message.to_owned()
        }];
    }
    // The message repeats the causes after naming who denied the request.
    let head = message
        .find("denied the request")
        .map_or(message, |at| &message[..at + "denied the request".len()]);
    let mut lines = vec![head.to_owned()];
    for cause in causes.iter().filter(|cause| !cause.message.is_empty()) {
        let field = if cause.field.is_empty() {
            String::new()
        } else {
            format!(" ({})", cause.field)
        };
        lines.push(format!("{}{field}", cause.message));
    }
    lines
}

/// The innermost causes of an error, without repeating what its source says.
fn chain(error: &Error) -> String {
    let (mut last, mut source) = (error.to_string(), error.source());
    while let Some(inner) = source {
        last = inner.to_string();
        source = inner.source();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    #[test]
    fn a_denial_is_printed_whole_with_its_codes() {
        let status = Status {
            code: 422,
            message:
                "admission webhook \"namespaces.understudy.dev\" denied the request: lease-out-of-range: x"
                    .to_owned(),
            details: Some(StatusDetails {
                name: String::new(),
                group: String::new(),
                kind: String::new(),
                uid: String::new(),
                causes: vec![StatusCause {
                    reason: String::new(),
                    message: "lease-out-of-range: found 999h".to_owned(),
                    field: "metadata.annotations".to_owned(),
                }],
                retry_after_seconds: 0,
            }),
            ..Status::default()
        };
        let failure = explain("cannot make shop-pr-7", &Error::Api(Box::new(status)));
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.causes,
            [
                "admission webhook \"namespaces.understudy.dev\" denied the request",
                "lease-out-of-range: found 999h (metadata.annotations)"
            ]
        );
    }

    #[test]
    fn a_silent_webhook_is_told_from_a_refusal() {
        let status = Status {
            code: 500,
            message:
                "Internal error occurred: failed calling webhook \"objects.understudy.dev\": no endpoints"
                    .to_owned(),
            ..Status::default()
        };
        assert_eq!(
            explain("x", &Error::Api(Box::new(status))).exit,
            Exit::NotInstalled
        );
    }
}

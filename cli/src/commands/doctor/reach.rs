//! Whether the API server reaches admission: what it answered to a preview on trial, read for its cause.

use super::finding::Finding;
use super::service::{leads_elsewhere, ready};
use super::webhooks::upgrade;
use crate::cluster::{Inspection, SERVICE, Trial};
use understudy::keys;

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let home = &inspection.namespace;
    let message = match &inspection.preview_trial {
        Trial::Born(notes) if notes.contains_key(keys::EXPIRES_AT) => {
            return vec![Finding::ok(
                "a preview on trial got its lease: the API server asks admission, and gets an answer",
            )];
        }
        Trial::Born(_) => {
            return vec![
                Finding::failed("a preview on trial got no lease: the API server does not ask admission")
                    .mend(upgrade(home)),
            ];
        }
        Trial::Unanswered(why) => return vec![Finding::unknown(format!("the trial got no answer: {why}"))],
        Trial::Refused { message, .. } => message,
    };
    vec![match verdict(message) {
        Verdict::Denied(why) => Finding::ok(format!(
            "admission answers: it refuses a preview of yours ({why})"
        )),
        Verdict::Unrelated => Finding::unknown(format!("no preview could be tried: {message}")),
        Verdict::NotMutated => {
            Finding::failed("a preview on trial reached validation without its lease: mutation is not asked")
                .mend(upgrade(home))
        }
        Verdict::Failed(why) => {
            let (cause, mend) = diagnose(why, inspection);
            Finding::failed(format!("the API server cannot ask admission: {cause} ({why})")).mend(mend)
        }
    }]
}

/// What the API server's refusal of a preview on trial means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'m> {
    /// Ours answered, with this.
    Denied(&'m str),
    /// Validation saw what mutation had not.
    NotMutated,
    /// Ours did not answer, for this cause.
    Failed(&'m str),
    /// Somebody else refused it before ours was asked.
    Unrelated,
}

fn verdict(message: &str) -> Verdict<'_> {
    let ours = "\"namespaces.understudy.dev\"";
    if let Some((_, rest)) = message.split_once(&format!("admission webhook {ours} denied the request: ")) {
        return if rest.starts_with("lease-granted:") {
            Verdict::NotMutated
        } else {
            Verdict::Denied(rest.lines().next().unwrap_or(rest))
        };
    }
    match message.split_once(&format!("failed calling webhook {ours}: ")) {
        Some((_, cause)) => Verdict::Failed(cause),
        None => Verdict::Unrelated,
    }
}

/// What the API server's error means, and what mends it. The texts are those of Go's net, tls and x509 and of the API
/// server's own webhook client.
fn diagnose(error: &str, inspection: &Inspection) -> (String, String) {
    let home = &inspection.namespace;
    let says = |any: &[&str]| any.iter().any(|text| error.contains(text));
    let pods =
        format!("kubectl --namespace {home} get pods --selector app.kubernetes.io/component=admission");
    let service = inspection.service.there();
    let elsewhere = service.and_then(leads_elsewhere);
    let none_ready = service.is_some()
        && elsewhere.is_none()
        && inspection
            .endpoints
            .there()
            .is_some_and(|slices| ready(slices) == 0);
    // Whatever was reached instead, it was not admission.
    if none_ready || says(&["no endpoints available"]) {
        return (
            format!("no Pod of admission is ready behind the Service {SERVICE}"),
            pods,
        );
    }
    let logs = |program: &str| format!("kubectl --namespace {home} logs deployment/{program}");
    let controller = || logs(keys::CONTROLLER_ACCOUNT);
    if says(&[
        "x509: certificate is valid for",
        "x509: certificate is not valid for any names",
        "cannot validate certificate",
    ]) {
        return (
            format!("what answers has a certificate for another name: {SERVICE} leads to somebody else"),
            format!("kubectl --namespace {home} describe service {SERVICE}"),
        );
    }
    if says(&["x509: certificate has expired"]) {
        return (
            "the certificate has expired, or a clock is wrong".to_owned(),
            controller(),
        );
    }
    if says(&["unable to load root certificates", "unable to parse bytes as PEM"]) {
        return ("the caBundle is no certificate".to_owned(), controller());
    }
    if says(&["x509: ", "failed to verify certificate"]) {
        return (
            "it does not trust the certificate: the caBundle is missing, or another authority's".to_owned(),
            controller(),
        );
    }
    if says(&[
        "tls: certificate required",
        "tls: bad certificate",
        "tls: unknown certificate",
    ]) {
        return (
            "admission refuses the API server's own client certificate (chart value serve.clientAuthentication)".to_owned(),
            logs(keys::ADMISSION_ACCOUNT),
        );
    }
    if error.contains(&format!("service \"{SERVICE}\" not found")) {
        return (format!("there is no Service {SERVICE}"), upgrade(home));
    }
    if says(&["no service port"]) {
        return (
            "the webhook configuration names a port that the Service has not".to_owned(),
            upgrade(home),
        );
    }
    if says(&["no such host", "server misbehaving"]) {
        let host = elsewhere.unwrap_or("the Service's name");
        return (
            format!("{host} has no address"),
            format!("kubectl --namespace {home} describe service {SERVICE}"),
        );
    }
    if says(&["connection refused", "connection reset", "EOF"]) {
        return match elsewhere {
            Some(host) => (
                format!("nothing listens at {host} on that port"),
                format!("kubectl --namespace {home} describe service {SERVICE}"),
            ),
            None => (
                "nothing listens where the Service leads: its targetPort is wrong, or the Pods are ending"
                    .to_owned(),
                pods,
            ),
        };
    }
    if says(&[
        "context deadline exceeded",
        "i/o timeout",
        "Client.Timeout",
        "no route to host",
        "network is unreachable",
    ]) {
        return (
            format!(
                "the traffic is dropped, or admission hangs: a firewall between control plane and nodes, or a NetworkPolicy in {home}"
            ),
            format!(
                "kubectl --namespace {home} get networkpolicies, and open the port of Service {SERVICE} from the control plane to the nodes"
            ),
        );
    }
    if says(&[
        "HTTP response to HTTPS client",
        "first record does not look like a TLS handshake",
        "could not find the requested resource",
        "expected webhook response",
        "unable to deserialize",
        "invalid character",
    ]) {
        return (
            format!("something else answers where the Service {SERVICE} leads"),
            format!("kubectl --namespace {home} describe service {SERVICE}"),
        );
    }
    (
        "it answers with an error".to_owned(),
        logs(keys::ADMISSION_ACCOUNT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refused_is_read_from_the_message() {
        let denied = "admission webhook \"namespaces.understudy.dev\" denied the request: creator-refused: x";
        assert_eq!(verdict(denied), Verdict::Denied("creator-refused: x"));
        let failed = "Internal error occurred: failed calling webhook \"namespaces.understudy.dev\": failed to call webhook: EOF";
        assert_eq!(verdict(failed), Verdict::Failed("failed to call webhook: EOF"));
        let other = "Internal error occurred: failed calling webhook \"x.example.com\": EOF";
        assert_eq!(verdict(other), Verdict::Unrelated);
        assert_eq!(
            verdict("namespaces is forbidden: User \"x\" cannot create"),
            Verdict::Unrelated
        );
    }
}

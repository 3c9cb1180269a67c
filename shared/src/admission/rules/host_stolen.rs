//! `host-stolen`: an object takes only hosts that belong to this preview.

use super::{Draft, Facts, Request, Rule};
use crate::admission::hosts;
use crate::names;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::HostStolen,
    applies: hosts::concerns,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let object = draft.current();
    let annotations = &object["metadata"]["annotations"];
    let keys = annotations.as_object().into_iter().flatten().map(|(key, _)| key);
    for key in keys.filter(|key| hosts::is_snippet(key)) {
        let message = "text for the ingress controller's own configuration could take any host there";
        draft
            .deny(Violation::new(Reason::HostStolen, super::annotation(key), message).remedy("leave it out"));
    }
    let asked = hosts::asked(request, &object);
    if asked.is_empty() {
        return;
    }
    let Some(policy) = facts.policy() else {
        let message = "the preview's policy is not known yet";
        draft.deny(
            Violation::new(Reason::HostStolen, asked[0].field(), message).remedy("try again in a moment"),
        );
        return;
    };
    let domain = policy.hosts.domain.as_str();
    for one in &asked {
        let (field, host) = (one.field(), &one.host);
        // In kinds that nobody here knows a field of that name may hold anything: a name of the preview's own is no host.
        let bare =
            !hosts::is_route(request) && !host.contains('.') && !host.contains('*') && !host.is_empty();
        if bare {
            continue;
        }
        if domain.is_empty() {
            let violation = Violation::new(
                Reason::HostStolen,
                field,
                "the policy names no domain for previews",
            );
            draft.deny(violation.remedy("ask an administrator to set spec.hosts.domain of the policy"));
        } else if let Some(why) = facts
            .protected
            .why(host)
            .filter(|_| names::owns_host(&request.namespace, domain, host))
        {
            draft.deny(
                Violation::new(Reason::HostStolen, field, format!("{host} is {why}"))
                    .remedy("name the preview otherwise"),
            );
        } else if !names::owns_host(&request.namespace, domain, host)
            && !is_own_service(host, &request.namespace)
        {
            let main = names::main_host(&request.namespace, domain);
            let further = names::service_host("SERVICE", &request.namespace, domain);
            let message = match host.as_str() {
                "" => "this takes every host".to_owned(),
                host => format!("{host} does not belong to this preview"),
            };
            draft.deny(
                Violation::new(Reason::HostStolen, field, message).remedy(format!("use {main} or {further}")),
            );
        }
    }
}

/// Whether `host` is a Service of this preview: a mesh's objects are about those as well.
fn is_own_service(host: &str, namespace: &str) -> bool {
    crate::host::namespace(host).as_deref() == Some(namespace)
}

//! `protected-endpoint`: a Pod that would still reach a protected namespace, host or database.
//!
//! Sees the Pod after `database-rewritten`, so what is left is what no branch stands for. Names container, variable and
//! host, never a value.

use super::{Draft, Facts, Request, Rule, pod_environment};
use crate::admission::containers;
use crate::connection::Connection;
use crate::environment::{self, VALUE_LIMIT};
use crate::host;
use crate::protected::Protected;
use crate::reason::Reason;
use crate::violation::Violation;
use percent_encoding::percent_decode_str;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::ProtectedEndpoint,
    applies: pod_environment,
    review,
};

fn review(_: &Request, facts: &Facts, draft: &mut Draft) {
    let pod = draft.object().clone();
    for (list, index, container) in containers(&pod) {
        let name = container["name"].as_str().unwrap_or_default();
        let environment = environment::resolve(&pod, container, facts);
        let values = environment.values();
        for (variable, value) in &values {
            let Some((host, why)) = reached(&facts.protected, value) else {
                continue;
            };
            let field = format!("spec.{list}[{index}].env[{variable}]");
            let message = format!("container {name}, variable {variable}: host {host} is {why}");
            draft.deny(remedied(Violation::new(
                Reason::ProtectedEndpoint,
                field,
                message,
            )));
        }
        for part in ["command", "args"] {
            let words = container[part]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            for word in words {
                let field = format!("spec.{list}[{index}].{part}");
                // The kubelet expands these as well.
                let Some(word) = environment::expand(word, &values, VALUE_LIMIT) else {
                    let message =
                        format!("container {name}, {part}: expands to more than {VALUE_LIMIT} bytes");
                    draft.deny(Violation::new(Reason::EnvironmentUnresolved, field, message));
                    continue;
                };
                if let Some((host, why)) = reached(&facts.protected, &word) {
                    let message = format!("container {name}, {part}: host {host} is {why}");
                    draft.deny(remedied(Violation::new(
                        Reason::ProtectedEndpoint,
                        field,
                        message,
                    )));
                }
            }
        }
    }
}

/// The protected host that `value` leads to: by the connection it is, else by what is written anywhere in it.
fn reached(protected: &Protected, value: &str) -> Option<(String, String)> {
    let value = &*host::tidy(value);
    let hosts = Connection::parse(value)
        .map(|connection| connection.hosts())
        .unwrap_or_default();
    let by_connection = hosts
        .into_iter()
        .find_map(|host| protected.why(&host.name).map(|why| (host.name.clone(), why)));
    let written = |text: &str| protected.host_in(text).map(|(host, why)| (host.to_owned(), why));
    // What no parser of ours takes for a connection may still be one for a driver, percent-encoding included.
    by_connection
        .or_else(|| written(value))
        .or_else(|| written(&percent_decode_str(value).decode_utf8_lossy()))
}

fn remedied(violation: Violation) -> Violation {
    violation.remedy("point it at the preview's own Service, or ask for a database of the policy")
}

//! `secret-copied`: a secret value of a protected namespace stands in a preview.
//!
//! Known are the Secrets of protected namespaces that an administrator lets admission read, by fingerprint.

use super::{Draft, Facts, Request, Rule, pod_environment};
use crate::environment::Origin;
use crate::policy::Secrets;
use crate::reason::Reason;
use crate::violation::Violation;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::SecretCopied,
    applies: |request| request.is("", "secrets") || request.is("", "configmaps") || pod_environment(request),
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    if facts.fingerprints.is_empty() || facts.installation.is_controller(&request.user) {
        return;
    }
    let copied = if pod_environment(request) {
        variables(facts, draft)
    } else {
        data(&request.object)
    };
    for (field, value) in copied {
        let Some(origin) = facts.fingerprints.origin(&value) else {
            continue;
        };
        let listed = facts.policy().is_some_and(|policy| {
            let Secrets { copy, tls, pull, .. } = &policy.secrets;
            [copy, tls, pull].iter().any(|names| names.contains(&origin.name))
        });
        if listed {
            continue;
        }
        let message = format!(
            "this is the value of key {} of Secret {} in the protected namespace {}",
            origin.key, origin.name, origin.namespace
        );
        let remedy = format!(
            "use a value made for previews, or ask an administrator to add {} to spec.secrets.copy of the policy",
            origin.name
        );
        draft.deny(Violation::new(Reason::SecretCopied, field, message).remedy(remedy));
    }
}

/// What is written in the manifest; what comes from Secrets was reviewed with them.
fn variables(facts: &Facts, draft: &mut Draft<'_>) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for one in draft.environments(facts).iter() {
        for variable in one
            .environment
            .variables
            .iter()
            .filter(|variable| variable.origin == Origin::Literal)
        {
            let field = format!("spec.{}[{}].env[{}]", one.list, one.index, variable.name);
            found.extend(variable.value.clone().map(|value| (field, value.into_bytes())));
        }
    }
    found
}

fn data(object: &Value) -> Vec<(String, Vec<u8>)> {
    let secret = object["kind"] == "Secret";
    let mut found = Vec::new();
    for (part, encoded) in [("data", secret), ("stringData", false), ("binaryData", true)] {
        for (key, value) in object[part].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let bytes = match encoded {
                true => STANDARD.decode(text).unwrap_or_default(),
                false => text.as_bytes().to_vec(),
            };
            found.push((format!("{part}[{key}]"), bytes));
        }
    }
    found
}

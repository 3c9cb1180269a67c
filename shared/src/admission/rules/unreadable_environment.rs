//! `unreadable-environment`: what is put into a container from where nobody can look beforehand.
//!
//! Sources: KEP-3721 (`fileKeyRef`), <https://secrets-store-csi-driver.sigs.k8s.io>,
//! <https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations>, <https://bank-vaults.dev/docs/mutating-webhook>.

use super::{Draft, Facts, Request, Rule, pod_environment};
use crate::admission::containers;
use crate::policy::{Permission, Secrets};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::UnreadableEnvironment,
    applies: pod_environment,
    review,
};

/// Beginnings of annotations by which an injector takes a Pod in hand.
const INJECTORS: [&str; 7] = [
    "vault.hashicorp.com/",
    "vault.security.banzaicloud.io/",
    "operator.1password.io/",
    "secrets.akeyless.io/",
    "akeyless/",
    "conjur.org/",
    "secrets.doppler.com/",
];

/// Beginnings of values that an injector replaces inside the container.
const REFERENCES: [&str; 7] = [
    "vault:",
    ">>vault:",
    "op://",
    "berglas://",
    "sm://",
    "akeyless:",
    "gcp:secretmanager:",
];

fn review(_: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let by_default = Secrets::default();
    let secrets = facts.policy().map_or(&by_default, |policy| &policy.secrets);
    let pod = draft.current();
    let mut refuse = |field: String, what: &str, setting: &str| {
        let message = format!("{what}, and nobody can review that beforehand");
        let remedy = format!(
            "use a Secret and secretKeyRef, or ask an administrator for spec.secrets.{setting}: allow in the policy"
        );
        draft.deny(Violation::new(Reason::UnreadableEnvironment, field, message).remedy(remedy));
    };
    if secrets.file_key_ref == Permission::Refuse {
        for (list, index, container) in containers(&pod) {
            let entries = container["env"].as_array().into_iter().flatten();
            for entry in entries.filter(|entry| !entry["valueFrom"]["fileKeyRef"].is_null()) {
                let name = entry["name"].as_str().unwrap_or_default();
                let what = format!("variable {name} comes from a file that another container writes");
                refuse(format!("spec.{list}[{index}].env[{name}]"), &what, "fileKeyRef");
            }
        }
    }
    if secrets.csi == Permission::Refuse {
        let volumes = pod["spec"]["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate();
        for (index, volume) in volumes.filter(|(_, volume)| volume["csi"].is_object()) {
            let driver = volume["csi"]["driver"].as_str().unwrap_or_default();
            refuse(
                format!("spec.volumes[{index}].csi"),
                &format!("the CSI driver {driver} brings files"),
                "csi",
            );
        }
    }
    if secrets.injectors == Permission::Refuse {
        for key in annotations(&pod).filter(|key| INJECTORS.iter().any(|prefix| key.starts_with(prefix))) {
            refuse(
                super::annotation(key),
                "an injector would put secrets into this Pod",
                "injectors",
            );
        }
        for one in draft.environments(facts).iter() {
            let literal = one
                .environment
                .variables
                .iter()
                .filter(|variable| variable.value.is_some());
            for variable in literal {
                let value = variable.value.as_deref().unwrap_or_default();
                if REFERENCES.iter().any(|prefix| value.starts_with(prefix)) {
                    let what = format!("variable {} is replaced by an injector", variable.name);
                    let message = format!("{what}, and nobody can review that beforehand");
                    let field = format!("spec.{}[{}].env[{}]", one.list, one.index, variable.name);
                    let remedy = "use a Secret and secretKeyRef, or ask an administrator for spec.secrets.injectors: allow in the policy";
                    draft.deny(Violation::new(Reason::UnreadableEnvironment, field, message).remedy(remedy));
                }
            }
        }
    }
}

/// Those that are not `"false"`, by which a Pod tells an injector to leave it alone.
fn annotations(pod: &Value) -> impl Iterator<Item = &str> {
    pod["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| *value != "false")
        .map(|(key, _)| key.as_str())
}

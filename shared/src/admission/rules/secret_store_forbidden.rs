//! `secret-store-forbidden`: External Secrets ask only the stores, and below the keys, that the policy names.
//!
//! Source: <https://external-secrets.io/latest/api/externalsecret/>. Every reference to a store counts, wherever it stands.

use super::{Draft, Facts, Request, Rule};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::SecretStoreForbidden,
    applies: |request| request.group == "external-secrets.io" && request.sub_resource.is_empty(),
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let secrets = facts
        .policy()
        .map(|policy| policy.secrets.clone())
        .unwrap_or_default();
    let mut refuse = |field: &str, message: String| {
        let remedy = "use a store and a key that spec.secrets of the policy allows, or ask an administrator";
        draft.deny(Violation::new(Reason::SecretStoreForbidden, field, message).remedy(remedy));
    };
    let spec = &request.object["spec"];
    match request.resource.as_str() {
        "pushsecrets" => refuse("kind", "a PushSecret would write into a store".to_owned()),
        // Its name says nothing of what it reads, nor with whose identity.
        "secretstores" => refuse(
            "kind",
            "a SecretStore of a preview's own could read anything; previews use a ClusterSecretStore"
                .to_owned(),
        ),
        _ => {
            let target = spec["target"]["name"].as_str().unwrap_or(&request.name);
            if target.starts_with(keys::BRANCH_SECRET_PREFIX) {
                refuse(
                    "spec.target.name",
                    format!("{target} stands for a branch's connection"),
                );
            }
            walk(spec, "spec", &mut |path, key, value| match key {
                "secretStoreRef" | "storeRef" => {
                    let name = value["name"].as_str().unwrap_or_default();
                    if !secrets.stores.iter().any(|store| store == name) {
                        refuse(path, format!("{name} is not one of the policy's stores"));
                    }
                }
                "generatorRef"
                    if value["kind"]
                        .as_str()
                        .is_some_and(|kind| kind.starts_with("Cluster")) =>
                {
                    refuse(path, "this generator belongs to the whole cluster".to_owned());
                }
                "remoteRef" | "extract" => {
                    let remote = value["key"].as_str().unwrap_or_default();
                    if !begins(remote, &secrets.key_prefixes) {
                        refuse(
                            path,
                            format!("{remote} begins with none of the policy's key prefixes"),
                        );
                    }
                }
                "find" => {
                    // Without a path it finds in the whole store, and tags know no prefix.
                    let below = value["path"].as_str().unwrap_or_default();
                    if !begins(below, &secrets.key_prefixes) {
                        refuse(path, "it searches beyond the policy's key prefixes".to_owned());
                    }
                }
                _ => {}
            });
        }
    }
}

fn begins(key: &str, prefixes: &[String]) -> bool {
    // A store may read `preview/../production` as `production`.
    let climbs = key.split('/').any(|part| part == "..");
    !climbs && (prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())))
}

fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = format!("{path}.{key}");
                visit(&path, key, inner);
                walk(inner, &path, visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), visit);
            }
        }
        _ => {}
    }
}

//! Both webhook configurations: what the chart says, since each of these fields holds something up or lets something through.

use super::finding::{Finding, known, or_ok};
use crate::cluster::{CONFIGURATION, Inspection, SERVICE, Seen};
use serde_json::{Value, json};
use understudy::keys;

/// Mutation, reinvocation and validation together must stay below the API server's 34 s for a whole request.
const LONGEST: i64 = 10;

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let [mutating, validating] = &inspection.configurations;
    [
        ("mutating", "/mutate", mutating),
        ("validating", "/validate", validating),
    ]
    .into_iter()
    .flat_map(|(kind, path, seen)| of_one(kind, path, seen, &inspection.namespace))
    .collect()
}

fn of_one(kind: &str, path: &str, seen: &Seen<Value>, home: &str) -> Vec<Finding> {
    let configuration = format!("{kind}webhookconfiguration {CONFIGURATION}");
    let upgrade = upgrade(home);
    let absent = || {
        let without = if kind == "mutating" {
            "gets no lease and no rewriting"
        } else {
            "is not reviewed"
        };
        Finding::failed(format!(
            "{configuration} is missing: what enters a preview {without}"
        ))
        .mend(&upgrade)
    };
    let found = match known(&configuration, seen, absent) {
        Ok(found) => found,
        Err(finding) => return vec![finding],
    };
    let entries: &[Value] = found["webhooks"].as_array().map_or(&[], Vec::as_slice);
    let mut problems = Vec::new();
    for name in ["namespaces.understudy.dev", "objects.understudy.dev"] {
        let Some(entry) = entries.iter().find(|entry| entry["name"] == name) else {
            problems.push(Finding::failed(format!("{configuration} has no entry {name}")).mend(&upgrade));
            continue;
        };
        let at = format!("{kind} {name}");
        problems.extend(
            wrong(name, path, entry, home)
                .into_iter()
                .map(|what| Finding::failed(format!("{at}: {what}")).mend(&upgrade)),
        );
        problems.extend(odd(name, entry).into_iter().map(|what| {
            Finding::warning(format!("{at}: {what}"))
                .mend(format!("kubectl get {configuration} --output yaml"))
        }));
    }
    or_ok(
        problems,
        format!("{kind}: both entries, failurePolicy Fail, selectors as the chart writes them"),
    )
}

/// The command that puts the chart's objects back.
pub(super) fn upgrade(home: &str) -> String {
    format!("helm upgrade --install understudy charts/understudy --namespace {home} --create-namespace")
}

/// What lets something through, or holds the cluster up.
fn wrong(name: &str, path: &str, entry: &Value, home: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let namespaces = name.starts_with("namespaces");
    let policy = entry["failurePolicy"].as_str().unwrap_or_default();
    must(
        policy == "Fail",
        format!("failurePolicy is {policy:?}: while admission is away, everything enters unreviewed"),
    );
    let client = &entry["clientConfig"];
    let service = &client["service"];
    match client["url"].as_str() {
        Some(url) => must(false, format!("it calls {url} and not the Service {SERVICE}")),
        None => must(
            service["name"] == SERVICE && service["namespace"] == home && service["path"] == path,
            format!(
                "it calls {}/{}{} and not {home}/{SERVICE}{path}",
                plain(&service["namespace"]),
                plain(&service["name"]),
                plain(&service["path"])
            ),
        ),
    }
    let (selector, expected) = if namespaces {
        (
            "objectSelector",
            json!({ "key": keys::PREVIEW, "operator": "Exists" }),
        )
    } else {
        (
            "namespaceSelector",
            json!({ "key": keys::PREVIEW, "operator": "In", "values": ["true"] }),
        )
    };
    must(
        selects(&entry[selector], &expected),
        format!(
            "{selector} does not ask for the label {}: creations everywhere wait for Understudy",
            keys::PREVIEW
        ),
    );
    let rules = || entry["rules"].as_array().into_iter().flatten();
    let has = |rule: &Value, list: &str, word: &str| {
        rule[list]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == word))
    };
    let resource = if namespaces { "namespaces" } else { "*" };
    for operation in ["CREATE", "UPDATE"] {
        must(
            rules().any(|rule| has(rule, "operations", operation) && has(rule, "resources", resource)),
            format!("no rule matches {operation} of {resource}"),
        );
    }
    must(
        !rules().any(|rule| {
            ["DELETE", "*"]
                .iter()
                .any(|operation| has(rule, "operations", operation))
        }),
        "it matches DELETE: nothing can be deleted while admission is away".to_owned(),
    );
    must(
        !rules().any(|rule| {
            has(rule, "resources", "*/*")
                || rule["resources"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .any(|one| one.ends_with("/status") || one.ends_with("/finalize"))
        }),
        "it matches status or finalize: a dying namespace waits for admission".to_owned(),
    );
    wrong
}

/// What works and is not as the chart writes it.
fn odd(name: &str, entry: &Value) -> Vec<String> {
    let mut odd = Vec::new();
    let mut should = |holds: bool, what: String| {
        if !holds {
            odd.push(what);
        }
    };
    let timeout = entry["timeoutSeconds"].as_i64().unwrap_or(LONGEST);
    should(
        timeout <= LONGEST,
        format!(
            "timeoutSeconds is {timeout}: while admission hangs, each request takes that long, and several times"
        ),
    );
    let conditions = entry["matchConditions"].as_array().into_iter().flatten();
    let spares_dying = conditions
        .filter_map(|condition| condition["expression"].as_str())
        .any(|text| text.contains("deletionTimestamp"));
    should(
        spares_dying,
        "no matchCondition spares what is being deleted, which then waits for admission".to_owned(),
    );
    should(
        entry["sideEffects"] == "None",
        "sideEffects is not None: dry runs are refused".to_owned(),
    );
    should(
        entry["matchPolicy"].as_str().unwrap_or("Equivalent") == "Equivalent",
        "matchPolicy is not Equivalent: another API version of the same object is not reviewed".to_owned(),
    );
    let further: &[&str] = if name.starts_with("namespaces") {
        &["namespaceSelector"]
    } else {
        &["objectSelector"]
    };
    for selector in further {
        should(
            entry[*selector].as_object().is_none_or(serde_json::Map::is_empty),
            format!("{selector} narrows it further than the chart does"),
        );
    }
    odd
}

/// Whether `selector` asks for `expected`, whatever else it asks for.
fn selects(selector: &Value, expected: &Value) -> bool {
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let label = selector["matchLabels"][keys::PREVIEW].as_str();
    expressions.into_iter().any(|one| one == expected)
        || (expected["operator"] == "In" && label == Some("true"))
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Value {
        json!({
            "name": "objects.understudy.dev", "failurePolicy": "Fail", "timeoutSeconds": 5, "sideEffects": "None",
            "clientConfig": { "service": { "name": SERVICE, "namespace": "home", "path": "/mutate" } },
            "namespaceSelector": { "matchExpressions": [{ "key": keys::PREVIEW, "operator": "In", "values": ["true"] }] },
            "rules": [{ "operations": ["CREATE", "UPDATE"], "resources": ["*", "pods/ephemeralcontainers"] }],
            "matchConditions": [{ "name": "x", "expression": "!has(oldObject.metadata.deletionTimestamp)" }],
        })
    }

    fn said(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut entry = entry();
        change(&mut entry);
        let mut said = wrong("objects.understudy.dev", "/mutate", &entry, "home");
        said.extend(odd("objects.understudy.dev", &entry));
        said
    }

    #[test]
    fn what_the_chart_writes_is_right() {
        assert_eq!(said(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn each_loosened_field_is_named() {
        let one = |change: fn(&mut Value), word: &str| {
            let said = said(change);
            assert!(said.len() == 1 && said[0].contains(word), "{word}: {said:?}");
        };
        one(|entry| entry["failurePolicy"] = json!("Ignore"), "failurePolicy");
        one(|entry| entry["timeoutSeconds"] = json!(30), "timeoutSeconds");
        one(
            |entry| entry["namespaceSelector"] = json!({}),
            "namespaceSelector",
        );
        one(
            |entry| entry["objectSelector"] = json!({ "matchLabels": { "a": "b" } }),
            "objectSelector",
        );
        one(
            |entry| entry["rules"][0]["operations"] = json!(["CREATE", "UPDATE", "DELETE"]),
            "DELETE",
        );
        one(
            |entry| entry["rules"][0]["operations"] = json!(["CREATE"]),
            "UPDATE",
        );
        one(
            |entry| entry["rules"][0]["resources"] = json!(["*", "*/*"]),
            "status",
        );
        one(|entry| entry["matchConditions"] = json!([]), "deleted");
        one(
            |entry| entry["clientConfig"]["service"]["name"] = json!("other"),
            "other",
        );
    }
}

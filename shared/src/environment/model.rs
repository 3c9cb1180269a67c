//! A slow, obvious model of the kubelet, to hold the resolver against: `makeEnvironmentVariables` and the expansion it
//! uses, written down step by step as they stand in Kubernetes' source, without ranges, origins or limits.

use super::*;
use proptest::prelude::*;
use serde_json::json;

#[derive(Debug)]
struct World(BTreeMap<Reference, Data>);

impl Sources for World {
    fn data(&self, reference: &Reference) -> Fact<&Data> {
        self.0.get(reference).map_or(Fact::Absent, Fact::Present)
    }
}

/// What the container finds; `None` where the kubelet does not start it.
fn kubelet(container: &Value, world: &World) -> Option<BTreeMap<String, String>> {
    let mut result: BTreeMap<String, String> = BTreeMap::new();
    for source in container["envFrom"].as_array().cloned().unwrap_or_default() {
        let (kind, reference) = if source["configMapRef"].is_object() {
            (Kind::ConfigMap, &source["configMapRef"])
        } else {
            (Kind::Secret, &source["secretRef"])
        };
        let name = reference["name"].as_str().unwrap().to_owned();
        match world.0.get(&Reference { kind, name }) {
            Some(data) => {
                for (key, value) in data {
                    let prefix = source["prefix"].as_str().unwrap_or("");
                    result.insert(prefix.to_owned() + key, value.clone());
                }
            }
            None if reference["optional"] == true => {}
            None => return None,
        }
    }
    for entry in container["env"].as_array().cloned().unwrap_or_default() {
        let name = entry["name"].as_str().unwrap().to_owned();
        let written = entry["value"].as_str().unwrap_or("");
        if !written.is_empty() {
            let value = expanded(written, &result);
            result.insert(name, value);
            continue;
        }
        let from = &entry["valueFrom"];
        let (kind, reference) = if from["configMapKeyRef"].is_object() {
            (Kind::ConfigMap, &from["configMapKeyRef"])
        } else if from["secretKeyRef"].is_object() {
            (Kind::Secret, &from["secretKeyRef"])
        } else {
            result.insert(name, String::new());
            continue;
        };
        let source = Reference {
            kind,
            name: reference["name"].as_str().unwrap().to_owned(),
        };
        let found = world
            .0
            .get(&source)
            .and_then(|data| data.get(reference["key"].as_str().unwrap()));
        match found {
            Some(value) => {
                result.insert(name, value.clone());
            }
            None if reference["optional"] == true => {}
            None => return None,
        }
    }
    Some(result)
}

/// Character by character, as `third_party/forked/golang/expansion` does it.
fn expanded(input: &str, known: &BTreeMap<String, String>) -> String {
    let chars: Vec<char> = input.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while at < chars.len() {
        if chars[at] != '$' || at + 1 == chars.len() {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        match chars[at + 1] {
            '$' => {
                out.push('$');
                at += 2;
            }
            '(' => match chars[at + 2..].iter().position(|c| *c == ')') {
                Some(length) => {
                    let name: String = chars[at + 2..at + 2 + length].iter().collect();
                    match known.get(&name) {
                        Some(value) => out.push_str(value),
                        None => out.push_str(&format!("$({name})")),
                    }
                    at += length + 3;
                }
                None => {
                    out.push_str("$(");
                    at += 2;
                }
            },
            other => {
                out.push('$');
                out.push(other);
                at += 2;
            }
        }
    }
    out
}

fn name() -> impl Strategy<Value = String> {
    "[AB]|P_[AB]"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z$()]{0,6}",
        "[a-z]?\\$\\((A|B|P_A|C)\\)[a-z]?",
        "\\$\\$\\(A\\)"
    ]
}

fn entry() -> impl Strategy<Value = Value> {
    let object = "one|two|none";
    let key = (object, "[AB]", any::<bool>(), any::<bool>(), name()).prop_map(|(object, key, secret, optional, name)| {
        let field = if secret { "secretKeyRef" } else { "configMapKeyRef" };
        json!({ "name": name, "valueFrom": { field: { "name": object, "key": key, "optional": optional } } })
    });
    prop_oneof![
        (name(), text()).prop_map(|(name, value)| json!({ "name": name, "value": value })),
        key
    ]
}

fn source() -> impl Strategy<Value = Value> {
    ("one|two|none", "|P_", any::<bool>(), any::<bool>()).prop_map(|(object, prefix, secret, optional)| {
        let field = if secret { "secretRef" } else { "configMapRef" };
        json!({ "prefix": prefix, field: { "name": object, "optional": optional } })
    })
}

fn world() -> impl Strategy<Value = World> {
    // What is binary makes no variable, whatever its key.
    let values = || prop::collection::btree_map("[AB]", text(), 0..3);
    let data = (values(), values()).prop_map(|(texts, binary)| Data::from(texts).with_binary(binary));
    let kind = prop_oneof![Just(Kind::ConfigMap), Just(Kind::Secret)];
    let object = (kind, "one|two").prop_map(|(kind, name)| Reference { kind, name });
    prop::collection::btree_map(object, data, 0..4).prop_map(World)
}

proptest! {
    #[test]
    fn the_resolver_agrees_with_the_model(
        world in world(),
        env in prop::collection::vec(entry(), 0..6),
        env_from in prop::collection::vec(source(), 0..3),
    ) {
        let container = json!({ "env": env, "envFrom": env_from });
        let resolved = resolve(&json!({}), &container, &world);
        match kubelet(&container, &world) {
            Some(expected) => {
                prop_assert_eq!(&resolved.missing, &Vec::new());
                let found = resolved.values();
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                prop_assert_eq!(found.into_iter().map(owned).collect::<BTreeMap<_, _>>(), expected);
            }
            None => prop_assert!(!resolved.missing.is_empty(), "the kubelet would not start this"),
        }
    }
}

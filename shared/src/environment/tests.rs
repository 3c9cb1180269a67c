use super::*;
use serde_json::json;

struct Fixture(BTreeMap<Reference, Data>);

impl Sources for Fixture {
    fn data(&self, reference: &Reference) -> Fact<&Data> {
        self.0.get(reference).map_or(Fact::Absent, Fact::Present)
    }
}

fn data(pairs: &[(&str, &str)]) -> Data {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn fixture() -> Fixture {
    let config = Reference {
        kind: Kind::ConfigMap,
        name: "config".to_owned(),
    };
    let secret = Reference {
        kind: Kind::Secret,
        name: "db".to_owned(),
    };
    Fixture(
        [
            (config, data(&[("HOST", "db.shop"), ("X", "from-config")])),
            (secret, data(&[("password", "p")])),
        ]
        .into(),
    )
}

fn resolved(container: Value) -> (Vec<(String, Option<String>)>, Vec<Missing>) {
    let pod = json!({ "metadata": { "annotations": { "url": "postgres://db.shop/x" } } });
    let environment = resolve(&pod, &container, &fixture());
    let variables = environment
        .variables
        .into_iter()
        .map(|variable| (variable.name, variable.value));
    (variables.collect(), environment.missing)
}

#[test]
fn every_source_is_resolved_in_the_kubelets_order() {
    // A15
    let (variables, missing) = resolved(json!({
        "envFrom": [{ "prefix": "P_", "configMapRef": { "name": "config" } }],
        "env": [
            { "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "db", "key": "password" } } },
            { "name": "URL", "value": "postgres://u:$(PASSWORD)@$(P_HOST)/$(LATER)" },
            { "name": "LATER", "value": "x" },
            { "name": "P_X", "value": "explicit" },
            { "name": "NOTE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.annotations['url']" } } },
            { "name": "GONE", "valueFrom": { "secretKeyRef": { "name": "no", "key": "k", "optional": true } } },
        ]
    }));
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    assert_eq!(
        variables,
        [
            some("P_HOST", "db.shop"),
            some("P_X", "from-config"),
            some("PASSWORD", "p"),
            some("URL", "postgres://u:p@db.shop/$(LATER)"),
            some("LATER", "x"),
            some("P_X", "explicit"),
            some("NOTE", "postgres://db.shop/x"),
            ("GONE".to_owned(), None),
        ]
    );
    assert_eq!(missing, []);
}

#[test]
fn a_required_reference_to_nothing_is_named() {
    let (_, missing) = resolved(json!({
        "envFrom": [{ "secretRef": { "name": "gone" } }],
        "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "config", "key": "nope" } } }]
    }));
    let what: Vec<_> = missing.iter().map(|missing| missing.what.as_str()).collect();
    assert_eq!(what, ["Secret gone", "ConfigMap config, key nope"]);
}

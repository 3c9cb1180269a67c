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

#[test]
fn an_optional_reference_to_nothing_hides_nothing() {
    let container = json!({
        "envFrom": [{ "configMapRef": { "name": "config" } }],
        "env": [
            { "name": "D", "value": "first" },
            { "name": "D", "valueFrom": { "secretKeyRef": { "name": "no", "key": "k", "optional": true } } },
            { "name": "HOST", "valueFrom": { "configMapKeyRef": { "name": "no", "key": "k", "optional": true } } },
            { "name": "X", "value": "last" },
        ]
    });
    let environment = resolve(&json!({}), &container, &fixture());
    let values = environment.values();
    assert_eq!(values["D"], "first");
    assert_eq!(values["HOST"], "db.shop");
    assert_eq!(values["X"], "last");
}

#[test]
fn what_the_manifest_says_of_a_field_is_known() {
    let container = json!({ "env": [
        { "name": "SA", "valueFrom": { "fieldRef": { "fieldPath": "spec.serviceAccountName" } } },
        { "name": "URL", "value": "http://$(SA)/" },
        { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
    ] });
    let pod = json!({ "metadata": {}, "spec": { "serviceAccountName": "db.shop" } });
    let environment = resolve(&pod, &container, &fixture());
    let values = environment.values();
    assert_eq!(values["URL"], "http://db.shop/");
    assert!(values["IP"].ends_with(".invalid"));
}

#[test]
fn variables_that_multiply_are_given_up_not_expanded() {
    let mut env = vec![json!({ "name": "V0", "value": "x".repeat(100) })];
    for step in 1..9 {
        env.push(json!({ "name": format!("V{step}"), "value": format!("$(V{})", step - 1).repeat(10) }));
    }
    let environment = resolve(&json!({}), &json!({ "env": env }), &fixture());
    assert!(!environment.missing.is_empty());
    assert!(
        environment
            .values()
            .values()
            .map(|value| value.len())
            .sum::<usize>()
            < 1024 * 1024
    );
}

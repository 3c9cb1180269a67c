//! A clone that is planned again: written down, compared, brought to the golden of today.

use super::*;
use crate::keys;
use std::collections::BTreeSet;

/// What is in a namespace after `plan` was carried out by `understudy`.
fn live(plan: &Plan) -> Snapshot {
    let mut objects: Vec<DynamicObject> = Wave::ALL
        .iter()
        .flat_map(|wave| plan.wave(*wave))
        .cloned()
        .collect();
    let entry = json!([{ "manager": "understudy", "operation": "Apply" }]);
    for object in &mut objects {
        object.metadata.managed_fields = serde_json::from_value(entry.clone()).unwrap();
    }
    Snapshot {
        golden: plan.namespace.metadata.clone(),
        objects,
        ..Snapshot::default()
    }
}

fn lineage(plan: &Plan) -> Lineage {
    let annotations = plan.namespace.metadata.annotations.as_ref().unwrap();
    serde_json::from_str(&annotations[keys::LINEAGE]).unwrap()
}

#[test]
fn what_was_asked_for_is_kept_and_nothing_else() {
    let spec = CloneSpec {
        variables: vec!["api:FLAG=on".parse().unwrap()],
        secrets: [(
            "shop-api".to_owned(),
            GivenSecret::from_env_file("STRIPE_API_KEY=mine\n").unwrap(),
        )]
        .into(),
        ..spec()
    };
    let mut clone = live(&planned(&shop(), &spec, &policy(json!({}))).unwrap());
    let kept = kept(&clone, &shop(), "understudy");
    assert_eq!(
        kept.images,
        ["web/web=registry.example.com/shop/web:pr-7".parse().unwrap()]
    );
    assert_eq!(kept.variables, ["api/api:FLAG=on".parse().unwrap()]);
    assert_eq!(kept.secrets, spec.secrets);
    // As kubectl set image leaves it.
    let set = json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"api\"}": { "f:image": {} } } } } } });
    let entry = json!([{ "manager": "kubectl-set", "operation": "Update", "fieldsV1": set }]);
    let api = clone.objects.iter_mut().find(|object| {
        object.metadata.name.as_deref() == Some("api") && object.types.as_ref().unwrap().kind == "Deployment"
    });
    api.unwrap().metadata.managed_fields = serde_json::from_value(entry).unwrap();
    let images: Vec<String> = super::kept(&clone, &shop(), "understudy")
        .images
        .into_iter()
        .map(|image| image.name)
        .collect();
    assert_eq!(images, ["api/api", "web/web"]);
}

#[test]
fn only_what_a_clone_made_and_the_golden_has_no_longer_may_go() {
    let plan = shop_plan();
    let mut clone = live(&plan);
    let made: BTreeSet<String> = lineage(&plan).objects.into_keys().collect();
    let policy = policy(json!({}));
    assert_eq!(extras(&plan, &clone, &policy, &made, "understudy"), []);
    let by_hand = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "by-hand" } });
    clone.objects.push(object(by_hand));
    let branch = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "understudy-db-app" } });
    clone.objects.push(object(branch));
    // Came with a refresh, and was asked for by cloning once more with other flags.
    let applied = json!([{ "manager": "understudy", "operation": "Apply" }]);
    for (kind, name) in [("ConfigMap", "later"), ("Job", "migrate")] {
        let version = if kind == "Job" { "batch/v1" } else { "v1" };
        let later = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "managedFields": applied } });
        clone.objects.push(object(later));
    }
    let mut golden = shop();
    golden
        .objects
        .retain(|object| object.metadata.name.as_deref() != Some("nightly-mail"));
    let today = planned(&golden, &spec(), &policy).unwrap();
    let found = |today: &Plan| {
        let found = extras(today, &clone, &policy, &made, "understudy");
        let found = found
            .iter()
            .map(|extra| (extra.object.metadata.name.clone().unwrap(), extra.ours));
        found.collect::<Vec<_>>()
    };
    let expected = [
        ("nightly-mail", true),
        ("by-hand", false),
        ("later", true),
        ("migrate", false),
    ];
    assert_eq!(
        found(&today),
        expected.map(|(name, ours)| (name.to_owned(), ours))
    );
    // What may not be listed today is not gone.
    let unreadable = |kind: &str| Unreadable {
        kind: kind.to_owned(),
        why: String::new(),
    };
    golden.unreadable = ["CronJob", "ConfigMap", "Job"].map(unreadable).into();
    assert_eq!(found(&planned(&golden, &spec(), &policy).unwrap()), []);
}

#[test]
fn manifests_for_a_repository_hold_no_secret_and_no_time() {
    // F06
    let plan_at = |now: &str| {
        let policy = policy(json!({}));
        let rules = Rules {
            policy_name: "demo",
            policy: &policy,
            protected: &Protected::default(),
        };
        plan(&shop(), &spec(), rules, now.parse().unwrap()).unwrap()
    };
    let (now, later) = (plan_at("2026-02-01T12:00:00Z"), plan_at("2026-02-02T12:00:00Z"));
    assert_eq!(manifests(&now), manifests(&later));
    let written = manifests(&now);
    assert_eq!(written.objects[0]["kind"], "Namespace");
    assert_eq!(written.objects[0]["metadata"]["labels"][keys::PREVIEW], "true");
    assert!(written.objects.iter().all(|object| object["kind"] != "Secret"));
    let names: Vec<&str> = written
        .provided
        .iter()
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(names, ["shop-api"]);
    assert_eq!(derived(&now, &later), Vec::<String>::new());
}

//! Rows over a preview that is made up.

use super::row::State;
use super::sight::{Branch, Sight, Unseen};
use super::*;
use crate::branch::{Login, Powers, Template};
use crate::check::{Catalogue, Standing, World};
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use std::collections::BTreeMap;
use understudy::clone::{Snapshot, Unreadable};
use understudy::guardrails;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

fn policy() -> PreviewPolicySpec {
    let database = json!({ "name": "app", "match": { "hosts": ["db.shop.svc"], "databases": ["shop"] },
        "branch": { "postgres": { "adminSecret": { "namespace": "x", "name": "y" }, "template": "shop_seed",
            "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 } } } });
    serde_json::from_value(json!({ "databases": [database] })).unwrap()
}

/// A preview under [`policy`], sealed, with its guardrails in it.
fn sight() -> Sight {
    let mut metadata: ObjectMeta = serde_json::from_value(json!({
        "name": "shop-pr-7", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": { "understudy.dev/preview": "true", "understudy.dev/parent": "shop" },
        "annotations": { "understudy.dev/expires-at": "2026-01-01T08:00:00Z", "understudy.dev/database.app": "ready" },
    }))
    .unwrap();
    let now = "2026-01-01T01:00:00Z".parse().unwrap();
    let mut world = World::new(now, [("default".to_owned(), policy())].into());
    let desired = guardrails::desired(&Preview::of(&metadata).unwrap(), &policy(), "");
    let seal = guardrails::seal_hash(&desired);
    metadata
        .annotations
        .get_or_insert_default()
        .insert("understudy.dev/guardrails".to_owned(), seal);
    let preview = Preview::of(&metadata).unwrap();
    world.places.insert(
        "shop-pr-7".to_owned(),
        Standing::Preview(Box::new(preview.clone())),
    );
    let live = desired.into_iter().map(|guardrail| {
        let mut object = guardrail.object;
        object["status"] = json!({ "hard": object["spec"]["hard"] });
        serde_json::from_value(object).unwrap()
    });
    Sight {
        now,
        preview,
        live: Snapshot {
            golden: metadata,
            objects: live.collect(),
            ..Snapshot::default()
        },
        goldens: [("shop".to_owned(), Ok(Snapshot::default()))].into(),
        catalogue: Catalogue::new(),
        facts: world.facts("shop-pr-7"),
        unseen: Unseen::default(),
        branches: Vec::new(),
    }
}

fn put(sight: &mut Sight, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    sight.live.objects.push(object);
}

fn state(rows: &[Row], check: &str) -> State {
    rows.iter().find(|row| row.check == check).unwrap().state
}

fn doubted(sight: &Sight) -> Vec<&'static str> {
    let rows = checklist(sight);
    let doubted = rows.iter().filter(|row| row.state != State::Proven);
    doubted.map(|row| row.check).collect()
}

#[test]
fn a_sealed_and_empty_preview_is_proven() {
    assert_eq!(doubted(&sight()), Vec::<&str>::new());
}

#[test]
fn a_guardrail_that_is_changed_gone_or_too_many_breaks_its_row() {
    let broken = |change: fn(&mut Sight)| {
        let mut sight = sight();
        change(&mut sight);
        assert!(doubted(&sight).contains(&"guardrails"));
    };
    broken(|sight| drop(sight.live.objects.remove(0)));
    broken(|sight| sight.preview.sealed = None);
    broken(|sight| sight.preview.sealed = Some("another".to_owned()));
    broken(|sight| {
        let policies = sight.live.objects.iter_mut();
        let mut policies = policies.filter(|object| object.types.as_ref().unwrap().kind == "NetworkPolicy");
        policies.next().unwrap().data["spec"]["egress"] = json!([{}]);
    });
    broken(|sight| {
        let quotas = sight.live.objects.iter_mut();
        let mut quotas = quotas.filter(|object| object.types.as_ref().unwrap().kind == "ResourceQuota");
        quotas.next().unwrap().data["status"] = json!({});
    });
    broken(|sight| {
        put(
            sight,
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": { "name": "x", "labels": { "understudy.dev/guardrail": "x" } } }),
        );
    });
}

#[test]
fn what_may_not_be_listed_is_unknown() {
    let mut sight = sight();
    sight.live.unreadable = vec![Unreadable {
        kind: "CronJob".to_owned(),
        why: "you may not list them".to_owned(),
    }];
    let texts = ["golden references", "GitOps marks"];
    assert_eq!(
        doubted(&sight),
        [&texts[..], &["destinations", "schedules"]].concat()
    );
    sight.live.unreadable[0].kind = "Kustomization".to_owned();
    assert_eq!(doubted(&sight), [&texts[..], &["kinds"]].concat());
    sight.live.unreadable[0].kind = "PodTemplate".to_owned();
    assert_eq!(doubted(&sight), Vec::<&str>::new());
    sight.goldens = [("shop".to_owned(), Err("you may not read it".to_owned()))].into();
    let rows = checklist(&sight);
    for check in ["golden references", "secret values", "GitOps marks"] {
        assert_eq!(state(&rows, check), State::Unknown, "{check}");
    }
}

#[test]
fn what_is_not_known_around_a_preview_is_unknown_where_it_counts() {
    let unseen = |change: &dyn Fn(&mut Sight)| {
        let mut sight = sight();
        change(&mut sight);
        doubted(&sight)
    };
    let why = || vec!["payments: you may not list it".to_owned()];
    assert_eq!(unseen(&|sight| sight.unseen.secrets = why()), ["secret values"]);
    assert_eq!(unseen(&|sight| sight.unseen.services = why()), ["destinations"]);
    assert_eq!(
        unseen(&|sight| sight.unseen.goldens = why()),
        ["secret values", "destinations"]
    );
    let hidden = |sight: &mut Sight, kind: &str| {
        let unreadable = Unreadable {
            kind: kind.to_owned(),
            why: String::new(),
        };
        let golden = sight.goldens.get_mut("shop").unwrap().as_mut().unwrap();
        golden.unreadable = vec![unreadable];
    };
    let hosts = unseen(&|sight| hidden(sight, "HTTPRoute"));
    assert_eq!(hosts, ["golden references"]);
    // A mark is the golden's where the golden's object carries it.
    let marked = unseen(&|sight| {
        put(
            sight,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "shop-pr-7",
                "annotations": { "argocd.argoproj.io/tracking-id": "a:/ConfigMap:shop/x" } } }),
        );
        hidden(sight, "ConfigMap");
    });
    assert_eq!(marked, ["GitOps marks"]);
    let without_policy = unseen(&|sight| sight.facts.policies = Default::default());
    assert!(without_policy.contains(&"databases"), "{without_policy:?}");
}

#[test]
fn a_name_that_belongs_to_a_goldens_host_is_unknown_and_the_host_is_broken() {
    let row = |text: &str| {
        let mut sight = sight();
        let golden = sight.goldens.get_mut("shop").unwrap().as_mut().unwrap();
        let route = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
            "spec": { "rules": [{ "host": "shop.example.com" }] } });
        golden.objects.push(serde_json::from_value(route).unwrap());
        put(
            &mut sight,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "shop-pr-7" },
                "data": { "COOKIE_DOMAIN": text } }),
        );
        golden::references(&sight)
    };
    assert_eq!(row("shop.example.com").state, State::Broken);
    let similar = row(".shop.example.com");
    assert_eq!(similar.state, State::Unknown);
    assert_eq!(
        similar.evidence,
        [
            "ConfigMap/x: data.COOKIE_DOMAIN belongs to shop.example.com; whether it leads there cannot be told"
        ]
    );
    assert_eq!(row(".example.com").state, State::Proven);
}

#[test]
fn a_preview_that_ended_or_never_ends_breaks_its_row() {
    let mut never = sight();
    never.preview.lease = None;
    assert_eq!(doubted(&never), ["lease"]);
    let mut over = sight();
    over.now = "2026-01-01T09:00:00Z".parse().unwrap();
    assert_eq!(doubted(&over), ["lease"]);
    let mut late = sight();
    late.preview.lease.as_mut().unwrap().expires_at = "2027-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(doubted(&late), ["lease"]);
}

#[test]
fn a_pod_without_its_mark_is_named() {
    let mut sight = sight();
    put(
        &mut sight,
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "shop-pr-7" },
            "spec": { "containers": [{ "name": "c", "image": "i:1" }] } }),
    );
    let rows = checklist(&sight);
    assert_eq!(state(&rows, "pods"), State::Broken);
    assert!(lines(&rows).contains("Pod/p carries no review mark"));
}

fn branch(powers: Result<Powers, String>) -> Sight {
    let data: BTreeMap<String, ByteString> = ["host", "username", "password", "dbname"]
        .map(|key| (key.to_owned(), ByteString(b"hunter2".to_vec())))
        .into();
    let mut data = data;
    data.insert("port".to_owned(), ByteString(b"5432".to_vec()));
    let mut sight = sight();
    sight.branches = vec![Branch {
        database: policy().databases.remove(0),
        login: Login::of(&data).ok_or_else(String::new),
        powers,
    }];
    sight
}

#[test]
fn a_role_that_reaches_anything_else_breaks_its_row() {
    let ordinary = || Powers {
        template: Some(Template::default()),
        reaches: vec!["postgres".to_owned()],
        ..Powers::default()
    };
    assert_eq!(doubted(&branch(Ok(ordinary()))), Vec::<&str>::new());
    let one = |text: &str| vec![text.to_owned()];
    let entered = Template {
        entered: true,
        ..Template::default()
    };
    for powers in [
        Powers {
            attributes: one("CREATEDB"),
            ..ordinary()
        },
        Powers {
            member_of: one("shop"),
            ..ordinary()
        },
        Powers {
            reaches: one("shop"),
            ..ordinary()
        },
        Powers {
            template: Some(entered),
            ..ordinary()
        },
    ] {
        assert_eq!(doubted(&branch(Ok(powers))), ["databases"]);
    }
    let unasked = branch(Err("connection refused".to_owned()));
    assert_eq!(state(&checklist(&unasked), "databases"), State::Unknown);
}

#[test]
fn a_text_from_the_cluster_stays_in_its_cell() {
    // A20
    let row = Row::new("hosts", "1 of Ingress").broken("Ingress/a|b: <img src=x> @everyone\nx");
    let text = markdown("shop-pr-7", &[row]);
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("| ❌ **broken** | hosts |"), "{text}");
    assert!(
        last.contains("a\\|b") && last.contains("@\u{200b}everyone"),
        "{text}"
    );
    assert!(last.contains("\\<img"), "{text}");
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn a_broken_row_stays_broken_whatever_else_is_unknown() {
    let row = Row::new("x", "y").broken("a").unknown("b");
    assert_eq!((row.state, row.evidence.len()), (State::Broken, 2));
    assert_eq!(Row::new("x", "y").unknown("b").state, State::Unknown);
    assert_eq!(Row::new("x", "y").hint("z").hint, None);
}

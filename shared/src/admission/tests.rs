use super::*;
use crate::environment::{Data, Fact, Kind, Reference};
use crate::guardrails;
use crate::keys;
use crate::policy::PreviewPolicySpec;
use crate::preview::Preview;
use crate::protected::Protected;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

mod attacks;
mod destinations;
mod namespaces;
mod objects;
mod odd;
mod properties;
mod readings;
mod routes;

const NOW: &str = "2026-06-01T12:00:00Z";

fn policy() -> PreviewPolicySpec {
    serde_json::from_value(json!({
        "hosts": { "domain": "preview.example.com" },
        "databases": [{
            "name": "app",
            "match": { "hosts": ["db.shop.svc.cluster.local"], "databases": ["shop"], "secrets": ["shop-db/url"] },
            "branch": { "postgres": {
                "adminSecret": { "namespace": "understudy-system", "name": "pg" },
                "template": "shop_seed",
                "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 }
            } }
        }]
    }))
    .unwrap()
}

/// A sealed preview `shop-pr-7` of the golden `shop`, whose branch is ready.
fn facts() -> Facts {
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "name": "shop-pr-7",
        "labels": { keys::PREVIEW: "true" },
        "annotations": { keys::database_state("app"): "ready" }
    }))
    .unwrap();
    let policy = policy();
    let mut preview = Preview::of(&metadata).unwrap();
    preview.sealed = Some(guardrails::seal_hash(&guardrails::desired(
        &preview,
        &policy,
        "understudy-system",
    )));
    Facts {
        now: NOW.parse().unwrap(),
        installation: Arc::new(Installation {
            namespace: "understudy-system".to_owned(),
            exempt: Exempt {
                users: vec![],
                groups: vec!["system:masters".to_owned()],
            },
            system_service_accounts: vec![],
            system_users: vec!["eks:network-policy-controller".to_owned()],
        }),
        protected: Arc::new(Protected::new(
            ["shop".to_owned()],
            [&policy],
            &Default::default(),
        )),
        policies: Arc::new([("default".to_owned(), policy)].into()),
        services: Arc::default(),
        fingerprints: Arc::default(),
        pods: Fact::Unknown,
        wanted_seal: None,
        preview: Some(preview),
        sources: [
            (
                reference(Kind::Secret, "shop-db"),
                present("url", "postgres://u:hunter2@db.shop/shop"),
            ),
            (
                reference(Kind::ConfigMap, "worker"),
                present(
                    "JDBC",
                    "jdbc:postgresql://db.shop:5432/shop?user=u&password=hunter2",
                ),
            ),
        ]
        .into(),
    }
}

fn reference(kind: Kind, name: &str) -> Reference {
    Reference {
        kind,
        name: name.to_owned(),
    }
}

fn present(key: &str, value: &str) -> Fact<Data> {
    Fact::Present([(key.to_owned(), value.to_owned())].into())
}

fn request(resource: &str, object: Value) -> Request {
    let (resource, sub_resource) = resource.split_once('/').unwrap_or((resource, ""));
    let group = match resource {
        "ingresses" | "networkpolicies" => "networking.k8s.io",
        "roles" | "rolebindings" => "rbac.authorization.k8s.io",
        "deployments" | "daemonsets" => "apps",
        "jobs" | "cronjobs" => "batch",
        "endpointslices" => "discovery.k8s.io",
        "httproutes" => "gateway.networking.k8s.io",
        "externalsecrets" | "secretstores" | "pushsecrets" => "external-secrets.io",
        _ => "",
    };
    let user = User {
        name: "dev".to_owned(),
        groups: vec!["developers".to_owned()],
    };
    Request {
        uid: "u".to_owned(),
        group: group.to_owned(),
        sub_resource: sub_resource.to_owned(),
        namespace: "shop-pr-7".to_owned(),
        ..Request::creation(object, resource, user)
    }
}

/// An Ingress that asks for nothing but by its annotations.
fn annotated(annotations: Value) -> Request {
    request(
        "ingresses",
        json!({ "metadata": { "name": "x", "annotations": annotations }, "spec": {} }),
    )
}

fn alias(name: &str) -> Request {
    request(
        "services",
        json!({ "metadata": { "name": "x" }, "spec": { "type": "ExternalName", "externalName": name } }),
    )
}

fn update(old: Value, new: Value) -> Request {
    Request {
        operation: Operation::Update,
        old_object: old,
        ..request("namespaces", new)
    }
}

fn pod(container: Value) -> Request {
    request(
        "pods",
        json!({ "metadata": { "name": "web" }, "spec": { "containers": [container] } }),
    )
}

fn owned(mut request: Request, kind: &str) -> Request {
    request.object["metadata"]["ownerReferences"] = json!([{ "kind": kind, "controller": true }]);
    request
}

fn applied(request: &Request, decision: &Decision) -> Value {
    let mut object = request.object.clone();
    if let Decision::Patch { operations, .. } = decision {
        json_patch::patch(&mut object, operations).unwrap();
    }
    object
}

/// The review of `request` under the policy of these tests, changed by `edit`.
fn reviewed(request: &Request, edit: impl FnOnce(&mut PreviewPolicySpec)) -> Decision {
    let mut facts = facts();
    let mut policy = policy();
    edit(&mut policy);
    let preview = facts.preview.as_mut().unwrap();
    preview.sealed = Some(guardrails::seal_hash(&guardrails::desired(
        preview,
        &policy,
        "understudy-system",
    )));
    facts.protected = Arc::new(Protected::new(["shop".to_owned()], [&policy], &facts.services));
    facts.policies = Arc::new([("default".to_owned(), policy)].into());
    review(request, &facts)
}

fn passes(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow { .. } | Decision::Patch { .. })
}

fn reasons(decision: &Decision) -> Vec<&'static str> {
    match decision {
        Decision::Deny(violations) => violations
            .iter()
            .map(|violation| violation.reason.code())
            .collect(),
        other => panic!("not denied: {other:?}"),
    }
}

fn namespace(labels: Value, annotations: Value) -> Request {
    let mut all = json!({ keys::PREVIEW: "true" });
    all.as_object_mut()
        .unwrap()
        .extend(labels.as_object().unwrap().clone());
    request(
        "namespaces",
        json!({ "metadata": { "name": "shop-pr-7", "labels": all, "annotations": annotations } }),
    )
}

#[test]
fn a_namespace_born_with_the_label_is_granted_its_lease() {
    let request = namespace(json!({}), json!({ keys::TTL: "2h" }));
    let object = applied(&request, &review(&request, &facts()));
    let metadata = &object["metadata"];
    assert_eq!(metadata["annotations"][keys::EXPIRES_AT], "2026-06-01T14:00:00Z");
    assert_eq!(metadata["annotations"][keys::OWNER], "dev");
    assert_eq!(metadata["annotations"][keys::CREATOR], "dev");
    assert_eq!(metadata["labels"][keys::POLICY], "default");
    assert_eq!(metadata["labels"][keys::PHASE], "Pending");
    assert_eq!(
        metadata["labels"]["pod-security.kubernetes.io/enforce"],
        "baseline"
    );
}

#[test]
fn a_service_account_is_never_an_owner() {
    let mut request = namespace(json!({}), json!({}));
    request.user.name = "system:serviceaccount:argocd:controller".to_owned();
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(object["metadata"]["annotations"][keys::OWNER], Value::Null);
    assert_eq!(
        object["metadata"]["annotations"][keys::CREATOR],
        "system:serviceaccount:argocd:controller"
    );
}

#[test]
fn every_mistake_on_a_namespace_is_named_at_once() {
    let labels =
        json!({ keys::PR: "x", keys::PHASE: "Ready", "pod-security.kubernetes.io/enforce": "privileged" });
    let annotations = json!({ keys::TTL: "999h", keys::OWNER: "boss", keys::DATABASES: "nope", keys::database_state("app"): "ready" });
    let found = reasons(&review(&namespace(labels, annotations), &facts()));
    assert_eq!(
        found,
        [
            "key-invalid",
            "key-invalid",
            "lease-out-of-range",
            "owner-forged",
            "field-reserved",
            "field-reserved",
            "field-reserved"
        ]
    );
}

#[test]
fn admission_accepts_its_own_work_moments_later() {
    // C01
    let mut request = namespace(json!({}), json!({}));
    request.object = applied(&request, &review(&request, &facts()));
    let mut later = facts();
    later.now = "2026-06-01T12:00:59Z".parse().unwrap();
    assert_eq!(review(&request, &later), Decision::Allow { warnings: vec![] });
    assert_eq!(validate(&request, &later), Decision::Allow { warnings: vec![] });
    later.now = "2026-06-01T12:01:01Z".parse().unwrap();
    assert_eq!(reasons(&validate(&request, &later)), ["field-reserved"]);
}

#[test]
fn some_namespaces_never_become_previews() {
    // C10
    for name in ["default", "kube-system", "understudy-system", "shop"] {
        let mut request = namespace(json!({}), json!({}));
        request.name = name.to_owned();
        assert_eq!(reasons(&review(&request, &facts())), ["not-adoptable"], "{name}");
    }
    let golden = namespace(json!({ keys::GOLDEN: "true" }), json!({}));
    assert!(reasons(&review(&golden, &facts())).contains(&"not-adoptable"));
}

#[test]
fn an_existing_namespace_cannot_take_the_label_not_even_by_an_exempt_user() {
    let old = json!({ "metadata": { "name": "shop-pr-7" } });
    let mut request = update(old, namespace(json!({}), json!({})).object);
    assert_eq!(reasons(&review(&request, &facts())), ["not-adoptable"]);
    request.user.groups.push("system:masters".to_owned());
    assert_eq!(reasons(&review(&request, &facts())), ["not-adoptable"]);
}

#[test]
fn what_is_fixed_at_birth_stays_fixed() {
    // C28
    let old = json!({ "metadata": { "name": "shop-pr-7",
        "labels": { keys::PREVIEW: "true", keys::POLICY: "default", keys::PARENT: "shop", keys::PHASE: "Ready" },
        "annotations": { keys::CREATOR: "dev", keys::OWNER: "dev" } } });
    let mut changed = old.clone();
    changed["metadata"]["labels"] =
        json!({ keys::PREVIEW: "true", keys::POLICY: "lax", keys::PHASE: "Failed" });
    changed["metadata"]["annotations"] =
        json!({ keys::CREATOR: "x", keys::OWNER: "x", keys::GUARDRAILS: "x" });
    assert_eq!(
        reasons(&review(&update(old.clone(), changed), &facts())),
        [
            "policy-changed",
            "parent-changed",
            "owner-forged",
            "field-reserved",
            "field-reserved",
            "field-reserved"
        ]
    );
    let bare = json!({ "metadata": { "name": "shop-pr-7" } });
    let mut removal = update(old, bare);
    assert!(reasons(&review(&removal, &facts())).contains(&"label-removed"));
    removal.user.groups.push("system:masters".to_owned());
    assert!(matches!(review(&removal, &facts()), Decision::Allow { .. }));
}

#[test]
fn the_end_moves_with_ttl_and_never_past_the_maximum() {
    let old = json!({ "metadata": { "name": "shop-pr-7", "creationTimestamp": "2026-06-01T10:00:00Z",
        "labels": { keys::PREVIEW: "true" }, "annotations": { keys::EXPIRES_AT: "2026-06-02T10:00:00Z" } } });
    let with = |annotations: Value| {
        let mut new = old.clone();
        new["metadata"]["annotations"] = annotations;
        update(old.clone(), new)
    };
    let longer = with(json!({ keys::EXPIRES_AT: "2026-06-02T10:00:00Z", keys::TTL: "48h" }));
    let object = applied(&longer, &review(&longer, &facts()));
    assert_eq!(
        object["metadata"]["annotations"][keys::EXPIRES_AT],
        "2026-06-03T10:00:00Z"
    );
    let now = with(json!({ keys::EXPIRES_AT: "2026-06-01T12:00:00Z", keys::ON_EXPIRY: "destroy" }));
    assert!(matches!(review(&now, &facts()), Decision::Allow { .. }));
    let gone = with(json!({ keys::ON_EXPIRY: "destroy" }));
    assert_eq!(reasons(&review(&gone, &facts())), ["lease-out-of-range"]);
    let mut endless = with(json!({ keys::EXPIRES_AT: "2099-06-01T12:00:00Z" }));
    let mut lawless = facts();
    lawless.policies = Arc::default();
    assert_eq!(reasons(&review(&endless, &lawless)), ["lease-out-of-range"]);
    endless.old_object["metadata"]["annotations"] = json!({});
    assert_eq!(reasons(&review(&endless, &facts())), ["lease-out-of-range"]);
    let year = with(json!({ keys::EXPIRES_AT: "2027-06-01T12:00:00Z" }));
    assert_eq!(reasons(&review(&year, &facts())), ["lease-out-of-range"]);
}

#[test]
fn every_way_to_the_golden_database_leads_to_the_branch() {
    // A15
    let request = pod(json!({
        "name": "web",
        "envFrom": [{ "configMapRef": { "name": "worker" } }],
        "env": [
            { "name": "A", "value": "postgres://u:hunter2@db.shop.svc.cluster.local:5432/shop" },
            { "name": "B", "valueFrom": { "secretKeyRef": { "name": "shop-db", "key": "url" } } },
            { "name": "C", "value": "postgresql+asyncpg://u:hunter2@DB.shop./shop?application_name=x" },
            { "name": "D", "value": "$(A)" },
        ]
    }));
    let decision = review(&request, &facts());
    let object = applied(&request, &decision);
    let env = object["spec"]["containers"][0]["env"].as_array().unwrap();
    let find = |name: &str| env.iter().find(|entry| entry["name"] == name).unwrap();
    for (name, key) in [("A", "uri"), ("B", "uri"), ("D", "uri"), ("JDBC", "jdbc-uri")] {
        assert_eq!(
            find(name)["valueFrom"]["secretKeyRef"],
            json!({ "name": "understudy-db-app", "key": key }),
            "{name}"
        );
    }
    assert!(
        find("C")["value"]
            .as_str()
            .unwrap()
            .ends_with("/$(UNDERSTUDY_APP_DBNAME)?application_name=x")
    );
    assert!(!object.to_string().contains("hunter2"));
    let again = Request { object, ..request };
    assert_eq!(validate(&again, &facts()), Decision::Allow { warnings: vec![] });
}

#[test]
fn what_still_reaches_a_protected_host_is_refused_without_its_password() {
    let request = pod(
        json!({ "name": "web", "args": ["--cache=redis.shop:6379"], "env": [
        { "name": "LEDGER", "value": "postgres://u:hunter2@db.shop/ledger" },
        { "name": "API", "value": "http://api.shop.svc:8080/" },
        { "name": "OWN", "value": "http://api:8080/" },
    ] }),
    );
    let decision = review(&request, &facts());
    assert_eq!(reasons(&decision), ["protected-endpoint"; 3]);
    let Decision::Deny(violations) = decision else {
        unreachable!()
    };
    let ledger = "container web, variable LEDGER: host db.shop";
    assert!(
        violations
            .iter()
            .any(|violation| violation.message.contains(ledger)),
        "{violations:?}"
    );
    assert!(
        !violations
            .iter()
            .any(|violation| violation.to_string().contains("hunter2"))
    );
}

#[test]
fn spellings_that_no_parser_here_takes_are_refused_not_passed() {
    for value in [
        " postgres://u:p@db%2Eshop/ledger",
        "'postgres://u:p@db.shop/ledger'",
        "host=DB.SHOP. dbname=ledger",
        "postgres://u:p@replica,db.shop/ledger",
        "jdbc:postgresql://x/y?host=db.shop",
        "mysql://u:p@db.shop/shop",
        "postgres://u:p@db.\nshop/ledger",
        "postgres://u:p#x@db%2Eshop/shop",
        "db\u{3002}shop",
    ] {
        let request = pod(json!({ "name": "web", "env": [{ "name": "A", "value": value }] }));
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["protected-endpoint"],
            "{value}"
        );
    }
}

#[test]
fn arguments_are_read_as_the_kubelet_expands_them() {
    let mut request = pod(json!({ "name": "web", "env": [{ "name": "H", "value": "db" }] }));
    request.object["spec"]["containers"][0]["args"] = json!(["--db=postgres://u:p@$(H).shop/shop"]);
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
}

#[test]
fn a_database_left_out_is_refused_not_passed_through() {
    // C25
    let mut facts = facts();
    facts.preview.as_mut().unwrap().databases = crate::preview::Selection::parse("none");
    let request =
        pod(json!({ "name": "web", "env": [{ "name": "A", "value": "postgres://u@db.shop/shop" }] }));
    assert_eq!(reasons(&review(&request, &facts)), ["protected-endpoint"]);
}

#[test]
fn a_redirected_part_of_a_composed_connection_is_caught() {
    let request = pod(json!({ "name": "web", "env": [
        { "name": "UNDERSTUDY_APP_HOST", "value": "db.shop" },
        { "name": "A", "value": "postgresql+asyncpg://u:p@db.shop/shop" },
    ] }));
    assert!(reasons(&review(&request, &facts())).contains(&"field-reserved"));
}

#[test]
fn a_pod_is_held_until_seal_and_branch() {
    let request = pod(json!({ "name": "web" }));
    let gates = |facts: &Facts| {
        let object = applied(&request, &review(&request, facts));
        let again = Request {
            object: object.clone(),
            ..request.clone()
        };
        assert_eq!(validate(&again, facts), Decision::Allow { warnings: vec![] });
        assert_eq!(object["metadata"]["annotations"][keys::REVIEWED], "v1");
        let unlimited = object["spec"]["containers"][0]["resources"]["limits"]["cpu"].is_null();
        assert_eq!(
            unlimited,
            facts.preview.as_ref().unwrap().sealed.is_some(),
            "limits where no LimitRange is yet"
        );
        object["spec"]["schedulingGates"].clone()
    };
    assert_eq!(gates(&facts()), Value::Null);
    let mut unsealed = facts();
    unsealed.preview.as_mut().unwrap().sealed = None;
    assert_eq!(gates(&unsealed), json!([{ "name": keys::GATE_GUARDRAILS }]));
    let mut branching = facts();
    branching.preview.as_mut().unwrap().branches.clear();
    assert_eq!(gates(&branching), json!([{ "name": keys::GATE_DATABASE }]));
}

#[test]
fn what_cannot_be_read_is_gated_for_replacement_or_denied_never_guessed() {
    let container = json!({ "name": "web", "env": [
        { "name": "X", "valueFrom": { "secretKeyRef": { "name": "unknown", "key": "k" } } }
    ] });
    let bare = pod(container.clone());
    assert_eq!(reasons(&review(&bare, &facts())), ["environment-unresolved"]);
    assert_eq!(
        reasons(&review(&owned(pod(container.clone()), "Job"), &facts())),
        ["environment-unresolved"]
    );
    let replaced = owned(pod(container), "ReplicaSet");
    let object = applied(&replaced, &review(&replaced, &facts()));
    assert_eq!(
        object["spec"]["schedulingGates"],
        json!([{ "name": keys::GATE_REVIEW }])
    );
    let mut unknown = facts();
    unknown.preview = None;
    assert_eq!(
        reasons(&review(&pod(json!({ "name": "web" })), &unknown)),
        ["environment-unresolved"]
    );
}

#[test]
fn whatever_is_being_deleted_goes_on() {
    // C13
    let mut request = update(
        namespace(json!({}), json!({})).object,
        json!({ "metadata": { "name": "shop-pr-7" } }),
    );
    request.old_object["metadata"]["deletionTimestamp"] = json!(NOW);
    assert_eq!(review(&request, &facts()), Decision::Allow { warnings: vec![] });
}

#[test]
fn exemption_is_by_exact_identity() {
    // C14
    let mut request = pod(json!({ "name": "web", "env": [{ "name": "A", "value": "db.shop" }] }));
    request.user.groups = vec!["system:masters2".to_owned()];
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
    request.user.groups = vec!["system:masters".to_owned()];
    assert!(matches!(review(&request, &facts()), Decision::Patch { .. }));
}

fn any_value() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        "postgres",
        "postgresql",
        "postgresql\\+psycopg2",
        "jdbc:postgresql",
        "http"
    ];
    let host = prop_oneof![
        "db\\.shop",
        "db\\.shop\\.svc\\.cluster\\.local",
        "DB\\.SHOP\\.",
        "db",
        "other\\.example"
    ];
    let rest = prop_oneof![
        "",
        "/shop",
        "/shop\\?sslmode=require",
        "/ledger",
        "/\\$\\(A\\)",
        "\\?host=db\\.shop"
    ];
    prop_oneof![
        (scheme, host, rest).prop_map(|(scheme, host, rest)| format!("{scheme}://u:pw@{host}:5432{rest}")),
        "[ -~]{0,24}",
    ]
}

proptest! {
    #[test]
    fn what_was_mutated_once_is_not_mutated_again(values in prop::collection::vec(any_value(), 0..6)) {
        let env: Vec<Value> = values.iter().enumerate()
            .map(|(at, value)| json!({ "name": (["A", "B", "C", "D", "E", "F"][at]), "value": value })).collect();
        let request = pod(json!({ "name": "web", "env": env }));
        let decision = review(&request, &facts());
        if let Decision::Patch { .. } = decision {
            let object = applied(&request, &decision);
            let again = Request { object: object.clone(), ..request };
            prop_assert!(matches!(validate(&again, &facts()), Decision::Allow { .. }), "{object}");
        }
    }

    #[test]
    // A21: and fuzzing, in fuzz/.
    fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}

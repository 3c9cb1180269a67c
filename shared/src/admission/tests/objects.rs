//! The other rules, each with the attack it stops and what it lets through.

use super::*;
use crate::fingerprints::{Fingerprints, Origin};
use crate::policy::{CronJobs, Permission, Rewrites};

#[test]
fn kinds_of_other_vendors_are_a_way_out_unless_the_policy_allows_them() {
    // C26
    for (group, resource, kind) in [
        ("kustomize.toolkit.fluxcd.io", "kustomizations", "Kustomization"),
        (
            "database.example.org",
            "postgresqlinstances",
            "PostgreSQLInstance",
        ),
        ("cilium.io", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
        ("argoproj.io", "applications", "Application"),
    ] {
        let mut request = request(resource, json!({ "kind": kind, "metadata": { "name": "x" } }));
        request.group = group.to_owned();
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["kind-not-allowed"],
            "{kind}"
        );
        assert!(
            passes(&reviewed(&request, |policy| policy.kinds = vec![format!("{group}/{kind}")])),
            "{kind}"
        );
        request.user.name = "system:serviceaccount:kube-system:cilium".to_owned();
        assert!(passes(&review(&request, &facts())), "machinery of the cluster");
    }
}

#[test]
fn a_kind_that_is_allowed_still_reaches_nothing_protected_and_steals_no_host() {
    let mut request = request(
        "ingressroutes",
        json!({
            "kind": "IngressRoute", "metadata": { "name": "x" },
            "spec": { "routes": [{ "match": "Host(`shop.example.com`)", "services": [{ "name": "web" }] }], "target": "http://api.shop:80" }
        }),
    );
    request.group = "traefik.io".to_owned();
    let found = reviewed(&request, |policy| {
        policy.kinds = vec!["traefik.io/IngressRoute".to_owned()]
    });
    assert_eq!(reasons(&found), ["protected-endpoint", "host-stolen"]);
}

#[test]
fn services_stay_inside_the_cluster() {
    let request = request(
        "services",
        json!({ "metadata": { "name": "x" }, "spec": {
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001, "loadBalancerIP": "1.2.3.4",
        "allocateLoadBalancerNodePorts": true, "externalIPs": ["1.2.3.4"], "ports": [{ "port": 80, "nodePort": 30002 }]
    } }),
    );
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(
        object["spec"],
        json!({ "type": "ClusterIP", "ports": [{ "port": 80 }] })
    );
    let again = Request { object, ..request };
    assert_eq!(validate(&again, &facts()), Decision::Allow { warnings: vec![] });
    assert_eq!(
        reasons(&reviewed(
            &Request {
                object: json!({ "spec": { "type": "NodePort" } }),
                ..again
            },
            |policy| policy.rewrites = Rewrites::Never
        )),
        ["exposure-lowered"]
    );
}

#[test]
fn cloud_identities_are_taken_off() {
    let request = request(
        "serviceaccounts",
        json!({ "metadata": { "name": "x", "annotations": {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/prod", "keep": "me" } } }),
    );
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(object["metadata"]["annotations"], json!({ "keep": "me" }));
    let mut token = pod(json!({ "name": "web", "volumeMounts": [{ "name": "data" }, { "name": "t" }] }));
    let of = |audience: &str| json!({ "serviceAccountToken": { "audience": audience, "path": "t" } });
    token.object["spec"]["volumes"] =
        json!([{ "name": "t", "projected": { "sources": [of("sts.amazonaws.com")] } }]);
    let object = applied(&token, &review(&token, &facts()));
    assert_eq!(object["spec"]["volumes"], json!([]));
    assert_eq!(
        object["spec"]["containers"][0]["volumeMounts"],
        json!([{ "name": "data" }])
    );
    let mixed = json!([of("api://AzureADTokenExchange"), { "serviceAccountToken": { "path": "own" } }]);
    token.object["spec"]["volumes"][0]["projected"]["sources"] = mixed;
    assert_eq!(reasons(&review(&token, &facts())), ["identity-dropped"]);
    token.object["spec"]["volumes"][0]["projected"]["sources"] = json!([of("istio-ca")]);
    assert!(passes(&review(&token, &facts())));
    let mut labelled = pod(json!({ "name": "web" }));
    labelled.object["metadata"]["labels"] = json!({ "azure.workload.identity/use": "true" });
    assert_eq!(
        applied(&labelled, &review(&labelled, &facts()))["metadata"]["labels"],
        json!({})
    );
}

#[test]
fn schedules_do_not_run() {
    let cron = request(
        "cronjobs",
        json!({ "metadata": { "name": "x" }, "spec": { "schedule": "* * * * *", "suspend": false } }),
    );
    assert_eq!(applied(&cron, &review(&cron, &facts()))["spec"]["suspend"], true);
    assert_eq!(
        reviewed(&cron, |policy| policy.quarantine.cron_jobs = CronJobs::Run),
        Decision::Allow { warnings: vec![] }
    );
    let mut in_git = cron.clone();
    in_git.object["metadata"]["labels"] = json!({ "kustomize.toolkit.fluxcd.io/name": "shop" });
    assert_eq!(
        review(&in_git, &facts()),
        Decision::Allow { warnings: vec![] },
        "nothing in Git differs"
    );
    let mut job = request(
        "jobs",
        json!({ "metadata": { "name": "x", "ownerReferences": [{ "kind": "CronJob", "controller": true }] } }),
    );
    assert_eq!(reasons(&review(&job, &facts())), ["quarantined"]);
    job.object["metadata"]["annotations"] = json!({ "cronjob.kubernetes.io/instantiate": "manual" });
    assert!(passes(&review(&job, &facts())), "by hand");
    job.user.name = "system:serviceaccount:kube-system:cronjob-controller".to_owned();
    assert_eq!(
        reasons(&review(&job, &facts())),
        ["quarantined"],
        "a template may carry any annotation"
    );
}

#[test]
fn listed_variables_get_their_harmless_value_wherever_they_come_from() {
    let quarantine = |policy: &mut PreviewPolicySpec| {
        let values = [("SMTP_HOST", "sink"), ("JDBC", "$x"), ("ABSENT", "y")];
        policy.quarantine.env = values
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    };
    let request = pod(json!({
        "name": "web", "envFrom": [{ "configMapRef": { "name": "worker" } }],
        "env": [{ "name": "SMTP_HOST", "value": "smtp.example.com" }, { "name": "RELAY", "value": "$(SMTP_HOST):25" }],
    }));
    let object = applied(&request, &reviewed(&request, quarantine));
    let env = &object["spec"]["containers"][0]["env"];
    assert!(
        env.as_array()
            .unwrap()
            .contains(&json!({ "name": "SMTP_HOST", "value": "sink" })),
        "{env}"
    );
    assert_eq!(env[0]["name"], "JDBC", "what refers to it finds it");
    assert!(
        env.as_array()
            .unwrap()
            .contains(&json!({ "name": "JDBC", "value": "$$x" })),
        "{env}"
    );
    assert!(!env.to_string().contains("ABSENT"));
}

#[test]
fn pods_run_where_the_policy_places_them() {
    let place = |policy: &mut PreviewPolicySpec| {
        policy.placement = serde_json::from_value(json!({
            "nodeSelector": { "example.com/pool": "previews" }, "priorityClassName": "previews",
            "tolerations": [{ "key": "previews", "operator": "Exists", "effect": "NoSchedule" }]
        }))
        .unwrap();
    };
    let mut request = pod(json!({ "name": "web" }));
    request.object["spec"]["nodeSelector"] = json!({ "example.com/pool": "gpu", "disk": "ssd" });
    request.object["spec"]["priorityClassName"] = json!("high");
    request.object["spec"]["priority"] = json!(1000);
    request.object["spec"]["preemptionPolicy"] = json!("PreemptLowerPriority");
    let object = applied(&request, &reviewed(&request, place));
    let spec = &object["spec"];
    assert_eq!(
        spec["nodeSelector"],
        json!({ "example.com/pool": "previews", "disk": "ssd" })
    );
    assert_eq!(
        spec["tolerations"],
        json!([{ "key": "previews", "operator": "Exists", "effect": "NoSchedule" }])
    );
    assert_eq!(
        (&spec["priorityClassName"], &spec["priority"]),
        (&json!("previews"), &Value::Null)
    );
    let again = Request {
        object: object.clone(),
        ..request
    };
    assert_eq!(
        applied(&again, &reviewed(&again, place)),
        object,
        "the second time changes nothing"
    );
    // The cluster's own classes end other Pods to make room, and without a policy of its own on that a preview's has none.
    let mut critical = pod(json!({ "name": "web" }));
    critical.object["spec"]["priorityClassName"] = json!("system-node-critical");
    critical.object["spec"]["priority"] = json!(2_000_001_000);
    let object = applied(&critical, &review(&critical, &facts()));
    assert_eq!(object["spec"]["priorityClassName"], Value::Null);
    assert_eq!(object["spec"]["priority"], Value::Null);
}

#[test]
fn a_guardrail_is_the_controllers_alone_whether_it_exists_or_not() {
    let marked = json!({ keys::GUARDRAIL: "x" });
    for request in [
        request(
            "secrets",
            json!({ "metadata": { "name": "understudy-db-other" } }),
        ),
        request(
            "networkpolicies",
            json!({ "metadata": { "name": "x", "labels": marked }, "spec": { "podSelector": {} } }),
        ),
        request(
            "resourcequotas",
            json!({ "metadata": { "name": "x", "labels": marked } }),
        ),
        Request {
            operation: Operation::Update,
            old_object: json!({ "metadata": { "name": "x", "labels": marked } }),
            ..request("limitranges", json!({ "metadata": { "name": "x" } }))
        },
    ] {
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["guardrail-tampered"],
            "{request:?}"
        );
        let mut ours = request;
        ours.user.name = "system:serviceaccount:understudy-system:understudy-controller".to_owned();
        assert!(passes(&review(&ours, &facts())), "{ours:?}");
    }
    let own = request("resourcequotas", json!({ "metadata": { "name": "x" } }));
    assert!(passes(&review(&own, &facts())));
}

#[test]
fn machinery_of_the_cluster_keeps_a_guardrail_and_says_nothing_else_of_it() {
    let labels = json!({ keys::GUARDRAIL: "x" });
    let policy = |spec: Value, finalizers: Value| json!({ "metadata": { "name": "x", "labels": labels, "finalizers": finalizers }, "spec": spec });
    let update = |user: &str, old: Value, new: Value| {
        let mut request = Request {
            operation: Operation::Update,
            old_object: old,
            ..request("networkpolicies", new)
        };
        request.user.name = user.to_owned();
        review(&request, &facts())
    };
    let (spec, kept) = (json!({ "podSelector": {} }), json!(["example.com/plugin"]));
    let plain = policy(spec.clone(), json!([]));
    let plugins = [
        "system:serviceaccount:kube-system:network-plugin",
        "eks:network-policy-controller",
    ];
    for plugin in plugins {
        let kept = policy(spec.clone(), kept.clone());
        assert!(passes(&update(plugin, plain.clone(), kept.clone())), "{plugin}");
        let opened = policy(json!({ "podSelector": {}, "egress": [] }), json!([]));
        assert!(!passes(&update(plugin, plain.clone(), opened)), "{plugin}");
        let mut dying = kept.clone();
        dying["metadata"]["deletionTimestamp"] = json!(NOW);
        assert!(passes(&update("dev", dying, plain.clone())), "it goes");
    }
    let by_hand = update("dev", plain.clone(), policy(spec, kept));
    assert!(reasons(&by_hand).contains(&"guardrail-tampered"));
}

#[test]
fn nobody_keeps_in_force_what_a_policy_may_close_later() {
    let finalizers = json!(["x.example/y"]);
    let network = request(
        "networkpolicies",
        json!({ "metadata": { "name": "x", "finalizers": finalizers }, "spec": { "podSelector": {} } }),
    );
    assert_eq!(reasons(&review(&network, &facts())), ["network-widened"]);
    for resource in ["roles", "rolebindings"] {
        let mut old = request(resource, json!({ "metadata": { "name": "x" } }));
        old.operation = Operation::Update;
        old.old_object = old.object.clone();
        assert!(passes(&review(&old, &facts())), "{resource}");
        old.object["metadata"]["finalizers"] = finalizers.clone();
        assert_eq!(reasons(&review(&old, &facts())), ["role-escalated"], "{resource}");
        old.old_object = old.object.clone();
        assert!(passes(&review(&old, &facts())), "it was there before");
    }
    let mut plugins = network;
    plugins.user.name = "eks:network-policy-controller".to_owned();
    assert!(passes(&review(&plugins, &facts())));
}

#[test]
fn a_gate_is_lifted_by_the_controller_alone() {
    let mut held = pod(json!({ "name": "web" }));
    held.operation = Operation::Update;
    held.old_object = held.object.clone();
    held.old_object["spec"]["schedulingGates"] =
        json!([{ "name": keys::GATE_GUARDRAILS }, { "name": "example.com/other" }]);
    assert_eq!(reasons(&review(&held, &facts())), ["gate-lifted"]);
    let mut other = held.clone();
    other.object["spec"]["schedulingGates"] = json!([{ "name": keys::GATE_GUARDRAILS }]);
    assert!(
        passes(&review(&other, &facts())),
        "somebody else's gate is somebody else's"
    );
    held.user.name = "system:serviceaccount:understudy-system:understudy-controller".to_owned();
    assert!(passes(&review(&held, &facts())));
}

#[test]
fn what_nobody_can_review_is_refused_unless_the_policy_allows_it() {
    // C26
    let mut csi = pod(json!({ "name": "web" }));
    csi.object["spec"]["volumes"] = json!([{ "name": "s", "csi": { "driver": "secrets-store.csi.k8s.io" } }]);
    let mut injected = pod(json!({ "name": "web" }));
    injected.object["metadata"]["annotations"] = json!({ "vault.hashicorp.com/agent-inject": "true" });
    let reference =
        pod(json!({ "name": "web", "env": [{ "name": "A", "value": "vault:secret/data/shop#password" }] }));
    let allow = |policy: &mut PreviewPolicySpec| {
        policy.secrets.csi = Permission::Allow;
        policy.secrets.injectors = Permission::Allow;
    };
    for request in [csi, injected, reference] {
        assert_eq!(reasons(&review(&request, &facts())), ["unreadable-environment"]);
        assert!(passes(&reviewed(&request, allow)));
    }
    let file = pod(
        json!({ "name": "web", "env": [{ "name": "A", "valueFrom": { "fileKeyRef": { "key": "A", "path": "x", "volumeName": "v" } } }] }),
    );
    assert!(reasons(&review(&file, &facts())).contains(&"unreadable-environment"));
}

#[test]
fn a_copied_secret_is_recognised_wherever_it_stands() {
    let value = "sk_live_0123456789abcdef";
    let mut facts = facts();
    let mut prints = Fingerprints::default();
    prints.add(
        Origin {
            namespace: "shop".into(),
            name: "stripe".into(),
            key: "api-key".into(),
        },
        value.as_bytes(),
    );
    facts.fingerprints = Arc::new(prints);
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(value);
    for request in [
        request(
            "secrets",
            json!({ "kind": "Secret", "metadata": { "name": "x" }, "data": { "k": encoded } }),
        ),
        request(
            "configmaps",
            json!({ "kind": "ConfigMap", "metadata": { "name": "x" }, "data": { "k": value } }),
        ),
        pod(json!({ "name": "web", "env": [{ "name": "KEY", "value": value }] })),
    ] {
        let decision = review(&request, &facts);
        assert_eq!(reasons(&decision), ["secret-copied"]);
        assert!(!format!("{decision:?}").contains(value));
    }
    let policies = Arc::make_mut(&mut facts.policies);
    policies.get_mut("default").unwrap().secrets.copy = vec!["stripe".to_owned()];
    let listed = request(
        "configmaps",
        json!({ "kind": "ConfigMap", "metadata": { "name": "x" }, "data": { "k": value } }),
    );
    assert!(passes(&review(&listed, &facts)));
    for list in ["tls", "pull"] {
        let secrets = json!({ list: ["stripe"] });
        let policies = Arc::make_mut(&mut facts.policies);
        policies.get_mut("default").unwrap().secrets = serde_json::from_value(secrets).unwrap();
        assert!(passes(&review(&listed, &facts)), "{list}");
    }
}

#[test]
fn external_secrets_ask_only_where_the_policy_lets_them() {
    let allow = |policy: &mut PreviewPolicySpec| {
        policy.kinds = ["ExternalSecret", "SecretStore", "PushSecret"]
            .map(|kind| format!("external-secrets.io/{kind}"))
            .into();
        policy.secrets.stores = vec!["preview-vault".to_owned()];
        policy.secrets.key_prefixes = vec!["preview/".to_owned()];
    };
    let external = |spec: Value| {
        request(
            "externalsecrets",
            json!({ "kind": "ExternalSecret", "metadata": { "name": "x" }, "spec": spec }),
        )
    };
    let good = json!({ "secretStoreRef": { "name": "preview-vault" }, "data": [{ "remoteRef": { "key": "preview/shop" } }] });
    assert!(passes(&reviewed(&external(good), allow)));
    for bad in [
        json!({ "secretStoreRef": { "name": "prod-vault" }, "data": [] }),
        json!({ "secretStoreRef": { "name": "preview-vault" }, "data": [{ "remoteRef": { "key": "prod/shop" } }] }),
        json!({ "secretStoreRef": { "name": "preview-vault" }, "data": [{ "remoteRef": { "key": "preview/../prod" } }] }),
        json!({ "secretStoreRef": { "name": "preview-vault" }, "dataFrom": [{ "find": { "name": { "regexp": ".*" } } }] }),
        json!({ "secretStoreRef": { "name": "preview-vault" }, "dataFrom": [{ "sourceRef": { "storeRef": { "name": "prod-vault" } }, "extract": { "key": "preview/x" } }] }),
        json!({ "secretStoreRef": { "name": "preview-vault" }, "target": { "name": "understudy-db-app" } }),
    ] {
        assert_eq!(
            reasons(&reviewed(&external(bad.clone()), allow)),
            ["secret-store-forbidden"],
            "{bad}"
        );
    }
    let push = request(
        "pushsecrets",
        json!({ "kind": "PushSecret", "metadata": { "name": "x" }, "spec": {} }),
    );
    assert_eq!(reasons(&reviewed(&push, allow)), ["secret-store-forbidden"]);
    let store = request(
        "secretstores",
        json!({ "kind": "SecretStore", "metadata": { "name": "mine" }, "spec": {} }),
    );
    assert_eq!(reasons(&reviewed(&store, allow)), ["secret-store-forbidden"]);
}

#[test]
fn nobody_gets_more_than_the_access_section_gives() {
    let role = |rules: Value| request("roles", json!({ "metadata": { "name": "x" }, "rules": rules }));
    let plain = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }]);
    assert!(passes(&review(&role(plain), &facts())));
    let star = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    assert_eq!(reasons(&review(&role(star), &facts())), ["role-escalated"]);
    let binding = |kind: &str, role: &str, subject: Value| {
        request(
            "rolebindings",
            json!({ "metadata": { "name": "x" }, "roleRef": { "kind": kind, "name": role }, "subjects": [subject] }),
        )
    };
    let own = json!({ "kind": "ServiceAccount", "name": "web" });
    assert!(passes(&review(&binding("Role", "x", own.clone()), &facts())));
    for (kind, role, subject) in [
        ("ClusterRole", "cluster-admin", own),
        (
            "Role",
            "x",
            json!({ "kind": "Group", "name": "system:authenticated" }),
        ),
        (
            "Role",
            "x",
            json!({ "kind": "Group", "name": "system:serviceaccounts" }),
        ),
        ("Role", "x", json!({ "kind": "User", "name": "mallory" })),
        (
            "Role",
            "x",
            json!({ "kind": "ServiceAccount", "name": "web", "namespace": "shop-pr-8" }),
        ),
    ] {
        assert_eq!(
            reasons(&review(&binding(kind, role, subject.clone()), &facts())),
            ["role-escalated"],
            "{kind} {role} {subject}"
        );
    }
}

#[test]
fn whom_the_guardrail_gives_access_may_be_bound_and_nobody_else() {
    let mut facts = facts();
    let preview = facts.preview.as_mut().unwrap();
    preview.creator = Some("system:serviceaccount:ci:bot".to_owned());
    preview.owner = Some("dev".to_owned());
    let binding = |subject: Value| {
        let role = json!({ "kind": "Role", "name": "x" });
        request(
            "rolebindings",
            json!({ "metadata": { "name": "x" }, "roleRef": role, "subjects": [subject] }),
        )
    };
    let owner = binding(json!({ "kind": "User", "name": "dev" }));
    let maker = json!({ "kind": "ServiceAccount", "name": "bot", "namespace": "ci" });
    let same = json!({ "kind": "User", "name": "system:serviceaccount:ci:bot" });
    for subject in [maker, same] {
        assert!(passes(&review(&binding(subject.clone()), &facts)), "{subject}");
    }
    assert!(passes(&review(&owner, &facts)));
    let mut policy = policy();
    policy.access.owner = false;
    facts.policies = Arc::new([("default".to_owned(), policy)].into());
    assert_eq!(reasons(&review(&owner, &facts)), ["role-escalated"]);
}

#[test]
fn daemon_sets_are_not_what_a_preview_is_for() {
    let request = request("daemonsets", json!({ "metadata": { "name": "x" } }));
    assert_eq!(reasons(&review(&request, &facts())), ["daemonset-refused"]);
    assert!(passes(&reviewed(&request, |policy| policy
        .placement
        .daemon_sets =
        Permission::Allow)));
}

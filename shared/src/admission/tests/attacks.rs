//! Ways past the rules that were found once: each one stays shut.

use super::*;
use crate::services::{Service, Services};

#[test]
fn a_volume_that_the_node_mounts_leads_nowhere_protected() {
    for volume in [
        json!({ "name": "v", "nfs": { "server": "nfs.shop.svc.cluster.local", "path": "/" } }),
        json!({ "name": "v", "nfs": { "server": "10.1.2.3", "path": "/" } }),
        json!({ "name": "v", "iscsi": { "targetPortal": "10.1.2.3:3260", "iqn": "x", "lun": 0 } }),
        json!({ "name": "v", "cephfs": { "monitors": ["mon.shop:6789"] } }),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"]["volumes"] = json!([volume]);
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["protected-endpoint"],
            "{volume}"
        );
    }
    let mut own = pod(json!({ "name": "web" }));
    own.object["spec"]["volumes"] = json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "data.shop" } }, { "name": "t", "emptyDir": {} }]);
    assert!(passes(&review(&own, &facts())));
}

#[test]
fn a_probe_calls_no_address_that_the_policy_keeps_closed() {
    let probe = |host: &str| {
        pod(json!({ "name": "web", "readinessProbe": { "httpGet": { "host": host, "port": 80 } } }))
    };
    for host in ["10.244.3.7", "169.254.169.254", "web.shop"] {
        assert_eq!(
            reasons(&review(&probe(host), &facts())),
            ["protected-endpoint"],
            "{host}"
        );
    }
    for host in ["127.0.0.1", "localhost", "93.184.216.34"] {
        assert!(passes(&review(&probe(host), &facts())), "{host}");
    }
}

#[test]
fn annotations_that_a_controller_acts_on_are_read() {
    for annotations in [
        json!({ "nginx.ingress.kubernetes.io/auth-url": "http://auth.shop.svc.cluster.local/verify" }),
        json!({ "nginx.ingress.kubernetes.io/mirror-target": "https://db.shop$request_uri" }),
        json!({ "nginx.ingress.kubernetes.io/auth-secret": "shop/basic-auth" }),
        json!({ "traefik.ingress.kubernetes.io/router.middlewares": "shop-auth@kubernetescrd" }),
    ] {
        assert_eq!(
            reasons(&review(&annotated(annotations.clone()), &facts())),
            ["protected-endpoint"],
            "{annotations}"
        );
    }
    for annotations in [
        json!({ "nginx.org/server-snippets": "x" }),
        json!({ "nginx.org/location-snippets": "x" }),
        json!({ "alb.ingress.kubernetes.io/conditions.web": "[]" }),
        json!({ "haproxy-ingress.github.io/server-alias-regex": ".*" }),
        json!({ "haproxy-ingress.github.io/config-frontend": "x" }),
    ] {
        assert_eq!(
            reasons(&review(&annotated(annotations.clone()), &facts())),
            ["host-stolen"],
            "{annotations}"
        );
    }
    let harmless = json!({ "nginx.ingress.kubernetes.io/rewrite-target": "/", "nginx.ingress.kubernetes.io/auth-secret": "basic-auth" });
    assert!(passes(&review(&annotated(harmless), &facts())));
}

#[test]
fn a_volume_of_the_pods_own_annotations_is_read() {
    let items = json!([{ "path": "cfg", "fieldRef": { "fieldPath": "metadata.annotations['cfg']" } }]);
    for volume in [
        json!({ "name": "v", "downwardAPI": { "items": items } }),
        json!({ "name": "v", "projected": { "sources": [{ "downwardAPI": { "items": items } }] } }),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"]["volumes"] = json!([volume]);
        request.object["metadata"]["annotations"] = json!({ "cfg": "url: http://api.shop/" });
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["protected-endpoint"],
            "{volume}"
        );
    }
}

#[test]
fn what_only_bears_the_name_of_the_clusters_own_is_read_and_a_strangers_branch_secret_is_refused() {
    let mut request = pod(json!({ "name": "web" }));
    request.object["spec"]["volumes"] =
        json!([{ "name": "v", "secret": { "secretName": "kube-root-ca.crt" } }]);
    assert_eq!(needs(&request).len(), 1);
    let stranger = pod(json!({ "name": "web", "env": [
        { "name": "A", "valueFrom": { "secretKeyRef": { "name": "understudy-db-mine", "key": "uri" } } }] }));
    assert_eq!(reasons(&review(&stranger, &facts())), ["environment-unresolved"]);
    let own = pod(json!({ "name": "web", "env": [
        { "name": "A", "valueFrom": { "secretKeyRef": { "name": "understudy-db-app", "key": "uri" } } }] }));
    assert!(passes(&review(&own, &facts())));
}

#[test]
fn no_secret_value_gets_into_a_patch_or_a_denial() {
    let mut facts = facts();
    facts
        .sources
        .insert(reference(Kind::Secret, "token"), present("t", "s3cretTokenValue"));
    let request = pod(json!({ "name": "web", "env": [
        { "name": "T", "valueFrom": { "secretKeyRef": { "name": "token", "key": "t" } } },
        { "name": "U", "value": "postgres://u:p@db.shop/shop?application_name=$(T)&sslmode=require" },
    ] }));
    let decision = review(&request, &facts);
    let object = applied(&request, &decision);
    assert!(!format!("{decision:?}").contains("s3cret"), "{object}");
    assert!(object.to_string().contains("?sslmode=require"), "{object}");
    let joined = pod(json!({ "name": "web", "args": ["--host=$(HOST)"], "env": [
        { "name": "T", "valueFrom": { "secretKeyRef": { "name": "token", "key": "t" } } },
        { "name": "HOST", "value": "$(T).shop.svc" },
    ] }));
    let decision = review(&joined, &facts);
    assert_eq!(reasons(&decision), ["protected-endpoint"; 2]);
    assert!(!format!("{decision:?}").contains("s3cret"), "{decision:?}");
    let mut scaled = super::request(
        "scaledobjects",
        json!({ "kind": "ScaledObject", "metadata": { "name": "x" },
        "spec": { "triggers": [{ "metadata": { "host": "amqp://app:s3cretPassw0rd@rabbit.other.example:5672" } }] } }),
    );
    scaled.group = "keda.sh".to_owned();
    let decision = reviewed(&scaled, |policy| {
        policy.kinds = vec!["keda.sh/ScaledObject".to_owned()]
    });
    assert!(!format!("{decision:?}").contains("s3cret"), "{decision:?}");
}

#[test]
fn what_would_take_for_ever_is_given_up() {
    let references = json!("$(".repeat(400_000));
    let mut request = pod(json!({ "name": "web", "env": [{ "name": "A", "value": references }] }));
    request.object["spec"]["containers"][0]["args"] = json!([references]);
    let _ = review(&request, &facts());
    let mut facts = facts();
    facts.sources.insert(
        reference(Kind::ConfigMap, "worker"),
        present("A", &"x".repeat(1_000_000)),
    );
    let many: Vec<Value> = (0..600)
        .map(|n| json!({ "name": format!("c{n}"), "envFrom": [{ "configMapRef": { "name": "worker" } }] }))
        .collect();
    request.object["spec"]["containers"] = json!(many);
    assert!(reasons(&review(&request, &facts)).contains(&"environment-unresolved"));
    let env: Vec<Value> = (0..20_000).map(|n| json!({ "name": format!("V{n}"), "valueFrom": { "secretKeyRef": { "name": format!("s{n}"), "key": "k" } } })).collect();
    request.object["spec"]["containers"] = json!([{ "name": "web", "env": env }]);
    assert_eq!(needs(&request).len(), crate::environment::REFERENCE_LIMIT);
}

#[test]
fn every_list_of_containers_is_handled_however_long() {
    // A14: init containers, sidecars, ephemeral ones, and five hundred of a kind.
    let golden = json!([{ "name": "A", "value": "postgres://u:p@db.shop/shop" }]);
    let one = |name: &str| json!({ "name": name, "restartPolicy": "Always", "env": golden });
    let mut request = pod(one("web"));
    let many: Vec<Value> = (0..500).map(|n| one(&format!("c{n}"))).collect();
    request.object["spec"]["containers"] = json!(many);
    request.object["spec"]["initContainers"] = json!([one("init"), one("sidecar")]);
    let object = applied(&request, &review(&request, &facts()));
    for (list, _, container) in containers(&object) {
        assert_eq!(
            container["env"][0]["valueFrom"]["secretKeyRef"]["name"], "understudy-db-app",
            "{list} {}",
            container["name"]
        );
    }
    request.object["spec"]["containers"] = json!([]);
    assert!(passes(&review(&request, &facts())));
    let mut debug = super::request("pods/ephemeralcontainers", object);
    debug.operation = Operation::Update;
    debug.old_object = debug.object.clone();
    debug.object["spec"]["ephemeralContainers"] = json!([one("debugger")]);
    let object = applied(&debug, &review(&debug, &facts()));
    assert_eq!(
        object["spec"]["ephemeralContainers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
}

#[test]
fn a_manifest_that_nobody_completed_is_no_reason_to_panic() {
    for object in [
        json!({}),
        json!({ "spec": null }),
        json!({ "metadata": null, "spec": { "containers": null } }),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object = object;
        let mut facts = facts();
        facts.preview.as_mut().unwrap().sealed = None;
        assert!(passes(&review(&request, &facts)));
    }
    assert!(passes(&review(
        &request("cronjobs", json!({ "metadata": { "name": "x" } })),
        &facts()
    )));
}

#[test]
fn a_host_of_this_preview_that_a_policy_protects_is_not_its_own() {
    let rule = json!({ "host": "shop-pr-7.preview.example.com" });
    let request = request(
        "ingresses",
        json!({ "metadata": { "name": "x" }, "spec": { "rules": [rule] } }),
    );
    let decision = reviewed(&request, |policy| {
        policy.protected.hosts = vec!["shop-pr-7.preview.example.com".to_owned()]
    });
    assert_eq!(reasons(&decision), ["host-stolen"]);
}

#[test]
fn pods_of_a_headless_service_are_found_through_it() {
    let mut facts = facts();
    let mut services = Services::default();
    services.put("shop", "db", Service::default());
    facts.protected = Arc::new(Protected::new(
        ["shop".to_owned()],
        facts.policies.values(),
        &services,
    ));
    let request =
        pod(json!({ "name": "web", "env": [{ "name": "A", "value": "http://db-0.db.shop:5432" }] }));
    assert_eq!(reasons(&review(&request, &facts)), ["protected-endpoint"]);
}

#[test]
fn what_an_exempt_user_lets_in_is_marked_and_nobody_else_writes_the_mark() {
    let wide = json!({ "metadata": { "name": "x" }, "spec": { "egress": [{}] } });
    let mut request = request("networkpolicies", wide);
    request.user.groups = vec!["system:masters".to_owned()];
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(object["metadata"]["annotations"][keys::EXEMPTED_BY], "dev");
    let again = Request {
        object: object.clone(),
        ..request.clone()
    };
    assert!(matches!(validate(&again, &facts()), Decision::Allow { .. }));
    let mut forged = again;
    forged.user.groups.clear();
    forged.object["spec"] = json!({});
    assert_eq!(reasons(&review(&forged, &facts())), ["field-reserved"]);
    let later = Request {
        operation: Operation::Update,
        old_object: object.clone(),
        object,
        ..request
    };
    assert!(passes(&review(&later, &facts())));
}

#[test]
fn a_schedule_is_suspended_also_where_nothing_is_known_yet() {
    let mut facts = facts();
    facts.preview = None;
    let cron = request(
        "cronjobs",
        json!({ "metadata": { "name": "x" }, "spec": { "suspend": false } }),
    );
    assert_eq!(applied(&cron, &review(&cron, &facts))["spec"]["suspend"], true);
}

#[test]
fn a_variable_that_reads_what_is_taken_away_is_read_without_it() {
    let annotations = json!({ "iam.amazonaws.com/role": "x" });
    let role = json!({ "fieldRef": { "fieldPath": "metadata.annotations['iam.amazonaws.com/role']" } });
    let mut request = pod(json!({ "name": "web", "env": [
        { "name": "ROLE", "valueFrom": role },
        { "name": "A", "value": "http://api.$(ROLE)shop/" },
    ] }));
    request.object["metadata"]["annotations"] = annotations;
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
}

#[test]
fn the_mark_of_an_exemption_is_forged_on_no_route() {
    let bytes = |operation: &str, object: Value| {
        let review = json!({ "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "u", "operation": operation, "namespace": "shop-pr-7", "userInfo": { "username": "dev" },
            "resource": { "group": "", "resource": "pods" }, "object": object, "oldObject": pod(json!({ "name": "web" })).object,
        } });
        review.to_string().into_bytes()
    };
    let mut forged = pod(json!({ "name": "web" })).object;
    forged["metadata"]["annotations"][keys::EXEMPTED_BY] = json!("admin");
    for operation in ["CREATE", "UPDATE"] {
        let request = parse(&bytes(operation, forged.clone())).unwrap();
        let refused = reasons(&review(&request, &facts()));
        assert_eq!(refused, ["field-reserved"], "{operation}");
    }
}

#[test]
fn a_dying_object_that_a_finalizer_keeps_becomes_no_other_one() {
    // C13: what goes on is its end.
    let policy = |egress: Value, finalizers: Value| {
        json!({ "metadata": { "name": "x", "deletionTimestamp": NOW, "finalizers": finalizers },
            "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": egress } })
    };
    let kept = json!(["example.com/wait"]);
    let harmless = policy(json!([]), kept.clone());
    let update = |object: Value| Request {
        operation: Operation::Update,
        old_object: harmless.clone(),
        ..request("networkpolicies", object)
    };
    let opened = update(policy(json!([{}]), kept));
    assert_eq!(reasons(&review(&opened, &facts())), ["network-widened"]);
    let mut goes = update(policy(json!([]), json!([])));
    goes.object["status"] = json!({ "conditions": [] });
    assert!(!concerns(&goes));
    goes.object["metadata"]["annotations"] = json!({ "example.com/x": "http://db.shop/" });
    assert!(concerns(&goes), "some are acted on");
}

#[test]
fn a_running_pod_gets_no_cloud_identity() {
    let old = pod(json!({ "name": "web" })).object;
    for (map, key) in [
        ("annotations", "iam.amazonaws.com/role"),
        ("labels", "aadpodidbinding"),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["metadata"][map] = json!({ key: "golden" });
        request.operation = Operation::Update;
        request.old_object = old.clone();
        let object = applied(&request, &review(&request, &facts()));
        assert!(object["metadata"][map][key].is_null(), "{object}");
    }
}

#[test]
fn an_object_that_is_born_with_a_time_of_deletion_is_reviewed() {
    let born = request(
        "networkpolicies",
        json!({ "metadata": { "name": "x", "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0 },
            "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] } }),
    );
    assert_eq!(reasons(&review(&born, &facts())), ["network-widened"]);
    let mut finalized = born.clone();
    finalized.operation = Operation::Update;
    finalized.old_object = json!({ "metadata": { "name": "x", "deletionTimestamp": NOW }, "spec": {} });
    assert_eq!(reasons(&review(&finalized, &facts())), ["network-widened"]);
    // With its namespace too, whose Pods may run on for a while; but for the update that nothing keeps it after.
    let mut ending = facts();
    ending.preview.as_mut().unwrap().deleting = true;
    assert_eq!(reasons(&review(&finalized, &ending)), ["network-widened"]);
    finalized.old_object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    assert!(!concerns(&finalized));
}

#[test]
fn a_part_of_an_address_that_comes_from_a_resource_is_read() {
    let mut request = pod(
        json!({ "name": "web", "resources": { "requests": { "ephemeral-storage": "57" } }, "env": [
        { "name": "N", "valueFrom": { "resourceFieldRef": { "resource": "requests.ephemeral-storage" } } },
        { "name": "A", "value": "http://10.96.0.$(N)/" },
    ] }),
    );
    let mut services = Services::default();
    let address = Service {
        cluster_ips: vec!["10.96.0.57".parse().unwrap()],
        external_name: None,
    };
    services.put("shop", "api", address);
    let mut facts = facts();
    let policies: Vec<_> = facts.policies.values().cloned().collect();
    facts.protected = Arc::new(Protected::new(["shop".to_owned()], &policies, &services));
    assert_eq!(reasons(&review(&request, &facts)), ["protected-endpoint"]);
    request.object["spec"]["containers"][0]["resources"]["requests"]["ephemeral-storage"] = json!("58");
    assert!(passes(&review(&request, &facts)));
}

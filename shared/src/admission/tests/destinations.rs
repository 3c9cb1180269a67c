//! Where things lead: files, aliases, resolvers, Services, endpoints, networks.

use super::*;
use crate::policy::Smtp;
use crate::services::{Service, Services};

fn with_services(edit: impl FnOnce(&mut Services)) -> Facts {
    let mut facts = facts();
    let mut services = Services::default();
    services.put(
        "shop",
        "db",
        Service {
            cluster_ips: vec!["10.96.0.12".parse().unwrap()],
            external_name: None,
        },
    );
    edit(&mut services);
    facts.protected = Arc::new(Protected::new(
        ["shop".to_owned()],
        facts.policies.values(),
        &services,
    ));
    facts.services = Arc::new(services);
    facts
}

#[test]
fn a_mounted_file_that_leads_to_the_golden_is_refused_by_its_name() {
    let mount = |volume: Value| {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"]["volumes"] = json!([volume]);
        request
    };
    let mut facts = with_services(|_| {});
    facts.sources.insert(
        reference(Kind::ConfigMap, "files"),
        Fact::Present(
            [
                ("app.yaml".to_owned(), "url: http://web.shop:80/\n".to_owned()),
                ("log.xml".to_owned(), "com.acme.shop".to_owned()),
            ]
            .into(),
        ),
    );
    let whole = json!({ "name": "v", "configMap": { "name": "files" } });
    let projected = json!({ "name": "v", "projected": { "sources": [{ "configMap": { "name": "files", "items": [{ "key": "app.yaml", "path": "x" }] } }] } });
    for volume in [whole, projected] {
        let decision = review(&mount(volume), &facts);
        assert_eq!(reasons(&decision), ["protected-endpoint"]);
        let Decision::Deny(violations) = decision else {
            unreachable!()
        };
        assert!(
            violations[0]
                .message
                .starts_with("volume v, file app.yaml of ConfigMap files: host web.shop"),
            "{violations:?}"
        );
    }
    let harmless = json!({ "name": "v", "configMap": { "name": "files", "items": [{ "key": "log.xml", "path": "x" }] } });
    assert!(passes(&review(&mount(harmless), &facts)));
    let unknown = json!({ "name": "v", "secret": { "secretName": "nobody-knows" } });
    assert_eq!(
        reasons(&review(&mount(unknown), &facts)),
        ["environment-unresolved"]
    );
    assert_eq!(
        super::super::needs(&mount(json!({ "name": "v", "secret": { "secretName": "s" } }))).len(),
        1
    );
    assert!(
        super::super::needs(&mount(
            json!({ "name": "v", "configMap": { "name": "kube-root-ca.crt" } })
        ))
        .is_empty()
    );
}

#[test]
fn names_that_mean_something_else_in_this_pod_are_refused() {
    let facts = with_services(|_| {});
    for (field, value) in [
        (
            "hostAliases",
            json!([{ "ip": "10.96.0.12", "hostnames": ["db"] }]),
        ),
        ("dnsConfig", json!({ "searches": ["shop.svc.cluster.local"] })),
        ("dnsConfig", json!({ "nameservers": ["10.0.0.99"] })),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"][field] = value.clone();
        assert_eq!(
            reasons(&review(&request, &facts)),
            ["protected-endpoint"],
            "{value}"
        );
    }
    let mut harmless = pod(json!({ "name": "web" }));
    harmless.object["spec"]["hostAliases"] = json!([{ "ip": "10.96.0.13", "hostnames": ["db"] }]);
    harmless.object["spec"]["dnsConfig"] =
        json!({ "searches": ["example.org"], "options": [{ "name": "ndots", "value": "2" }] });
    assert!(passes(&review(&harmless, &facts)));
}

#[test]
fn a_bare_name_is_the_previews_own_service_unless_that_leads_elsewhere() {
    let request = pod(json!({ "name": "web", "env": [{ "name": "CACHE", "value": "redis://db:6379" }] }));
    assert!(passes(&review(&request, &with_services(|_| {}))));
    let aliased = with_services(|services| {
        services.put(
            "shop-pr-7",
            "db",
            Service {
                cluster_ips: vec![],
                external_name: Some("db.shop.svc".to_owned()),
            },
        );
    });
    assert_eq!(reasons(&review(&request, &aliased)), ["protected-endpoint"]);
}

#[test]
fn probes_and_hooks_are_read_like_commands() {
    for container in [
        json!({ "name": "web", "livenessProbe": { "exec": { "command": ["curl", "http://api.shop"] } } }),
        json!({ "name": "web", "readinessProbe": { "httpGet": { "host": "api.shop", "port": 80 } } }),
        json!({ "name": "web", "lifecycle": { "preStop": { "exec": { "command": ["sh", "-c", "psql -h db.shop"] } } } }),
    ] {
        assert_eq!(
            reasons(&review(&pod(container.clone()), &facts())),
            ["protected-endpoint"],
            "{container}"
        );
    }
}

#[test]
fn services_endpoints_and_routes_lead_nowhere_protected() {
    let facts = with_services(|_| {});
    let alias = |name: &str| {
        request(
            "services",
            json!({ "metadata": { "name": "x" }, "spec": { "type": "ExternalName", "externalName": name } }),
        )
    };
    assert_eq!(
        reasons(&review(&alias("db.shop.svc.cluster.local"), &facts)),
        ["protected-endpoint"]
    );
    assert!(passes(&review(&alias("api.example.org"), &facts)));
    let endpoints = |ip: &str| {
        request(
            "endpoints",
            json!({ "metadata": { "name": "x" }, "subsets": [{ "addresses": [{ "ip": ip }] }] }),
        )
    };
    let slice = |ip: &str| {
        request(
            "endpointslices",
            json!({ "metadata": { "name": "x" }, "endpoints": [{ "addresses": [ip] }] }),
        )
    };
    for closed in ["10.96.0.12", "10.1.2.3"] {
        assert_eq!(
            reasons(&review(&endpoints(closed), &facts)),
            ["protected-endpoint"],
            "{closed}"
        );
        assert_eq!(
            reasons(&review(&slice(closed), &facts)),
            ["protected-endpoint"],
            "{closed}"
        );
    }
    assert!(passes(&review(&endpoints("93.184.216.34"), &facts)));
    let mut by_the_cluster = slice("10.1.2.3");
    by_the_cluster.user.name = "system:serviceaccount:kube-system:endpointslice-controller".to_owned();
    assert!(passes(&review(&by_the_cluster, &facts)));
}

#[test]
fn network_policies_open_nothing_beyond_the_policy() {
    let with = |spec: Value| {
        request(
            "networkpolicies",
            json!({ "metadata": { "name": "x" }, "spec": spec }),
        )
    };
    let private = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
    ];
    for (wide, named) in [
        (json!({ "ingress": [{}] }), "everything"),
        (json!({ "egress": [{ "to": [] }] }), "everything"),
        (
            json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }] }),
            "10.0.0.0/8",
        ),
        (
            json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": private } }] }] }),
            "port 25",
        ),
        (
            json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "10.2.0.0/16" } }], "ports": [{ "port": 443 }] }] }),
            "10.2.0.0/16",
        ),
        (
            json!({ "egress": [{ "to": [{ "namespaceSelector": {} }] }] }),
            "of every name",
        ),
        (
            json!({ "ingress": [{ "from": [{ "ipBlock": { "cidr": "93.184.216.0/24" } }] }] }),
            "93.184.216.0/24",
        ),
        (
            json!({ "egress": [{ "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }] }] }),
            "kube-system",
        ),
    ] {
        let decision = review(&with(wide.clone()), &facts());
        assert_eq!(reasons(&decision), ["network-widened"], "{wide}");
        let Decision::Deny(violations) = decision else {
            unreachable!()
        };
        assert!(
            violations[0].message.contains(named),
            "{wide}: {}",
            violations[0].message
        );
    }
    let kube_system = json!({ "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-system"] }] });
    for narrow in [
        json!({ "ingress": [{ "from": [{ "podSelector": {} }] }] }),
        json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "93.184.216.0/24" } }], "ports": [{ "port": 443 }] }] }),
        json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": private } }], "ports": [{ "port": 1000, "endPort": 2000 }] }] }),
        json!({ "egress": [{ "to": [{ "namespaceSelector": kube_system }], "ports": [{ "protocol": "UDP", "port": 53 }] }] }),
        json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "10.9.0.7/32" } }], "ports": [{ "port": 5432 }] }] }),
        json!({ "egress": [{ "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "shop-pr-7" } } }] }] }),
    ] {
        assert_eq!(
            review(&with(narrow.clone()), &facts()),
            Decision::Allow { warnings: vec![] },
            "{narrow}"
        );
    }
    let mail = with(
        json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "93.184.216.0/24" } }], "ports": [{ "port": 587 }] }] }),
    );
    assert_eq!(reasons(&review(&mail, &facts())), ["network-widened"]);
    assert!(passes(
        &reviewed(&mail, |policy| policy.quarantine.smtp = Smtp::Allow)
    ));
}

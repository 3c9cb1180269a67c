//! Hosts, certificates, DNS records, ingress-nginx, the Gateway API.

use super::*;

#[test]
fn cert_manager_is_not_asked_for_certificates() {
    let mut asked =
        json!({ "kubernetes.io/tls-acme": "true", "acme.cert-manager.io/http01-edit-in-place": "true" });
    for key in [
        "issuer",
        "cluster-issuer",
        "issuer-kind",
        "issuer-group",
        "common-name",
        "duration",
        "renew-before",
    ] {
        asked[format!("cert-manager.io/{key}")] = json!("x");
    }
    assert_eq!(left_on_ingress(asked), json!({}));
}

#[test]
fn external_dns_makes_records_of_the_clone_alone_by_either_prefix() {
    for prefix in ["external-dns.alpha.kubernetes.io", "external-dns.kubernetes.io"] {
        let mut asked = json!({});
        for (key, value) in [
            ("hostname", "shop.example.com, api.example.com,other.example.net"),
            ("internal-hostname", "shop.example.com"),
            ("set-identifier", "eu-1"),
            ("target", "192.0.2.1"),
            ("aws-weight", "10"),
            ("aws-region", "eu-central-1"),
            ("ttl", "60"),
        ] {
            asked[format!("{prefix}/{key}")] = json!(value);
        }
        let left = left_on_ingress(asked);
        assert_eq!(left[format!("{prefix}/hostname")], format!("{MAIN},{FURTHER}"));
        assert_eq!(left[format!("{prefix}/internal-hostname")], MAIN);
        assert_eq!(left[format!("{prefix}/ttl")], "60");
        assert_eq!(left.as_object().unwrap().len(), 3, "{left}");
    }
}

#[test]
fn annotations_of_ingress_nginx_mean_the_clone() {
    for (key, value, becomes) in [
        (
            "auth-url",
            "http://api.shop.svc.cluster.local/verify",
            "http://api.shop-pr-7.svc.cluster.local/verify",
        ),
        (
            "auth-signin",
            "https://shop.example.com/login?rd=$escaped_request_uri",
            &format!("https://{MAIN}/login?rd=$escaped_request_uri"),
        ),
        ("default-backend", "api", "api"),
        ("canary", "true", "true"),
        ("canary-by-header", "x-canary", "x-canary"),
        ("canary-weight", "20", "20"),
        ("server-alias", "api.example.com,gone.example.net", FURTHER),
        (
            "cors-allow-origin",
            "https://shop.example.com, https://api.example.com",
            &format!("https://{MAIN}, https://{FURTHER}"),
        ),
        (
            "proxy-redirect-from",
            "http://api.shop.svc/",
            "http://api.shop-pr-7.svc/",
        ),
        (
            "proxy-redirect-to",
            "https://shop.example.com/",
            &format!("https://{MAIN}/"),
        ),
        (
            "permanent-redirect",
            "https://api.example.com/v2",
            &format!("https://{FURTHER}/v2"),
        ),
        ("proxy-body-size", "8m", "8m"),
    ] {
        let key = format!("nginx.ingress.kubernetes.io/{key}");
        let (mut asked, mut left) = (json!({}), json!({}));
        asked[&key] = json!(value);
        left[&key] = json!(becomes);
        assert_eq!(left_on_ingress(asked), left);
    }
}

#[test]
fn text_for_ingress_nginxs_own_configuration_is_refused_by_name() {
    for key in ["configuration-snippet", "server-snippet", "auth-snippet"] {
        let mut asked = json!({});
        asked[format!("nginx.ingress.kubernetes.io/{key}")] = json!("proxy_pass http://api.shop.svc;");
        let plan = clone_of([ingress(asked), api_service()], json!({}));
        let refused = item(&plan, "Ingress", "web");
        assert_eq!(refused.verdict, Verdict::Refuse, "{key}");
        assert!(refused.reason.contains(key), "{}", refused.reason);
        assert!(
            refused.remedy.contains("--exclude Ingress/web"),
            "{}",
            refused.remedy
        );
    }
}

#[test]
fn secrets_that_ingress_nginx_reads_are_named() {
    for key in ["auth-secret", "auth-tls-secret", "proxy-ssl-secret"] {
        let mut asked = json!({});
        asked[format!("nginx.ingress.kubernetes.io/{key}")] = json!("shop/basic-auth");
        let plan = clone_of([ingress(asked), api_service()], json!({}));
        let refused: Vec<String> = plan.refusals().map(Item::id).collect();
        assert_eq!(refused, ["Secret/basic-auth"], "{key}");
        let left = made(&plan, "Ingress", "web")
            .metadata
            .annotations
            .clone()
            .unwrap();
        assert_eq!(
            left[&format!("nginx.ingress.kubernetes.io/{key}")],
            "shop-pr-7/basic-auth"
        );
    }
}

#[test]
fn a_canary_shares_the_host_of_what_it_is_a_canary_of() {
    let mut canary = ingress(json!({ "nginx.ingress.kubernetes.io/canary": "true" }));
    canary["metadata"]["name"] = json!("web-canary");
    let plan = clone_of([ingress(json!({})), canary, api_service()], json!({}));
    let hosts = |name: &str| made(&plan, "Ingress", name).data["spec"]["rules"][0]["host"].clone();
    assert_eq!(hosts("web"), hosts("web-canary"));
    assert_eq!(plan.hosts, [MAIN, FURTHER]);
}

#[test]
fn hosts_backends_and_certificates_of_an_ingress_are_the_clones() {
    let mut original = ingress(json!({}));
    original["spec"]["tls"] =
        json!([{ "hosts": ["shop.example.com", "api.example.com"], "secretName": "shop-tls" }]);
    original["spec"]["defaultBackend"] = json!({ "service": { "name": "api", "port": { "number": 80 } } });
    let made = clone_with(
        original,
        json!({ "hosts": { "domain": "preview.example.com", "tlsSecret": "wildcard" }, "secrets": { "tls": ["wildcard"] } }),
    );
    let spec = &made.data["spec"];
    assert_eq!(
        spec["tls"],
        json!([{ "hosts": [MAIN, FURTHER], "secretName": "wildcard" }])
    );
    assert_eq!(spec["defaultBackend"], Value::Null);
    let hosts: Vec<&str> = spec["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["host"].as_str().unwrap())
        .collect();
    // A wildcard certificate reaches one label deep.
    assert!(
        hosts.iter().all(|host| host
            .strip_suffix(".preview.example.com")
            .is_some_and(|label| !label.contains('.'))),
        "{hosts:?}"
    );
    assert_eq!(hosts.len(), 3);
}

/// What becomes of `tls` on an Ingress with `rules`, and why; nothing of it is the golden's.
fn certified(rules: &[&str], tls: Value) -> (Value, String) {
    let mut original = ingress(json!({}));
    let path = original["spec"]["rules"][0]["http"].clone();
    let rule = |host: &&str| match *host {
        "" => json!({ "http": path }),
        host => json!({ "host": host, "http": path }),
    };
    original["spec"]["rules"] = rules.iter().map(rule).collect();
    original["spec"]["tls"] = tls;
    let plan = clone_of([original, api_service()], json!({}));
    let item = item(&plan, "Ingress", "web");
    assert_eq!(item.verdict, Verdict::Rewrite, "{} {}", item.reason, item.remedy);
    let written = serde_json::to_string(&manifests(&plan).objects).unwrap();
    let others = written.replace("preview.example.com", "");
    assert!(!others.contains("example.com"), "{written}");
    let made = made(&plan, "Ingress", "web").data["spec"].clone();
    (made["tls"].clone(), item.reason.clone())
}

#[test]
fn certificates_are_for_the_hosts_that_the_rules_serve() {
    let (shop, api) = ("shop.example.com", "api.example.com");
    let of = |hosts: &[&str]| json!([{ "hosts": hosts }]);
    for (rules, asked, certified_for) in [
        (&[shop, api][..], &["*.example.com"][..], of(&[MAIN, FURTHER])),
        (
            &[shop, api],
            &["Shop.example.com", "*.example.com"],
            of(&[MAIN, FURTHER]),
        ),
        (&[shop], &[shop, "www.shop.example.com"], of(&[MAIN])),
        (
            &["*.shop.example.com"],
            &["*.shop.example.com", "a.shop.example.com"],
            of(&[MAIN]),
        ),
        (&[""], &[shop], of(&[MAIN])),
        // Of what no rule serves no certificate is left.
        (
            &[shop],
            &["www.shop.example.com", "*.shop.example.com"],
            Value::Null,
        ),
    ] {
        let (left, _) = certified(rules, of(asked));
        assert_eq!(left, certified_for, "{rules:?} {asked:?}");
    }
    let two = json!([{ "hosts": ["*.example.com"], "secretName": "wild" }, { "hosts": ["www.shop.example.com"], "secretName": "www" }]);
    let (left, why) = certified(&[shop], two);
    assert_eq!(left, of(&[MAIN]));
    assert_eq!(
        why,
        format!(
            "shop.example.com becomes {MAIN}; tls for *.example.com becomes tls for {MAIN}; \
             tls for www.shop.example.com is left out: no rule serves it; it is served by the ingress controller's own certificate"
        )
    );
}

#[test]
fn routes_of_every_protocol_mean_the_clone_wherever_a_host_or_namespace_stands() {
    for kind in ["HTTPRoute", "GRPCRoute", "TLSRoute"] {
        let route = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": { "name": "web" }, "spec": {
            "parentRefs": [{ "name": "public", "namespace": "gateways" }], "hostnames": ["shop.example.com", "*.shop.example.com"],
            "rules": [
                { "filters": [{ "type": "RequestRedirect", "requestRedirect": { "hostname": "shop.example.com" } }] },
                { "filters": [{ "type": "URLRewrite", "urlRewrite": { "hostname": "api.shop.svc.cluster.local" } }],
                  "backendRefs": [{ "name": "api", "namespace": "shop", "port": 80 }] }
            ] } });
        let made = clone_with(
            route,
            json!({ "kinds": [format!("gateway.networking.k8s.io/{kind}")] }),
        );
        let spec = &made.data["spec"];
        // A rule that only redirects leads to no Service: the host is named after the next one's.
        assert_eq!(spec["hostnames"], json!([MAIN, FURTHER]), "{kind}");
        assert_eq!(
            spec["parentRefs"],
            json!([{ "name": "public", "namespace": "gateways" }])
        );
        assert_eq!(
            spec["rules"][0]["filters"][0]["requestRedirect"]["hostname"],
            MAIN
        );
        assert_eq!(
            spec["rules"][1]["filters"][0]["urlRewrite"]["hostname"],
            "api.shop-pr-7.svc.cluster.local"
        );
        assert_eq!(spec["rules"][1]["backendRefs"][0]["namespace"], "shop-pr-7");
    }
}

#[test]
fn what_serves_a_page_at_the_root_gets_the_main_host() {
    let ingress = |name: &str, host: &str, path: &str| {
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name }, "spec": { "rules": [
            { "host": host, "http": { "paths": [{ "path": path, "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } }] } }] } })
    };
    let plan = clone_of(
        [
            ingress("admin", "admin.example.com", "/admin"),
            ingress("web", "shop.example.com", "/"),
            api_service(),
        ],
        json!({}),
    );
    assert_eq!(
        made(&plan, "Ingress", "web").data["spec"]["rules"][0]["host"],
        MAIN
    );
    let rule = |path: Value| json!({ "matches": [path], "backendRefs": [{ "name": "api", "port": 80 }] });
    let route = |name: &str, host: &str, rule: Value| {
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": name }, "spec": {
            "parentRefs": [{ "name": "public", "namespace": "gateways" }], "hostnames": [host], "rules": [rule] } })
    };
    let prefix = |value: &str| json!({ "path": { "type": "PathPrefix", "value": value } });
    let mut canary = prefix("/");
    canary["headers"] = json!([{ "name": "x-canary", "value": "true" }]);
    let plan = clone_of(
        [
            route("admin", "admin.example.com", rule(prefix("/admin"))),
            route("canary", "canary.example.com", rule(canary)),
            route(
                "exact",
                "exact.example.com",
                rule(json!({ "path": { "type": "Exact", "value": "/" } })),
            ),
            route("web", "shop.example.com", rule(prefix("/"))),
            api_service(),
        ],
        json!({ "kinds": ["gateway.networking.k8s.io/HTTPRoute"] }),
    );
    assert_eq!(
        made(&plan, "HTTPRoute", "web").data["spec"]["hostnames"],
        json!([MAIN])
    );
}

#[test]
fn the_scheme_of_a_route_is_its_listeners_and_without_one_what_its_parent_says() {
    let planned = |parent: Value| {
        let route = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": "web" }, "spec": {
            "parentRefs": [parent], "hostnames": ["shop.example.com"], "rules": [{ "backendRefs": [{ "name": "api", "port": 80 }] }] } });
        clone_of(
            [route, api_service()],
            json!({ "kinds": ["gateway.networking.k8s.io/HTTPRoute"] }),
        )
    };
    let parent = |more: Value| {
        let mut parent = json!({ "name": "public", "namespace": "gateways" });
        for (key, value) in more.as_object().unwrap() {
            parent[key] = value.clone();
        }
        parent
    };
    let gateway = object(
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": { "name": "public", "namespace": "gateways" }, "spec": { "listeners": [
            { "name": "plain", "port": 80, "protocol": "HTTP" },
            { "name": "web", "port": 8443, "protocol": "HTTPS", "hostname": "*.preview.example.com" },
            { "name": "other", "port": 9443, "protocol": "HTTPS", "hostname": "*.example.net" }
        ] } }),
    );
    let (https, http) = (format!("https://{MAIN}"), format!("http://{MAIN}"));
    for (more, read, unread) in [
        (json!({}), &https, &http),
        (json!({ "sectionName": "plain" }), &http, &http),
        (json!({ "sectionName": "web" }), &https, &http),
        (json!({ "port": 9443 }), &http, &http),
        (json!({ "port": 443 }), &http, &https),
        (json!({ "sectionName": "https-public" }), &http, &https),
    ] {
        let plan = planned(parent(more.clone()));
        let names: Vec<_> = plan.gateways().into_iter().map(|gateway| gateway.name).collect();
        assert_eq!(names, ["public"]);
        assert_eq!(
            plan.url(std::slice::from_ref(&gateway)).as_ref(),
            Some(read),
            "{more}"
        );
        assert_eq!(plan.url(&[]).as_ref(), Some(unread), "{more}");
    }
    let mut certified = ingress(json!({}));
    certified["spec"]["tls"] = json!([{ "hosts": ["shop.example.com"] }]);
    let plan = clone_of([certified, api_service()], json!({}));
    assert_eq!((plan.url(&[]), plan.gateways().len()), (Some(https), 0));
    let plain = clone_of([ingress(json!({})), api_service()], json!({}));
    assert_eq!(plain.url(&[]), Some(http));
}

#[test]
fn a_route_that_only_redirects_has_a_host_that_can_be_read() {
    let route = |name: &str, host: &str| {
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": name }, "spec": {
        "hostnames": [host], "rules": [{ "filters": [{ "type": "RequestRedirect", "requestRedirect": { "hostname": "shop.example.com" } }] }] } })
    };
    let plan = clone_of(
        [route("a", "shop.example.com"), route("b", "www.example.com")],
        json!({ "kinds": ["gateway.networking.k8s.io/HTTPRoute"] }),
    );
    assert_eq!(plan.hosts, [MAIN, "www--shop-pr-7.preview.example.com"]);
}

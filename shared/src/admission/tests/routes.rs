//! Hosts: rewritten where they may be, refused where not.

use super::*;
use crate::policy::Rewrites;

fn ingress(spec: Value) -> Request {
    request("ingresses", json!({ "metadata": { "name": "x" }, "spec": spec }))
}

fn rule(host: &str, service: &str) -> Value {
    json!({ "host": host, "http": { "paths": [{ "backend": { "service": { "name": service } } }] } })
}

#[test]
fn hosts_of_the_golden_become_the_previews_own() {
    let request = ingress(json!({
        "rules": [rule("shop.example.com", "web"), rule("api.shop.example.com", "api"), rule("shop.example.com", "static")],
        "tls": [{ "hosts": ["shop.example.com"], "secretName": "shop-tls" }],
    }));
    let mut with_annotation = request.clone();
    with_annotation.object["metadata"]["annotations"] =
        json!({ "cert-manager.io/cluster-issuer": "letsencrypt" });
    let tls = |policy: &mut PreviewPolicySpec| {
        policy.hosts.tls_secret = "wildcard".to_owned();
        policy.hosts.ingress_class = "nginx".to_owned();
    };
    let object = applied(&with_annotation, &reviewed(&with_annotation, tls));
    let spec = &object["spec"];
    assert_eq!(spec["rules"][0]["host"], "shop-pr-7.preview.example.com");
    assert_eq!(spec["rules"][1]["host"], "api--shop-pr-7.preview.example.com");
    assert_eq!(spec["rules"][2]["host"], "shop-pr-7.preview.example.com");
    assert_eq!(
        spec["tls"][0],
        json!({ "hosts": ["shop-pr-7.preview.example.com"], "secretName": "wildcard" })
    );
    assert_eq!(spec["ingressClassName"], "nginx");
    assert_eq!(object["metadata"]["annotations"], json!({}));
    let plain = applied(&request, &review(&request, &facts()));
    assert_eq!(plain["spec"]["tls"][0]["secretName"], "shop-tls");
}

#[test]
fn names_that_dns_and_certificates_are_asked_for_follow_the_hosts() {
    let mut request =
        ingress(json!({ "rules": [rule("shop.example.com", "web"), rule("api.example.com", "api")] }));
    request.object["metadata"]["annotations"] = json!({
        "external-dns.alpha.kubernetes.io/hostname": "api.example.com,shop.example.com",
        "cert-manager.io/common-name": "shop.example.com",
    });
    let annotations = applied(&request, &review(&request, &facts()))["metadata"]["annotations"].clone();
    assert_eq!(
        annotations["external-dns.alpha.kubernetes.io/hostname"],
        "api--shop-pr-7.preview.example.com,shop-pr-7.preview.example.com"
    );
    assert_eq!(
        annotations["cert-manager.io/common-name"],
        "shop-pr-7.preview.example.com"
    );
    request.object["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"] =
        json!("shop.example.com,other.example.com");
    assert!(reasons(&review(&request, &facts())).contains(&"host-stolen"));
}

#[test]
fn what_is_the_previews_own_is_left_alone() {
    for own in [
        "shop-pr-7.preview.example.com",
        "api--shop-pr-7.preview.example.com",
    ] {
        let request = ingress(json!({ "rules": [rule(own, "web")] }));
        assert_eq!(
            review(&request, &facts()),
            Decision::Allow { warnings: vec![] },
            "{own}"
        );
    }
}

#[test]
fn what_cannot_be_rewritten_is_refused() {
    for spec in [
        json!({ "rules": [rule("*.preview.example.com", "web")] }),
        json!({ "defaultBackend": { "service": { "name": "web" } } }),
    ] {
        assert_eq!(
            reasons(&review(&ingress(spec.clone()), &facts())),
            ["host-stolen"],
            "{spec}"
        );
    }
    for (key, value) in [
        (
            "nginx.ingress.kubernetes.io/server-snippet",
            "server_name shop.example.com;",
        ),
        ("nginx.ingress.kubernetes.io/server-alias", "shop.example.com"),
        ("external-dns.alpha.kubernetes.io/hostname", "shop.example.com"),
    ] {
        let mut request = ingress(json!({}));
        request.object["metadata"]["annotations"] = json!({ key: value });
        assert_eq!(reasons(&review(&request, &facts())), ["host-stolen"], "{key}");
    }
    let mut service = request("services", json!({ "metadata": { "name": "x" }, "spec": {} }));
    service.object["metadata"]["annotations"] =
        json!({ "external-dns.alpha.kubernetes.io/hostname": "shop.example.com" });
    assert_eq!(reasons(&review(&service, &facts())), ["host-stolen"]);
    let foreign = ingress(json!({ "rules": [rule("shop-pr-8.preview.example.com", "web")] }));
    assert_eq!(
        reasons(&reviewed(&foreign, |policy| policy.rewrites = Rewrites::Never)),
        ["host-stolen"]
    );
    assert_eq!(
        reasons(&reviewed(&foreign, |policy| policy.hosts.domain.clear())),
        ["host-stolen"]
    );
}

#[test]
fn what_lives_in_git_is_refused_and_not_fought_over() {
    let mut request = ingress(json!({ "rules": [rule("shop.example.com", "web")] }));
    request.object["metadata"]["annotations"] =
        json!({ "argocd.argoproj.io/tracking-id": "shop-pr-7:networking.k8s.io/Ingress:shop-pr-7/x" });
    assert!(reasons(&review(&request, &facts())).contains(&"gitops-managed"));
    assert!(passes(
        &reviewed(&request, |policy| policy.rewrites = Rewrites::Always)
    ));
    let mut service = super::request(
        "services",
        json!({ "metadata": { "name": "x" }, "spec": { "type": "LoadBalancer" } }),
    );
    service.user.name = "system:serviceaccount:argocd:controller".to_owned();
    let trust = |policy: &mut PreviewPolicySpec| {
        policy.trusted.service_accounts = vec!["argocd/controller".to_owned()]
    };
    assert_eq!(reasons(&reviewed(&service, trust)), ["gitops-managed"]);
    // By the label of Helm alone they cannot be told from what a person installs; by whose fields they are they can.
    service.user.name = "dev".to_owned();
    for (manager, managed) in [
        ("argocd-controller", true),
        ("argocd-application-controller", true),
        ("kustomize-controller", true),
        ("helm-controller", true),
        ("helm", false),
        ("kubectl-client-side-apply", false),
    ] {
        service.object["metadata"]["managedFields"] =
            json!([{ "manager": manager, "operation": "Apply", "apiVersion": "v1" }]);
        let decision = review(&service, &facts());
        assert_eq!(!passes(&decision), managed, "{manager}: {decision:?}");
    }
}

#[test]
fn routes_of_the_gateway_api_are_treated_the_same_where_their_kind_is_allowed() {
    let allow = |policy: &mut PreviewPolicySpec| {
        policy.kinds = vec!["gateway.networking.k8s.io/HTTPRoute".to_owned()]
    };
    let route = |spec: Value| {
        request(
            "httproutes",
            json!({ "kind": "HTTPRoute", "metadata": { "name": "x" }, "spec": spec }),
        )
    };
    let shop = route(
        json!({ "hostnames": ["shop.example.com"], "rules": [{ "backendRefs": [{ "name": "web" }] }] }),
    );
    let object = applied(&shop, &reviewed(&shop, allow));
    assert_eq!(
        object["spec"]["hostnames"],
        json!(["shop-pr-7.preview.example.com"])
    );
    let all = route(json!({ "rules": [] }));
    let object = applied(&all, &reviewed(&all, allow));
    assert_eq!(
        object["spec"]["hostnames"],
        json!(["shop-pr-7.preview.example.com"])
    );
    let golden = route(
        json!({ "hostnames": ["shop-pr-7.preview.example.com"], "rules": [{ "backendRefs": [{ "name": "web", "namespace": "shop" }] }] }),
    );
    assert_eq!(reasons(&reviewed(&golden, allow)), ["protected-endpoint"]);
    assert!(reasons(&review(&shop, &facts())).contains(&"kind-not-allowed"));
}

//! Golden hosts in texts: what has no host of the clone in its place is pointed out.

use super::*;

fn config(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "front" }, "data": data })
}

fn warnings(data: Value, more: Vec<Value>, spec: &CloneSpec) -> Vec<String> {
    let mut snapshot = shop();
    snapshot.objects.push(object(config(data)));
    snapshot.objects.extend(more.into_iter().map(object));
    let plan = planned(&snapshot, spec, &policy(json!({}))).unwrap();
    plan.warnings
}

#[test]
fn a_golden_host_whose_route_is_left_out_is_pointed_out_wherever_it_stands() {
    let without = CloneSpec {
        selection: Selection {
            exclude: vec!["Ingress".parse().unwrap()],
            ..Selection::default()
        },
        ..spec()
    };
    let file = "server:\n  # public\n  url: https://Shop.example.com/start\n";
    let found = warnings(json!({ "app.yaml": file }), Vec::new(), &without);
    let what = "a golden host that no route of the clone takes the place of";
    assert_eq!(
        found,
        [
            format!("ConfigMap/front: data.app.yaml, line 3 holds \"Shop.example.com\", {what}"),
            format!("ConfigMap/worker-config: data.PUBLIC_URL holds \"shop.example.com\", {what}"),
            format!(
                "Deployment/web: spec.template.spec.containers[web].env[PUBLIC_URL].value holds \"shop.example.com\", {what}"
            ),
        ]
    );
    // What somebody sets is no host of the golden's any more.
    let set = CloneSpec {
        variables: vec!["web:PUBLIC_URL=https://staging.example.org".parse().unwrap()],
        ..without
    };
    assert_eq!(warnings(json!({}), Vec::new(), &set).len(), 1);
}

#[test]
fn what_belongs_to_a_golden_host_is_pointed_out_and_a_whole_domain_is_not() {
    let found = warnings(
        json!({ "COOKIE_DOMAIN": ".shop.example.com", "WWW": "https://www.shop.example.com/",
            "WHOLE": ".example.com", "OTHER": "myshop.example.com", "OWN": "x--shop-pr-7.preview.example.com" }),
        Vec::new(),
        &spec(),
    );
    let belongs = "which belongs to the golden host shop.example.com and was left as it is";
    assert_eq!(
        found,
        [
            format!("ConfigMap/front: data.COOKIE_DOMAIN holds \".shop.example.com\", {belongs}"),
            format!("ConfigMap/front: data.WWW holds \"www.shop.example.com\", {belongs}"),
        ]
    );
}

#[test]
fn a_host_that_only_a_record_leads_to_is_a_golden_host_too() {
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "edge",
        "annotations": { "external-dns.alpha.kubernetes.io/hostname": "edge.example.com" } },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 443 }] } });
    let found = warnings(
        json!({ "EDGE": "wss://edge.example.com" }),
        vec![service],
        &spec(),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("ConfigMap/front: data.EDGE holds \"edge.example.com\", a golden host"));
}

#[test]
fn what_a_certificate_is_for_is_golden_where_the_ingress_names_it_and_no_wildcard() {
    let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "shop",
        "annotations": { "cert-manager.io/alt-names": "*.example.com,other.example.com" } },
        "spec": { "tls": [{ "hosts": ["*.example.com", "store.example.com"] }],
            "rules": [{ "host": "shop.example.com" }] } });
    let data =
        json!({ "STORE": "store.example.com", "MAIL": "smtp.example.com", "OTHER": "other.example.com" });
    let found = warnings(data, vec![ingress], &spec());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("ConfigMap/front: data.STORE holds \"store.example.com\", a golden host"));
}

#[test]
fn a_golden_host_in_a_secret_is_named_by_its_place_alone() {
    // d3d3LnNob3AuZXhhbXBsZS5jb20= is www.shop.example.com
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "shop-api" },
        "data": { "STRIPE_API_KEY": "c2t0ZXN0", "HOOK": "d3d3LnNob3AuZXhhbXBsZS5jb20=" } });
    let mut snapshot = shop();
    snapshot
        .objects
        .retain(|object| object.metadata.name.as_deref() != Some("shop-api"));
    snapshot.objects.push(object(secret));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(
        plan.warnings,
        [
            "Secret/shop-api: data[HOOK] names the golden host shop.example.com or what stands below it, and was left as it is"
        ]
    );
}

#[test]
fn a_host_that_another_vendors_route_serves_is_a_golden_host_too() {
    let route = json!({ "apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": { "name": "admin" },
        "spec": { "routes": [{ "match": "Host(`admin.example.com`)", "services": [{ "name": "web" }] }] } });
    let found = warnings(
        json!({ "ADMIN": "https://admin.example.com" }),
        vec![route],
        &spec(),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("ConfigMap/front: data.ADMIN holds \"admin.example.com\", a golden host"));
}

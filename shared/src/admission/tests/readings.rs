//! Where programs, network plugins and the kubelet read otherwise than a first look does.

use super::*;

fn variable(value: &str) -> Request {
    pod(json!({ "name": "web", "env": [{ "name": "TARGET", "value": value }] }))
}

fn policy_egress(cidr: &str) -> Request {
    let egress = json!([{ "to": [{ "ipBlock": { "cidr": cidr } }], "ports": [{ "port": 5432 }] }]);
    request(
        "networkpolicies",
        json!({ "metadata": { "name": "x" }, "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": egress } }),
    )
}

#[test]
fn drivers_that_disagree_on_where_a_host_stands_are_all_right() {
    for text in [
        "postgresql://u:p@api.shop,x@y/shop",
        "postgresql+psycopg2://u:p@api.shop,x@y/shop",
        "jdbc:postgresql://api.shop,x@y/shop?user=u&password=p",
        "jdbc:postgresql://api.shop@y/shop",
        "http://api.shop\\@x/y",
        "dbname=shop user=u password=p host='api.sh\\op'",
        "host=api.sh\\op user=u dbname=shop\\",
    ] {
        assert_eq!(
            reasons(&review(&variable(text), &facts())),
            ["protected-endpoint"],
            "{text}"
        );
    }
}

#[test]
fn a_url_among_other_things_hides_nothing() {
    let protecting =
        |policy: &mut PreviewPolicySpec| policy.protected.hosts = vec!["db.example.com".to_owned()];
    for text in [
        r#"{"api":{"url":"http://x/y"},"db":{"host":"db.example.com","port":5432}}"#,
        "Api=http://x/y;Host=db.example.com;Port=5432",
        "redis://x:6379/0,db.example.com:6379",
    ] {
        assert_eq!(
            reasons(&reviewed(&variable(text), protecting)),
            ["protected-endpoint"],
            "{text}"
        );
    }
    let path = variable("http://web/db.example.com");
    assert!(passes(&reviewed(&path, protecting)), "a path is no host");
}

#[test]
fn a_quote_at_the_end_of_a_keyword_string_is_the_values_own() {
    let text = "host=db.shop dbname=shop user=u password='p q'";
    let request = variable(text);
    let written = applied(&request, &review(&request, &facts()));
    assert!(!written.to_string().contains("db.shop"), "{written}");
}

#[test]
fn a_listed_address_is_meant_in_every_spelling() {
    for text in [
        "3405803785",
        "0xcb007109",
        "0313.0.0161.011",
        "postgresql://u:p@3405803785/shop",
        "http://[::ffff:cb00:7109]:80/x",
        "203.0.113.9",
    ] {
        let decision = reviewed(&variable(text), |policy| {
            policy.protected.hosts = vec!["203.0.113.9".to_owned()];
        });
        assert_eq!(reasons(&decision), ["protected-endpoint"], "{text}");
    }
}

#[test]
fn what_is_binary_makes_no_variable_and_hides_none() {
    let mut facts = facts();
    let binary = Data::default().with_binary([("url".to_owned(), "harmless".to_owned())]);
    let hiding = reference(Kind::ConfigMap, "hide");
    facts.sources.insert(hiding, Fact::Present(binary));
    let from = json!({ "configMapKeyRef": { "name": "hide", "key": "url", "optional": true } });
    let request = pod(json!({ "name": "web", "env": [
        { "name": "TARGET", "value": "http://api.shop/" }, { "name": "TARGET", "valueFrom": from }] }));
    assert_eq!(reasons(&review(&request, &facts)), ["protected-endpoint"]);
}

#[test]
fn a_network_of_mapped_addresses_is_that_of_the_addresses() {
    for cidr in ["::ffff:10.0.0.0/104", "::ffff:0:0/96", "::ffff:a00:0/104"] {
        assert_eq!(
            reasons(&review(&policy_egress(cidr), &facts())),
            ["network-widened"],
            "{cidr}"
        );
    }
    assert!(passes(&review(
        &policy_egress("::ffff:93.184.216.0/120"),
        &facts()
    )));
}

#[test]
fn a_service_leads_nowhere_that_the_preview_itself_may_not_go() {
    for name in [
        "169.254.169.254",
        "10.0.0.5",
        "prometheus.monitoring.svc.cluster.local",
        "api.shop-pr-8.svc",
    ] {
        assert_eq!(
            reasons(&review(&alias(name), &facts())),
            ["protected-endpoint"],
            "{name}"
        );
    }
    for name in ["api.shop-pr-7.svc", "api.example.com", "93.184.216.34"] {
        assert!(passes(&review(&alias(name), &facts())), "{name}");
    }
    let opened = reviewed(&alias("prometheus.monitoring.svc.cluster.local"), |policy| {
        policy.network.egress.namespaces = vec![crate::policy::Peer::namespace("monitoring")];
    });
    assert!(passes(&opened));
    let asking = json!({ "nginx.ingress.kubernetes.io/auth-url": "http://169.254.169.254/latest" });
    let ingress = annotated(asking);
    assert_eq!(reasons(&review(&ingress, &facts())), ["protected-endpoint"]);
}

#[test]
fn an_endpoint_is_an_address_that_can_be_read_and_is_open() {
    for address in ["010.0.0.5", "::ffff:10.0.0.5", "10.0.0.5", "x"] {
        let slice = request(
            "endpointslices",
            json!({ "metadata": { "name": "x" }, "addressType": "IPv4", "endpoints": [{ "addresses": [address] }] }),
        );
        assert_eq!(
            reasons(&review(&slice, &facts())),
            ["protected-endpoint"],
            "{address}"
        );
    }
}

#[test]
fn a_node_mounts_and_calls_open_addresses_only() {
    for volume in [
        json!({ "name": "v", "nfs": { "server": "files.example.com", "path": "/" } }),
        json!({ "name": "v", "gcePersistentDisk": { "pdName": "pvc-1", "readOnly": true } }),
        json!({ "name": "v", "awsElasticBlockStore": { "volumeID": "vol-1" } }),
        json!({ "name": "v", "flexVolume": { "driver": "x/y" } }),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"]["volumes"] = json!([volume]);
        assert_eq!(
            reasons(&review(&request, &facts())),
            ["protected-endpoint"],
            "{volume}"
        );
    }
    let probe = json!({ "httpGet": { "host": "10.2.3.4.example.com", "port": 80 } });
    let request = pod(json!({ "name": "web", "livenessProbe": probe }));
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
    let mut open = pod(json!({ "name": "web" }));
    open.object["spec"]["volumes"] =
        json!([{ "name": "v", "nfs": { "server": "93.184.216.34", "path": "/" } }]);
    assert!(passes(&review(&open, &facts())));
}

#[test]
fn what_a_service_completes_nobody_can_review() {
    // C22: the kubelet knows the ports of the preview's own Services, whatever they are.
    let request = variable("http://10.96.0.$(WEB_SERVICE_PORT)/");
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
    let request = pod(json!({ "name": "web", "env": [
        { "name": "LAST", "value": "$(WEB_SERVICE_PORT)" }], "args": ["10.96.0.$(LAST)"] }));
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
    assert!(passes(&review(
        &variable("http://$(API_SERVICE_HOST):$(API_SERVICE_PORT)/"),
        &facts()
    )));
}

#[test]
fn words_that_expand_to_more_than_a_program_takes_are_given_up_at_the_first() {
    // A05
    let mut facts = facts();
    facts.sources.insert(
        reference(Kind::ConfigMap, "big"),
        present("x", &"a.b ".repeat(30_000)),
    );
    let words: Vec<&str> = vec!["$(X)"; 8_000];
    let from = json!({ "configMapKeyRef": { "name": "big", "key": "x" } });
    let request = pod(json!({ "name": "web", "env": [{ "name": "X", "valueFrom": from }], "args": words }));
    // Once, and not for each of the words.
    assert_eq!(reasons(&review(&request, &facts)), ["environment-unresolved"]);
}

#[test]
fn on_the_server_of_a_branch_there_is_nothing_but_the_branch() {
    let own = |key: &str| json!({ "secretKeyRef": { "name": "understudy-db-app", "key": key } });
    let family = |database: Value| {
        pod(json!({ "name": "web", "env": [
            { "name": "PGHOST", "valueFrom": own("host") }, { "name": "PGPORT", "valueFrom": own("port") },
            database, { "name": "PGUSER", "valueFrom": own("username") }, { "name": "PGPASSWORD", "valueFrom": own("password") }] }))
    };
    let golden = family(json!({ "name": "PGDATABASE", "value": "shop" }));
    assert_eq!(reasons(&review(&golden, &facts())), ["protected-endpoint"]);
    let whole = family(json!({ "name": "PGDATABASE", "valueFrom": own("dbname") }));
    assert!(passes(&review(&whole, &facts())));
    let url = pod(json!({ "name": "web", "env": [
        { "name": "HOST", "valueFrom": own("host") },
        { "name": "TARGET", "value": "postgres://shop:p@$(HOST):5432/shop" }] }));
    assert_eq!(reasons(&review(&url, &facts())), ["protected-endpoint"]);
}

#[test]
fn libpq_is_given_a_name_and_no_address_beside_it() {
    let address = |others: Value| {
        let mut env = vec![json!({ "name": "PGHOSTADDR", "value": "203.0.113.9" })];
        env.extend(others.as_array().unwrap().clone());
        pod(json!({ "name": "web", "env": env }))
    };
    let listed = |policy: &mut PreviewPolicySpec| {
        policy.databases[0].matches.hosts = vec!["203.0.113.9".to_owned(), "db.shop".to_owned()];
    };
    for others in [
        json!([{ "name": "PGDATABASE", "value": "shop" }]),
        json!([{ "name": "PGHOST", "value": "db.shop" }, { "name": "PGDATABASE", "value": "shop" }]),
    ] {
        let request = address(others);
        let object = applied(&request, &reviewed(&request, listed));
        let env = object["spec"]["containers"][0]["env"].as_array().unwrap();
        let named = |name: &str| env.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(named("PGHOSTADDR")["value"], "");
        assert_eq!(named("PGHOST")["valueFrom"]["secretKeyRef"]["key"], "host");
    }
}

#[test]
fn numbers_in_annotations_are_no_addresses_unless_somebody_calls_them() {
    for harmless in [
        "2606:4700::/32,173.245.48.0/20,10.0.0.0/8",
        "2024-01-15T10:30:00Z",
        "07:30-20:30",
        "80:8080",
        "http://oauth2-proxy.auth.svc.cluster.local/oauth2/auth",
        "https://93.184.216.34:8443/x",
    ] {
        assert!(
            passes(&review(
                &annotated(json!({ "example.com/x": harmless })),
                &facts()
            )),
            "{harmless}"
        );
    }
    for called in [
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/latest",
        "http://[fd00:ec2::254]/",
        "see http://user@10.0.0.5:8080/x",
    ] {
        assert_eq!(
            reasons(&review(&annotated(json!({ "example.com/x": called })), &facts())),
            ["protected-endpoint"],
            "{called}"
        );
    }
}

#[test]
fn an_alias_means_the_same_to_whoever_routes_to_it() {
    use crate::services::{Service, Services};
    let mut facts = facts();
    let mut services = Services::default();
    services.put("monitoring", "grafana", Service::default());
    facts.services = Arc::new(services);
    for name in ["grafana.monitoring", "localhost", "127.0.0.1", "0.0.0.0", "x"] {
        assert_eq!(
            reasons(&review(&alias(name), &facts)),
            ["protected-endpoint"],
            "{name}"
        );
    }
    assert!(passes(&review(&alias("example.com"), &facts)));
    // Which namespaces carry other labels is not known here.
    let kafka = alias("kafka.platform.svc.cluster.local");
    let opened = reviewed(&kafka, |policy| {
        let namespace_labels = [("team".to_owned(), "platform".to_owned())].into();
        policy.network.egress.namespaces = vec![crate::policy::Peer { namespace_labels }];
    });
    assert!(passes(&opened));
}

#[test]
fn every_portal_of_a_volume_is_looked_at() {
    let mut request = pod(json!({ "name": "web" }));
    request.object["spec"]["volumes"] = json!([{ "name": "v", "iscsi": {
        "targetPortal": "93.184.216.34", "portals": ["10.96.0.12:3260"], "iqn": "x", "lun": 0 } }]);
    assert_eq!(reasons(&review(&request, &facts())), ["protected-endpoint"]);
}

#[test]
fn a_word_and_a_second_name_lead_no_further_on_the_server_of_a_branch() {
    let own = |key: &str| json!({ "secretKeyRef": { "name": "understudy-db-app", "key": key } });
    let host = json!({ "name": "HOST", "valueFrom": own("host") });
    let name = json!({ "name": "NAME", "valueFrom": own("dbname") });
    let word = pod(json!({ "name": "web", "env": [host], "args": ["--dsn=postgres://u:p@$(HOST)/shop"] }));
    assert_eq!(reasons(&review(&word, &facts())), ["protected-endpoint"]);
    let twice =
        json!({ "name": "TARGET", "value": "postgres://u:p@$(HOST)/branch?dbname=$(NAME)&dbname=shop" });
    let twice = pod(json!({ "name": "web", "env": [host, name, twice] }));
    assert_eq!(reasons(&review(&twice, &facts())), ["protected-endpoint"]);
    let right =
        pod(json!({ "name": "web", "env": [host, name], "args": ["--dsn=postgres://u:p@$(HOST)/$(NAME)"] }));
    assert!(passes(&review(&right, &facts())));
}

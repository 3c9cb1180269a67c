//! What the chart makes of its values about admission's certificates and clients.

use serde_json::{Value, json};
use understudy_tests::testbed::{InstallOptions, User, installed};

/// The chart's objects with these values, or what Helm says instead.
async fn render(values: &[&str]) -> Result<Vec<Value>, String> {
    let mut helm = installed().await.bed().helm(User::Admin);
    helm.args(["template", "understudy"])
        .arg(InstallOptions::default().chart);
    helm.args(["--namespace", "somewhere"]);
    for value in values {
        helm.args(["--set", value]);
    }
    let output = helm.output().await.unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str::<Value>(document).unwrap());
    Ok(documents.filter(|document| !document.is_null()).collect())
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn container(objects: &[Value], deployment: &str) -> Value {
    named(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"][0].clone()
}

fn has_argument(container: &Value, argument: &str) -> bool {
    container["args"]
        .as_array()
        .unwrap()
        .iter()
        .any(|found| found == argument)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_nothing_is_mounted_and_the_leader_makes_certificates() {
    let objects = render(&[]).await.unwrap();
    let serve = container(&objects, "understudy-admission");
    assert_eq!(serve["volumeMounts"], Value::Null);
    assert!(has_argument(&serve, "--drain-delay=5"));
    let pod = &named(&objects, "Deployment", "understudy-admission")["spec"]["template"]["spec"];
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace > 15 + 10, "the longest drain delay and the drain fit in");
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        assert_eq!(
            named(&objects, kind, "understudy")["metadata"]["annotations"],
            Value::Null
        );
    }
    assert!(objects.iter().all(|object| object["kind"] != "Certificate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_of_clients_is_mounted_and_its_absence_keeps_admission_from_starting() {
    let values = [
        "serve.clientAuthentication.configMap=clients",
        "serve.clientAuthentication.names={a,b c}",
    ];
    let objects = render(&values).await.unwrap();
    let serve = container(&objects, "understudy-admission");
    for argument in [
        "--client-ca=/etc/understudy/clients/ca.crt",
        "--client-name=a",
        "--client-name=b c",
    ] {
        assert!(has_argument(&serve, argument), "{argument}: {}", serve["args"]);
    }
    let volumes =
        &named(&objects, "Deployment", "understudy-admission")["spec"]["template"]["spec"]["volumes"];
    let items = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
    assert_eq!(
        *volumes,
        json!([{ "name": "clients", "configMap": { "name": "clients", "items": items } }])
    );
    assert_eq!(serve["volumeMounts"][0]["mountPath"], "/etc/understudy/clients");
    let both = [
        "serve.clientAuthentication.configMap=a",
        "serve.clientAuthentication.secret=b",
    ];
    assert!(render(&both).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_cert_manager_the_leader_leaves_certificates_alone() {
    let values = [
        "certificates.certManager.enabled=true",
        "certificates.certManager.issuerRef.name=house",
        "certificates.mounted=true",
    ];
    let objects = render(&values).await.unwrap();
    assert!(has_argument(
        &container(&objects, "understudy-controller"),
        "--certificates=external"
    ));
    assert!(has_argument(
        &container(&objects, "understudy-admission"),
        "--tls-dir=/etc/understudy/tls"
    ));
    let certificate = &named(&objects, "Certificate", "understudy-webhook")["spec"];
    assert_eq!(certificate["secretName"], "understudy-webhook-tls");
    assert_eq!(certificate["dnsNames"][0], "understudy-webhook.somewhere.svc");
    assert_eq!(certificate["issuerRef"], json!({ "name": "house" }));
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let annotations = &named(&objects, kind, "understudy")["metadata"]["annotations"];
        assert_eq!(
            *annotations,
            json!({ "cert-manager.io/inject-ca-from": "somewhere/understudy-webhook" })
        );
    }
    assert!(
        render(&["certificates.certManager.enabled=true"]).await.is_err(),
        "by whom?"
    );
}

//! Nonsense in a policy is refused by the schema, at `kubectl apply`, with no webhook involved.

use serde_json::{Value, json};
use understudy_tests::testbed::User;

use crate::stage::{stage, unique};

fn database(name: &str) -> Value {
    json!({
        "name": name,
        "match": { "hosts": ["db.shop.svc.cluster.local"] },
        "branch": { "postgres": {
            "adminSecret": { "namespace": "understudy-system", "name": "x" }, "template": "t",
            "reach": { "cidrs": ["10.0.0.0/8"], "port": 5432 }
        } }
    })
}

/// What `kubectl apply` says to a policy with this spec; `Ok` when it is taken.
async fn apply(spec: Value) -> Result<(), String> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;
    let manifest = json!({ "apiVersion": "understudy.dev/v1alpha1", "kind": "PreviewPolicy",
        "metadata": { "name": unique("policy") }, "spec": spec });
    let mut kubectl = stage().await.bed().kubectl(User::Admin);
    kubectl
        .args(["apply", "--dry-run=server", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = kubectl.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(manifest.to_string().as_bytes())
        .await
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_policy_is_taken() {
    apply(json!({})).await.unwrap();
    apply(json!({ "databases": [database("app"), database("ledger")], "lifetime": { "min": "1s", "default": "90m", "max": "2d" } }))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_at_apply() {
    let mut two_providers = database("app");
    two_providers["branch"]["cnpg"] = json!({ "cluster": "x" });
    let mut no_provider = database("app");
    no_provider["branch"] = json!({});
    let mut bad_host = database("app");
    bad_host["match"]["hosts"] = json!(["db_shop:5432"]);
    let mut wild_host = database("app");
    wild_host["match"]["hosts"] = json!(["*"]);
    let mut no_reach = database("app");
    no_reach["branch"]["postgres"]["reach"] = json!({ "port": 5432 });
    let cases = [
        (
            json!({ "lifetime": { "min": "2h", "default": "1h", "max": "3h" } }),
            "lifetime.min must not exceed",
        ),
        (
            json!({ "lifetime": { "min": "1h", "default": "2d", "max": "24h" } }),
            "lifetime.default must not exceed",
        ),
        (
            json!({ "lifetime": { "min": "0s", "default": "1h", "max": "2h" } }),
            "spec.lifetime.min",
        ),
        (json!({ "lifetime": { "min": "soon" } }), "spec.lifetime.min"),
        (json!({ "quota": { "pods": "banana" } }), "spec.quota.pods"),
        (
            json!({ "limits": { "max": { "cpu": "-1" } } }),
            "spec.limits.max.cpu",
        ),
        (
            json!({ "databases": [two_providers] }),
            "spec.databases[0].branch",
        ),
        (json!({ "databases": [no_provider] }), "spec.databases[0].branch"),
        (
            json!({ "databases": [database("app"), database("app")] }),
            "database names must be distinct",
        ),
        (
            json!({ "databases": [bad_host] }),
            "spec.databases[0].match.hosts",
        ),
        (
            json!({ "databases": [wild_host] }),
            "spec.databases[0].match.hosts",
        ),
        (
            json!({ "databases": [no_reach] }),
            "reach needs either namespaceLabels or cidrs",
        ),
        (json!({ "hosts": { "domain": "nodots" } }), "spec.hosts.domain"),
        (
            json!({ "limits": { "default": { "cpu": "5" } } }),
            "limits.default must not exceed limits.max",
        ),
        (
            json!({ "limits": { "defaultRequest": { "memory": "1Gi" } } }),
            "limits.defaultRequest must not exceed limits.default",
        ),
        (
            json!({ "quota": { "not a resource!": "1" } }),
            "must be names of resources",
        ),
        (
            json!({ "network": { "egress": { "cidrs": ["999.1.1.1/99"] } } }),
            "spec.network.egress.cidrs",
        ),
        (
            json!({ "network": { "ingressFrom": [{ "namespaceLabels": { "a b": "c" } }] } }),
            "must be keys of labels",
        ),
        (json!({ "capacity": { "starting": 0 } }), "spec.capacity.starting"),
        (json!({ "podSecurity": "lenient" }), "spec.podSecurity"),
        (json!({ "sleeping": true }), "sleeping"),
    ];
    for (spec, said) in cases {
        let error = apply(spec.clone()).await.expect_err(&format!("{spec} was taken"));
        assert!(
            error.contains(said),
            "{spec} was refused without {said:?}: {error}"
        );
    }
}

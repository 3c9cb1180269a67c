//! Our processes gone, the webhook configurations there: inside previews creation waits, everything else goes on.

use anyhow::ensure;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::{NAMESPACE, Role, User, eventually};

use crate::mode::{Mode, turn};
use crate::stage::{
    self, Call, SOON, assert_refused, client, core, group, make_pod, namespace, own, pod, refusal,
};

const OBJECTS: &str = "failed calling webhook \"objects.understudy.dev\"";
const NAMESPACES: &str = "failed calling webhook \"namespaces.understudy.dev\"";

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

fn lease(name: &str) -> Value {
    json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name } })
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_nothing_waits() {
    // C15: an unlabelled namespace, a golden, kube-system, our own namespace; leases in each.
    let _turn = turn(Mode::Down).await;
    let (plain, developer) = (stage::plain("plain").await, client(User::Developer).await);
    for place in [&plain, stage::GOLDEN, "kube-system", NAMESPACE] {
        let name = stage::unique("x");
        let maps = core(place, "configmaps");
        Call::post(&maps, config_map(&name)).by(&developer).await.unwrap();
        let data = json!({ "data": { "a": "b" } });
        Call::patch(format!("{maps}/{name}"), data)
            .by(&developer)
            .await
            .unwrap();
        Call::delete(format!("{maps}/{name}"))
            .by(&developer)
            .await
            .unwrap();
        let leases = group("coordination.k8s.io", place, "leases");
        Call::post(&leases, lease(&name)).by(&developer).await.unwrap();
        Call::delete(format!("{leases}/{name}"))
            .by(&developer)
            .await
            .unwrap();
    }
    make_pod(&plain, pod("web", json!({}), &[])).await;
    Call::delete(namespace(&plain)).by(&developer).await.unwrap();
    stage::gone(&namespace(&plain)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_deployment_comes_back() {
    // C15: what mends us does not wait for us.
    let _turn = turn(Mode::Down).await;
    let developer = client(User::Developer).await;
    let path = group(
        "apps",
        NAMESPACE,
        &format!("deployments/{}", Role::Serve.service_account()),
    );
    let scale = |replicas: i32| {
        Call::patch(
            format!("{path}/scale"),
            json!({ "spec": { "replicas": replicas } }),
        )
    };
    scale(1).by(&developer).await.unwrap();
    eventually(SOON, "its Pod runs", || async {
        let status = Call::get(&path).by(&developer).await?["status"].clone();
        ensure!(
            status["readyReplicas"] == 1 || status["updatedReplicas"] == 1,
            "{status}"
        );
        anyhow::Ok(())
    })
    .await
    .unwrap();
    scale(0).by(&developer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_in_a_preview_waits_with_the_cause() {
    // C15
    let _turn = turn(Mode::Down).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    for (resource, manifest) in [
        ("pods", pod("new", json!({}), &[])),
        ("configmaps", config_map("new")),
    ] {
        let message = refusal(
            Call::post(core(&preview, resource), manifest)
                .by(&developer)
                .await,
        );
        assert!(
            message.contains(OBJECTS) && message.contains("connection refused"),
            "{message}"
        );
    }
    let born = stage::object(
        &stage::unique("born"),
        json!({ keys::PREVIEW: "true" }),
        json!({}),
    );
    let message = refusal(Call::post("/api/v1/namespaces", born).by(&developer).await);
    assert!(message.contains(NAMESPACES), "{message}");
    // What the machinery writes all the time does not.
    let leases = group("coordination.k8s.io", &preview, "leases");
    Call::post(leases, lease("new")).by(&developer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn guardrails_are_put_in_place_while_admission_is_away() {
    let _turn = turn(Mode::Down).await;
    let (preview, controller) = (stage::preview().await, own(Role::Control).await);
    let policies = group("networking.k8s.io", &preview, "networkpolicies");
    let closed = |labels: Value| {
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": { "name": "closed", "labels": labels }, "spec": { "podSelector": {} } })
    };
    let guardrail = closed(json!({ keys::GUARDRAIL: "closed" }));
    let other = Call::post(&policies, closed(json!({ "app": "web" })));
    assert!(refusal(other.by(&controller).await).contains(OBJECTS));
    Call::post(&policies, guardrail.clone())
        .by(&controller)
        .await
        .unwrap();
    Call::delete(format!("{policies}/closed"))
        .by(&controller)
        .await
        .unwrap();
    // The label alone lets nobody in.
    let developer = client(User::Developer).await;
    assert!(Call::post(&policies, guardrail).by(&developer).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_deleted_does_not_wait() {
    // C13: it waits for somebody's finalizer, whose removal is an update like any other.
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let path = core(&preview, "configmaps/finalized");
    {
        let _turn = turn(Mode::Up).await;
        let mut finalized = config_map("finalized");
        finalized["metadata"]["finalizers"] = json!(["example.com/wait"]);
        Call::post(core(&preview, "configmaps"), finalized)
            .by(&developer)
            .await
            .unwrap();
    }
    let _turn = turn(Mode::Down).await;
    let note = json!({ "metadata": { "annotations": { "note": "x" } } });
    assert!(refusal(Call::patch(&path, note.clone()).by(&developer).await).contains(OBJECTS));
    Call::delete(&path).by(&developer).await.unwrap();
    let going = json!({ "metadata": { "labels": { "going": "soon" } } });
    Call::patch(&path, going).by(&developer).await.unwrap();
    // As long as it does not go it may not become another one.
    let other = json!({ "data": { "a": "other" } });
    for change in [note.clone(), other] {
        assert!(refusal(Call::patch(&path, change).by(&developer).await).contains(OBJECTS));
    }
    // The namespace goes on as well, held by what is in it.
    Call::delete(namespace(&preview)).by(&developer).await.unwrap();
    Call::patch(namespace(&preview), note)
        .by(&developer)
        .await
        .unwrap();
    // The last finalizer comes off, and whoever takes it off may write beside it why.
    let free = json!({ "metadata": { "finalizers": null, "annotations": { "note": "done" } } });
    Call::patch(&path, free).by(&developer).await.unwrap();
    stage::gone(&namespace(&preview)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_works_in_a_preview_but_starts_nothing() {
    // C15
    let _turn = turn(Mode::Down).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let replicas = stage::account("kube-system", "deployment-controller").await;
    let labels = json!({ "app": "web" });
    let template = json!({ "metadata": { "labels": labels }, "spec": pod("web", json!({}), &[])["spec"] });
    let set = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "web" },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": template } });
    Call::post(group("apps", &preview, "replicasets"), set)
        .by(&replicas)
        .await
        .unwrap();
    eventually(SOON, "its Pod is refused, and it says why", || async {
        let path = group("apps", &preview, "replicasets/web");
        let found = Call::get(path).by(&developer).await?;
        let conditions = found["status"]["conditions"].to_string();
        ensure!(conditions.contains("objects.understudy.dev"), "{found}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_machinery_writes_its_own_kinds() {
    // A kind of a vendor's, as a network plugin writes for each Pod. Only its own kind: the rest is reviewed.
    let _turn = turn(Mode::Down).await;
    let (preview, admin) = (stage::preview().await, client(User::Admin).await);
    let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "endpoints.vendor.example" },
        "spec": { "group": "vendor.example", "scope": "Namespaced",
            "names": { "plural": "endpoints", "singular": "endpoint", "kind": "VendorEndpoint" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } } }] } });
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    Call::post(crds, crd).by(&admin).await.unwrap();
    let of_vendor = || {
        let name = stage::unique("x");
        let object = json!({ "apiVersion": "vendor.example/v1", "kind": "VendorEndpoint", "metadata": { "name": name } });
        Call::post(group("vendor.example", &preview, "endpoints"), object)
    };
    eventually(SOON, "the kind is served", || async {
        Call::get(group("vendor.example", stage::GOLDEN, "endpoints"))
            .by(&admin)
            .await
            .map(|_| ())
    })
    .await
    .unwrap();
    let plugin = "system:serviceaccount:kube-system:cilium";
    let machinery = format!("system:serviceaccount:{}", stage::MACHINERY.replace('/', ":"));
    let node = ("system:node:node-0", vec!["system:nodes"]);
    for (user, groups) in [(plugin, vec![]), (machinery.as_str(), vec![]), node] {
        let groups = [groups, vec!["developers"]].concat();
        of_vendor().acting_as(user, &groups).by(&admin).await.unwrap();
        let map = Call::post(core(&preview, "configmaps"), config_map(&stage::unique("x")))
            .acting_as(user, &groups);
        if user.starts_with("system:node:") {
            map.by(&admin).await.unwrap();
        } else {
            assert!(refusal(map.by(&admin).await).contains(OBJECTS));
        }
    }
    for user in [
        "developer",
        "system:serviceaccount:default:cilium",
        "system:node:node-0",
    ] {
        let answer = of_vendor().acting_as(user, &["developers"]).by(&admin).await;
        assert!(refusal(answer).contains(OBJECTS), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_preview_is_deleted_by_hand() {
    // C15, C23
    let _turn = turn(Mode::Down).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let path = namespace(&preview);
    let off = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
    let answer = Call::patch(format!("{path}/status"), off).by(&developer).await;
    assert_refused(answer, "understudy-contract", "label-removed");
    Call::delete(&path).by(&developer).await.unwrap();
    stage::gone(&path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_report_is_neither_held_up_nor_touched() {
    // C06
    let (preview, admin) = (stage::preview().await, client(User::Admin).await);
    {
        let _turn = turn(Mode::Up).await;
        make_pod(&preview, pod("web", json!({}), &[])).await;
    }
    let _turn = turn(Mode::Down).await;
    let path = core(&preview, "pods/web");
    let before = Call::get(&path).by(&admin).await.unwrap();
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1";
    let seen = json!({ "status": { "message": "as the node sees it" } });
    for call in [
        Call::patch(
            "/api/v1/nodes/node-1/status",
            json!({ "status": { "volumesInUse": [] } }),
        ),
        Call::patch(lease, json!({ "spec": { "leaseDurationSeconds": 121 } })),
        Call::patch(format!("{path}/status"), seen),
    ] {
        let node = call.acting_as("system:node:node-1", &["system:nodes", "developers"]);
        node.by(&admin).await.unwrap();
    }
    let after = Call::get(&path).by(&admin).await.unwrap();
    assert_eq!(after["status"]["message"], "as the node sees it");
    for field in ["labels", "annotations"] {
        assert_eq!(before["metadata"][field], after["metadata"][field]);
    }
    assert_eq!(before["spec"]["containers"], after["spec"]["containers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_sub_resources_the_one_that_brings_containers_waits() {
    // C07
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let labels = json!({ "app": "idle" });
    {
        let _turn = turn(Mode::Up).await;
        make_pod(&preview, pod("web", json!({}), &[])).await;
        let mut unbound = pod("unbound", json!({}), &[]);
        unbound["spec"]["schedulerName"] = json!("nobody");
        make_pod(&preview, unbound).await;
        let template = json!({ "metadata": { "labels": labels }, "spec": pod("x", json!({}), &[])["spec"] });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "idle" },
            "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": template } });
        Call::post(group("apps", &preview, "deployments"), deployment)
            .by(&developer)
            .await
            .unwrap();
    }
    let _turn = turn(Mode::Down).await;
    let pods = |rest: &str| core(&preview, &format!("pods/{rest}"));
    let idle = |rest: &str| group("apps", &preview, &format!("deployments/idle/{rest}"));
    let binding = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "unbound" },
        "target": { "kind": "Node", "name": "node-1" } });
    let more =
        json!([{ "op": "replace", "path": "/spec/containers/0/resources/limits/cpu", "value": "600m" }]);
    let eviction =
        json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "unbound" } });
    let token = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    for call in [
        Call::post(pods("unbound/binding"), binding),
        Call::patch(pods("web/status"), json!({ "status": { "message": "x" } })),
        Call::patch(idle("status"), json!({ "status": { "observedGeneration": 1 } })),
        Call::patch(idle("scale"), json!({ "spec": { "replicas": 0 } })),
        Call::post(pods("unbound/eviction"), eviction),
        Call::post(core(&preview, "serviceaccounts/default/token"), token),
    ] {
        let answer = call.by(&developer).await;
        answer.unwrap_or_else(|error| panic!("{}: {error}", call.path));
    }
    // Each of these comes so far that something else is wrong with it: the node cannot, or nobody upgrades the connection.
    // RBAC says who may connect.
    for (call, why) in [
        (
            Call::json_patch(pods("web/resize"), more),
            "running on node without support for resize",
        ),
        (
            Call::post(pods("web/exec?command=ls&stdout=true"), json!({})),
            "pgrade request required",
        ),
    ] {
        let message = refusal(call.by(&developer).await);
        assert!(message.contains(why), "{message}");
    }
    let debugger = json!({ "spec": { "ephemeralContainers": [{ "name": "debugger", "image": "x" }] } });
    let debugging = Call::patch(pods("web/ephemeralcontainers"), debugger);
    assert!(refusal(debugging.by(&developer).await).contains(OBJECTS));
}

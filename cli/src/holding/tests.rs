use super::*;
use serde_json::{Value, json};

fn preview(annotations: Value) -> Preview {
    let metadata = json!({ "name": "shop-pr-7", "labels": { "understudy.dev/preview": "true" }, "annotations": annotations });
    Preview::of(&serde_json::from_value(metadata).unwrap()).unwrap()
}

fn pod(mut spec: Value, status: Value) -> Pod {
    if spec.get("containers").is_none() {
        spec["containers"] = json!([]);
    }
    let metadata = json!({ "name": "web-1", "namespace": "shop-pr-7", "labels": { "app": "web" } });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
}

fn why(pod: &Pod, annotations: Value) -> Option<String> {
    of_pod(pod, &preview(annotations), &[])
}

fn gated(gates: &[&str]) -> Pod {
    let gates: Vec<_> = gates.iter().map(|gate| json!({ "name": gate })).collect();
    pod(json!({ "schedulingGates": gates }), json!({}))
}

/// A Pod whose container `web` is in `state`.
fn container(spec: Value, state: Value) -> Pod {
    let mut status =
        json!({ "name": "web", "image": "web:1", "imageID": "", "ready": false, "restartCount": 3 });
    for (key, value) in state.as_object().unwrap() {
        status[key] = value.clone();
    }
    pod(spec, json!({ "containerStatuses": [status] }))
}

fn waiting(reason: &str, message: &str) -> Pod {
    container(
        json!({}),
        json!({ "state": { "waiting": { "reason": reason, "message": message } } }),
    )
}

fn warning(kind: &str, name: &str, reason: &str, message: &str) -> Event {
    serde_json::from_value(
        json!({ "metadata": {}, "type": "Warning", "reason": reason, "message": message,
        "involvedObject": { "kind": kind, "name": name } }),
    )
    .unwrap()
}

fn standing(kind: &str, object: Value, warnings: Vec<Event>) -> Standing {
    let mut workloads = Workloads {
        warnings,
        ..Workloads::default()
    };
    match kind {
        "Deployment" => workloads
            .deployments
            .push(serde_json::from_value(object).unwrap()),
        _ => workloads
            .stateful_sets
            .push(serde_json::from_value(object).unwrap()),
    }
    standings(&preview(json!({})), &workloads).remove(0)
}

#[test]
fn a_gate_says_what_it_waits_for() {
    let failed =
        json!({ "understudy.dev/database.app": "failed: the template database shop_seed does not exist" });
    let both = gated(&["understudy.dev/guardrails", "understudy.dev/database"]);
    assert_eq!(
        why(&both, failed).unwrap(),
        "database app cannot be branched: the template database shop_seed does not exist"
    );
    let guardrails = why(&gated(&["understudy.dev/guardrails"]), json!({})).unwrap();
    assert!(guardrails.contains("guardrails"), "{guardrails}");
    let other = why(&gated(&["other.example/x"]), json!({})).unwrap();
    assert!(other.contains("not Understudy's"), "{other}");
}

#[test]
fn a_quota_that_lets_no_pod_in_is_said_of_every_kind_of_workload() {
    let message = "pods \"web-1\" is forbidden: exceeded quota: understudy, requested: pods=1, used: pods=20, limited: pods=20";
    let spec = json!({ "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": {}, "serviceName": "web" });
    let conditions = json!([{ "type": "ReplicaFailure", "status": "True", "message": message }]);
    let deployment = json!({ "metadata": { "name": "web", "generation": 1 }, "spec": spec,
        "status": { "observedGeneration": 1, "conditions": conditions } });
    let set = json!({ "metadata": { "name": "web", "generation": 1 }, "spec": spec,
        "status": { "observedGeneration": 1, "replicas": 0 } });
    let wanted = "the quota lets no further Pod in: exceeded quota: understudy, requested: pods=1, used: pods=20, limited: pods=20";
    assert_eq!(standing("Deployment", deployment, vec![]).why.unwrap(), wanted);
    let events = vec![
        warning(
            "StatefulSet",
            "web",
            "FailedCreate",
            &format!("create Pod web-0 in StatefulSet web failed error: {message}"),
        ),
        // A neighbour whose name begins alike.
        warning("StatefulSet", "web-admin", "FailedCreate", "something else"),
    ];
    assert_eq!(standing("StatefulSet", set, events).why.unwrap(), wanted);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    assert_eq!(
        why(&waiting("ImagePullBackOff", "not found"), json!({})).unwrap(),
        "the image of container web cannot be pulled: web:1 not found"
    );
}

#[test]
fn a_crash_is_said_by_its_exit_code_and_never_by_what_was_printed() {
    // F06
    let ended =
        json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "message": "PASSWORD=hunter2" } });
    let state = json!({ "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } }, "lastState": ended });
    let loops = why(&container(json!({}), state), json!({})).unwrap();
    assert_eq!(
        loops,
        "container web keeps ending with exit code 137 (it used more memory than its limit), 3 times so far; see why: \
        kubectl logs web-1 --container web --previous --namespace shop-pr-7"
    );
    let once = why(&container(json!({}), json!({ "state": ended })), json!({})).unwrap();
    assert!(
        once.starts_with("container web ended with exit code 137") && !once.contains("hunter2"),
        "{once}"
    );
}

#[test]
fn a_probe_that_fails_is_said_in_the_kubelets_words_alone() {
    // F06
    let spec =
        json!({ "containers": [{ "name": "web", "readinessProbe": { "exec": { "command": ["x"] } } }] });
    let running = container(spec, json!({ "started": true, "state": { "running": {} } }));
    let said = |message: &str| {
        let events = [warning("Pod", "web-1", "Unhealthy", message)];
        of_pod(&running, &preview(json!({})), &events).unwrap()
    };
    let answers = said("Readiness probe failed: HTTP probe failed with statuscode: 503");
    assert!(
        answers.contains("its readiness probe does not succeed (it answers 503)")
            && answers.contains("kubectl describe pod web-1 --namespace shop-pr-7"),
        "{answers}"
    );
    let refused =
        said("Readiness probe failed: Get \"http://10.0.0.1/?token=hunter2\": connect: connection refused");
    assert!(
        refused.contains("nobody listens") && !refused.contains("hunter2"),
        "{refused}"
    );
    let exec = said("Readiness probe failed: password is hunter2");
    assert!(
        !exec.contains("hunter2") && exec.contains("readiness probe"),
        "{exec}"
    );
    let spec = json!({ "containers": [{ "name": "web", "startupProbe": {}, "readinessProbe": {} }] });
    let starting = container(spec, json!({ "started": false, "state": { "running": {} } }));
    assert!(why(&starting, json!({})).unwrap().contains("startup probe"));
}

#[test]
fn a_missing_secret_or_config_map_is_named() {
    assert_eq!(
        why(
            &waiting("CreateContainerConfigError", "secret \"shop-api\" not found"),
            json!({})
        )
        .unwrap(),
        "container web misses something it refers to: secret \"shop-api\" not found"
    );
    let message = "MountVolume.SetUp failed for volume \"config\" : configmap \"web-config\" not found";
    let events = [warning("Pod", "web-1", "FailedMount", message)];
    let said = of_pod(&waiting("ContainerCreating", ""), &preview(json!({})), &events).unwrap();
    assert!(
        said.contains("a volume cannot be mounted") && said.contains("web-config"),
        "{said}"
    );
}

#[test]
fn a_claim_without_a_volume_is_named() {
    let message = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let spec =
        json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-web-1" } }] });
    let conditions = json!([{ "type": "PodScheduled", "status": "False", "message": message }]);
    let pod = pod(spec, json!({ "conditions": conditions }));
    assert!(
        why(&pod, json!({}))
            .unwrap()
            .starts_with("volume claim data-web-1 is not bound")
    );
    let events = [warning(
        "PersistentVolumeClaim",
        "data-web-1",
        "ProvisioningFailed",
        "storageclass \"fast\" not found",
    )];
    assert_eq!(
        of_pod(&pod, &preview(json!({})), &events).unwrap(),
        "volume claim data-web-1 is not bound: storageclass \"fast\" not found"
    );
}

#[test]
fn what_no_node_takes_is_said_by_the_scheduler() {
    let conditions = json!([{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient memory." }]);
    assert_eq!(
        why(&pod(json!({}), json!({ "conditions": conditions })), json!({})).unwrap(),
        "no node takes its Pod: 0/3 nodes are available: 3 Insufficient memory."
    );
}

#[test]
fn a_ready_pod_is_held_by_nothing() {
    let conditions = json!([{ "type": "Ready", "status": "True" }]);
    assert_eq!(
        why(&pod(json!({}), json!({ "conditions": conditions })), json!({})),
        None
    );
    assert_eq!(
        why(&pod(json!({}), json!({ "phase": "Succeeded" })), json!({})),
        None
    );
}

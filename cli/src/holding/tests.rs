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
        "Job" => workloads.jobs.push(serde_json::from_value(object).unwrap()),
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

#[test]
fn a_rollout_is_over_when_nothing_of_an_earlier_revision_is_left() {
    let deployment = |status: Value| {
        let mut status = status;
        status["observedGeneration"] = json!(1);
        let object = json!({ "metadata": { "name": "web", "generation": 1 },
            "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": {} }, "status": status });
        standing("Deployment", object, vec![])
    };
    // The Pod that is available is the earlier one.
    let begun = deployment(
        json!({ "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1 }),
    );
    assert_eq!((begun.ready, begun.is_ready()), (0, false));
    assert_eq!(
        begun.sentence(),
        "Deployment/web: 0 of 1 ready; Pods of an earlier revision are still being replaced"
    );
    let ending = deployment(
        json!({ "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2 }),
    );
    assert!(!ending.is_ready());
    let done = deployment(
        json!({ "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1 }),
    );
    assert_eq!(
        (done.is_ready(), done.sentence().as_str()),
        (true, "Deployment/web: 1 of 1 ready")
    );
}

#[test]
fn a_stateful_set_is_ready_once_its_pods_are_of_the_newest_revision() {
    let set = |strategy: Value, status: Value| {
        let mut status = status;
        status["observedGeneration"] = json!(1);
        status["replicas"] = json!(2);
        let spec = json!({ "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": {}, "serviceName": "web",
            "updateStrategy": strategy });
        let object =
            json!({ "metadata": { "name": "web", "generation": 1 }, "spec": spec, "status": status });
        standing("StatefulSet", object, vec![])
    };
    let rolling = json!({ "type": "RollingUpdate" });
    let half =
        json!({ "readyReplicas": 2, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b" });
    let begun = set(rolling.clone(), half.clone());
    assert_eq!((begun.ready, begun.is_ready()), (1, false));
    // All are new, and the controller has not closed the rollout yet.
    let closing =
        json!({ "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "a", "updateRevision": "b" });
    assert!(!set(rolling.clone(), closing).is_ready());
    let closed =
        json!({ "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "b", "updateRevision": "b" });
    assert!(set(rolling, closed).is_ready());
    let partition = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } });
    assert!(set(partition, half.clone()).is_ready());
    assert!(set(json!({ "type": "OnDelete" }), half).is_ready());
}

#[test]
fn a_job_is_ready_once_it_is_done() {
    let job = |spec: Value, status: Value| {
        let mut spec = spec;
        spec["template"] = json!({});
        spec["selector"] = json!({ "matchLabels": { "job": "migrate" } });
        standing(
            "Job",
            json!({ "metadata": { "name": "migrate" }, "spec": spec, "status": status }),
            vec![],
        )
    };
    let once = json!({ "completions": 1, "parallelism": 1 });
    let runs = job(once.clone(), json!({ "active": 1, "ready": 1 }));
    assert_eq!(
        runs.sentence(),
        "Job/migrate: 0 of 1 done; it runs, and has not ended yet"
    );
    assert!(!runs.is_ready());
    let complete = json!({ "succeeded": 1, "conditions": [{ "type": "Complete", "status": "True" }] });
    let done = job(once.clone(), complete);
    assert_eq!(
        (done.is_ready(), done.sentence().as_str()),
        (true, "Job/migrate: 1 of 1 done")
    );
    let failed = json!({ "failed": 7, "conditions": [{ "type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit" }] });
    assert_eq!(
        job(once, failed).why.unwrap(),
        "it has failed: Job has reached the specified backoff limit; see why: kubectl logs job/migrate --namespace shop-pr-7"
    );
    // What works off a queue may run for as long as it likes; what is suspended rests.
    assert!(job(json!({ "parallelism": 2 }), json!({ "active": 2, "ready": 2 })).is_ready());
    assert!(job(json!({ "completions": 1, "suspend": true }), json!({})).is_ready());
}

#[test]
fn what_makes_a_job_answers_for_it() {
    let owner = json!([{ "apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "1" }]);
    let object =
        json!({ "metadata": { "name": "nightly-1", "ownerReferences": owner }, "spec": { "template": {} } });
    let workloads = Workloads {
        jobs: vec![serde_json::from_value(object).unwrap()],
        ..Workloads::default()
    };
    assert_eq!(standings(&preview(json!({})), &workloads), []);
}

//! Whether what a clone asks for fits the policy's quota, said before anything is written.
//!
//! Counted as the API server counts: a Pod's request is the larger of its containers' sum and its largest initial container,
//! sidecars included. What an autoscaler sizes counts with its least, and with one Pod where that is none: it comes up as soon
//! as there is work. Source: <https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>,
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.

use super::snapshot::{group_of, kind_of, name_of};
use super::survey;
use super::templates::{places, pod_templates};
use crate::admission::is_vendors_group;
use crate::guardrails;
use crate::policy::PreviewPolicySpec;
use crate::quantity::Quantity;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Amounts = BTreeMap<String, Quantity>;

/// What is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The quota's resource: `requests.memory`, `pods`.
    pub resource: String,
    /// What all workloads together ask for.
    pub wanted: String,
    /// What the policy grants.
    pub granted: String,
    /// Whether it is only too much while a rollout replaces Pods.
    pub only_in_rollouts: bool,
    /// Who asks for most of it, the greatest first.
    pub by: Vec<String>,
}

impl Shortage {
    /// One sentence, with what would make it fit.
    pub fn describe(&self, policy: &str) -> String {
        let (resource, by) = (&self.resource, self.by.join(", "));
        let what = if self.only_in_rollouts {
            format!(
                "while a rollout replaces Pods, it asks for {resource} {}",
                self.wanted
            )
        } else {
            format!("it asks for {resource} {}", self.wanted)
        };
        let how = if self.only_in_rollouts {
            format!("set maxSurge 0 there, or raise spec.quota[{resource}]")
        } else {
            format!(
                "leave some of it out with --exclude, ask for less there, or raise spec.quota[{resource}]"
            )
        };
        format!(
            "{what} and policy {policy} grants {}; most by {by}: {how}",
            self.granted
        )
    }
}

/// Everything of `made` that does not fit.
pub(super) fn shortages<'o>(
    made: impl Iterator<Item = &'o DynamicObject> + Clone,
    policy: &PreviewPolicySpec,
) -> Vec<Shortage> {
    let least = least(made.clone());
    let (mut steady, mut rolling) = (Amounts::new(), Amounts::new());
    let mut shares: BTreeMap<String, Vec<(Quantity, String)>> = BTreeMap::new();
    for object in made {
        let id = format!("{}/{}", kind_of(object), name_of(object));
        let (once, surge) = asked(object, least.get(&id).copied(), policy);
        add(&mut steady, &once);
        add(&mut rolling, &surge);
        for (resource, amount) in once {
            shares.entry(resource).or_default().push((amount, id.clone()));
        }
    }
    let hard = &policy.quota.0;
    let mut found = Vec::new();
    for (resource, granted) in hard {
        let Ok(limit) = granted.parse::<Quantity>() else {
            continue;
        };
        let resource = match resource.as_str() {
            // The short spellings of the quota.
            "cpu" | "memory" => format!("requests.{resource}"),
            other => other.to_owned(),
        };
        let asked = steady.get(&resource).copied().unwrap_or_default();
        let peak = asked + rolling.get(&resource).copied().unwrap_or_default();
        if peak <= limit {
            continue;
        }
        let mut shares = shares.remove(&resource).unwrap_or_default();
        shares.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.push(Shortage {
            only_in_rollouts: asked <= limit,
            wanted: if asked <= limit { peak } else { asked }.to_string(),
            granted: granted.clone(),
            by: shares
                .into_iter()
                .take(3)
                .map(|(amount, id)| format!("{id} ({amount})"))
                .collect(),
            resource,
        });
    }
    found
}

/// The least of each workload that an autoscaler sizes.
fn least<'o>(made: impl Iterator<Item = &'o DynamicObject>) -> BTreeMap<String, u64> {
    let mut least = BTreeMap::new();
    for scaler in made.filter(|object| survey::is_scaler(object)) {
        let count = |field: &str| scaler.data["spec"][field].as_u64();
        let count = count("minReplicas").or(count("minReplicaCount")).unwrap_or(1);
        if let Some(target) = survey::scaled(scaler) {
            let known = least.entry(target).or_insert(1);
            *known = count.max(*known);
        }
    }
    least
}

/// What `object` asks for once it runs, and what a rollout asks for besides; `least` is what its autoscaler keeps of it.
fn asked(object: &DynamicObject, least: Option<u64>, policy: &PreviewPolicySpec) -> (Amounts, Amounts) {
    let spec = &object.data["spec"];
    let one = |resource: &str| Amounts::from([(resource.to_owned(), Quantity::count(1))]);
    let replicas = |beside: &Value| beside["replicas"].as_u64().or(least).unwrap_or(1);
    let template = || pod_templates(object).next().unwrap_or(&Value::Null);
    if is_vendors_group(group_of(object)) {
        let mut steady = Amounts::new();
        for place in places(object) {
            let beside = place
                .rsplit_once('/')
                .and_then(|(beside, _)| object.data.pointer(beside));
            let template = object.data.pointer(&place).unwrap_or(&Value::Null);
            let count = beside.map_or(1, replicas);
            add(&mut steady, &scaled(&pod(template, policy), count));
        }
        return (steady, Amounts::new());
    }
    match kind_of(object) {
        "Deployment" | "StatefulSet" => {
            let replicas = replicas(spec);
            let pod = pod(template(), policy);
            let mut steady = scaled(&pod, replicas);
            for claim in spec["volumeClaimTemplates"].as_array().into_iter().flatten() {
                add(&mut steady, &scaled(&self::claim(&claim["spec"]), replicas));
            }
            let surge = match kind_of(object) {
                "Deployment" if spec["strategy"]["type"] != "Recreate" => scaled(
                    &pod,
                    surge(&spec["strategy"]["rollingUpdate"]["maxSurge"], replicas),
                ),
                _ => Amounts::new(),
            };
            (steady, surge)
        }
        "Job" => {
            let parallel = spec["parallelism"].as_u64().unwrap_or(1);
            (scaled(&pod(template(), policy), parallel), Amounts::new())
        }
        "PersistentVolumeClaim" => (claim(spec), Amounts::new()),
        "Service" => (one("services"), Amounts::new()),
        "Secret" => (one("secrets"), Amounts::new()),
        "ConfigMap" => (one("configmaps"), Amounts::new()),
        _ => Default::default(),
    }
}

/// Source: <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge>: percentages are rounded up.
fn surge(most: &Value, replicas: u64) -> u64 {
    match most {
        Value::Number(number) => number.as_u64().unwrap_or(1),
        Value::String(text) => {
            let percent = text.trim_end_matches('%').parse::<u64>().unwrap_or(25);
            (replicas * percent).div_ceil(100)
        }
        _ => (replicas * 25).div_ceil(100),
    }
}

fn claim(spec: &Value) -> Amounts {
    let size = spec
        .pointer("/resources/requests/storage")
        .and_then(Value::as_str);
    let size = size.and_then(|size| size.parse().ok()).unwrap_or_default();
    Amounts::from([
        ("persistentvolumeclaims".to_owned(), Quantity::count(1)),
        ("requests.storage".to_owned(), size),
    ])
}

/// What one Pod counts against a quota.
fn pod(template: &Value, policy: &PreviewPolicySpec) -> Amounts {
    let list = |field: &str| template["spec"][field].as_array().cloned().unwrap_or_default();
    let mut running = Amounts::new();
    for container in list("containers") {
        add(&mut running, &container_asks(&container, policy));
    }
    // Sidecars run beside everything that comes after them.
    let (mut sidecars, mut largest) = (Amounts::new(), Amounts::new());
    for container in list("initContainers") {
        let asks = container_asks(&container, policy);
        if container["restartPolicy"] == json!("Always") {
            add(&mut sidecars, &asks);
            add(&mut running, &asks);
        } else {
            let mut with = sidecars.clone();
            add(&mut with, &asks);
            raise(&mut largest, &with);
        }
    }
    raise(&mut running, &largest);
    running.insert("pods".to_owned(), Quantity::count(1));
    running
}

fn container_asks(container: &Value, policy: &PreviewPolicySpec) -> Amounts {
    let filled = guardrails::resources(container, &policy.limits);
    let resources = filled.as_ref().unwrap_or(&container["resources"]);
    let mut amounts = Amounts::new();
    for part in ["requests", "limits"] {
        for (resource, amount) in resources[part].as_object().into_iter().flatten() {
            let text = match amount {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if let Ok(amount) = text.parse() {
                amounts.insert(format!("{part}.{resource}"), amount);
            }
        }
    }
    amounts
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let before = sum.entry(resource.clone()).or_default();
        *before = *before + *amount;
    }
}

fn raise(greatest: &mut Amounts, other: &Amounts) {
    for (resource, amount) in other {
        let before = greatest.entry(resource.clone()).or_default();
        *before = (*before).max(*amount);
    }
}

fn scaled(amounts: &Amounts, times: u64) -> Amounts {
    amounts
        .iter()
        .map(|(resource, amount)| (resource.clone(), amount.times(times)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(quota: Value) -> PreviewPolicySpec {
        serde_json::from_value(json!({ "quota": quota })).unwrap()
    }

    fn workload(kind: &str, spec: Value) -> DynamicObject {
        serde_json::from_value(
            json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "web" }, "spec": spec }),
        )
        .unwrap()
    }

    fn shortages_of(kind: &str, spec: Value, quota: Value) -> Vec<Shortage> {
        shortages([workload(kind, spec)].iter(), &policy(quota))
    }

    fn object(object: Value) -> DynamicObject {
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_sum_that_does_not_fit_is_named_with_who_asks_for_most() {
        let template = json!({ "spec": {
            "initContainers": [{ "name": "migrate", "resources": { "requests": { "memory": "2Gi" } } }, { "name": "mesh", "restartPolicy": "Always" }],
            "containers": [{ "name": "app", "resources": { "requests": { "memory": "1Gi" } } }]
        } });
        let quota = json!({ "requests.memory": "3Gi" });
        let spec = |replicas: u64| json!({ "replicas": replicas, "template": template });
        assert_eq!(shortages_of("StatefulSet", spec(1), quota.clone()), []);
        let found = shortages_of("StatefulSet", spec(2), quota);
        assert_eq!(
            found[0].describe("demo"),
            "it asks for requests.memory 4Gi and policy demo grants 3Gi; most by StatefulSet/web (4Gi): \
             leave some of it out with --exclude, ask for less there, or raise spec.quota[requests.memory]"
        );
    }

    #[test]
    fn what_only_a_rollout_asks_for_is_told_apart() {
        let template = json!({ "spec": { "containers": [{ "name": "app" }] } });
        let spec = |strategy: Value| json!({ "replicas": 4, "strategy": strategy, "template": template });
        let quota = json!({ "pods": "4" });
        let found = shortages_of("Deployment", spec(json!({})), quota.clone());
        assert!(found[0].only_in_rollouts && found[0].wanted == "5");
        assert_eq!(
            shortages_of("Deployment", spec(json!({ "type": "Recreate" })), quota.clone()),
            []
        );
        let none = json!({ "rollingUpdate": { "maxSurge": 0 } });
        assert_eq!(shortages_of("Deployment", spec(none), quota), []);
    }

    #[test]
    fn claims_count_by_number_and_size() {
        let spec = json!({ "replicas": 2, "template": {}, "volumeClaimTemplates": [{ "spec": { "resources": { "requests": { "storage": "10Gi" } } } }] });
        let found = shortages_of(
            "StatefulSet",
            spec,
            json!({ "requests.storage": "15Gi", "persistentvolumeclaims": "2" }),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].wanted.as_str(), found[0].only_in_rollouts),
            ("20Gi", false)
        );
    }
    #[test]
    fn what_an_autoscaler_sizes_counts_with_its_least() {
        let template = json!({ "spec": { "containers": [{ "name": "app" }] } });
        let web = workload(
            "Deployment",
            json!({ "strategy": { "type": "Recreate" }, "template": template }),
        );
        let scaler = |kind: &str, spec: Value| {
            let mut spec = spec;
            spec["scaleTargetRef"] = json!({ "kind": "Deployment", "name": "web" });
            workload(kind, spec)
        };
        let pods = policy(json!({ "pods": "2" }));
        for (scaler, wanted) in [
            (
                scaler("HorizontalPodAutoscaler", json!({ "minReplicas": 3 })),
                Some("3"),
            ),
            (scaler("ScaledObject", json!({ "minReplicaCount": 4 })), Some("4")),
            (scaler("ScaledObject", json!({ "minReplicaCount": 0 })), None),
            (scaler("HorizontalPodAutoscaler", json!({})), None),
        ] {
            let found = shortages([scaler, web.clone()].iter(), &pods);
            assert_eq!(found.first().map(|shortage| shortage.wanted.as_str()), wanted);
        }
        let none = policy(json!({ "pods": "0" }));
        let asleep = scaler("ScaledObject", json!({ "minReplicaCount": 0 }));
        assert_eq!(
            shortages([asleep, web].iter(), &none)[0].by,
            ["Deployment/web (1)"]
        );
    }

    #[test]
    fn pods_of_another_vendors_kind_count_as_often_as_stands_beside_their_template() {
        let template = json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "memory": "1Gi" } } }] } });
        let cluster = object(
            json!({ "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": { "name": "train" }, "spec": {
            "headGroupSpec": { "template": template }, "workerGroupSpecs": [{ "replicas": 3, "template": template }] } }),
        );
        let found = shortages([cluster].iter(), &policy(json!({ "requests.memory": "3Gi" })));
        assert_eq!(found[0].by, ["RayCluster/train (4Gi)"]);
    }
}

//! What would be refused in previews whose policy only observes (`enforcement: warn`): the existing objects, reviewed as if
//! it did not.

use super::both;
use crate::check::{Standing, Subject, Verdict, World};
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::printer::Printer;
use jiff::Timestamp;
use serde_json::{Value, json};
use understudy::admission::{User, needs};
use understudy::keys;
use understudy::policy::Enforcement;
use understudy::preview::is_golden;

/// The answers to every object of every such preview, and why some of what they are about is not known.
pub(super) async fn verdicts(
    cluster: &Cluster,
    printer: &Printer,
) -> Result<(Vec<Verdict>, Vec<String>), Failure> {
    let installed = cluster.installed().await?;
    let catalogue = cluster.catalogue().await?;
    let observed = |policy: &str| {
        installed
            .policies
            .get(policy)
            .is_some_and(|policy| policy.only_observes())
    };
    let previews = cluster.previews(None).await?;
    let previews: Vec<_> = previews
        .into_iter()
        .filter(|existing| observed(&existing.preview.policy))
        .collect();
    if previews.is_empty() {
        printer.say("No preview lives under a policy with enforcement: warn.");
        return Ok((Vec::new(), Vec::new()));
    }
    let mut policies = installed.policies.clone();
    policies
        .values_mut()
        .for_each(|policy| policy.enforcement = Enforcement::Enforce);
    let mut world = World::new(Timestamp::now(), policies);
    world.live = true;
    world.installation = cluster.installation(&cluster.home().await).await;
    let namespaces = cluster.namespaces().await?;
    let golden = namespaces
        .iter()
        .filter(|namespace| is_golden(namespace.metadata.labels.as_ref()));
    world.goldens = golden
        .filter_map(|namespace| namespace.metadata.name.clone())
        .collect();
    let names: Vec<String> = previews
        .iter()
        .map(|existing| existing.preview.name.clone())
        .chain(world.goldens.clone())
        .collect();
    let ((services, mut unread), (fingerprints, hidden)) =
        futures::join!(cluster.services(&names), cluster.fingerprints(&world.goldens));
    (world.services, world.fingerprints) = (services, fingerprints);
    unread.extend(hidden);

    let mut all = Vec::new();
    for existing in previews {
        let name = existing.preview.name.clone();
        let place = world.ready(existing.namespace.metadata);
        world.places.insert(name.clone(), place);
        let (objects, hidden) = cluster.contents(&name, &installed.listable).await;
        if !hidden.is_empty() {
            unread.push(format!("{name}: you may not list {}", hidden.join(", ")));
        }
        let written = objects.iter().map(|object| json!(object)).filter(is_somebodys);
        let user = User {
            name: existing.preview.creator.clone().unwrap_or_default(),
            groups: Vec::new(),
        };
        for object in written {
            let subject = Subject::new(object, Some(&catalogue), &name);
            let pod = crate::check::pod_of(&subject.object);
            let wanted = pod
                .iter()
                .flat_map(needs)
                .chain(needs(&subject.creation(user.clone())));
            for reference in wanted.collect::<Vec<_>>() {
                let fact = cluster.source(&name, &reference).await;
                world
                    .sources
                    .entry(name.clone())
                    .or_default()
                    .insert(reference, fact);
            }
            all.extend(both(&subject, user.clone(), &world, true));
        }
        debug_assert!(matches!(world.places.get(&name), Some(Standing::Preview(_))));
    }
    Ok((all, unread))
}

/// Whether somebody wrote it: neither a controller of Kubernetes nor we.
fn is_somebodys(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let owned = owners.into_iter().any(|owner| owner["controller"] == true);
    let ours =
        metadata["labels"][keys::GUARDRAIL].is_string() || name.starts_with(keys::BRANCH_SECRET_PREFIX);
    let clusters = match object["kind"].as_str().unwrap_or_default() {
        "ConfigMap" => name == "kube-root-ca.crt",
        "ServiceAccount" => name == "default",
        // Kubernetes writes them for each Service; those of users are EndpointSlices' business too, and are listed.
        "Endpoints" => {
            metadata["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"].is_string()
        }
        "Event" | "Lease" => true,
        _ => false,
    };
    !(owned || ours || clusters)
}

//! What is in a preview without having been reviewed on its way in: reviewed where it stands, by the same rules.
//!
//! In an adopted namespace, everything that was there before; there it is only listed, and keeps the preview from being
//! sealed. In any other, what came in while admission was bypassed; of that, whatever opens or leads somewhere is deleted.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use serde_json::Value;
use std::collections::BTreeSet;
use understudy::admission::{self, Decision, Facts, Request, User};
use understudy::holding;
use understudy::keys;
use understudy::preview::Preview;
use understudy::reason::Reason;

/// Objects in one answer of the API server, each of which may take a mebibyte and more.
const PAGE: u32 = 50;
/// After so many findings a look ends: of the others is told, once these are mended or gone.
const FINDINGS: usize = 100;

/// Kinds that open something or lead somewhere, with their plural.
const OPENING: [(&str, &str, &str, &str); 8] = [
    ("", "v1", "Service", "services"),
    ("", "v1", "Endpoints", "endpoints"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
];

/// Written by the cluster or by us all the time, or looked at elsewhere.
const PASSED_OVER: [&str; 7] = [
    "events",
    "leases",
    "pods",
    "replicasets",
    "controllerrevisions",
    "resourcequotas",
    "limitranges",
];

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Kind and name.
    pub what: String,
    /// Which rule objects.
    pub reason: Reason,
    /// What is wrong.
    pub why: String,
    api: Api<DynamicObject>,
    name: String,
    uid: String,
    /// Deleted already.
    is_dying: bool,
}

/// Everything in `preview` that the rules would refuse or change.
pub async fn everything(context: &Context, preview: &Preview) -> Result<Vec<Finding>, Error> {
    let found = Discovery::new(context.client.clone())
        .run_aggregated()
        .await
        .map_err(failed("discover the kinds of the cluster"))?;
    let kinds = found.groups().flat_map(kinds).collect();
    look(context, preview, kinds, true).await
}

/// What can be listed of `group`, each kind once: in the version that the server prefers of those that serve it, which not
/// each is there in the group's own.
fn kinds(group: &ApiGroup) -> Vec<ApiResource> {
    let versions = std::iter::once(group.preferred_version_or_latest()).chain(group.versions());
    let mut kinds: Vec<ApiResource> = Vec::new();
    for (kind, capabilities) in versions.flat_map(|version| group.versioned_resources(version)) {
        let is_listed = capabilities.scope == Scope::Namespaced
            && capabilities.supports_operation(verbs::LIST)
            && !PASSED_OVER.contains(&kind.plural.as_str());
        if is_listed && kinds.iter().all(|known| known.plural != kind.plural) {
            kinds.push(kind);
        }
    }
    kinds
}

/// What is left after [`close_what_opens`].
#[derive(Debug, Default)]
pub struct Left {
    /// The first that stays because of somebody's finalizer, and why it should not.
    pub stays: Option<String>,
    /// There may be more than was looked at.
    pub more: bool,
}

/// What opens something or leads somewhere in `preview` and should not: deleted, and said. The last error, after everything has
/// been tried.
pub async fn close_what_opens(context: &Context, preview: &Preview) -> Result<Left, Error> {
    let kinds = OPENING.map(|(group, version, kind, plural)| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    });
    let found = look(context, preview, kinds.into(), false).await?;
    let mut left = Left {
        more: found.iter().filter(|found| !found.is_dying).count() >= FINDINGS,
        ..Left::default()
    };
    let mut failed = None;
    for found in found {
        let Finding {
            what,
            reason,
            why,
            api,
            name,
            uid,
            is_dying,
        } = found;
        if is_dying {
            let note = format!("{reason}: {what} stays because of a finalizer: {why}");
            left.stays.get_or_insert_with(|| note.clone());
            context.tell(preview, true, "CameInSideways", note).await;
            continue;
        }
        match remove(&api, &name, &uid, "remove what came in sideways").await {
            Ok(true) => {
                context.metrics.acted("removed-sideways");
                let note = format!("{what} was removed: {why}");
                context.tell_why(preview, "CameInSideways", reason, note).await;
            }
            Ok(false) => {}
            // One that somebody keeps must not shield the others.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(left), Err)
}

/// Reviews every object of `kinds`, page by page, since a preview may hold more than there is memory; `changes` says whether
/// what would only be changed counts as well.
async fn look(
    context: &Context,
    preview: &Preview,
    kinds: Vec<ApiResource>,
    changes: bool,
) -> Result<Vec<Finding>, Error> {
    let selecting = selecting(context, preview).await?;
    let facts = context.memory.facts(Some(preview.clone()), Default::default());
    let mut findings: Vec<Finding> = Vec::new();
    for kind in kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &preview.name, &kind);
        let mut page = Some(ListParams::default().limit(PAGE));
        while let Some(asked) = page {
            let (objects, next) = list(&api, &kind.group, &asked).await?;
            for object in objects {
                if is_looked_at_elsewhere(&object, &kind.plural, &selecting) {
                    continue;
                }
                let metadata = object.metadata.clone();
                let Some((reason, why)) = objected(object, &kind, &facts, changes) else {
                    continue;
                };
                let name = metadata.name.unwrap_or_default();
                let is_dying = metadata.deletion_timestamp.is_some();
                let there = findings.iter().filter(|found| found.is_dying == is_dying).count();
                // Those that stay must not hide the others.
                if there == FINDINGS && is_dying {
                    continue;
                }
                if there == FINDINGS {
                    return Ok(findings);
                }
                findings.push(Finding {
                    what: format!("{} {name}", kind.kind),
                    reason,
                    why,
                    api: api.clone(),
                    name,
                    uid: metadata.uid.unwrap_or_default(),
                    is_dying,
                });
            }
            page = next;
        }
    }
    Ok(findings)
}

/// What the rules have against `object`, which is of `kind`.
fn objected(
    object: DynamicObject,
    kind: &ApiResource,
    facts: &Facts,
    changes: bool,
) -> Option<(Reason, String)> {
    let mut object = serde_json::to_value(object).unwrap_or_default();
    // Copies of what the policy lists, and the branches' own.
    let is_ours = kind.plural == "secrets"
        && !object["metadata"]["labels"][keys::GUARDRAIL].is_null()
        && holding::is_younger_than_the_adoption(&object, facts);
    if is_ours || holding::is_exempted(&object, facts) {
        return None;
    }
    object["apiVersion"] = Value::String(kind.api_version.clone());
    object["kind"] = Value::String(kind.kind.clone());
    let request = Request::creation(object, &kind.plural, User::default());
    objection(&admission::review(&request, facts), changes)
}

fn objection(decision: &Decision, changes: bool) -> Option<(Reason, String)> {
    match decision {
        Decision::Deny(violations) => violations
            .first()
            .map(|first| (first.reason, first.message.clone())),
        // What would take somebody else's host or lead outside counts everywhere.
        Decision::Patch { notes, .. } => notes
            .iter()
            .find(|note| changes || matches!(note.reason, Reason::HostRewritten | Reason::ExposureLowered))
            .map(|first| (first.reason, format!("{} would be changed", first.field))),
        _ => None,
    }
}

/// Guardrails, which the seal compares with the policy, and what Kubernetes derives from Services that choose their Pods.
fn is_looked_at_elsewhere(object: &DynamicObject, plural: &str, selecting: &BTreeSet<String>) -> bool {
    let of = |service: Option<&str>| service.is_some_and(|service| selecting.contains(service));
    let label = |key: &str| object.metadata.labels.as_ref()?.get(key).map(String::as_str);
    let managed = label("endpointslice.kubernetes.io/managed-by");
    match plural {
        // One that is being deleted the seal can only wait for.
        "networkpolicies" | "rolebindings" if label(keys::GUARDRAIL).is_some() => {
            object.metadata.deletion_timestamp.is_none()
        }
        "endpoints" => of(object.metadata.name.as_deref()),
        // Mirrored from Endpoints, which are looked at themselves; or kept by the controller, which leaves alone what belongs
        // to a Service without a selector.
        "endpointslices" => {
            managed == Some("endpointslicemirroring-controller.k8s.io")
                || (managed == Some("endpointslice-controller.k8s.io")
                    && of(label("kubernetes.io/service-name")))
        }
        _ => false,
    }
}

/// The Services that choose their Pods themselves.
async fn selecting(context: &Context, preview: &Preview) -> Result<BTreeSet<String>, Error> {
    let services = ApiResource::erase::<Service>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &preview.name, &services);
    let mut choosing = BTreeSet::new();
    let mut page = Some(ListParams::default().limit(PAGE));
    while let Some(asked) = page {
        let (objects, next) = list(&api, "", &asked).await?;
        let chooses = |service: &DynamicObject| {
            let selector = service.data["spec"]["selector"].as_object();
            selector.is_some_and(|selector| !selector.is_empty())
        };
        choosing.extend(
            objects
                .into_iter()
                .filter(chooses)
                .filter_map(|service| service.metadata.name),
        );
        page = next;
    }
    Ok(choosing)
}

/// One page of the objects of a kind of `group`, and how to ask for the next.
async fn list(
    api: &Api<DynamicObject>,
    group: &str,
    page: &ListParams,
) -> Result<(Vec<DynamicObject>, Option<ListParams>), Error> {
    // Kubernetes' own groups have no dot, but for those that end so; a server behind the API server may have such a name too.
    let aggregated = group.contains('.') && !OPENING.iter().any(|(own, ..)| *own == group);
    match api.list(page).await {
        Ok(found) => {
            let token = found.metadata.continue_.filter(|token| !token.is_empty());
            Ok((
                found.items,
                token.map(|token| page.clone().continue_token(&token)),
            ))
        }
        // What is not served any more, or knows no such list, holds nothing that could be reviewed.
        Err(kube::Error::Api(status)) if [404, 405].contains(&status.code) => Ok((Vec::new(), None)),
        // Nor does an aggregated API that is away.
        Err(kube::Error::Api(status))
            if status.code == 503 && aggregated && page.continue_token.is_none() =>
        {
            Ok((Vec::new(), None))
        }
        Err(error) => Err(failed("list what is in the namespace")(error)),
    }
}

//! What is in a preview without having been reviewed on its way in: reviewed where it stands, by the same rules.
//!
//! In an adopted namespace, everything that was there before; there it is only listed, and keeps the preview from being
//! sealed. In any other, what came in while admission was bypassed; of that, whatever opens or leads somewhere is deleted.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::Value;
use std::collections::BTreeSet;
use understudy::admission::{self, Decision, Request, User};
use understudy::holding;
use understudy::keys;
use understudy::preview::Preview;
use understudy::reason::Reason;

/// Objects in one answer of the API server.
const PAGE: u32 = 500;

/// Kinds that open something or lead somewhere, with their plural.
const OPENING: [(&str, &str, &str, &str); 7] = [
    ("", "v1", "Service", "services"),
    ("", "v1", "Endpoints", "endpoints"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
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
    let listed = found.groups().flat_map(|group| group.recommended_resources());
    let kinds = listed.filter(|(resource, capabilities)| {
        capabilities.scope == Scope::Namespaced
            && capabilities.supports_operation(verbs::LIST)
            && !PASSED_OVER.contains(&resource.plural.as_str())
    });
    look(
        context,
        preview,
        kinds.map(|(resource, _)| resource).collect(),
        true,
    )
    .await
}

/// What opens something or leads somewhere in `preview` and should not: deleted, and said.
pub async fn close_what_opens(context: &Context, preview: &Preview) -> Result<(), Error> {
    let kinds = OPENING.map(|(group, version, kind, plural)| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    });
    for found in look(context, preview, kinds.into(), false).await? {
        if found.is_dying {
            let note = format!("{} stays because of a finalizer: {}", found.what, found.why);
            context
                .tell_why(preview, "CameInSideways", found.reason, note)
                .await;
            continue;
        }
        if remove(
            &found.api,
            &found.name,
            &found.uid,
            "remove what came in sideways",
        )
        .await?
        {
            context.metrics.acted("removed-sideways");
            let note = format!("{} was removed: {}", found.what, found.why);
            context
                .tell_why(preview, "CameInSideways", found.reason, note)
                .await;
        }
    }
    Ok(())
}

/// Reviews every object of `kinds`; `changes` says whether what would only be changed counts as well.
async fn look(
    context: &Context,
    preview: &Preview,
    kinds: Vec<ApiResource>,
    changes: bool,
) -> Result<Vec<Finding>, Error> {
    let selecting = selecting(context, preview).await?;
    let lists = kinds.into_iter().map(async |kind| {
        let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &preview.name, &kind);
        Ok::<_, Error>((api.clone(), kind, all(&api).await?))
    });
    let facts = context.memory.facts(Some(preview.clone()), Default::default());
    let mut findings = Vec::new();
    for (api, kind, objects) in try_join_all(lists).await? {
        for object in objects {
            let (name, uid) = (
                object.metadata.name.clone().unwrap_or_default(),
                object.metadata.uid.clone().unwrap_or_default(),
            );
            let mut object = serde_json::to_value(&object).unwrap_or_default();
            if holding::is_exempted(&object, &facts) || made_by_the_cluster(&object, &kind.plural, &selecting)
            {
                continue;
            }
            object["apiVersion"] = Value::String(kind.api_version.clone());
            object["kind"] = Value::String(kind.kind.clone());
            let request = Request {
                namespace: preview.name.clone(),
                ..Request::creation(object, &kind.plural, User::default())
            };
            let taken = changes && kind.plural == "secrets" && name.starts_with(keys::BRANCH_SECRET_PREFIX);
            let why = "this name stands for a branch's connection";
            let reserved = taken.then(|| (Reason::GuardrailTampered, why.to_owned()));
            let objection = || objection(&admission::review(&request, &facts), changes);
            if let Some((reason, why)) = reserved.or_else(objection) {
                findings.push(Finding {
                    what: format!("{} {name}", kind.kind),
                    reason,
                    why,
                    api: api.clone(),
                    name,
                    uid,
                    is_dying: request.object["metadata"]["deletionTimestamp"].is_string(),
                });
            }
        }
    }
    Ok(findings)
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

/// Guardrails, which have a look of their own, and what Kubernetes derives from Services that choose their Pods.
fn made_by_the_cluster(object: &Value, plural: &str, selecting: &BTreeSet<String>) -> bool {
    let metadata = &object["metadata"];
    let of = |service: Option<&str>| service.is_some_and(|service| selecting.contains(service));
    let managed = metadata["labels"]["endpointslice.kubernetes.io/managed-by"]
        .as_str()
        .unwrap_or_default();
    match plural {
        "networkpolicies" | "rolebindings" if !metadata["labels"][keys::GUARDRAIL].is_null() => {
            metadata["deletionTimestamp"].is_null()
        }
        "endpoints" => of(metadata["name"].as_str()),
        // Mirrored from Endpoints, which are looked at themselves; or kept by the controller, which leaves alone what belongs
        // to a Service without a selector.
        "endpointslices" => {
            managed == "endpointslicemirroring-controller.k8s.io"
                || (managed == "endpointslice-controller.k8s.io"
                    && of(metadata["labels"]["kubernetes.io/service-name"].as_str()))
        }
        _ => false,
    }
}

/// The Services that choose their Pods themselves.
async fn selecting(context: &Context, preview: &Preview) -> Result<BTreeSet<String>, Error> {
    let api: Api<Service> = Api::namespaced(context.client.clone(), &preview.name);
    let found = api
        .list(&ListParams::default())
        .await
        .map_err(failed("list Services"))?;
    let choosing = found.items.into_iter().filter(|service| {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        selector.is_some_and(|selector| !selector.is_empty())
    });
    Ok(choosing.filter_map(|service| service.metadata.name).collect())
}

async fn all(api: &Api<DynamicObject>) -> Result<Vec<DynamicObject>, Error> {
    let mut objects = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let found = match api.list(&page).await {
            Ok(found) => found,
            // An aggregated API that is away or knows no such list holds nothing that could be reviewed.
            Err(kube::Error::Api(status)) if [404, 405, 503].contains(&status.code) => return Ok(objects),
            Err(error) => return Err(failed("list what is in the namespace")(error)),
        };
        objects.extend(found.items);
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

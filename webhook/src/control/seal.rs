//! Putting the guardrails in place and saying when they are in force.
//!
//! Guarantees: [`seal`] returns the hash only when every guardrail is there as written, nothing else carries our label,
//! and the quota controller has taken the quota up. Restoring is by replacement.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use futures::future::{join_all, try_join_all};
use kube::api::{ListParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;
use understudy::guardrails::{self, Guardrail, Kind};
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// Brings the guardrails of `preview` to what `policy` asks for; the hash of the seal once they are in force.
pub async fn seal(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
) -> Result<Option<String>, Error> {
    let desired = guardrails::desired(preview, policy, &context.installation.namespace);
    let hash = guardrails::seal_hash(&desired);
    if preview.sealed.as_ref() == Some(&hash) && context.seals.believes(&preview.name, &hash) {
        return Ok(Some(hash));
    }
    for _ in 0..2 {
        match look(context, preview, &desired).await? {
            Found::InForce => {
                context.seals.believe(&preview.name, &hash);
                return Ok(Some(hash));
            }
            Found::NotYet => break,
            // Once more at once: most often the quota has been taken up meanwhile.
            Found::Changed => {}
        }
    }
    Ok(None)
}

/// What one look at the guardrails found.
enum Found {
    /// All of them as written, and the quota taken up.
    InForce,
    /// All of them as written, but the quota is not taken up yet, or somebody's finalizer keeps what bears our label.
    NotYet,
    /// Something had to be made or replaced.
    Changed,
}

/// Reads the guardrails, and brings each to what is `desired`.
async fn look(context: &Context, preview: &Preview, desired: &[Guardrail]) -> Result<Found, Error> {
    context.seals.look(&preview.name);
    let live = list(&context.client, &preview.name).await?;
    let mut changed = false;
    // In the order of `Kind`: what limits comes before what opens.
    for kind in Kind::ALL {
        let wanted = desired.iter().filter(|guardrail| guardrail.kind == kind);
        let restored = wanted.map(async |guardrail| {
            let found = live.iter().find(|(found, object)| {
                *found == kind && object["metadata"]["name"] == guardrail.name.as_str()
            });
            restore(context, preview, guardrail, found.map(|(_, object)| object)).await
        });
        for restored in join_all(restored).await {
            changed |= restored?;
        }
    }
    let mut stays = false;
    for (kind, object) in &live {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let is_desired = desired
            .iter()
            .any(|guardrail| guardrail.kind == *kind && guardrail.name == name);
        match (is_desired, object["metadata"]["deletionTimestamp"].is_null()) {
            (true, _) => {}
            (false, true) => {
                clear(&api(&context.client, *kind, &preview.name), object).await?;
                changed = true;
            }
            // Somebody's finalizer keeps it, and it is in force like any other.
            (false, false) => stays = true,
        }
    }
    if changed {
        return Ok(Found::Changed);
    }
    if stays {
        return Ok(Found::NotYet);
    }
    let mut quotas = live.iter().filter(|(kind, _)| *kind == Kind::ResourceQuota);
    let is_there = quotas.clone().next().is_some();
    let in_force = is_there && quotas.all(|(_, quota)| guardrails::quota_in_force(quota));
    Ok(if in_force { Found::InForce } else { Found::NotYet })
}

/// Removes every guardrail, for a policy that only observes. The branches' Secrets stay: Pods run on them.
pub async fn remove_all(context: &Context, preview: &Preview) -> Result<(), Error> {
    context.seals.doubt(&preview.name);
    for (kind, object) in list(&context.client, &preview.name).await? {
        // Our own two keep their rights, to observe with.
        let ours = object["roleRef"]["name"]
            .as_str()
            .is_some_and(|role| role != keys::ROLE_USER);
        if !ours {
            clear(&api(&context.client, kind, &preview.name), &object).await?;
        }
    }
    Ok(())
}

/// Creates or replaces one guardrail; whether it had to.
async fn restore(
    context: &Context,
    preview: &Preview,
    guardrail: &Guardrail,
    live: Option<&Value>,
) -> Result<bool, Error> {
    let api = api(&context.client, guardrail.kind, &preview.name);
    let object: DynamicObject =
        serde_json::from_value(guardrail.object.clone()).expect("a guardrail is an object with metadata");
    match live {
        Some(live) if guardrails::matches(live, &guardrail.object) => return Ok(false),
        Some(live) => {
            clear(&api, live).await?;
            if preview.sealed.is_some() {
                context.metrics.acted("guardrail-restored");
                let note = format!(
                    "{} {} was not as the policy wants it and was replaced",
                    guardrail.kind.api().1,
                    guardrail.name
                );
                context.tell(preview, true, "GuardrailRestored", note).await;
            }
        }
        None => {}
    }
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(true),
        // Our list was older than this object: the next look compares it. One that nobody labelled as a guardrail but
        // bears the name is in the way.
        Err(kube::Error::Api(status)) if status.code == 409 => {
            if let Some(found) = api
                .get_opt(&guardrail.name)
                .await
                .map_err(failed("read a guardrail"))?
            {
                let found = serde_json::to_value(found).unwrap_or_default();
                if !guardrails::matches(&found, &guardrail.object) {
                    clear(&api, &found).await?;
                }
            }
            Ok(true)
        }
        Err(error) => Err(failed("create a guardrail")(error)),
    }
}

/// Every object in `namespace` that carries the guardrail label, of the kinds we make.
async fn list(client: &Client, namespace: &str) -> Result<Vec<(Kind, Value)>, Error> {
    let params = ListParams::default().labels(keys::GUARDRAIL);
    let lists = try_join_all(Kind::ALL.map(async |kind| {
        let found = api(client, kind, namespace)
            .list(&params)
            .await
            .map_err(failed("list guardrails"))?;
        Ok::<_, Error>(found.items.into_iter().map(move |object| (kind, object)))
    }))
    .await?;
    Ok(lists
        .into_iter()
        .flatten()
        .map(|(kind, object)| (kind, serde_json::to_value(object).unwrap_or_default()))
        .collect())
}

async fn clear(api: &Api<DynamicObject>, object: &Value) -> Result<(), Error> {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    remove(api, text("name"), text("uid"), "remove a guardrail").await?;
    Ok(())
}

fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    let (api_version, name) = kind.api();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name));
    // `from_gvk` guesses the plural; its guess is right for all four kinds, as the tests against a server show.
    Api::namespaced_with(client.clone(), namespace, &resource)
}

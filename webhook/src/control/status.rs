//! What the leader writes on the namespace: phase, seal, branches, one sentence. For reading; decisions come from live
//! objects.

use super::context::Context;
use super::error::{Error, failed};
use super::pods::Found;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use understudy::keys;
use understudy::names;
use understudy::phase::{self, Observed, Phase};
use understudy::policy::PreviewPolicySpec;
use understudy::preview::{BranchState, Preview};

/// One sentence on where `preview` stands.
pub fn message(preview: &Preview, policy: &PreviewPolicySpec, observed: Observed, found: &Found) -> String {
    let branch = |wanted: fn(&BranchState) -> Option<&String>| {
        preview
            .branches
            .iter()
            .find_map(|(name, state)| wanted(state).map(|why| format!("database {name}: {why}")))
    };
    let failed = branch(|state| match state {
        BranchState::Failed(why) => Some(why),
        _ => None,
    });
    let pending = branch(|state| match state {
        BranchState::Pending(why) => Some(why),
        _ => None,
    });
    if let Some(why) = failed {
        why
    } else if let Some(error) = &found.failed {
        error.to_string()
    } else if !observed.sealed {
        "the guardrails are being put in place".to_owned()
    } else if let Some(why) = pending {
        why
    } else if let Some(pod) = found.unreviewed.first() {
        format!("Pod {pod} came in unreviewed and nothing makes it again; delete it")
    } else if found.unready > 0 {
        format!("{} of its Pods are not ready", found.unready)
    } else if policy.hosts.domain.is_empty() {
        "everything is ready".to_owned()
    } else {
        format!(
            "everything is ready below {}",
            names::main_host(&preview.name, &policy.hosts.domain)
        )
    }
}

/// What is to stand on the namespace.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What the phase is computed from.
    pub observed: Observed,
    /// Hash of the guardrails in force; `None` leaves what is there.
    pub seal: Option<String>,
    /// State of each branch.
    pub branches: BTreeMap<String, BranchState>,
    /// One sentence; empty leaves what is there.
    pub message: String,
    /// Where a reviewer clicks; `None` leaves what is there.
    pub url: Option<String>,
}

/// Writes one sentence, and the phase that follows from what was `observed`.
pub async fn say(
    context: &Context,
    preview: &Preview,
    observed: Observed,
    message: String,
) -> Result<(), Error> {
    let status = Status {
        observed,
        message,
        ..Status::default()
    };
    write(context, preview, &status).await
}

/// Writes what differs from what is there; nothing when nothing does.
pub async fn write(context: &Context, preview: &Preview, status: &Status) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let Some(live) = api
        .get_metadata_opt(&preview.name)
        .await
        .map_err(failed("read the namespace"))?
    else {
        return Ok(());
    };
    let mut annotations = Map::new();
    let mut annotate = |key: String, value: &str| {
        if live
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(&key))
            .map(String::as_str)
            != Some(value)
        {
            annotations.insert(key, Value::String(value.to_owned()));
        }
    };
    if let Some(seal) = &status.seal {
        annotate(keys::GUARDRAILS.to_owned(), seal);
    }
    for (name, state) in &status.branches {
        annotate(keys::database_state(name), &state.to_string());
    }
    if let Some(url) = &status.url {
        annotate(keys::URL.to_owned(), url);
    }
    if !status.message.is_empty() {
        annotate(keys::MESSAGE.to_owned(), &status.message);
    }
    let phase = phase::phase(status.observed).name();
    let labelled = live
        .metadata
        .labels
        .as_ref()
        .and_then(|all| all.get(keys::PHASE))
        .map(String::as_str);
    let mut metadata = json!({ "uid": preview.uid });
    if labelled != Some(phase) {
        metadata["labels"] = json!({ keys::PHASE: phase });
    }
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    if metadata.as_object().is_some_and(|changes| changes.len() == 1) {
        return Ok(());
    }
    // The uid makes the patch fail on a namespace of the same name that was born meanwhile.
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    api.patch_metadata(&preview.name, &PatchParams::default(), &patch)
        .await
        .map_err(failed("write the status"))?;
    Ok(())
}

/// Says that the end has come; best effort, since the end does not wait for admission.
pub async fn expired(context: &Context, preview: &Preview, message: &str) {
    let observed = Observed {
        over: true,
        ..Observed::default()
    };
    if preview.phase != Some(Phase::Expired)
        && let Err(error) = say(context, preview, observed, message.to_owned()).await
    {
        tracing::warn!(namespace = preview.name, %error, "the end goes on without its phase");
    }
}

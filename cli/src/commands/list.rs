//! `understudy list`: every preview that may be listed.

use super::{data, json, yaml};
use crate::cluster::{Cluster, Existing};
use crate::error::Failure;
use crate::printer::Printer;
use crate::settings::Output;
use crate::table::{table, until};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Value, json};
use understudy::keys;

/// Lists previews, the one that ends first at the top.
pub async fn run(
    cluster: &Cluster,
    parent: Option<String>,
    output: Output,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut previews = cluster.previews(parent.as_deref()).await?;
    previews.sort_by_key(|existing| {
        (
            existing.preview.lease.map(|lease| lease.expires_at),
            existing.preview.name.clone(),
        )
    });
    let now = Timestamp::now();
    match output {
        Output::Json => data(printer, &json(&previews.iter().map(summary).collect::<Vec<_>>())?),
        Output::Yaml => data(printer, &yaml(&previews.iter().map(summary).collect::<Vec<_>>())?),
        Output::Table if previews.is_empty() => {
            printer.say("There is no preview. Make one: understudy clone GOLDEN --pr NUMBER");
            Ok(())
        }
        Output::Table => {
            let rows = previews.iter().map(|existing| row(existing, now));
            data(
                printer,
                &table(
                    ["NAME", "PHASE", "OWNER", "PARENT", "PR", "EXPIRES IN", "URL"],
                    rows,
                ),
            )
        }
    }
}

/// The phase as its label says, or what is more urgent.
pub(super) fn phase(existing: &Existing) -> String {
    match (existing.preview.deleting, existing.preview.phase) {
        (true, _) => "Terminating".to_owned(),
        (false, Some(phase)) => phase.to_string(),
        (false, None) => "-".to_owned(),
    }
}

pub(super) fn annotation<'n>(namespace: &'n Namespace, key: &str) -> Option<&'n str> {
    namespace
        .metadata
        .annotations
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

pub(super) fn label<'n>(namespace: &'n Namespace, key: &str) -> Option<&'n str> {
    namespace.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn row(existing: &Existing, now: Timestamp) -> [String; 7] {
    let (preview, namespace) = (&existing.preview, &existing.namespace);
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        preview.name.clone(),
        phase(existing),
        or_dash(preview.owner.as_deref()),
        or_dash(preview.parent.as_deref()),
        or_dash(label(namespace, keys::PR)),
        preview
            .lease
            .map_or_else(|| "-".to_owned(), |lease| until(lease.expires_at, now)),
        or_dash(annotation(namespace, keys::URL)),
    ]
}

/// One preview for programs.
pub(super) fn summary(existing: &Existing) -> Value {
    let (preview, namespace) = (&existing.preview, &existing.namespace);
    json!({
        "name": preview.name,
        "phase": phase(existing),
        "owner": preview.owner,
        "creator": preview.creator,
        "policy": preview.policy,
        "parent": preview.parent,
        "pr": label(namespace, keys::PR),
        "createdAt": preview.lease.map(|lease| lease.created.to_string()),
        "expiresAt": preview.lease.map(|lease| lease.expires_at.to_string()),
        "url": annotation(namespace, keys::URL),
        "message": annotation(namespace, keys::MESSAGE),
        "sealed": preview.sealed.is_some(),
        "databases": preview.branches.iter().map(|(name, state)| (name.clone(), json!(state.to_string()))).collect::<serde_json::Map<_, _>>(),
    })
}

//! The images that were given: waiting until CI has pushed them, and naming them by their digests.
//!
//! Nothing has been written when this waits, and nothing will be if it waits in vain: no Pod ends in `ImagePullBackOff`
//! because a build was slower.

use crate::cluster::{Cluster, Seen};
use crate::error::{Exit, Failure};
use crate::progress::Progress;
use crate::registry::{Keyring, Patience, Registries, is_pinned, settle};
use crate::settings::Clone;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use understudy::clone::{kind_of, name_of, pod_templates};

/// Does with the images of `settings` what they say. Whether any registry had to be asked is returned.
///
/// Credentials are those the golden of `objects` is pulled by, as far as the caller may read them, and then the caller's.
pub async fn run(
    cluster: &Cluster,
    objects: &[DynamicObject],
    settings: &mut Clone,
    progress: &Progress,
) -> Result<bool, Failure> {
    let waits = settings.images.wait.filter(|_| !settings.dry_run);
    let given = settings.spec.images.iter().map(|given| given.image.clone());
    let images: BTreeSet<String> = given
        .filter(|image| waits.is_some() || (settings.images.resolve && !is_pinned(image)))
        .collect();
    if images.is_empty() {
        return Ok(false);
    }
    let images: Vec<String> = images.into_iter().collect();
    progress.begin(&format!("asking for {}", images.join(", ")), 0);
    let keyring = keyring(cluster, objects, &settings.golden).await;
    let registries = Registries::new(keyring)
        .map_err(|why| Failure::new(Exit::Failed, "cannot ask any registry").caused_by(why))?;
    let digests = settle(&registries, &images, Patience::new(waits), |missing| {
        let lines: Vec<_> = missing
            .iter()
            .map(|(image, why)| format!("{image}: {why}"))
            .collect();
        let missing: Vec<_> = missing
            .iter()
            .map(|(image, why)| json!({ "image": image, "why": why }))
            .collect();
        let event = json!({ "event": "waiting-for-images", "missing": missing });
        progress.note(&format!("waiting for {}", lines.join("; ")), event);
    });
    let digests = digests.await?;
    if settings.images.resolve {
        for given in &mut settings.spec.images {
            if let Some(digest) = digests.get(&given.image).filter(|_| !is_pinned(&given.image)) {
                given.image = format!("{}@{digest}", given.image);
            }
        }
    }
    progress.done(
        &format!("every image is there: {}", images.join(", ")),
        json!({ "event": "images", "digests": digests }),
    );
    Ok(true)
}

/// What images of the golden are pulled by, and the file of `docker login`.
async fn keyring(cluster: &Cluster, objects: &[DynamicObject], golden: &str) -> Keyring {
    let mut keyring = Keyring::default();
    for (namespace, name) in pull_secrets(objects, golden) {
        let source = format!("Secret {name} of {namespace}");
        let held = objects.iter().find(|object| {
            kind_of(object) == "Secret"
                && name_of(object) == name
                && object.metadata.namespace.as_deref().unwrap_or(golden) == namespace
        });
        let data = match held {
            Some(secret) => secret.data.clone(),
            None => match cluster.pull_secret(&namespace, &name).await {
                Seen::There(secret) => serde_json::to_value(secret).unwrap_or_default(),
                Seen::Absent => continue,
                seen => {
                    let why = seen.obscured().unwrap_or_default();
                    keyring.notes.push(format!("{source} was not used: {why}"));
                    continue;
                }
            },
        };
        if let Some(text) = entry(&data, ".dockerconfigjson") {
            keyring.add(&source, &text);
        } else if let Some(text) = entry(&data, ".dockercfg") {
            keyring.add_entries(&source, &text);
        }
    }
    if let Some(file) = docker_config()
        && let Ok(text) = std::fs::read_to_string(&file)
    {
        keyring.add(&file.display().to_string(), &text);
    }
    keyring
}

/// Namespace and name of every Secret that workloads or ServiceAccounts pull images by.
fn pull_secrets(objects: &[DynamicObject], golden: &str) -> BTreeSet<(String, String)> {
    const PLACES: [&str; 2] = ["/imagePullSecrets", "/spec/imagePullSecrets"];
    let of = |object: &DynamicObject| {
        let namespace = object
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| golden.to_owned());
        let own = PLACES.iter().filter_map(|place| object.data.pointer(place));
        let lists = own.chain(pod_templates(object).map(|template| &template["spec"]["imagePullSecrets"]));
        let secrets = lists.filter_map(|list| list.as_array()).flatten();
        let names = secrets.filter_map(|secret| secret["name"].as_str());
        names
            .map(|name| (namespace.clone(), name.to_owned()))
            .collect::<Vec<_>>()
    };
    objects.iter().flat_map(of).collect()
}

/// A key of a Secret, as the API server or a manifest has it.
fn entry(secret: &Value, key: &str) -> Option<String> {
    if let Some(text) = secret["stringData"][key].as_str() {
        return Some(text.to_owned());
    }
    let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Where `docker login` writes.
fn docker_config() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCKER_CONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    Some(directory.or_else(home)?.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, data: Value) -> DynamicObject {
        let mut object = data;
        object["apiVersion"] = json!("v1");
        object["kind"] = json!(kind);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn pull_secrets_are_those_of_workloads_and_service_accounts() {
        let objects = [
            object(
                "ServiceAccount",
                json!({ "metadata": { "name": "a", "namespace": "pay" }, "imagePullSecrets": [{ "name": "one" }] }),
            ),
            object(
                "Deployment",
                json!({ "metadata": { "name": "b" }, "spec": { "template": { "spec": { "imagePullSecrets": [{ "name": "two" }] } } } }),
            ),
            object(
                "CronJob",
                json!({ "metadata": { "name": "c" }, "spec": { "jobTemplate": { "spec": { "template": { "spec": { "imagePullSecrets": [{ "name": "two" }] } } } } } }),
            ),
        ];
        let pair = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(
            pull_secrets(&objects, "shop"),
            [pair("pay", "one"), pair("shop", "two")].into()
        );
    }

    #[test]
    fn a_secret_is_read_as_it_is_stored_or_as_it_is_written() {
        let data = json!({ "data": { "k": BASE64_STANDARD.encode("{}") } });
        assert_eq!(entry(&data, "k").as_deref(), Some("{}"));
        assert_eq!(
            entry(&json!({ "stringData": { "k": "x" } }), "k").as_deref(),
            Some("x")
        );
        assert_eq!(entry(&data, "other"), None);
    }
}

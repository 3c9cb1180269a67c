//! What a clone is made of: one golden as it runs, several of them, or manifests.

use crate::check;
use crate::cluster::{Cluster, Installed, Resources};
use crate::error::{Exit, Failure};
use crate::settings::Clone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use std::io::Read;
use std::path::{Path, PathBuf};
use understudy::clone::{Snapshot, merge};
use understudy::policy::PreviewPolicySpec;

/// Reads it, before anything of the target is looked at.
pub async fn read(
    cluster: &Cluster,
    installed: &Installed,
    policy: &PreviewPolicySpec,
    settings: &Clone,
) -> Result<(Snapshot, Resources), Failure> {
    if let Some(path) = &settings.from_dir {
        return manifests(cluster, installed, path, &settings.golden).await;
    }
    let copied = &policy.secrets.copy;
    let golden = cluster.golden(&settings.golden).await?;
    let mut others = Vec::new();
    for name in &settings.others {
        others.push(cluster.golden(name).await?);
    }
    let (snapshot, resources) = cluster.snapshot(golden, installed, copied).await?;
    let mut snapshots = Vec::new();
    for other in others {
        snapshots.push(cluster.snapshot(other, installed, copied).await?.0);
    }
    Ok((merge(snapshot, snapshots, policy), resources))
}

async fn manifests(
    cluster: &Cluster,
    installed: &Installed,
    path: &Path,
    golden: &str,
) -> Result<(Snapshot, Resources), Failure> {
    // The namespace need not be there; where it is, it has to be a golden.
    let namespace = match cluster.namespace(golden).await? {
        Some(_) => cluster.golden(golden).await?.metadata,
        None => ObjectMeta {
            name: Some(golden.to_owned()),
            ..ObjectMeta::default()
        },
    };
    let objects = objects(path)?;
    let (mut unserved, mut elsewhere) = (Vec::new(), Vec::new());
    for object in &objects {
        let types = object.types.clone().unwrap_or_default();
        let id = format!(
            "{}/{}",
            types.kind,
            object.metadata.name.as_deref().unwrap_or_default()
        );
        let types = (types.api_version, types.kind);
        if installed.cluster_wide.contains(&types) {
            continue;
        }
        if !installed.served.contains_key(&types) {
            unserved.push(format!("{id}: this cluster serves no {} {}", types.0, types.1));
        }
        let namespace = object.metadata.namespace.as_deref().unwrap_or(golden);
        if namespace != golden {
            elsewhere.push(format!("{id}: it belongs to namespace {namespace}"));
        }
    }
    if !unserved.is_empty() || !elsewhere.is_empty() {
        let mut failure = Failure::new(
            Exit::Refused,
            format!("{} cannot be cloned as {golden}", path.display()),
        );
        failure.causes.extend(unserved);
        failure.causes.extend(elsewhere);
        return Err(failure.hint(format!(
            "clone the manifests of one namespace: helm template … --namespace {golden} | understudy clone {golden} --from-dir -"
        )));
    }
    let snapshot = Snapshot {
        golden: namespace,
        objects,
        cluster_wide: installed.cluster_wide.clone(),
        from_manifests: true,
        ..Snapshot::default()
    };
    Ok((snapshot, installed.served.clone()))
}

/// Every object below `path`, in the order of the files' names.
fn objects(path: &Path) -> Result<Vec<DynamicObject>, Failure> {
    let failure = |path: &Path, why: String| {
        Failure::new(Exit::Usage, format!("cannot read {}", path.display())).caused_by(why)
    };
    let texts = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| failure(path, error.to_string()))?;
        vec![(path.to_owned(), text)]
    } else {
        let mut files = Vec::new();
        walk(path, &mut files).map_err(|error| failure(path, error.to_string()))?;
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(&file).map_err(|error| failure(&file, error.to_string()))?;
            Ok((file, text))
        };
        files.into_iter().map(read).collect::<Result<Vec<_>, Failure>>()?
    };
    let mut objects = Vec::new();
    for (file, text) in texts {
        for object in check::objects(&text).map_err(|why| failure(&file, why))? {
            // The message of the conversion may quote what stands there.
            let object = serde_json::from_value(object)
                .map_err(|_| failure(&file, "it holds an object whose metadata is none".to_owned()))?;
            objects.push(object);
        }
    }
    if objects.is_empty() {
        return Err(failure(path, "there is no manifest in it".to_owned()));
    }
    Ok(objects)
}

/// Files of manifests below `path`. What kustomize and Helm are configured by is none.
fn walk(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        let configures = [
            "kustomization.yaml",
            "kustomization.yml",
            "Chart.yaml",
            "values.yaml",
        ]
        .contains(&name.as_str());
        if name.starts_with('.') || configures {
            continue;
        }
        if entry.is_dir() || is_manifest {
            walk(&entry, files)?;
        }
    }
    Ok(())
}

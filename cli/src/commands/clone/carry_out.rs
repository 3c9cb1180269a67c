//! Carrying a plan out: namespace, access, then wave after wave.

use super::target::Target;
use crate::cluster::{Cluster, Known, Outcome, PARALLEL, Resources};
use crate::error::{Exit, Failure};
use crate::progress::Progress;
use crate::settings::Clone;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;
use std::cell::Cell;
use understudy::clone::{Plan, Wave};
use understudy::keys;

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// Objects that were not there.
    pub created: usize,
    /// Objects that were different.
    pub changed: usize,
    /// Objects that were right.
    pub unchanged: usize,
    /// When the lease ends.
    pub expires_at: Option<String>,
}

impl Written {
    /// For people.
    pub fn describe(&self) -> String {
        format!(
            "{} created, {} changed, {} unchanged",
            self.created, self.changed, self.unchanged
        )
    }
}

/// Writes `plan`; Ctrl-C stops between two objects and says how to go on or undo.
pub async fn run(
    cluster: &Cluster,
    plan: &Plan,
    target: Target,
    resources: &Resources,
    settings: &Clone,
    progress: &Progress,
) -> Result<Written, Failure> {
    let begun = Cell::new(matches!(target, Target::Ours(_)));
    let work = write(cluster, plan, target, resources, settings, progress, &begun);
    let stopped = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Failure::new(Exit::Interrupted, "stopped"),
        done = work => match done {
            Ok(written) => return Ok(written),
            Err(failure) => failure,
        },
    };
    Err(if begun.get() {
        let undo = settings.again.other(&format!("destroy {}", plan.name()));
        let undo = format!("go on with: {}; undo with: {undo}", settings.again);
        let hint = stopped
            .hint
            .clone()
            .map_or(undo.clone(), |hint| format!("{hint}; then {undo}"));
        Failure {
            hint: Some(hint),
            ..stopped
        }
    } else if stopped.exit == Exit::Interrupted {
        stopped.caused_by("nothing was written")
    } else {
        stopped
    })
}

async fn write(
    cluster: &Cluster,
    plan: &Plan,
    target: Target,
    resources: &Resources,
    settings: &Clone,
    progress: &Progress,
    begun: &Cell<bool>,
) -> Result<Written, Failure> {
    let name = plan.name();
    let planned: Resources = Wave::ALL
        .iter()
        .flat_map(|wave| plan.wave(*wave))
        .filter_map(|object| object.types.clone())
        .map(|types| (types.api_version, types.kind))
        .filter_map(|key| resources.get(&key).map(|resource| (key, resource.clone())))
        .collect();
    let (namespace, is_new) = namespace(cluster, plan, target, settings, progress, begun).await?;
    progress.begin(&format!("waiting for access to {name}"), 0);
    cluster.wait_for_access(name, &planned).await?;
    if plan.uses_seed {
        cluster.keep_seed(name, &settings.spec.seed).await?;
    }
    let known = if is_new {
        Known::new()
    } else {
        cluster.known(name, &planned).await?
    };
    let mut written = Written {
        expires_at: expires_at(&namespace),
        ..Written::default()
    };
    for wave in Wave::ALL {
        apply(cluster, plan, wave, (&planned, &known), progress, &mut written).await?;
    }
    Ok(written)
}

fn expires_at(namespace: &Namespace) -> Option<String> {
    namespace
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(keys::EXPIRES_AT))
        .cloned()
}

/// Makes the namespace, or leaves it alone where it is right. The flag tells whether it is new.
async fn namespace(
    cluster: &Cluster,
    plan: &Plan,
    target: Target,
    settings: &Clone,
    progress: &Progress,
    begun: &Cell<bool>,
) -> Result<(Namespace, bool), Failure> {
    let name = plan.name();
    match target {
        Target::New => {
            progress.begin(&format!("making namespace {name}"), 0);
            // Once sent it may be made, whether or not its answer arrives.
            begun.set(true);
            let made = cluster
                .make_namespace(&plan.namespace)
                .await
                .inspect_err(|failure| {
                    begun.set(failure.exit == Exit::NoCluster);
                })?;
            let end = expires_at(&made).unwrap_or_default();
            progress.done(
                &format!("namespace {name} made; its lease ends at {end}"),
                json!({ "event": "namespace", "name": name, "outcome": "created", "expiresAt": end }),
            );
            Ok((made, true))
        }
        Target::Ours(namespace) => {
            let ttl = settings.spec.ttl.map(|ttl| ttl.to_string());
            let found = namespace
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(keys::TTL));
            let namespace = match ttl.filter(|ttl| found != Some(ttl)) {
                Some(ttl) => {
                    let version = namespace.metadata.resource_version.as_deref();
                    let what = format!("cannot change the lease of {name}");
                    cluster
                        .annotate(name, version, json!({ keys::TTL: ttl }), &what)
                        .await?
                }
                None => *namespace,
            };
            progress.done(
                &format!("namespace {name} is there already"),
                json!({ "event": "namespace", "name": name, "outcome": "unchanged" }),
            );
            Ok((namespace, false))
        }
    }
}

/// Applies one wave in parallel; a failure names its object and stops after the wave.
async fn apply(
    cluster: &Cluster,
    plan: &Plan,
    wave: Wave,
    (resources, known): (&Resources, &Known),
    progress: &Progress,
    written: &mut Written,
) -> Result<(), Failure> {
    let objects: Vec<_> = plan.wave(wave).collect();
    if objects.is_empty() {
        return Ok(());
    }
    progress.begin(&format!("applying {wave}"), objects.len() as u64);
    let work = stream::iter(objects).map(|object| async move {
        let types = object.types.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        (types.kind, name, cluster.apply(object, resources, known).await)
    });
    let mut work = work.buffer_unordered(PARALLEL);
    let mut failed: Vec<Failure> = Vec::new();
    while let Some((kind, name, outcome)) = work.next().await {
        match outcome {
            Ok(outcome) => {
                match outcome {
                    Outcome::Created => written.created += 1,
                    Outcome::Changed => written.changed += 1,
                    Outcome::Unchanged => written.unchanged += 1,
                }
                let event = json!({ "event": "object", "wave": wave, "kind": kind, "name": name, "outcome": outcome });
                progress.step(&format!("{:9} {kind}/{name}", outcome.word()), event);
            }
            Err(failure) => failed.push(failure),
        }
    }
    let mut failed = failed.into_iter();
    let Some(mut first) = failed.next() else {
        return Ok(());
    };
    let mut hints: Vec<String> = first.hint.take().into_iter().collect();
    for other in failed {
        first.causes.push(other.what);
        first.causes.extend(other.causes);
        hints.extend(other.hint.filter(|hint| !hints.contains(hint)));
    }
    first.hint = (!hints.is_empty()).then(|| hints.join("; "));
    Err(first)
}

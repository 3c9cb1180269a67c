//! `understudy render`: a clone as YAML that a GitOps repository can hold.
//!
//! Guarantees: the same golden gives the same bytes, and no value of a Secret is among them.

use super::clone::images;
use super::{data, planning, yaml};
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::Clone;
use understudy::clone::{Manifests, Provided, Seed, derived, manifests};
use understudy::violation::printable;

/// Writes the manifests to stdout.
pub async fn run(cluster: &Cluster, mut settings: Clone, printer: &Printer) -> Result<(), Failure> {
    let installed = cluster.installed().await?;
    let read = planning::read(cluster, &installed, &settings).await?;
    // A repository keeps no seed, so that passwords which come of one cannot stand there; two seeds show where they would.
    settings.spec.seed = Seed::new("one".to_owned());
    let mut plan = read.plan(&settings)?;
    planning::report(&plan, &settings, printer);
    planning::refusals(&plan, &settings)?;
    let progress = Progress::new(printer, false);
    if images::run(cluster, read.objects(), &mut settings, &progress).await? {
        plan = read.plan(&settings)?;
        planning::refusals(&plan, &settings)?;
    }
    drop(progress);
    if plan.uses_seed {
        settings.spec.seed = Seed::new("another".to_owned());
        refuse_passwords(&derived(&plan, &read.plan(&settings)?), &settings)?;
    }
    let manifests = manifests(&plan);
    for secret in &manifests.provided {
        printer.warn(&printable(&format!(
            "Secret {} is left out; provide it in {}: {}",
            secret.name,
            plan.name(),
            remedy(secret, plan.name())
        )));
    }
    data(printer, &text(&manifests)?)
}

fn refuse_passwords(carriers: &[String], settings: &Clone) -> Result<(), Failure> {
    if carriers.is_empty() {
        return Ok(());
    }
    let what = format!("{} cannot stand in a repository", settings.golden);
    let failure = carriers
        .iter()
        .fold(Failure::new(Exit::Refused, what), |failure, carrier| {
            failure.caused_by(format!(
                "{carrier} carries a password that every clone gets anew; keep it in a Secret of the golden"
            ))
        });
    Err(failure.hint(settings.again.clone_of_it()))
}

/// The namespace first, then everything else; what is left out is a comment at the end.
fn text(manifests: &Manifests) -> Result<String, Failure> {
    let mut documents = manifests
        .objects
        .iter()
        .map(yaml)
        .collect::<Result<Vec<_>, _>>()?;
    let left_out = manifests.provided.iter().map(|secret| {
        let keys = secret.keys.join(", ");
        format!(
            "# Secret {} (keys: {keys}) is not part of this file; its values belong to no repository.",
            secret.name
        )
    });
    let left_out: Vec<String> = left_out.collect();
    if let Some(last) = documents.last_mut().filter(|_| !left_out.is_empty()) {
        *last = format!("{last}\n{}", left_out.join("\n"));
    }
    Ok(documents.join("\n---\n"))
}

/// How a Secret comes to the preview without standing in a repository.
fn remedy(secret: &Provided, namespace: &str) -> String {
    let keys: Vec<String> = secret
        .keys
        .iter()
        .map(|key| format!("--from-literal={key}=…"))
        .collect();
    let kind = match secret.kind.as_str() {
        "Opaque" => String::new(),
        kind => format!("--type={kind} "),
    };
    format!(
        "kubectl create secret generic {} --namespace {namespace} {kind}{}, or make it an ExternalSecret",
        secret.name,
        keys.join(" ")
    )
}

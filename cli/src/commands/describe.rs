//! `understudy describe`: one preview, and what holds it back.

use super::list::{annotation, label, phase, summary};
use super::{data, json, yaml};
use crate::cluster::{Cluster, Existing, Workloads};
use crate::error::Failure;
use crate::holding::{Standing, standings};
use crate::printer::Printer;
use crate::settings::Output;
use crate::table::{table, until};
use jiff::Timestamp;
use serde_json::json;
use understudy::clone::Lineage;
use understudy::keys;
use understudy::preview::BranchState;
use understudy::violation::printable;

/// Describes the preview `name`.
pub async fn run(cluster: &Cluster, name: &str, output: Output, printer: &Printer) -> Result<(), Failure> {
    let existing = cluster.preview(name).await?;
    // Whoever may read the namespace may not always read what is in it.
    let (workloads, urls) = futures::join!(cluster.workloads(name), cluster.urls(name));
    let (workloads, unreadable) = match workloads {
        Ok(workloads) => (workloads, None),
        Err(failure) => (Workloads::default(), Some(failure)),
    };
    let standings = standings(&existing.preview, &workloads);
    match output {
        Output::Table => {
            data(printer, &text(&existing, &urls, &standings))?;
            if let Some(failure) = unreadable {
                printer.warn(&format!("{}: {}", failure.what, failure.causes.join("; ")));
            }
            if let Some(hint) = hint(&existing) {
                printer.hint(&hint);
            }
            Ok(())
        }
        output => {
            let mut document = summary(&existing);
            let running = standings
                .iter()
                .map(|s| json!({ "workload": s.id, "ready": s.ready, "wanted": s.wanted, "why": s.why }));
            if document["url"].is_null() {
                document["url"] = json!(urls.first());
            }
            document["workloads"] = running.collect();
            document["lineage"] = annotation(&existing.namespace, keys::LINEAGE)
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            data(
                printer,
                &if output == Output::Json {
                    json(&document)?
                } else {
                    yaml(&document)?
                },
            )
        }
    }
}

fn text(existing: &Existing, urls: &[String], standings: &[Standing]) -> String {
    let (preview, namespace, now) = (&existing.preview, &existing.namespace, Timestamp::now());
    let mut lines: Vec<(&str, String)> = vec![("Preview", preview.name.clone()), ("Phase", phase(existing))];
    let mut known =
        |title: &'static str, value: Option<String>| lines.extend(value.map(|value| (title, value)));
    known("Message", annotation(namespace, keys::MESSAGE).map(str::to_owned));
    let noted = annotation(namespace, keys::URL).map(str::to_owned);
    let url = noted.or_else(|| urls.first().cloned());
    let others = urls.iter().filter(|other| Some(*other) != url.as_ref());
    known("URL", url.clone());
    others.for_each(|other| known("Also at", Some(other.clone())));
    known("Owner", preview.owner.clone());
    known(
        "Made by",
        preview
            .creator
            .clone()
            .filter(|creator| Some(creator) != preview.owner.as_ref()),
    );
    let pr = label(namespace, keys::PR)
        .map(|pr| format!(", pull request {pr}"))
        .unwrap_or_default();
    known(
        "Clone of",
        preview.parent.as_ref().map(|parent| format!("{parent}{pr}")),
    );
    let lineage: Option<Lineage> =
        annotation(namespace, keys::LINEAGE).and_then(|text| serde_json::from_str(text).ok());
    let at = lineage.as_ref().map(|lineage| lineage.at.clone());
    known("Read at", at.filter(|at| !at.is_empty()));
    known(
        "Commit",
        lineage.as_ref().and_then(|lineage| lineage.commit.clone()),
    );
    known("Policy", Some(preview.policy.clone()));
    known(
        "Lease",
        Some(match preview.lease {
            Some(lease) => format!(
                "ends at {} (in {})",
                lease.expires_at,
                until(lease.expires_at, now)
            ),
            None => "none: Understudy's webhook did not see this namespace".to_owned(),
        }),
    );
    known(
        "At its end",
        annotation(namespace, keys::ON_EXPIRY).map(str::to_owned),
    );
    known(
        "Guardrails",
        Some(match &preview.sealed {
            Some(hash) => format!("sealed ({hash})"),
            None => "not all in force yet; Pods are held".to_owned(),
        }),
    );
    for (name, state) in &preview.branches {
        known("Database", Some(format!("{name}: {state}")));
    }
    let width = lines
        .iter()
        .map(|(title, _)| title.len())
        .max()
        .unwrap_or_default()
        + 2;
    let mut text: Vec<String> = lines
        .iter()
        .map(|(title, value)| format!("{:width$}{}", format!("{title}:"), printable(value)))
        .collect();
    if !standings.is_empty() {
        let rows = standings.iter().map(|standing| {
            let why = standing.why.clone().unwrap_or_default();
            [
                standing.id.clone(),
                format!("{}/{}", standing.ready, standing.wanted),
                why,
            ]
        });
        text.push(String::new());
        text.push(table(["WORKLOAD", "READY", "HELD BACK BY"], rows));
    }
    text.join("\n")
}

/// What to type next, where something needs a person.
fn hint(existing: &Existing) -> Option<String> {
    let preview = &existing.preview;
    let failed = preview
        .branches
        .iter()
        .find(|(_, state)| matches!(state, BranchState::Failed(_)));
    if let Some((name, _)) = failed {
        return Some(format!(
            "kubectl get previewpolicy {} --output yaml, and check the adminSecret, server and template of database {name}",
            preview.policy
        ));
    }
    (preview.sealed.is_none() && !preview.deleting).then(|| "understudy doctor".to_owned())
}

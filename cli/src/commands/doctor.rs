//! `understudy doctor`: how an installation stands, why, and the command that mends what does not.
//!
//! Everything is read once ([`Cluster::inspect`]); each check is a pure function of what was seen, in a file of its own,
//! and listed once in [`CHECKS`].

mod certificate;
mod definition;
mod finding;
mod goldens;
mod layers;
mod leader;
mod policies;
mod previews;
mod programs;
mod reach;
mod rights;
mod server;
mod service;
mod webhooks;

use super::{data, json, yaml};
use crate::cluster::{Cluster, Inspection};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{Doctor, Output};
use crate::table::table;
use finding::{Finding, State};
use serde_json::{Value, json};

/// One check: a pure function of what was seen.
type Check = fn(&Inspection) -> Vec<Finding>;

/// What is checked, in the order in which one thing builds on another.
const CHECKS: &[(&str, Check)] = &[
    ("server", server::check),
    ("definition", definition::check),
    ("webhooks", webhooks::check),
    ("certificate", certificate::check),
    ("service", service::check),
    ("programs", programs::check),
    ("reach", reach::check),
    ("layers", layers::check),
    ("rights", rights::check),
    ("policies", policies::check),
    ("leader", leader::check),
    ("previews", previews::check),
    ("goldens", goldens::check),
];

/// Looks at the installation and reports on it.
pub async fn run(cluster: &Cluster, settings: Doctor, printer: &Printer) -> Result<(), Failure> {
    let inspection = cluster.inspect(settings.namespace, rights::NEEDED).await?;
    let report = report(&inspection);
    match settings.output {
        Output::Table => data(printer, &text(&report))?,
        Output::Json => data(printer, &json(&document(&inspection, &report))?)?,
        Output::Yaml => data(printer, &yaml(&document(&inspection, &report))?)?,
    }
    match report
        .iter()
        .filter(|(_, finding)| finding.state == State::Failed)
        .count()
    {
        0 => Ok(()),
        count => {
            let failure = Failure::new(
                Exit::Unsound,
                format!("{count} of {} findings failed", report.len()),
            );
            Err(match report.iter().find_map(|(_, finding)| broken(finding)) {
                Some(mend) => failure.hint(mend),
                None => failure,
            })
        }
    }
}

/// The first thing to mend: later findings often follow from earlier ones.
fn broken(finding: &Finding) -> Option<String> {
    finding.mend.clone().filter(|_| finding.state == State::Failed)
}

fn report(inspection: &Inspection) -> Vec<(&'static str, Finding)> {
    let found = CHECKS
        .iter()
        .flat_map(|(name, check)| check(inspection).into_iter().map(move |finding| (*name, finding)));
    found.collect()
}

fn text(report: &[(&'static str, Finding)]) -> String {
    let mut rows = Vec::new();
    for (check, finding) in report {
        rows.push([
            finding.state.word().to_owned(),
            (*check).to_owned(),
            finding.found.clone(),
        ]);
        if let Some(mend) = &finding.mend {
            rows.push([String::new(), String::new(), format!("→ {mend}")]);
        }
    }
    table(["STATE", "CHECK", "FOUND"], rows)
}

fn document(inspection: &Inspection, report: &[(&'static str, Finding)]) -> Value {
    let rows: Vec<Value> = report
        .iter()
        .map(|(check, finding)| {
            let mut row = json!(finding);
            row["check"] = json!(check);
            row
        })
        .collect();
    let worst = report
        .iter()
        .map(|(_, finding)| finding.state)
        .max()
        .unwrap_or(State::Ok);
    json!({ "namespace": inspection.namespace, "state": worst, "findings": rows })
}

//! `understudy check`: what admission would answer, before anybody asks it.

mod bench;
mod observed;

use super::{data, json, yaml};
use crate::check::{Outcome, Part, Subject, Verdict, World, judge, objects, pod_of};
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{Check, Output};
use crate::table::table;
use bench::Bench;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use understudy::admission::User;

/// Checks what the files hold, or with a cluster and no files, what is only observed there.
pub async fn run(cluster: Option<&Cluster>, settings: Check, printer: &Printer) -> Result<(), Failure> {
    let (mut verdicts, mut unread) = (Vec::new(), Vec::new());
    match cluster {
        Some(cluster) if settings.files.is_empty() => {
            (verdicts, unread) = observed::verdicts(cluster, printer).await?;
        }
        _ => {
            let mut manifest = Vec::new();
            for file in &settings.files {
                manifest.extend(read(file)?);
            }
            let mut bench = match cluster {
                Some(cluster) => Bench::live(cluster, &settings).await?,
                None => Bench::offline(&settings, printer)?,
            };
            let subjects: Vec<Subject> = manifest
                .into_iter()
                .map(|object| Subject::new(object, bench.catalogue.as_ref(), &bench.default))
                .collect();
            if let Some(cluster) = cluster {
                unread = bench.read(cluster, &subjects).await;
            }
            bench.prepare(cluster, &settings, &subjects, printer).await;
            for subject in &subjects {
                verdicts.extend(bench.verdicts(subject));
            }
        }
    }
    if !unread.is_empty() {
        let unread = unread.join("; ");
        printer.warn(&format!("what this may hold does not count: {unread}"));
    }
    print(&verdicts, &unread, settings.output, printer)?;
    conclude(&verdicts, cluster.is_some())
}

/// The objects of a file, or of stdin where it is called `-`.
fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let name = file.display();
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let unusable = |why: String| Failure::new(Exit::Usage, format!("cannot read {name}")).caused_by(why);
    objects(&text.map_err(|error| unusable(error.to_string()))?).map_err(unusable)
}

/// The answers to an object and to the Pod it would make once it is stored.
fn both(subject: &Subject, user: User, world: &World, who: bool) -> Vec<Verdict> {
    let (verdict, stored) = judge(&subject.id, Part::Object, &subject.creation(user), world, who);
    let pod = pod_of(&stored).map(|request| judge(&subject.id, Part::Pod, &request, world, who).0);
    std::iter::once(verdict).chain(pod).collect()
}

fn print(verdicts: &[Verdict], unread: &[String], output: Output, printer: &Printer) -> Result<(), Failure> {
    let document = || {
        let worst = verdicts
            .iter()
            .map(|verdict| verdict.outcome)
            .max()
            .unwrap_or(Outcome::NotAsked);
        let all: Vec<Value> = verdicts.iter().map(Verdict::document).collect();
        json!({ "verdict": worst.word(), "objects": all, "unread": unread })
    };
    match output {
        Output::Json => data(printer, &json(&document())?),
        Output::Yaml => data(printer, &yaml(&document())?),
        Output::Table if verdicts.is_empty() => {
            printer.say("There is nothing to check.");
            Ok(())
        }
        Output::Table => data(
            printer,
            &table(
                ["VERDICT", "NAMESPACE", "OBJECT", "WHY"],
                verdicts.iter().flat_map(rows),
            ),
        ),
    }
}

/// One row for the verdict, one more for each further line.
fn rows(verdict: &Verdict) -> Vec<[String; 4]> {
    let object = match verdict.part {
        Part::Object => verdict.id.clone(),
        Part::Pod => format!("{}, its Pod", verdict.id),
    };
    let mut fields: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for note in &verdict.notes {
        fields.entry(note.reason.code()).or_default().push(&note.field);
    }
    let changes = fields
        .into_iter()
        .map(|(reason, fields)| format!("{reason}: {}", fields.join(", ")));
    let unasked = (verdict.outcome == Outcome::NotAsked).then(|| "it does not stand in a preview".to_owned());
    let refusals = verdict.violations.iter().map(ToString::to_string);
    let missing = verdict
        .missing
        .iter()
        .map(|missing| format!("not known: {missing}"));
    let warnings = verdict
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    let mut lines = unasked
        .into_iter()
        .chain(refusals)
        .chain(missing)
        .chain(changes)
        .chain(warnings);
    let first = [
        verdict.outcome.word().to_owned(),
        verdict.namespace.clone(),
        object,
        lines.next().unwrap_or_default(),
    ];
    let further = lines.map(|line| [String::new(), String::new(), String::new(), line]);
    std::iter::once(first).chain(further).collect()
}

/// The exit code: what is refused counts more than what is not known.
fn conclude(verdicts: &[Verdict], live: bool) -> Result<(), Failure> {
    let count = |outcome: Outcome| {
        verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    };
    let (refused, undecided) = (count(Outcome::Refused), count(Outcome::Undecided));
    if refused > 0 {
        return Err(Failure::new(
            Exit::WouldRefuse,
            format!("admission would refuse {refused} of {}", verdicts.len()),
        ));
    }
    if undecided == 0 {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Undecided,
        format!(
            "{undecided} of {} cannot be decided: facts are missing",
            verdicts.len()
        ),
    );
    let lacks = |what: &str| {
        verdicts
            .iter()
            .flat_map(|verdict| &verdict.missing)
            .any(|missing| missing.starts_with(what))
    };
    Err(failure.hint(if lacks("who") {
        "add --as USER, and --as-group GROUP for each group"
    } else if lacks("PreviewPolicy") {
        "add --policy-file FILE, or --cluster"
    } else if live {
        "add what is not known to the file, or ask for the right to read it"
    } else {
        "add what is not known to the file, or --cluster"
    }))
}

//! `understudy diff`: the golden of today against what lives in its clone.
//!
//! The clone is planned again from what it says of itself, and the API server tells by a trial what each object would
//! become. Nothing is written.

use super::planning::{self, Again};
use super::{clone, data, json, yaml};
use crate::cluster::{Cluster, PARALLEL, Rehearsal};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{Diff, Output};
use crate::table::table;
use futures::{StreamExt, stream};
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use understudy::clone::{FieldChange, Wave, changes, extras, kind_of, name_of, stays_headless};
use understudy::violation::printable;

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The clone lacks it.
    Missing,
    /// It is another.
    Changed,
    /// No plan makes it.
    Extra,
}

/// One object that differs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    change: Change,
    object: String,
    /// Where, and what; no value that may be secret.
    fields: Vec<FieldChange>,
    /// Whether it cannot become what the plan says without being made anew.
    immutable: bool,
    /// Whether refresh would delete it.
    prune: bool,
}

/// Compares a clone with its golden.
pub async fn run(cluster: &Cluster, settings: Diff, printer: &Printer) -> Result<(), Failure> {
    let installed = cluster.installed().await?;
    let again = Again::plan(
        cluster,
        &installed,
        &settings.name,
        (&settings.line, &settings.connection),
        clone::seed,
    )
    .await?;
    planning::report(&again.plan, &again.settings, printer);
    let differences = differences(cluster, &again).await?;
    show(&again, &differences, settings.output, printer)?;
    again.refusals()?;
    match differences.len() {
        0 => Ok(()),
        count => {
            let s = if count == 1 { " differs" } else { "s differ" };
            let what = format!(
                "{count} object{s} between {} and a clone of {} today",
                settings.name, again.settings.golden
            );
            Err(Failure::new(Exit::Differs, what)
                .hint(format!("understudy refresh {} --dry-run", settings.name)))
        }
    }
}

/// Every object that differs: what is missing and changed in the order of applying, then what is there besides.
pub async fn differences(cluster: &Cluster, again: &Again<'_>) -> Result<Vec<Difference>, Failure> {
    let planned = Wave::ALL.iter().flat_map(|wave| again.plan.wave(*wave));
    let compared = stream::iter(planned).map(|planned| compare(cluster, again, planned));
    let compared: Vec<_> = compared.buffered(PARALLEL).collect().await;
    let compared: Vec<Option<Difference>> = compared.into_iter().collect::<Result<_, _>>()?;
    let beside = beside(again).into_iter().map(|(object, ours)| Difference {
        change: Change::Extra,
        object: id(object),
        fields: Vec::new(),
        immutable: false,
        prune: ours,
    });
    Ok(compared.into_iter().flatten().chain(beside).collect())
}

/// What is in the clone and in no plan of it, and whether a clone made it.
pub fn beside<'a>(again: &'a Again<'_>) -> Vec<(&'a DynamicObject, bool)> {
    let made: BTreeSet<String> = again.lineage.objects.keys().cloned().collect();
    let extras = extras(
        &again.plan,
        &again.live,
        again.policy(),
        &made,
        crate::cluster::MANAGER,
    );
    extras
        .into_iter()
        .map(|extra| (extra.object, extra.ours))
        .collect()
}

async fn compare(
    cluster: &Cluster,
    again: &Again<'_>,
    planned: &DynamicObject,
) -> Result<Option<Difference>, Failure> {
    let difference = |change, fields, immutable| {
        Some(Difference {
            change,
            object: id(planned),
            fields,
            immutable,
            prune: false,
        })
    };
    let same = |object: &&DynamicObject| {
        object.types == planned.types && object.metadata.name == planned.metadata.name
    };
    let Some(live) = again.live.objects.iter().find(same) else {
        return Ok(difference(Change::Missing, Vec::new(), false));
    };
    if stays_headless(live, planned) {
        return Ok(difference(Change::Changed, Vec::new(), true));
    }
    Ok(match cluster.rehearse(planned, &again.read.resources).await? {
        Rehearsal::WouldBe(would_be) => match changes(live, &would_be) {
            fields if fields.is_empty() => None,
            fields => difference(Change::Changed, fields, false),
        },
        Rehearsal::Immutable => difference(Change::Changed, Vec::new(), true),
    })
}

/// Writes the differences to stdout.
pub fn show(
    again: &Again<'_>,
    differences: &[Difference],
    output: Output,
    printer: &Printer,
) -> Result<(), Failure> {
    let document =
        || json!({ "name": again.plan.name(), "golden": again.settings.golden, "differences": differences });
    match output {
        Output::Json => data(printer, &json(&document())?),
        Output::Yaml => data(printer, &yaml(&document())?),
        Output::Table if differences.is_empty() => {
            printer.say(&format!(
                "{} is what a clone of {} would be today.",
                again.plan.name(),
                again.settings.golden
            ));
            Ok(())
        }
        Output::Table => data(printer, &table(["CHANGE", "OBJECT", "WHERE"], rows(differences))),
    }
}

fn rows(differences: &[Difference]) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for difference in differences {
        let word = match difference.change {
            Change::Missing => "missing",
            Change::Changed => "changed",
            Change::Extra => "extra",
        };
        let mut places: Vec<String> = difference.fields.iter().map(place).collect();
        match difference.change {
            Change::Extra if difference.prune => {
                places.push("a clone made it, and the golden has it no longer".to_owned())
            }
            Change::Extra => places.push("somebody else made it".to_owned()),
            _ if difference.immutable => places.push("it cannot be changed in place".to_owned()),
            _ => {}
        }
        let mut first = [word.to_owned(), difference.object.clone()];
        for place in places.into_iter().chain(
            difference
                .fields
                .is_empty()
                .then(String::new)
                .filter(|_| difference.change == Change::Missing),
        ) {
            let [word, object] = std::mem::take(&mut first);
            rows.push([word, object, place]);
        }
    }
    rows
}

/// One field in one line; what is long or has parts is only named.
fn place(change: &FieldChange) -> String {
    let short = |value: &Value| match value {
        Value::String(text) if text.len() <= 60 => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null => Some("nothing".to_owned()),
        _ => None,
    };
    let text = match (&change.from, &change.to) {
        (Value::Null, Value::Null) => change.path.clone(),
        (from, to) => match (short(from), short(to)) {
            (Some(from), Some(to)) => format!("{}: {from} → {to}", change.path),
            _ => change.path.clone(),
        },
    };
    printable(&text)
}

/// `Kind/name`, safe to print.
pub fn id(object: &DynamicObject) -> String {
    printable(&format!("{}/{}", kind_of(object), name_of(object)))
}

//! A plan for people and programs. Values of Secrets are never written.

use super::super::{data, json, yaml};
use crate::error::Failure;
use crate::printer::Printer;
use crate::settings::{Clone, PlanOutput};
use crate::table::table;
use serde_json::{Value, json};
use understudy::clone::{Item, Plan, Verdict, Wave};
use understudy::violation::printable;

/// Stands for what is not shown.
const HIDDEN: &str = "(not shown)";
const HEADER: [&str; 3] = ["VERDICT", "OBJECT", "WHY"];

/// Writes the plan to stdout.
pub fn show(plan: &Plan, url: Option<&str>, settings: &Clone, printer: &Printer) -> Result<(), Failure> {
    match settings.output {
        PlanOutput::Table => {
            let (table, folded) = folded(plan);
            data(printer, &table)?;
            if folded {
                printer.say("-o wide names every object.");
            }
            Ok(())
        }
        PlanOutput::Wide => data(printer, &format!("{}\n\n{}", every(plan), variables(plan))),
        PlanOutput::Json => data(printer, &json(&document(plan, url, settings))?),
        PlanOutput::Yaml => {
            let namespace =
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": plan.namespace.metadata });
            // What does not fit is no object; whoever reads the file finds it at its head.
            let short = plan.shortages.iter().map(|shortage| {
                let sentence = printable(&shortage.describe(&settings.policy));
                format!("# {sentence}\n")
            });
            let mut documents = vec![format!("{}{}", short.collect::<String>(), yaml(&namespace)?)];
            for object in Wave::ALL.iter().flat_map(|wave| plan.wave(*wave)) {
                let mut object = serde_json::to_value(object).unwrap_or_default();
                hide(&mut object);
                documents.push(yaml(&object)?);
            }
            data(printer, &documents.join("\n---\n"))
        }
    }
}

/// The verdict table; what is skipped for the same reason shares a row, and whether anything does.
fn folded(plan: &Plan) -> (String, bool) {
    let mut rows: Vec<(&Item, usize)> = Vec::new();
    for item in &plan.items {
        let alike = |(first, _): &&mut (&Item, usize)| {
            let same = |of: fn(&Item) -> &str| of(first) == of(item);
            item.verdict == Verdict::Skip
                && first.verdict == Verdict::Skip
                && same(|item| &item.kind)
                && same(|item| &item.reason)
        };
        match rows.last_mut().filter(alike) {
            Some((_, more)) => *more += 1,
            None => rows.push((item, 0)),
        }
    }
    let folded = rows.iter().any(|(_, more)| *more > 0);
    let cells = rows.into_iter().map(|(item, more)| {
        let id = match more {
            0 => item.id(),
            more => format!("{} and {more} more", item.id()),
        };
        [item.verdict.to_string(), id, reason(item)]
    });
    (table(HEADER, cells), folded)
}

/// Every object in a row of its own.
fn every(plan: &Plan) -> String {
    let cells = plan.items.iter();
    table(
        HEADER,
        cells.map(|item| [item.verdict.to_string(), item.id(), reason(item)]),
    )
}

/// Every variable with who decided what it holds.
fn variables(plan: &Plan) -> String {
    let rows = plan.variables.iter().map(|variable| {
        let by = if variable.rule.is_empty() {
            variable.decided.to_string()
        } else {
            format!("{}: {}", variable.decided, variable.rule)
        };
        let value = match (&variable.value, variable.from.as_str()) {
            (Some(value), "") => value.clone(),
            (Some(value), from) => format!("{value} ({from})"),
            (None, from) => format!("{HIDDEN}: {from}"),
        };
        let place = format!("{} {}", variable.workload, variable.container);
        [place, variable.name.clone(), by, printable(&value)]
    });
    table(["CONTAINER", "VARIABLE", "DECIDED", "VALUE"], rows)
}

fn reason(item: &Item) -> String {
    if item.remedy.is_empty() {
        item.reason.clone()
    } else {
        format!("{}; {}", item.reason, item.remedy)
    }
}

fn document(plan: &Plan, url: Option<&str>, settings: &Clone) -> Value {
    let items: Vec<_> = plan
        .items
        .iter()
        .map(|item| {
            json!({
                "apiVersion": item.api_version, "kind": item.kind, "name": item.name,
                "verdict": item.verdict, "reason": item.reason, "remedy": item.remedy,
                "wave": item.made.as_ref().map(|(wave, _)| wave),
            })
        })
        .collect();
    let unreadable: Vec<_> = plan
        .unreadable
        .iter()
        .map(|kind| json!({ "kind": kind.kind, "why": kind.why }))
        .collect();
    let shortages: Vec<_> = plan
        .shortages
        .iter()
        .map(|short| {
            json!({
                "resource": short.resource, "wanted": short.wanted, "granted": short.granted,
                "onlyInRollouts": short.only_in_rollouts, "by": short.by, "sentence": short.describe(&settings.policy),
            })
        })
        .collect();
    json!({
        "name": plan.name(), "golden": settings.golden, "policy": settings.policy, "pr": settings.spec.pr,
        "expiresAt": plan.expires_at.to_string(), "hosts": plan.hosts, "url": url,
        "items": items, "variables": plan.variables, "warnings": plan.warnings, "unreadable": unreadable,
        "shortages": shortages,
    })
}

/// Takes the values out of a Secret.
fn hide(object: &mut Value) {
    if object["kind"] != "Secret" {
        return;
    }
    for field in ["data", "stringData"] {
        for value in object
            .get_mut(field)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(|map| map.values_mut())
        {
            *value = json!(HIDDEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_value_is_ever_printed() {
        // F06
        let mut secret =
            json!({ "kind": "Secret", "data": { "a": "aHVudGVyMg==" }, "stringData": { "b": "hunter2" } });
        hide(&mut secret);
        assert!(!secret.to_string().contains("hunter2") && !secret.to_string().contains("aHVudGVyMg"));
    }
}

//! Variables that mean a golden database, planned onto the branches; and what still needs a Secret afterwards.

use super::embedded;
use super::golden::GoldenData;
use super::secrets::{Usage, all_branched};
use super::templates::containers_mut;
use crate::branching;
use crate::connection::Connection;
use crate::environment::{self, Fact, Kind, Origin, Reference, Sources, Variable};
use crate::policy::{Database, PreviewPolicySpec};
use serde_json::Value;

/// What pointing a Pod template at the branches came to, for people.
#[derive(Debug, Default)]
pub(super) struct Branched {
    /// What was changed.
    pub(super) done: Vec<String>,
    /// Connections that would leave the clone, as why and remedy.
    pub(super) outside: Vec<(String, String)>,
}

/// Points every container of `template` at the branches.
pub(super) fn branch(
    template: &mut Value,
    by: &str,
    policy: &PreviewPolicySpec,
    golden: &GoldenData,
    usage: &mut Usage,
) -> Branched {
    let pod = template.clone();
    let mut branched = Branched::default();
    let done = &mut branched.done;
    for container in containers_mut(template) {
        let environment = environment::resolve(&pod, container, golden);
        let plan = branching::plan(container, &environment, &policy.databases);
        for (variable, database) in &plan.rewritten {
            done.push(format!("{variable} now means branch {database}"));
            let origins = environment
                .variables
                .iter()
                .filter(|known| known.name == *variable);
            for origin in origins {
                if let Origin::Key(
                    Reference {
                        kind: Kind::Secret,
                        name,
                    },
                    key,
                ) = &origin.origin
                {
                    usage
                        .branched
                        .entry(name.clone())
                        .or_default()
                        .insert((key.clone(), database.clone()));
                }
            }
        }
        for (variable, option) in &plan.dropped {
            done.push(format!(
                "{variable} lost its option {option}, which might hold a secret"
            ));
        }
        for (index, variable) in environment.variables.iter().enumerate() {
            let same = |other: &Variable| other.name == variable.name;
            let overridden = environment.variables[index + 1..].iter().any(same);
            let planned = plan.rewritten.iter().any(|(name, _)| *name == variable.name);
            // A Secret that is not carried over has a verdict of its own.
            let judged = matches!(&variable.origin, Origin::Key(Reference { kind: Kind::Secret, name }, _)
                if !policy.secrets.copy.contains(name) && !golden.gives_secrets);
            if !overridden && !planned && !judged {
                branched
                    .outside
                    .extend(outside(container, variable, golden, &policy.databases));
            }
        }
        branched
            .outside
            .extend(words(container, golden, &policy.databases));
        plan.apply(container);
        drop_empty_sources(container, policy, golden, usage);
        count(container, by, golden, usage);
    }
    done.dedup();
    branched
}

/// A connection that means no policy database and would leave the clone: with the golden's password, to the golden's data.
fn outside(
    container: &Value,
    variable: &Variable,
    golden: &GoldenData,
    databases: &[Database],
) -> Option<(String, String)> {
    let value = variable.value.as_deref()?;
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some(connection) = Connection::parse(value) else {
        let why = embedded::leak(value, golden, databases)?;
        return Some((
            format!("container {name}, variable {} {why}", variable.name),
            "give the connection a variable of its own".to_owned(),
        ));
    };
    let host = connection
        .hosts()
        .into_iter()
        .find(|host| !golden.is_inside(&host.name))?
        .name;
    Some((
        format!(
            "container {name}, variable {} would reach the database server {host}, which is no part of the clone",
            variable.name
        ),
        format!("add {host} to match.hosts of a database of the policy"),
    ))
}

/// Connections in command or arguments: what stands there is in clear.
fn words(container: &Value, golden: &GoldenData, databases: &[Database]) -> Option<(String, String)> {
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
    ["command", "args"].into_iter().find_map(|part| {
        let words = container
            .get(part)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let why = words
            .filter_map(Value::as_str)
            .find_map(|word| embedded::leak(word, golden, databases))?;
        Some((
            format!("container {name}, {part} {why}"),
            "give the connection a variable of its own".to_owned(),
        ))
    })
}

/// Takes `envFrom` entries out whose Secret holds nothing but connections that are explicit entries by now.
fn drop_empty_sources(
    container: &mut Value,
    policy: &PreviewPolicySpec,
    golden: &GoldenData,
    usage: &mut Usage,
) {
    let Some(sources) = container.get_mut("envFrom").and_then(Value::as_array_mut) else {
        return;
    };
    sources.retain(|source| {
        let name = source
            .pointer("/secretRef/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if policy.secrets.copy.iter().any(|copied| copied == name) {
            return true;
        }
        match golden
            .secret(name)
            .and_then(|data| all_branched(policy, name, data))
        {
            Some(keys) => {
                usage.branched.entry(name.to_owned()).or_default().extend(keys);
                false
            }
            None => true,
        }
    });
}

/// Counts the Secrets that `container` still takes variables from.
fn count(container: &Value, by: &str, golden: &GoldenData, usage: &mut Usage) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let missing_is_fine = |reference: &Value, name: &str| {
        let optional = reference
            .get("optional")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let reference = Reference {
            kind: Kind::Secret,
            name: name.to_owned(),
        };
        optional && matches!(golden.data(&reference), Fact::Absent)
    };
    for source in container
        .get("envFrom")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(reference) = source.get("secretRef") {
            let name = text(reference.get("name"));
            if !missing_is_fine(reference, &name) {
                usage.uses(&name, None, format!("{by}, all its variables"));
            }
        }
    }
    for entry in container
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(reference) = entry.pointer("/valueFrom/secretKeyRef") {
            let (name, key) = (text(reference.get("name")), text(reference.get("key")));
            if !missing_is_fine(reference, &name) {
                usage.uses(
                    &name,
                    Some(&key),
                    format!("{by}, variable {}", text(entry.get("name"))),
                );
            }
        }
    }
}

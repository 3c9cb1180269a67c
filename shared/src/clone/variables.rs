//! Variables: what each container of the clone will find, who decided it, and what somebody sets to something else.

use super::mistake::Mistake;
use super::snapshot::{kind_of, name_of};
use super::templates::{containers, containers_mut};
use crate::environment::{self, Kind, Origin, Reference, Sources, Variable};
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// `WORKLOAD[/CONTAINER]:KEY=VALUE`: one variable of a workload's containers.
#[derive(Clone, PartialEq, Eq)]
pub struct VariableOverride {
    /// The workload.
    pub workload: String,
    /// The container; `None` for every one of the workload.
    pub container: Option<String>,
    /// Name of the variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for VariableOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}=…")
    }
}

/// Without the value, which may be a secret.
impl fmt::Display for VariableOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.workload)?;
        if let Some(container) = &self.container {
            write!(f, "/{container}")?;
        }
        write!(f, ":{}", self.name)
    }
}

/// Why a text is no [`VariableOverride`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be WORKLOAD:KEY=VALUE or WORKLOAD/CONTAINER:KEY=VALUE, such as web/app:FEATURE_CART=on")]
pub struct InvalidVariable;

impl FromStr for VariableOverride {
    type Err = InvalidVariable;

    fn from_str(text: &str) -> Result<Self, InvalidVariable> {
        let (place, assignment) = text.split_once(':').ok_or(InvalidVariable)?;
        let (name, value) = assignment.split_once('=').ok_or(InvalidVariable)?;
        let (workload, container) = match place.split_once('/') {
            Some((workload, container)) => (workload, Some(container)),
            None => (place, None),
        };
        let label = |text: &str| {
            !text.is_empty()
                && text.len() <= 253
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
        };
        // Source: https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation#IsRelaxedEnvVarName
        let is_name = !name.is_empty() && name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
        (label(workload) && container.is_none_or(label) && is_name)
            .then(|| VariableOverride {
                workload: workload.to_owned(),
                container: container.map(str::to_owned),
                name: name.to_owned(),
                value: value.to_owned(),
            })
            .ok_or(InvalidVariable)
    }
}

impl VariableOverride {
    pub(super) fn means(&self, workload: &str, container: &str) -> bool {
        self.workload == workload && self.container.as_deref().is_none_or(|wanted| wanted == container)
    }
}

/// Sets what is asked for in the containers of `template`; the names of what was set, for people.
pub(super) fn set(template: &mut Value, workload: &str, overrides: &[VariableOverride]) -> Vec<String> {
    let mut done = Vec::new();
    for container in containers_mut(template) {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        for wanted in overrides.iter().filter(|wanted| wanted.means(workload, &name)) {
            assign(container, wanted);
            done.push(format!("{}:{} is set by you", name, wanted.name));
        }
    }
    done
}

/// In place where the variable stands, so that what refers to it is expanded with the new value; else at the beginning.
fn assign(container: &mut Value, wanted: &VariableOverride) {
    let entry = json!({ "name": wanted.name, "value": wanted.value });
    let Some(fields) = container.as_object_mut() else {
        return;
    };
    let entries = fields.entry("env").or_insert_with(|| json!([]));
    let Some(entries) = entries.as_array_mut() else {
        return;
    };
    let mut found = false;
    entries.retain_mut(|existing| {
        if existing["name"] != wanted.name {
            return true;
        }
        let first = !std::mem::replace(&mut found, true);
        if first {
            existing.clone_from(&entry);
        }
        first
    });
    if !found {
        entries.insert(0, entry);
    }
}

/// Every override must mean a container of the golden.
pub(super) fn check(
    containers: &BTreeMap<&str, BTreeSet<&str>>,
    overrides: &[VariableOverride],
) -> Vec<Mistake> {
    let known = |wanted: &VariableOverride| {
        containers.get(wanted.workload.as_str()).is_some_and(|names| {
            wanted
                .container
                .as_deref()
                .is_none_or(|container| names.contains(container))
        })
    };
    let places = || {
        let places = containers
            .iter()
            .flat_map(|(workload, names)| names.iter().map(move |name| format!("{workload}/{name}")));
        places.collect::<Vec<_>>().join(", ")
    };
    let unknown = overrides.iter().filter(|wanted| !known(wanted));
    unknown
        .map(|wanted| Mistake::UnknownVariablePlace {
            variable: wanted.to_string(),
            known: places(),
        })
        .collect()
}

/// Who decided what a variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// It is the golden's.
    Copied,
    /// It was rewritten for the clone.
    Rewritten,
    /// It was set on request.
    SetByYou,
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Decided::Copied => "copied",
            Decided::Rewritten => "rewritten",
            Decided::SetByYou => "set by you",
        })
    }
}

/// One variable of one container of the clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVariable {
    /// `Kind/name` of the workload.
    pub workload: String,
    /// The container.
    pub container: String,
    /// Its name.
    pub name: String,
    /// Who decided what it holds.
    pub decided: Decided,
    /// By which rule it was rewritten; empty otherwise.
    pub rule: String,
    /// Where it comes from: `ConfigMap web-config, key URL`; empty where it is written in the manifest.
    pub from: String,
    /// Its value where it is known and no Secret's.
    pub value: Option<String>,
}

/// The variables of the workload `made`, beside those that the golden's `original` has.
pub(super) fn plan(
    (original, sources): (&Value, &dyn Sources),
    (made, clone_sources): (&Value, &dyn Sources),
    object: &DynamicObject,
    overrides: &[VariableOverride],
) -> Vec<PlannedVariable> {
    let workload = format!("{}/{}", kind_of(object), name_of(object));
    let mut planned = Vec::new();
    for container in containers(made) {
        let name = container["name"].as_str().unwrap_or_default();
        let before = containers(original)
            .find(|other| other["name"] == name)
            .map(|other| effective(original, other, sources))
            .unwrap_or_default();
        for (variable, now) in effective(made, container, clone_sources) {
            let set =
                |wanted: &&VariableOverride| wanted.means(name_of(object), name) && wanted.name == variable;
            let (decided, rule) = match before.get(&variable) {
                _ if overrides.iter().find(set).is_some() => (Decided::SetByYou, ""),
                Some(before) if before.value == now.value && before.origin == now.origin => {
                    (Decided::Copied, "")
                }
                _ if branch(&now.origin) => (Decided::Rewritten, "database"),
                _ if now
                    .value
                    .as_deref()
                    .is_some_and(|value| value.contains("$(UNDERSTUDY_")) =>
                {
                    (Decided::Rewritten, "database")
                }
                _ if variable.starts_with("UNDERSTUDY_") => (Decided::Rewritten, "database"),
                _ => (Decided::Rewritten, "reference"),
            };
            planned.push(PlannedVariable {
                workload: workload.clone(),
                container: name.to_owned(),
                name: variable,
                decided,
                rule: rule.to_owned(),
                from: origin(&now.origin),
                value: shown(container, now),
            });
        }
    }
    planned
}

/// The last entry of each name is what the program finds.
fn effective(pod: &Value, container: &Value, sources: &dyn Sources) -> BTreeMap<String, Variable> {
    let environment = environment::resolve(pod, container, sources);
    environment
        .variables
        .into_iter()
        .map(|variable| (variable.name.clone(), variable))
        .collect()
}

/// What may be shown of a value: as it is written, since an expanded one may hold what a Secret says.
fn shown(container: &Value, variable: Variable) -> Option<String> {
    match (&variable.origin, variable.index) {
        (
            Origin::Key(
                Reference {
                    kind: Kind::Secret, ..
                },
                _,
            ),
            _,
        ) => None,
        (Origin::Literal, Some(index)) => container["env"][index]["value"].as_str().map(str::to_owned),
        _ => variable.value,
    }
}

fn branch(origin: &Origin) -> bool {
    matches!(origin, Origin::Key(reference, _) if reference.name.starts_with(crate::keys::BRANCH_SECRET_PREFIX))
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Literal => String::new(),
        Origin::Key(reference, key) => format!("{} {}, key {key}", reference.kind.name(), reference.name),
        Origin::Field => "the Pod itself".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(texts: &[&str]) -> Vec<VariableOverride> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_variable_is_set_where_it_stands() {
        let mut template = json!({ "spec": { "containers": [
            { "name": "app", "env": [
                { "name": "HOST", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } },
                { "name": "URL", "value": "http://$(HOST)/" },
                { "name": "HOST", "value": "later" },
            ] },
            { "name": "proxy" },
        ] } });
        let done = set(
            &mut template,
            "web",
            &overrides(&["web/app:HOST=x:80", "web:FLAG=a=b", "api:FLAG=no"]),
        );
        assert_eq!(
            template["spec"]["containers"],
            json!([
                { "name": "app", "env": [
                    { "name": "FLAG", "value": "a=b" },
                    { "name": "HOST", "value": "x:80" },
                    { "name": "URL", "value": "http://$(HOST)/" },
                ] },
                { "name": "proxy", "env": [{ "name": "FLAG", "value": "a=b" }] },
            ])
        );
        assert_eq!(done.len(), 3);
    }

    #[test]
    fn nonsense_is_refused_and_a_value_is_never_printed() {
        // F05, F06
        for text in [
            "",
            "web",
            "web:X",
            "web:=y",
            ":X=y",
            "web/:X=y",
            "Web:X=y",
            "web/a/b:X=y",
        ] {
            assert_eq!(text.parse::<VariableOverride>(), Err(InvalidVariable), "{text}");
        }
        let wanted = overrides(&["web/app:TOKEN=hunter2"]).remove(0);
        assert!(!format!("{wanted:?} {wanted}").contains("hunter2"));
    }
}

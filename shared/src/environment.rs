//! What a container will find in its environment, as the kubelet resolves it.
//!
//! Source: `makeEnvironmentVariables` of the kubelet: `envFrom` first, in order, with prefixes; then `env`, in order, each
//! value expanded against what stands before it; a later entry of the same name wins.
//! <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>

mod data;
mod downward;
mod expand;
mod files;
mod links;

pub use data::Data;
pub use expand::expand;
pub use files::{Mounted, mounted, own_files};
pub use links::completes_a_host;

use serde_json::Value;
use std::collections::BTreeMap;

/// Longest value in bytes; Linux starts no program with a longer one (`MAX_ARG_STRLEN` of execve(2)).
pub const VALUE_LIMIT: usize = 128 * 1024;

/// Most bytes that one container's variables are worked out for: a program with as many is not started (execve(2) allows a
/// quarter of the stack, 6 MiB at most).
const ENVIRONMENT_LIMIT: usize = 4 * 1024 * 1024;

/// Most ConfigMaps and Secrets that are read for one Pod.
pub const REFERENCE_LIMIT: usize = 256;

/// What is known of something that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is there.
    Present(T),
    /// It is certainly not there.
    Absent,
    /// It could not be read, or not in time.
    Unknown,
}

/// Which of the two kinds a variable may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl Kind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
        }
    }
}

/// A ConfigMap or Secret of the Pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// Where variables come from. Implemented by admission's facts and by a plan's own objects.
pub trait Sources {
    /// The data of `reference`.
    fn data(&self, reference: &Reference) -> Fact<&Data>;
}

/// Where one variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in the manifest.
    Literal,
    /// From one key.
    Key(Reference, String),
    /// From the Pod's own fields.
    Field,
}

/// One variable at its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; `None` where the kubelet leaves it out (an optional reference to nothing) or it is not known yet.
    pub value: Option<String>,
    /// Index in `env`; `None` when it comes from `envFrom`.
    pub index: Option<usize>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A reference that could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The variable, or the prefix for a whole `envFrom`.
    pub variable: String,
    /// Index in `env`; `None` for `envFrom`.
    pub index: Option<usize>,
    /// What it refers to, for people: `Secret shop-db, key url`.
    pub what: String,
}

/// A container's environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Every variable, those of `envFrom` first; names may repeat, the last one wins.
    pub variables: Vec<Variable>,
    /// What could not be resolved.
    pub missing: Vec<Missing>,
}

impl Environment {
    /// What the container finds: of several variables of one name, the last that has a value.
    ///
    /// An optional reference to nothing sets nothing, so it hides nothing that came before it. It is among these all the
    /// same, without a value: its key may be marked as a database's.
    pub fn effective(&self) -> impl Iterator<Item = &Variable> {
        let mut by_name: Vec<usize> = (0..self.variables.len()).collect();
        by_name.sort_by_key(|at| &self.variables[*at].name);
        let mut hidden = vec![false; self.variables.len()];
        let mut set = None;
        for at in by_name.into_iter().rev() {
            let variable = &self.variables[at];
            hidden[at] = set == Some(&variable.name);
            if variable.value.is_some() {
                set = Some(&variable.name);
            }
        }
        let all = self.variables.iter().zip(hidden);
        all.filter_map(|(variable, hidden)| (!hidden).then_some(variable))
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        let value = |variable: &Variable| variable.value.as_ref().map_or(0, String::len);
        self.variables
            .iter()
            .map(|variable| variable.name.len() + value(variable))
            .sum()
    }

    /// One that nobody works out, since it would be too large; `whose` for people.
    pub fn too_large(whose: &str) -> Self {
        let what = format!("an environment of that size ({whose})");
        Environment {
            variables: Vec::new(),
            missing: vec![Missing {
                variable: "*".to_owned(),
                index: None,
                what,
            }],
        }
    }

    /// The values that `$(VAR)` stands for in `command` and `args`.
    pub fn values(&self) -> BTreeMap<&str, &str> {
        let effective = self.effective();
        effective
            .filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?)))
            .collect()
    }
}

/// Every ConfigMap and Secret that `container` takes variables from.
pub fn references(container: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    for source in list(container, "envFrom") {
        found.extend(source_reference(source).map(|(reference, _)| reference));
    }
    for entry in list(container, "env") {
        found.extend(key_reference(entry).map(|(reference, _, _)| reference));
    }
    found
}

/// Resolves the environment of `container` in `pod`.
pub fn resolve(pod: &Value, container: &Value, sources: &dyn Sources) -> Environment {
    let mut environment = Environment::default();
    let mut room = ENVIRONMENT_LIMIT;
    for source in list(container, "envFrom") {
        from_source(source, sources, &mut environment, &mut room);
    }
    // What nothing refers to need not be remembered.
    let texts = list(container, "env").map(|entry| text(entry, "value"));
    let mut known: BTreeMap<&str, Option<String>> = texts
        .filter(|text| text.contains("$("))
        .flat_map(expand::referred)
        .map(|name| (name, None))
        .collect();
    for variable in &environment.variables {
        if let Some(known) = known.get_mut(variable.name.as_str()) {
            known.clone_from(&variable.value);
        }
    }
    for (index, entry) in list(container, "env").enumerate() {
        if room == 0 {
            break;
        }
        let name = text(entry, "name").to_owned();
        let (value, origin) = match entry
            .get("value")
            .and_then(Value::as_str)
            .filter(|value| !value.is_empty())
        {
            Some(value) => match expand(value, |name| known.get(name)?.as_deref(), VALUE_LIMIT) {
                Some(value) => (Some(value), Origin::Literal),
                None => {
                    environment.missing.push(Missing {
                        variable: name.clone(),
                        index: Some(index),
                        what: format!("a value of more than {VALUE_LIMIT} bytes"),
                    });
                    (None, Origin::Literal)
                }
            },
            None => value_from(pod, container, (index, entry), sources, &mut environment.missing),
        };
        if let Some(value) = &value {
            room = room.saturating_sub(name.len() + value.len());
            if let Some(known) = known.get_mut(name.as_str()) {
                *known = Some(value.clone());
            }
        }
        environment.variables.push(Variable {
            name,
            value,
            index: Some(index),
            origin,
        });
    }
    if room == 0 {
        environment.missing.push(Missing {
            variable: "*".to_owned(),
            index: None,
            what: format!("an environment of more than {ENVIRONMENT_LIMIT} bytes"),
        });
    }
    environment
}

fn from_source(source: &Value, sources: &dyn Sources, environment: &mut Environment, room: &mut usize) {
    let prefix = text(source, "prefix");
    let Some((reference, optional)) = source_reference(source) else {
        return;
    };
    match sources.data(&reference) {
        Fact::Present(data) => {
            for (key, value) in data {
                if *room == 0 {
                    return;
                }
                *room = room.saturating_sub(prefix.len() + key.len() + value.len());
                let name = format!("{prefix}{key}");
                let origin = Origin::Key(reference.clone(), key.clone());
                environment.variables.push(Variable {
                    name,
                    value: Some(value.clone()),
                    index: None,
                    origin,
                });
            }
        }
        Fact::Absent if optional => {}
        _ => environment.missing.push(Missing {
            variable: format!("{prefix}*"),
            index: None,
            what: format!("{} {}", reference.kind.name(), reference.name),
        }),
    }
}

fn value_from(
    pod: &Value,
    container: &Value,
    (index, entry): (usize, &Value),
    sources: &dyn Sources,
    missing: &mut Vec<Missing>,
) -> (Option<String>, Origin) {
    let variable = text(entry, "name").to_owned();
    let mut miss = |what| {
        missing.push(Missing {
            variable: variable.clone(),
            index: Some(index),
            what,
        })
    };
    if let Some((reference, key, optional)) = key_reference(entry) {
        let found = match sources.data(&reference) {
            Fact::Present(data) => data.get(&key).map_or(Fact::Absent, Fact::Present),
            Fact::Absent => Fact::Absent,
            Fact::Unknown => Fact::Unknown,
        };
        let value = match found {
            Fact::Present(value) => Some(value.clone()),
            Fact::Absent if optional => None,
            _ => {
                miss(format!("{} {}, key {key}", reference.kind.name(), reference.name));
                None
            }
        };
        return (value, Origin::Key(reference, key));
    }
    match entry.get("valueFrom").and_then(Value::as_object) {
        Some(from) if from.contains_key("fieldRef") => (
            Some(downward::field(pod, text(&from["fieldRef"], "fieldPath"))),
            Origin::Field,
        ),
        Some(from) if from.contains_key("resourceFieldRef") => (
            Some(downward::resource(pod, container, &from["resourceFieldRef"])),
            Origin::Field,
        ),
        Some(from) if !from.is_empty() => {
            miss(from.keys().next().cloned().unwrap_or_default());
            (None, Origin::Field)
        }
        _ => (Some(String::new()), Origin::Literal),
    }
}

/// `configMapRef` or `secretRef` of an `envFrom` entry, and whether it is optional.
fn source_reference(source: &Value) -> Option<(Reference, bool)> {
    [("configMapRef", Kind::ConfigMap), ("secretRef", Kind::Secret)]
        .into_iter()
        .find_map(|(field, kind)| {
            let reference = source.get(field)?;
            Some((
                Reference {
                    kind,
                    name: text(reference, "name").to_owned(),
                },
                optional(reference),
            ))
        })
}

/// `configMapKeyRef` or `secretKeyRef` of an `env` entry: reference, key, and whether it is optional.
fn key_reference(entry: &Value) -> Option<(Reference, String, bool)> {
    let from = entry.get("valueFrom")?;
    [
        ("configMapKeyRef", Kind::ConfigMap),
        ("secretKeyRef", Kind::Secret),
    ]
    .into_iter()
    .find_map(|(field, kind)| {
        let reference = from.get(field)?;
        let name = text(reference, "name").to_owned();
        Some((
            Reference { kind, name },
            text(reference, "key").to_owned(),
            optional(reference),
        ))
    })
}

fn optional(reference: &Value) -> bool {
    reference
        .get("optional")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

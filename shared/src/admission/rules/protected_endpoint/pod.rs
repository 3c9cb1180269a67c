//! What a Pod would reach by its variables, commands and files.

use super::{branch, violation};
use crate::admission::change::at;
use crate::admission::{Facts, Resolved};
use crate::environment::{self, Fact, Kind, Origin, Sources, VALUE_LIMIT, Variable};
use crate::protected::{Bounds, Place};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

/// Where words stand that a container runs, below the container.
const COMMANDS: [&[&str]; 7] = [
    &["command"],
    &["args"],
    &["livenessProbe", "exec", "command"],
    &["readinessProbe", "exec", "command"],
    &["startupProbe", "exec", "command"],
    &["lifecycle", "postStart", "exec", "command"],
    &["lifecycle", "preStop", "exec", "command"],
];

/// Most bytes of such words that are worked out for one Pod. Linux starts no program with more than a quarter of its stack, 2
/// MiB by default (execve(2)).
const WORDS_LIMIT: usize = 2 * 1024 * 1024;

/// By variables and commands.
pub(super) fn reached(pod: &Value, resolved: &[Resolved], bounds: &Bounds<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut room = WORDS_LIMIT;
    for one in resolved {
        let container = &pod["spec"][one.list][one.index];
        let place = format!("spec.{}[{}]", one.list, one.index);
        let name = container["name"].as_str().unwrap_or_default();
        let variables: Vec<&Variable> = one.environment.effective().collect();
        found.extend(branch::beside(name, &place, &variables));
        for variable in variables {
            let reached = variable
                .value
                .as_deref()
                .and_then(|value| bounds.reached(value, Place::Value));
            let field = || format!("{place}.env[{}]", variable.name);
            if let Some((host, why)) = reached {
                let host = shown(&host, written(container, variable));
                let message = format!("container {name}, variable {}: {host} is {why}", variable.name);
                found.push(violation(field(), message));
            }
            let expanded = variable
                .value
                .as_deref()
                .filter(|_| variable.origin == Origin::Literal);
            if expanded.is_some_and(environment::completes_a_host) {
                let what = format!("container {name}, variable {}", variable.name);
                found.push(pieced(field(), &what));
            }
        }
        commands(container, one, &place, bounds, (&mut room, &mut found));
    }
    found
}

/// A host that is put together from what the cluster gives out, which is not known yet.
fn pieced(field: String, what: &str) -> Violation {
    let message =
        format!("{what}: a variable of a Service completes a host, and nobody knows beforehand which");
    violation(field, message).remedy("write the host out, or let $(NAME_SERVICE_HOST) stand alone for it")
}

/// `host` for a message, where it stands in what may be shown: one that comes from a Secret, or is put together from one, may
/// be a secret itself.
fn shown(host: &str, written: Option<&str>) -> String {
    match written.is_some_and(|written| written.contains(host)) {
        true => format!("host {host}"),
        false => "a host in it".to_owned(),
    }
}

/// What may be shown of a variable: its text in the manifest, or all of it where no Secret is behind it.
fn written<'v>(container: &'v Value, variable: &'v Variable) -> Option<&'v str> {
    match &variable.origin {
        Origin::Literal => container["env"][variable.index?]["value"].as_str(),
        Origin::Key(reference, _) if reference.kind == Kind::Secret => None,
        Origin::Key(..) | Origin::Field => variable.value.as_deref(),
    }
}

fn commands(
    container: &Value,
    one: &Resolved,
    place: &str,
    bounds: &Bounds<'_>,
    (room, found): (&mut usize, &mut Vec<Violation>),
) {
    let words = |path| {
        at(container, path)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    if COMMANDS.iter().all(|path| words(path).next().is_none()) {
        return;
    }
    let name = container["name"].as_str().unwrap_or_default();
    let values = one.environment.values();
    for path in COMMANDS {
        let part = path.join(".");
        for word in words(path).filter_map(Value::as_str) {
            // The kubelet expands the first two as well; a shell would expand the others.
            let field = format!("{place}.{part}");
            let limit = VALUE_LIMIT.min(*room);
            let Some(expanded) = environment::expand(word, |name| values.get(name).copied(), limit) else {
                let message = format!("container {name}, {part}: expands to more than {limit} bytes");
                found.push(Violation::new(Reason::EnvironmentUnresolved, field, message));
                return;
            };
            *room -= expanded.len();
            if environment::completes_a_host(&expanded) {
                found.push(pieced(field.clone(), &format!("container {name}, {part}")));
            }
            if branch::is_elsewhere(&expanded) {
                let message =
                    format!("container {name}, {part}: names another database on the server of a branch");
                found.push(violation(field.clone(), message));
            }
            if let Some((host, why)) = bounds.reached(&expanded, Place::Value) {
                let host = shown(&host, Some(word));
                found.push(violation(
                    field,
                    format!("container {name}, {part}: {host} is {why}"),
                ));
            }
        }
    }
}

/// By the contents of mounted ConfigMaps and Secrets.
pub(super) fn files(pod: &Value, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for mounted in environment::mounted(pod) {
        let Fact::Present(data) = facts.data(&mounted.reference) else {
            continue;
        };
        for (key, content) in data.files().filter(|(key, _)| mounted.has(key)) {
            if let Some((host, why)) = bounds.reached(content, Place::File) {
                let (kind, name) = (mounted.reference.kind.name(), &mounted.reference.name);
                let host = shown(
                    &host,
                    (mounted.reference.kind == Kind::ConfigMap).then_some(content),
                );
                let message = format!(
                    "volume {}, file {key} of {kind} {name}: {host} is {why}",
                    mounted.volume
                );
                let remedy = "files are not rewritten here: write the preview's own host into it, or use: understudy clone";
                found.push(violation(format!("spec.volumes[{}]", mounted.volume), message).remedy(remedy));
            }
        }
    }
    found
}

/// By what the Pod's own labels and annotations bring as files.
pub(super) fn fields(pod: &Value, bounds: &Bounds<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (volume, path, content) in environment::own_files(pod) {
        if let Some((host, why)) = bounds.reached(&content, Place::File) {
            let message = format!("volume {volume}, file {path}: host {host} is {why}");
            found.push(violation(format!("spec.volumes[{volume}]"), message));
        }
    }
    found
}

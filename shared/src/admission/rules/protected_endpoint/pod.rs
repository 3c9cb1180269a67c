//! What a Pod would reach: by its variables, commands, probes and files, and by how it resolves names.

use super::violation;
use crate::admission::change::at;
use crate::admission::{Facts, Resolved};
use crate::environment::{self, Fact, Kind, Origin, Sources, VALUE_LIMIT, Variable};
use crate::host;
use crate::networks::Networks;
use crate::policy::Network;
use crate::protected::{Bounds, Place};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;
use std::cell::LazyCell;

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

/// Where hosts stand that the kubelet calls for a container.
const CALLED: [&[&str]; 8] = [
    &["livenessProbe", "httpGet", "host"],
    &["readinessProbe", "httpGet", "host"],
    &["startupProbe", "httpGet", "host"],
    &["livenessProbe", "tcpSocket", "host"],
    &["readinessProbe", "tcpSocket", "host"],
    &["startupProbe", "tcpSocket", "host"],
    &["lifecycle", "postStart", "httpGet", "host"],
    &["lifecycle", "preStop", "httpGet", "host"],
];

/// Parts of a volume that lead nowhere, or whose contents are looked at elsewhere.
const LOCAL: [&str; 8] = [
    "name",
    "configMap",
    "secret",
    "projected",
    "downwardAPI",
    "emptyDir",
    "persistentVolumeClaim",
    "csi",
];

/// By variables, commands and probes.
pub(super) fn reached(
    pod: &Value,
    resolved: &[Resolved],
    bounds: &Bounds<'_>,
    open: Option<&Network>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for one in resolved {
        let container = &pod["spec"][one.list][one.index];
        let place = format!("spec.{}[{}]", one.list, one.index);
        let name = container["name"].as_str().unwrap_or_default();
        for variable in one.environment.effective() {
            let reached = variable
                .value
                .as_deref()
                .and_then(|value| bounds.reached(value, Place::Value));
            if let Some((host, why)) = reached {
                let host = shown(&host, written(container, variable));
                let message = format!("container {name}, variable {}: {host} is {why}", variable.name);
                found.push(violation(format!("{place}.env[{}]", variable.name), message));
            }
        }
        commands(container, one, &place, bounds, &mut found);
        for path in CALLED {
            let host = at(container, path).and_then(Value::as_str);
            if let Some((host, why)) = host.and_then(|host| Some((host, called(host, bounds, open)?))) {
                let part = path.join(".");
                found.push(violation(
                    format!("{place}.{part}"),
                    format!("container {name}, {part}: host {host} is {why}"),
                ));
            }
        }
    }
    found
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

/// Why a node may not call `host`, or mount from it, for a Pod: past every NetworkPolicy, so an address must be one that the
/// policy opens.
fn called(host: &str, bounds: &Bounds<'_>, open: Option<&Network>) -> Option<String> {
    let why = bounds.why(host);
    let closed = || {
        let address = host::address(host).filter(|address| !address.is_loopback())?;
        let reachable = open.is_some_and(|open| Networks::reachable(open, address));
        (!reachable).then(|| "an address that the policy's network section keeps closed".to_owned())
    };
    why.or_else(closed)
}

/// Where the node itself would mount from.
pub(super) fn volumes(pod: &Value, bounds: &Bounds<'_>, open: Option<&Network>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, volume) in pod["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        for (kind, source) in volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(kind, _)| !LOCAL.contains(&kind.as_str()))
        {
            let mut texts = Vec::new();
            collect(source, &mut texts);
            let reached = texts.into_iter().find_map(|text| {
                let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
                let by_node = called(host, bounds, open).map(|why| (host.to_owned(), why));
                bounds.reached(text, Place::Value).or(by_node)
            });
            if let Some((host, why)) = reached {
                let name = volume["name"].as_str().unwrap_or_default();
                let message = format!("volume {name}, {kind}: host {host} is {why}");
                found.push(violation(format!("spec.volumes[{index}].{kind}"), message));
            }
        }
    }
    found
}

fn collect<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

fn commands(container: &Value, one: &Resolved, place: &str, bounds: &Bounds<'_>, found: &mut Vec<Violation>) {
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
            let Some(expanded) = environment::expand(word, |name| values.get(name).copied(), VALUE_LIMIT)
            else {
                let message = format!("container {name}, {part}: expands to more than {VALUE_LIMIT} bytes");
                found.push(Violation::new(Reason::EnvironmentUnresolved, field, message));
                continue;
            };
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
        for (key, content) in data.iter().filter(|(key, _)| mounted.has(key)) {
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

fn list<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    of[key].as_array().into_iter().flatten()
}

/// By what names mean in this Pod: aliases of hosts, search domains, resolvers of its own.
pub(super) fn names(pod: &Value, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    for (index, alias) in list(spec, "hostAliases").enumerate() {
        let address = alias["ip"].as_str().unwrap_or_default();
        if let Some(why) = bounds.why(address) {
            found.push(violation(
                format!("spec.hostAliases[{index}].ip"),
                format!("address {address} is {why}"),
            ));
        }
    }
    let config = &spec["dnsConfig"];
    for (index, domain) in list(config, "searches").enumerate() {
        let domain = domain.as_str().unwrap_or_default();
        if let Some(why) = facts.protected.why_search(domain) {
            let message = format!("bare names would be looked up in {domain}, which is {why}");
            found.push(violation(format!("spec.dnsConfig.searches[{index}]"), message));
        }
    }
    let known = LazyCell::new(|| {
        let cidrs = facts.policy().map(|policy| &policy.network.egress.cidrs);
        cidrs.map(|cidrs| Networks::parse(cidrs)).unwrap_or_default()
    });
    for (index, server) in list(config, "nameservers").enumerate() {
        let server = server.as_str().unwrap_or_default();
        if !server.parse().is_ok_and(|server| known.contain(server)) {
            let message =
                format!("names would mean what the server {server} says, and nobody here knows what that is");
            let remedy =
                "leave it out, or ask an administrator to list it in spec.network.egress.cidrs of the policy";
            found.push(violation(format!("spec.dnsConfig.nameservers[{index}]"), message).remedy(remedy));
        }
    }
    found
}

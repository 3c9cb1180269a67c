//! What the node itself calls or mounts for a Pod: past every NetworkPolicy, and by a resolver of its own.

use super::violation;
use crate::admission::change::at;
use crate::admission::containers;
use crate::host;
use crate::networks::Networks;
use crate::policy::Network;
use crate::protected::Bounds;
use crate::violation::Violation;
use serde_json::Value;

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

/// Parts of a volume that lead nowhere, or that something else decides on: `hostPath` Pod Security, `csi`
/// `unreadable-environment`.
const LOCAL: [&str; 11] = [
    "name",
    "configMap",
    "secret",
    "projected",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "hostPath",
    "csi",
];

/// Volumes by a server's address, and the fields that hold it; several with commas. Any other kind names a disk or a share in
/// the cluster's own account, or asks a driver to.
const SERVED: [(&str, &[&str]); 4] = [
    ("nfs", &["server"]),
    ("iscsi", &["targetPortal", "portals"]),
    ("cephfs", &["monitors"]),
    ("rbd", &["monitors"]),
];

/// By the hosts of probes and hooks.
pub(super) fn probes(pod: &Value, bounds: &Bounds<'_>, open: Option<&Network>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (list, index, container) in containers(pod) {
        let name = container["name"].as_str().unwrap_or_default();
        for path in CALLED {
            let host = at(container, path).and_then(Value::as_str);
            if let Some((host, why)) = host.and_then(|host| Some((host, called(host, bounds, open)?))) {
                let part = path.join(".");
                found.push(violation(
                    format!("spec.{list}[{index}].{part}"),
                    format!("container {name}, {part}: host {host} is {why}"),
                ));
            }
        }
    }
    found
}

/// By what volumes are mounted from.
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
            let name = volume["name"].as_str().unwrap_or_default();
            let mut refuse = |what: String| {
                let message = format!("volume {name}, {kind}: {what}");
                let remedy = "use a PersistentVolumeClaim of the preview's own";
                found.push(violation(format!("spec.volumes[{index}].{kind}"), message).remedy(remedy));
            };
            let Some((_, fields)) = SERVED.iter().find(|(served, _)| served == kind) else {
                refuse("a disk or share of the cluster, which nobody made for this preview".to_owned());
                continue;
            };
            let mut texts = Vec::new();
            fields
                .iter()
                .for_each(|field| collect(&source[*field], &mut texts));
            let hosts = texts.into_iter().flat_map(|text| text.split(','));
            let reached = hosts.map(str::trim).find_map(|text| {
                let is_whole = host::address(text).is_some();
                let host = text.rsplit_once(':').filter(|_| !is_whole);
                let host = host.map_or(text, |(host, _)| host);
                called(host, bounds, open).map(|why| format!("host {host} is {why}"))
            });
            reached.into_iter().for_each(&mut refuse);
        }
    }
    found
}

/// Why a node may not call `host`, or mount from it, for a Pod: it must be an address that the policy opens.
fn called(host: &str, bounds: &Bounds<'_>, open: Option<&Network>) -> Option<String> {
    let closed = || {
        let why = match host::address(host) {
            Some(address) if address.is_loopback() => return None,
            Some(address) if open.is_some_and(|open| Networks::reachable(open, address)) => return None,
            Some(_) => "an address that the policy's network section keeps closed",
            None if host.is_empty() || host == "localhost" => return None,
            None => "a name that means what the node's own resolver says",
        };
        Some(why.to_owned())
    };
    bounds.why(host).or_else(closed)
}

fn collect<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

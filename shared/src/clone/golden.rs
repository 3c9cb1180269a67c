//! The golden's ConfigMaps and Secrets as sources of variables, and which of its objects are a database's.

use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use super::templates::pod_templates;
use crate::connection::{self, Connection};
use crate::environment::{Data, Fact, Kind, Reference, Sources};
use crate::host;
use crate::policy::Database;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Data of the golden's ConfigMaps and Secrets, decoded. Prints nothing of itself.
pub(super) struct GoldenData {
    config_maps: BTreeMap<String, Data>,
    secrets: BTreeMap<String, Data>,
    readable: [bool; 2],
    name: String,
    /// Services that lead to Pods of the golden.
    services: BTreeSet<String>,
    /// Those that lead elsewhere.
    elsewhere: BTreeSet<String>,
    /// Whether the clone gets Secrets as they stand in manifests.
    pub(super) gives_secrets: bool,
}

impl GoldenData {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let readable = [snapshot.could_read("ConfigMap"), snapshot.could_read("Secret")];
        GoldenData {
            readable,
            gives_secrets: snapshot.from_manifests,
            ..GoldenData::of(&snapshot.objects, snapshot.name())
        }
    }

    /// The data of `objects`, in namespace `name`, of which every ConfigMap and Secret is known.
    pub(super) fn of<'o>(objects: impl IntoIterator<Item = &'o DynamicObject>, name: &str) -> Self {
        let mut data = GoldenData {
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            readable: [true, true],
            name: name.to_owned(),
            services: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            gives_secrets: false,
        };
        for object in objects {
            let name = name_of(object).to_owned();
            match (group_of(object), kind_of(object)) {
                ("", "ConfigMap") => drop(data.config_maps.insert(name, texts(&object.data["data"]))),
                ("", "Secret") => drop(data.secrets.insert(name, decoded(&object.data["data"]))),
                ("", "Service")
                    if object
                        .data
                        .pointer("/spec/selector")
                        .is_some_and(Value::is_object) =>
                {
                    data.services.insert(name);
                }
                ("", "Service") => drop(data.elsewhere.insert(name)),
                _ => {}
            }
        }
        data
    }

    /// Whether `host` leads to Pods of the golden, which the clone has its own of, or stays within the Pod.
    pub(super) fn is_inside(&self, host: &str) -> bool {
        let canonical = host::canonical(host);
        matches!(canonical.as_ref(), "localhost" | "127.0.0.1" | "::1") || self.service(host).is_some()
    }

    /// The Service of the golden that `host` names, where that leads to Pods.
    pub(super) fn service(&self, host: &str) -> Option<&str> {
        let name = self.own_name(host)?;
        self.services.get(&name).map(String::as_str)
    }

    /// Whether the golden has a Service `name`, wherever it leads.
    pub(super) fn has_service(&self, name: &str) -> bool {
        self.services.contains(name) || self.elsewhere.contains(name)
    }

    /// The Service that `host` means where it means one of the golden's namespace, whether there is such a Service or not.
    pub(super) fn own_name(&self, host: &str) -> Option<String> {
        let canonical = host::canonical(host);
        let labels: Vec<&str> = canonical.split('.').collect();
        let service = match labels.as_slice() {
            [service] => service,
            [.., service, namespace, "svc"] if *namespace == self.name => service,
            [service, namespace] | [_, service, namespace] if *namespace == self.name => service,
            // A Pod of a StatefulSet, by the Service that governs it.
            [pod, service] if is_ordinal(pod) && self.services.contains(*service) => service,
            _ => return None,
        };
        Some((*service).to_owned())
    }

    /// The data of Secret `name`, where it could be read.
    pub(super) fn secret(&self, name: &str) -> Option<&Data> {
        self.secrets.get(name)
    }
}

/// Whether `pod` is a name as a StatefulSet gives it.
fn is_ordinal(pod: &str) -> bool {
    let ordinal = pod.rsplit_once('-').map_or("", |(_, ordinal)| ordinal);
    !ordinal.is_empty() && ordinal.bytes().all(|c| c.is_ascii_digit())
}

impl Sources for GoldenData {
    fn data(&self, reference: &Reference) -> Fact<&Data> {
        let (found, readable) = match reference.kind {
            Kind::ConfigMap => (self.config_maps.get(&reference.name), self.readable[0]),
            Kind::Secret => (self.secrets.get(&reference.name), self.readable[1]),
        };
        match found {
            Some(data) => Fact::Present(data),
            None if readable => Fact::Absent,
            None => Fact::Unknown,
        }
    }
}

pub(super) fn texts(data: &Value) -> Data {
    let fields = data.as_object().into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Values of a Secret; what is no text cannot be a connection and stays out, but its key is known.
pub(super) fn decoded(data: &Value) -> Data {
    let fields = data.as_object().into_iter().flatten();
    fields
        .map(|(key, value)| {
            let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
            (
                key.clone(),
                bytes
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .unwrap_or_default(),
            )
        })
        .collect()
}

/// The policy database that a whole value means.
pub(super) fn meant<'d>(databases: &'d [Database], value: &str) -> Option<&'d Database> {
    Connection::parse(value.trim()).and_then(|connection| connection::meant(databases, &connection))
}

/// The policy database that Service `service` of the golden leads to.
pub(super) fn database_behind<'d>(
    databases: &'d [Database],
    golden: &str,
    service: &DynamicObject,
) -> Option<&'d Database> {
    // Of several goldens each knows its own Services.
    let golden = service.metadata.namespace.as_deref().unwrap_or(golden);
    let own = format!("{}.{golden}.svc", name_of(service));
    let external = service.data.pointer("/spec/externalName").and_then(Value::as_str);
    let matches = |name: &str| {
        databases.iter().find(|database| {
            database
                .matches
                .hosts
                .iter()
                .any(|pattern| host::matches(pattern, name))
        })
    };
    matches(&own).or_else(|| external.and_then(matches))
}

/// Whether the Service's selector selects Pods of `workload`.
pub(super) fn selects(service: &DynamicObject, workload: &DynamicObject) -> bool {
    let selector = service.data.pointer("/spec/selector").and_then(Value::as_object);
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return false;
    };
    pod_templates(workload).any(|template| {
        let labels = &template["metadata"]["labels"];
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

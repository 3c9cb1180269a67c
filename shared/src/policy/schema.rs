//! Bounded schemas that several sections use.

use schemars::{Schema, SchemaGenerator, json_schema};

/// IPv4 exactly; IPv6 roughly, the API server refuses the rest when a guardrail is made.
const CIDR: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}/(3[0-2]|[12]?[0-9])",
    r"|[0-9a-fA-F:]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
);

/// A map from resource names to quantities.
pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 24, "pattern": crate::quantity::PATTERN },
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.matches('^[a-zA-Z0-9][-_./a-zA-Z0-9]{0,251}$'))",
            "message": "must be names of resources such as requests.cpu"
        }]
    })
}

/// At most eight labels, possibly none.
pub(super) fn selector(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = labels(generator);
    schema.remove("minProperties");
    schema
}

/// At most 64 variables with their values.
pub(super) fn variables(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 1024 },
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.matches('^[-._a-zA-Z][-._a-zA-Z0-9]{0,252}$'))",
            "message": "must be names of environment variables"
        }]
    })
}

/// At most 64 kinds as `group/Kind`.
pub(super) fn kinds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 317, "pattern": "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Z][A-Za-z0-9]*$" }
    })
}

/// At most 64 beginnings of remote keys.
pub(super) fn prefixes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "minLength": 1, "maxLength": 253 }
    })
}

/// Beginnings of keys and what takes their place.
pub(super) fn key_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 253 }
    })
}

/// The name of an object, or nothing.
pub(super) fn optional_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 253, "pattern": "^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$" })
}

/// A map of labels.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 8,
        "additionalProperties": { "type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$" },
        "x-kubernetes-validations": [{
            "rule": "self.all(key, key.matches('^([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$'))",
            "message": "must be keys of labels"
        }]
    })
}

/// `namespace/name`.
pub(super) fn qualified_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 127,
        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    })
}

/// At least one port.
pub(super) fn ports(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 16,
        "items": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 65535 }
    })
}

/// At most 64 names of users or groups.
pub(super) fn subjects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "minLength": 1, "maxLength": 253 }
    })
}

/// At most 64 service accounts as `namespace/name`.
pub(super) fn service_accounts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 317, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" }
    })
}

/// At most 64 networks in CIDR notation.
pub(super) fn cidrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 43, "pattern": CIDR }
    })
}

/// At most 64 host patterns: a host, or `*.` and a host.
pub(super) fn hosts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": {
            "type": "string",
            "maxLength": 253,
            "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
        }
    })
}

/// At most 64 names of objects or databases.
pub(super) fn names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[A-Za-z0-9_][-_.A-Za-z0-9]*$" }
    })
}

/// At most 64 keys of Secrets as `secret/key`.
pub(super) fn secret_keys(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 507, "pattern": "^[a-z0-9][-.a-z0-9]*/[-._a-zA-Z0-9]+$" }
    })
}

/// A DNS domain, or nothing.
pub(super) fn domain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 180,
        "pattern": r"^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$"
    })
}

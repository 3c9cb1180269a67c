//! What a server reads from files: a variable whose name ends in `_FILE` says where, and a Secret is mounted there.
//!
//! Sources: "Docker Secrets" of <https://hub.docker.com/_/postgres> and <https://hub.docker.com/_/mysql>;
//! <https://github.com/bitnami/containers/tree/main/bitnami/postgresql>.

use crate::clone::snapshot::list;
use crate::environment::{Environment, Fact, Kind, Origin, Reference, Sources, Variable};
use serde_json::Value;

/// The variables that the files of a container stand for, as if their Secrets were referred to.
pub(super) fn variables(
    template: &Value,
    container: &Value,
    environment: &Environment,
    sources: &dyn Sources,
) -> Vec<Variable> {
    let read = |variable: &Variable| {
        let name = variable.name.strip_suffix("_FILE")?;
        let (reference, key) = source(template, container, variable.value.as_deref()?.trim())?;
        let value = match sources.data(&reference) {
            Fact::Present(data) => data.get(&key).cloned(),
            Fact::Absent | Fact::Unknown => None,
        };
        Some(Variable {
            name: name.to_owned(),
            value,
            index: None,
            origin: Origin::Key(reference, key),
        })
    };
    environment.effective().filter_map(read).collect()
}

/// What the file at `path` comes from, and the key there.
fn source(template: &Value, container: &Value, path: &str) -> Option<(Reference, String)> {
    let mounts = list(container, "/volumeMounts").filter_map(|mount| {
        let rest = path.strip_prefix(text(mount, "mountPath").trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest))
    });
    // Of mounts inside each other the inner one.
    let (mount, rest) = mounts.min_by_key(|(_, rest)| rest.len())?;
    let file = format!("{}{rest}", text(mount, "subPath"));
    let file = file.trim_start_matches('/');
    let mut volumes = list(template, "/spec/volumes");
    let volume = volumes.find(|volume| text(volume, "name") == text(mount, "name"))?;
    let projections = list(volume, "/projected/sources");
    std::iter::once(volume).chain(projections).find_map(|holder| {
        let (kind, source) = match (holder.get("secret"), holder.get("configMap")) {
            (Some(source), _) => (Kind::Secret, source),
            (_, source) => (Kind::ConfigMap, source?),
        };
        let name = ["secretName", "name"]
            .into_iter()
            .find_map(|field| source[field].as_str())?;
        let mut items = list(source, "/items").peekable();
        let key = match items.peek() {
            Some(_) => text(items.find(|item| text(item, "path") == file)?, "key"),
            None => file,
        };
        let name = name.to_owned();
        Some((Reference { kind, name }, key.to_owned()))
    })
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_found_through_whatever_mounts_it() {
        let template = json!({ "spec": { "volumes": [
            { "name": "all", "secret": { "secretName": "db" } },
            { "name": "some", "secret": { "secretName": "root", "items": [{ "key": "pw", "path": "in/password" }] } },
            { "name": "joined", "projected": { "sources": [{ "configMap": { "name": "plain", "items": [{ "key": "a", "path": "a" }] } },
                { "secret": { "name": "cache" } }] } },
        ] } });
        let container = json!({ "volumeMounts": [
            { "name": "all", "mountPath": "/run/secrets/" }, { "name": "some", "mountPath": "/run/secrets/root" },
            { "name": "joined", "mountPath": "/run/joined" }, { "name": "all", "mountPath": "/etc/one", "subPath": "password" },
            { "name": "data", "mountPath": "/data" },
        ] });
        for (path, expected) in [
            ("/run/secrets/password", Some(("db", "password"))),
            ("/run/secrets/root/in/password", Some(("root", "pw"))),
            ("/run/secrets/root/password", None),
            ("/run/joined/password", Some(("cache", "password"))),
            ("/run/joined/a", Some(("plain", "a"))),
            ("/etc/one", Some(("db", "password"))),
            ("/etc/one-more", None),
            ("/data/password", None),
        ] {
            let found = source(&template, &container, path);
            let found = found
                .as_ref()
                .map(|(reference, key)| (reference.name.as_str(), key.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }
}

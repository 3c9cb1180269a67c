//! Editing a container's environment so that every connection to a golden database means the preview's branch.
//!
//! Used by admission (as patch operations) and by `clone` (on the planned object): one plan, two ways to carry it out.
//! Nothing of the user's other objects is edited: a value that comes from `envFrom` is overridden by an explicit entry,
//! which wins. Entries are put in front, so that whatever refers to them by `$(VAR)` finds the branch as well.

use crate::connection::{self, Connection, PARTS, Rewritten, split};
use crate::environment::{Environment, Kind, Origin, Variable};
use crate::host;
use crate::keys;
use crate::policy::Database;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What has to change in one container's `env`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvPlan {
    /// Entries replaced at their index.
    pub replaced: Vec<(usize, Value)>,
    /// Entries to put in front, in this order.
    pub prepended: Vec<Value>,
    /// What was done, for notes: variable and database.
    pub rewritten: Vec<(String, String)>,
    /// Options that were dropped because they might hold a secret: variable and option.
    pub dropped: Vec<(String, String)>,
}

impl EnvPlan {
    /// Whether nothing has to change.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.prepended.is_empty()
    }

    /// Carries the plan out on `container`.
    pub fn apply(&self, container: &mut Value) {
        if self.is_empty() {
            return;
        }
        let old = container
            .get("env")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut env = self.prepended.clone();
        env.extend(old.into_iter().enumerate().map(|(index, entry)| {
            let new = self.replaced.iter().find(|(replaced, _)| *replaced == index);
            new.map_or(entry, |(_, value)| value.clone())
        }));
        container["env"] = Value::Array(env);
    }
}

/// Plans the environment of `container` onto the branches of `databases`.
pub fn plan(container: &Value, environment: &Environment, databases: &[Database]) -> EnvPlan {
    let mut plan = EnvPlan::default();
    let mut composed = BTreeSet::new();
    let variables: Vec<&Variable> = environment.effective().collect();
    let mut families = split::meant(&variables, databases);
    for (at, variable) in variables.into_iter().enumerate() {
        let in_family = families.becomes.remove(&at);
        let part = in_family.map(|(database, rewritten)| (database, rewritten, Vec::new()));
        let Some((database, rewritten, dropped)) = meaning(container, variable, databases).or(part) else {
            continue;
        };
        if matches!(rewritten, Rewritten::Composed(_)) {
            composed.insert(database.name.as_str());
        }
        let entry = entry(&variable.name, &database.name, &rewritten);
        match variable.index {
            Some(index) => plan.replaced.push((index, entry)),
            None => plan.prepended.push(entry),
        }
        plan.rewritten
            .push((variable.name.clone(), database.name.clone()));
        plan.dropped
            .extend(dropped.into_iter().map(|option| (variable.name.clone(), option)));
    }
    let added = families.added.iter();
    plan.prepended
        .extend(added.map(|(name, database, key)| reference(name, &database.name, key)));
    let parts = composed
        .iter()
        .flat_map(|name| PARTS.iter().map(move |(part, key)| part_entry(name, part, key)));
    plan.prepended.splice(0..0, parts);
    let present = container["env"].as_array().map_or(&[][..], Vec::as_slice);
    let names: BTreeSet<&str> = match plan.prepended.is_empty() {
        true => BTreeSet::new(),
        false => present
            .iter()
            .filter_map(|entry| entry["name"].as_str())
            .collect(),
    };
    let is_present = |entry: &Value| {
        let named = entry["name"].as_str().is_some_and(|name| names.contains(name));
        named && present.contains(entry)
    };
    plan.prepended.retain(|entry| !is_present(entry));
    plan
}

/// Variables of `container` that bear the name of a part of some branch of `databases` and are not that part: a composed
/// connection would take them for it.
pub fn shadows(container: &Value, databases: &[Database]) -> Vec<String> {
    let entries = container["env"].as_array().into_iter().flatten();
    let named = entries.filter_map(|entry| Some((entry, entry["name"].as_str()?)));
    let mut ours = named
        .filter(|(_, name)| name.starts_with(connection::PREFIX))
        .peekable();
    if ours.peek().is_none() {
        return Vec::new();
    }
    let parts = || {
        databases
            .iter()
            .flat_map(|database| PARTS.iter().map(move |(part, key)| (database, *part, *key)))
    };
    let names: BTreeSet<String> = parts()
        .map(|(database, part, _)| connection::variable(&database.name, part))
        .collect();
    let shadowing = ours.filter(|(entry, name)| {
        names.contains(*name)
            && !parts().any(|(database, part, key)| **entry == part_entry(&database.name, part, key))
    });
    shadowing.map(|(_, name)| name.to_owned()).collect()
}

/// The text of a variable in the manifest, where it refers to others.
fn written<'v>(container: &'v Value, variable: &Variable) -> Option<&'v str> {
    let text = container["env"][variable.index?]["value"].as_str()?;
    text.contains("$(").then_some(text)
}

/// The branch that `variable` means, what it becomes, and the options dropped on the way.
fn meaning<'d>(
    container: &Value,
    variable: &Variable,
    databases: &'d [Database],
) -> Option<(&'d Database, Rewritten, Vec<String>)> {
    let raw = variable.value.as_deref().unwrap_or_default().trim();
    let tidied = host::tidy(raw);
    // As it stands first: a quote at the end may be a value's own.
    let mut flavour = None;
    for text in std::iter::once(raw).chain((*tidied != *raw).then_some(&*tidied)) {
        let Some(connection) = Connection::parse(text) else {
            continue;
        };
        if let Some(database) = connection::meant(databases, &connection) {
            let written = written(container, variable);
            let (rewritten, dropped) = connection::rewrite(&connection, &database.name, written);
            return Some((database, rewritten, dropped));
        }
        flavour = flavour.or(Some(connection.flavour));
    }
    let Origin::Key(reference, key) = &variable.origin else {
        return None;
    };
    if reference.kind != Kind::Secret {
        return None;
    }
    let database = connection::marked(databases, &reference.name, key)?;
    Some((
        database,
        Rewritten::Key(split::key(&variable.name, flavour)),
        Vec::new(),
    ))
}

fn entry(variable: &str, database: &str, rewritten: &Rewritten) -> Value {
    match rewritten {
        Rewritten::Key(key) => reference(variable, database, key),
        Rewritten::Composed(text) => json!({ "name": variable, "value": text }),
        Rewritten::Empty => json!({ "name": variable, "value": "" }),
    }
}

fn part_entry(database: &str, part: &str, key: &str) -> Value {
    reference(&connection::variable(database, part), database, key)
}

fn reference(variable: &str, database: &str, key: &str) -> Value {
    json!({
        "name": variable,
        "valueFrom": { "secretKeyRef": { "name": keys::branch_secret(database), "key": key } }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{Data, Fact, Reference, Sources, resolve};

    struct Nothing;

    impl Sources for Nothing {
        fn data(&self, _: &Reference) -> Fact<&Data> {
            Fact::Absent
        }
    }

    fn databases() -> Vec<Database> {
        serde_json::from_value(json!([{
            "name": "app",
            "match": { "hosts": ["db.shop.svc.cluster.local"], "databases": ["shop"], "secrets": ["shop-db/url"] },
            "branch": { "postgres": {
                "adminSecret": { "namespace": "understudy-system", "name": "pg" },
                "template": "t", "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 }
            } }
        }]))
        .unwrap()
    }

    fn planned(container: &Value) -> EnvPlan {
        plan(container, &resolve(&json!({}), container, &Nothing), &databases())
    }

    #[test]
    fn a_composed_connection_brings_its_parts_along_once() {
        let mut container = json!({ "env": [
            { "name": "A", "value": "postgresql+psycopg2://u:p@db.shop/shop" },
            { "name": "B", "value": "postgresql+asyncpg://u:p@db.shop/shop" },
        ] });
        planned(&container).apply(&mut container);
        let env = container["env"].as_array().unwrap();
        assert_eq!(env.len(), 7);
        assert_eq!(env[0]["name"], "UNDERSTUDY_APP_USER");
        assert!(!container.to_string().contains("u:p@"));
        assert!(planned(&container).is_empty(), "a second pass changes nothing");
    }

    #[test]
    fn a_marked_key_is_rewritten_without_being_read() {
        let container = json!({ "env": [
            { "name": "URL", "valueFrom": { "secretKeyRef": { "name": "shop-db", "key": "url" } } }
        ] });
        let plan = planned(&container);
        assert_eq!(
            plan.replaced[0].1["valueFrom"]["secretKeyRef"]["name"],
            "understudy-db-app"
        );
    }

    #[test]
    fn a_connection_in_several_variables_is_rewritten_as_a_whole() {
        let mut container = json!({ "env": [
            { "name": "DB_HOST", "value": "db.shop" },
            { "name": "DB_USER", "value": "shop" },
            { "name": "DB_PASSWORD", "value": "hunter2" },
            { "name": "DB_NAME", "value": "shop" },
            { "name": "PGHOST", "value": "DB.shop.svc.cluster.local" },
            { "name": "PGUSER", "value": "shop" },
            { "name": "SPRING_DATASOURCE_URL", "value": "jdbc:postgresql://db.shop:5432/shop" },
            { "name": "SPRING_DATASOURCE_PASSWORD", "value": "hunter2" },
            { "name": "API_HOST", "value": "api" },
        ] });
        planned(&container).apply(&mut container);
        let env = container["env"].as_array().unwrap();
        let key = |name: &str| {
            let entry = env
                .iter()
                .find(|entry| entry["name"] == name)
                .unwrap_or_else(|| panic!("{name}: {env:?}"));
            entry["valueFrom"]["secretKeyRef"]["key"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        for (name, expected) in [
            ("DB_HOST", "host"),
            ("DB_PORT", "port"),
            ("DB_USER", "username"),
            ("DB_PASSWORD", "password"),
            ("DB_NAME", "dbname"),
            ("PGHOST", "host"),
            ("PGPORT", "port"),
            ("PGUSER", "username"),
            ("PGPASSWORD", "password"),
            ("PGDATABASE", "dbname"),
            ("SPRING_DATASOURCE_URL", "jdbc-uri"),
            ("SPRING_DATASOURCE_PASSWORD", "password"),
            ("API_HOST", ""),
        ] {
            assert_eq!(key(name), expected, "{name}");
        }
        assert!(!container.to_string().contains("hunter2"));
    }

    #[test]
    fn a_host_with_its_port_stays_one() {
        let mut container = json!({ "env": [
            { "name": "POSTGRES_HOST", "value": "db.shop:5432" }, { "name": "POSTGRES_DB", "value": "shop" },
        ] });
        planned(&container).apply(&mut container);
        let env = container["env"].as_array().unwrap();
        let host = env.iter().find(|entry| entry["name"] == "POSTGRES_HOST").unwrap();
        assert_eq!(host["value"], "$(UNDERSTUDY_APP_HOST):$(UNDERSTUDY_APP_PORT)");
        assert!(
            !env.iter().any(|entry| entry["name"] == "POSTGRES_PORT"),
            "{env:?}"
        );
        assert!(planned(&container).is_empty(), "a second pass changes nothing");
    }

    #[test]
    fn a_host_whose_database_is_not_meant_is_left_to_the_refusing_rule() {
        for env in [
            json!([{ "name": "DB_HOST", "value": "db.shop" }]),
            json!([{ "name": "DB_HOST", "value": "db.shop" }, { "name": "DB_NAME", "value": "ledger" }]),
        ] {
            assert!(planned(&json!({ "env": env })).is_empty(), "{env}");
        }
    }

    #[test]
    fn another_database_on_the_same_host_is_left_to_the_refusing_rule() {
        let container = json!({ "env": [{ "name": "A", "value": "postgres://u:p@db.shop/ledger" }] });
        assert!(planned(&container).is_empty());
    }
}

//! Passwords of data servers that are part of the golden.

use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(value))))
        .collect();
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": "Opaque", "data": data })
}

fn value(object: &DynamicObject, key: &str) -> String {
    let bytes = BASE64_STANDARD
        .decode(object.data["data"][key].as_str().unwrap())
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

fn workload(kind: &str, name: &str, image: &str, extra: Value) -> Value {
    let mut container = json!({ "name": name, "image": image });
    for (key, value) in extra.as_object().unwrap() {
        container[key] = value.clone();
    }
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": { "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } } } })
}

fn service(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": { "selector": { "app": name }, "ports": [{ "port": 1 }] } })
}

/// A bank: PostgreSQL with its password in a Secret, repeated in a URL of another Secret and in a ConfigMap; Redis with its
/// own as an argument.
fn bank() -> Vec<Value> {
    let password = json!([{ "name": "POSTGRES_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "accounts", "key": "password" } } },
        { "name": "POSTGRES_USER", "value": "accounts-admin" }]);
    vec![
        workload(
            "StatefulSet",
            "accounts-db",
            "docker.io/library/postgres:16",
            json!({ "env": password }),
        ),
        workload(
            "Deployment",
            "cache",
            "redis:7",
            json!({ "args": ["--requirepass", "cache-s3cret"] }),
        ),
        workload(
            "Deployment",
            "web",
            "web:1",
            json!({
                "envFrom": [{ "secretRef": { "name": "web-env" } }, { "configMapRef": { "name": "web-config" } }]
            }),
        ),
        service("accounts-db"),
        service("cache"),
        secret(
            "accounts",
            &[
                ("password", "accounts-pw"),
                ("username", "accounts-admin"),
                ("unused", "something else"),
            ],
        ),
        secret(
            "web-env",
            &[
                (
                    "ACCOUNTS_DB_URI",
                    "postgresql://accounts-admin:accounts-pw@accounts-db:5432/accounts",
                ),
                ("DB_HOST", "accounts-db"),
            ],
        ),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web-config" }, "data": {
            "CACHE_URL": "redis://:cache-s3cret@cache:6379/0", "redis.conf": "requirepass cache-s3cret\nmaxmemory 1mb\n"
        } }),
    ]
}

fn clone_of(objects: &[Value], seed: &str) -> Plan {
    let snapshot = Snapshot {
        objects: objects.iter().cloned().map(object).collect(),
        ..shop()
    };
    let spec = CloneSpec {
        images: Vec::new(),
        seed: Seed::new(seed.to_owned()),
        ..spec()
    };
    planned(&snapshot, &spec, &policy(json!({ "databases": [] }))).unwrap()
}

#[test]
fn a_password_of_the_environments_own_is_new_and_the_same_wherever_it_is_repeated() {
    let plan = clone_of(&bank(), "seed");
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert!(plan.uses_seed);
    let accounts = made(&plan, "Secret", "accounts");
    let password = value(accounts, "password");
    assert_eq!(
        (password.len(), value(accounts, "username")),
        (24, "accounts-admin".to_owned())
    );
    assert_eq!(accounts.data["data"]["unused"], Value::Null);
    let web = made(&plan, "Secret", "web-env");
    assert_eq!(
        value(web, "ACCOUNTS_DB_URI"),
        format!("postgresql://accounts-admin:{password}@accounts-db:5432/accounts")
    );
    assert_eq!(value(web, "DB_HOST"), "accounts-db");
    assert_eq!(item(&plan, "Secret", "web-env").verdict, Verdict::ReCreate);

    let cache = made(&plan, "Deployment", "cache").data["spec"]["template"]["spec"]["containers"][0]["args"]
        [1]
    .clone();
    let cache = cache.as_str().unwrap();
    assert_ne!(cache, password);
    let config = &made(&plan, "ConfigMap", "web-config").data["data"];
    assert_eq!(config["CACHE_URL"], format!("redis://:{cache}@cache:6379/0"));
    assert_eq!(
        config["redis.conf"],
        format!("requirepass {cache}\nmaxmemory 1mb\n")
    );

    let everything = format!(
        "{plan:?}{}",
        serde_json::to_string(&plan.wave(Wave::Config).collect::<Vec<_>>()).unwrap()
    );
    assert!(!everything.contains("accounts-pw") && !everything.contains("cache-s3cret"));
}

#[test]
fn the_same_seed_gives_the_same_passwords_and_another_seed_others() {
    let password = |seed: &str| value(made(&clone_of(&bank(), seed), "Secret", "accounts"), "password");
    assert_eq!(password("one"), password("one"));
    assert_ne!(password("one"), password("two"));
    // A password that changes in the golden changes nothing in a clone that exists.
    let mut changed = bank();
    changed[5] = secret(
        "accounts",
        &[("password", "another-pw"), ("username", "accounts-admin")],
    );
    changed[6] = secret(
        "web-env",
        &[
            (
                "ACCOUNTS_DB_URI",
                "postgresql://accounts-admin:another-pw@accounts-db:5432/accounts",
            ),
            ("DB_HOST", "accounts-db"),
        ],
    );
    assert_eq!(
        value(made(&clone_of(&changed, "one"), "Secret", "accounts"), "password"),
        password("one")
    );
}

#[test]
fn a_secret_that_holds_anything_else_in_use_is_refused_by_name() {
    let mut objects = bank();
    objects[6] = secret(
        "web-env",
        &[
            (
                "ACCOUNTS_DB_URI",
                "postgresql://u:accounts-pw@accounts-db/accounts",
            ),
            ("STRIPE", "sk_live_0123456789"),
        ],
    );
    let plan = clone_of(&objects, "seed");
    let refused: Vec<String> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Secret/web-env"]);
}

#[test]
fn a_password_that_also_opens_something_outside_is_not_the_environments_own() {
    let mut objects = bank();
    objects[7]["data"]["MAIL_URL"] = json!("smtp://mail:accounts-pw@mail.example.com");
    let plan = clone_of(&objects, "seed");
    let refused: Vec<String> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Secret/accounts", "Secret/web-env"]);
}

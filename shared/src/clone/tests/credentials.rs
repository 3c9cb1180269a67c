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

fn snapshot(objects: &[Value]) -> Snapshot {
    Snapshot {
        objects: objects.iter().cloned().map(object).collect(),
        ..shop()
    }
}

fn seeded(seed: &str) -> CloneSpec {
    CloneSpec {
        images: Vec::new(),
        seed: Seed::new(seed.to_owned()),
        ..spec()
    }
}

fn clone_of(objects: &[Value], seed: &str) -> Plan {
    planned(
        &snapshot(objects),
        &seeded(seed),
        &policy(json!({ "databases": [] })),
    )
    .unwrap()
}

/// The bank with a Secret for PostgreSQL and clients that read a ConfigMap; nothing else is secret.
fn bank_in_clear() -> Vec<Value> {
    let mut objects = bank();
    objects[2]["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{ "configMapRef": { "name": "web-config" } }]);
    objects[7]["data"]["ACCOUNTS_DB_URI"] =
        json!("postgresql://accounts-admin:accounts-pw@accounts-db:5432/accounts");
    objects[7]["data"]["accounts.properties"] =
        json!("url=jdbc:postgresql://accounts-db/accounts\npassword=accounts-pw\n");
    objects
}

/// The bank in clear, where Secret `name` is given.
fn given(objects: &[Value], name: &str, keys: &str) -> Plan {
    let spec = CloneSpec {
        secrets: [(name.to_owned(), GivenSecret::from_env_file(keys).unwrap())].into(),
        ..seeded("seed")
    };
    planned(&snapshot(objects), &spec, &policy(json!({ "databases": [] }))).unwrap()
}

/// What clients in clear have for a password; asserts that nothing of the golden's is left there.
fn repeated(plan: &Plan) -> String {
    let config = &made(plan, "ConfigMap", "web-config").data["data"];
    assert!(!config.to_string().contains("accounts-pw"), "{config}");
    let file = config["accounts.properties"].as_str().unwrap();
    let password = file.trim().rsplit("password=").next().unwrap().to_owned();
    let uri = config["ACCOUNTS_DB_URI"].as_str().unwrap();
    let written = uri.strip_prefix("postgresql://accounts-admin:").unwrap();
    let written = written.strip_suffix("@accounts-db:5432/accounts").unwrap();
    let decoded = percent_encoding::percent_decode_str(written)
        .decode_utf8()
        .unwrap();
    assert_eq!(decoded, password);
    password
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
    // It is copied where it stood in clear, and that is said.
    let [warning] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert!(warning.starts_with(
        "ConfigMap/web-config: data.MAIL_URL was copied with a password for mail.example.com, "
    ));
    assert!(!warning.contains("accounts-pw"));
}

#[test]
fn a_secret_that_is_copied_or_stands_in_manifests_has_the_new_password_too() {
    let listed = policy(json!({ "databases": [], "secrets": { "copy": ["accounts"] } }));
    let copied = planned(&snapshot(&bank_in_clear()), &seeded("seed"), &listed).unwrap();
    let of_manifests = Snapshot {
        from_manifests: true,
        ..snapshot(&bank_in_clear())
    };
    let of_manifests = planned(
        &of_manifests,
        &seeded("seed"),
        &policy(json!({ "databases": [] })),
    )
    .unwrap();
    for plan in [copied, of_manifests] {
        assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
        let accounts = made(&plan, "Secret", "accounts");
        assert_eq!(value(accounts, "password"), repeated(&plan));
        assert_eq!(value(accounts, "unused"), "something else");
        let item = item(&plan, "Secret", "accounts");
        assert_eq!(
            (item.verdict, item.reason.as_str()),
            (
                Verdict::Rewrite,
                "the environment's own passwords are new in password"
            )
        );
        assert_eq!(plan.warnings, Vec::<String>::new());
    }
}

#[test]
fn a_password_that_is_given_is_the_servers_and_the_same_wherever_it_is_repeated() {
    let plan = given(
        &bank_in_clear(),
        "accounts",
        "password=m/i ne\nusername=accounts-admin",
    );
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert_eq!(value(made(&plan, "Secret", "accounts"), "password"), "m/i ne");
    assert_eq!(repeated(&plan), "m/i ne");

    // Where the golden's Secret may not be read, a Service tells whose password a connection holds.
    let mut unreadable = bank_in_clear();
    unreadable.retain(|object| object["kind"] != "Secret");
    let plan = given(&unreadable, "accounts", "password=mine\nusername=accounts-admin");
    assert_eq!(repeated(&plan), "mine");

    // What a client is given decides as well.
    let uri =
        "ACCOUNTS_DB_URI=postgresql://accounts-admin:mine@accounts-db:5432/accounts\nDB_HOST=accounts-db";
    let plan = given(&bank(), "web-env", uri);
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert_eq!(value(made(&plan, "Secret", "accounts"), "password"), "mine");

    let spec = CloneSpec {
        variables: vec!["accounts-db:POSTGRES_PASSWORD=mine".parse().unwrap()],
        ..seeded("seed")
    };
    let plan = planned(
        &snapshot(&bank_in_clear()),
        &spec,
        &policy(json!({ "databases": [] })),
    )
    .unwrap();
    assert_eq!(repeated(&plan), "mine");
}

#[test]
fn a_password_that_is_given_and_opens_something_outside_too_is_pointed_out() {
    let mut objects = bank_in_clear();
    objects[7]["data"]["MAIL_URL"] = json!("smtp://mail:accounts-pw@mail.example.com");
    let plan = given(&objects, "accounts", "password=mine\nusername=accounts-admin");
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let config = &made(&plan, "ConfigMap", "web-config").data["data"];
    assert_eq!(config["MAIL_URL"], "smtp://mail:accounts-pw@mail.example.com");
    let told = |place: &str| {
        let place = format!("ConfigMap/web-config: data.{place} repeats a password that is given");
        plan.warnings.iter().any(|warning| warning.starts_with(&place))
    };
    assert!(
        told("ACCOUNTS_DB_URI") && told("accounts.properties"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_password_that_somebody_else_makes_is_pointed_out_where_it_is_repeated() {
    let mut objects = bank_in_clear();
    objects.push(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "accounts" }, "spec": {
        "secretStoreRef": { "name": "vault", "kind": "ClusterSecretStore" }, "target": { "name": "accounts" },
        "data": [{ "secretKey": "password", "remoteRef": { "key": "preview/accounts" } }] } }));
    let stores = json!({ "databases": [], "kinds": ["external-secrets.io/ExternalSecret"],
        "secrets": { "stores": ["vault"], "keyPrefixes": ["preview/"] } });
    let mut unread = objects.clone();
    unread.retain(|object| object["kind"] != "Secret");
    for objects in [objects, unread] {
        let plan = planned(&snapshot(&objects), &seeded("seed"), &policy(stores.clone())).unwrap();
        assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
        repeated(&plan);
        let told = |place: &str| {
            format!(
                "ConfigMap/web-config: data.{place} repeats a password that ExternalSecret accounts gives in Secret accounts: the two will not agree; give that Secret with --secret"
            )
        };
        assert_eq!(
            plan.warnings,
            ["ACCOUNTS_DB_URI", "accounts.properties"].map(told)
        );
    }
}

#[test]
fn a_password_that_is_a_name_too_leaves_names_alone() {
    let mut objects = bank_in_clear();
    let golden = serde_json::to_string(&objects).unwrap();
    let golden = golden
        .replace("accounts-pw", "postgres")
        .replace("accounts-admin", "postgres");
    objects = serde_json::from_str(&golden).unwrap();
    objects[5] = secret("accounts", &[("password", "postgres"), ("username", "postgres")]);
    objects[7]["data"]["DIALECT"] = json!("postgres");
    let plan = clone_of(&objects, "seed");
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let accounts = made(&plan, "Secret", "accounts");
    let password = value(accounts, "password");
    assert_eq!(
        (password.len(), value(accounts, "username").as_str()),
        (24, "postgres")
    );
    let config = &made(&plan, "ConfigMap", "web-config").data["data"];
    assert_eq!(
        config["ACCOUNTS_DB_URI"],
        format!("postgresql://postgres:{password}@accounts-db:5432/accounts")
    );
    assert_eq!(config["DIALECT"], "postgres");
    let server = &made(&plan, "StatefulSet", "accounts-db").data["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(server["image"], "docker.io/library/postgres:16");
    assert_eq!(server["env"][1]["value"], "postgres");
}

#[test]
fn a_short_password_is_renewed_in_files_or_pointed_out() {
    let mut objects = bank_in_clear();
    objects[5] = secret(
        "accounts",
        &[("password", "s3cret"), ("username", "accounts-admin")],
    );
    objects[7]["data"] = json!({
        "application.properties": "spring.datasource.password=s3cret\n", "JDBC": "jdbc:postgresql://accounts-db/x?password=s3cret",
        "notes.txt": "log in with s3cret",
    });
    let plan = clone_of(&objects, "seed");
    let password = value(made(&plan, "Secret", "accounts"), "password");
    let config = &made(&plan, "ConfigMap", "web-config").data["data"];
    assert_eq!(
        config["application.properties"],
        format!("spring.datasource.password={password}\n")
    );
    assert_eq!(
        config["JDBC"],
        format!("jdbc:postgresql://accounts-db/x?password={password}")
    );
    assert_eq!(config["notes.txt"], "log in with s3cret");
    let [warning] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert!(
        warning.starts_with("ConfigMap/web-config: data.notes.txt holds a word that is a password"),
        "{warning}"
    );
    assert!(!warning.contains("s3cret"));
}

#[test]
fn what_is_copied_with_a_password_for_a_server_outside_is_pointed_out_by_its_path() {
    // D03, F06
    let config = json!({
        "MYSQL": "mysql://app:hunter2@prod.abc.rds.amazonaws.com/shop",
        "JDBC": "jdbc:mysql://prod.example.com:3306/shop?user=app&password=hunter2",
        "MONGO": "mongodb+srv://app:hunter2@cluster.example.mongodb.net/shop",
        "EVENTS": "amqp://app:hunter2@mq:5672",
        "db.ini": "[db]\nhost = prod-pg.example.com\nuser = app\npassword = hunter2\n",
        "MAIL_HOST": "smtp.example.com", "MAIL_PASSWORD": "hunter2",
        // None of these leaves.
        "REDIS": "redis://:hunter2@cache:6379", "OWN": "https://app:hunter2@bank.example.com/x", "NONE": "amqp://app:hunter2@nobody",
        "LOCAL": "postgres://app:hunter2@127.0.0.1/x", "SET": "amqps://app:$(PASSWORD)@mq.example.com", "CACHE_HOST": "cache", "CACHE_PASSWORD": "x1",
    });
    let web = json!({ "args": ["--broker", "amqps://app:hunter2@b-1.mq.example.com:5671"], "env": [
        { "name": "PROXY", "value": "http://app:hunter2@proxy.example.com:3128" }, { "name": "FEED", "value": "ftp://app:hunter2@feed.example.com" }] });
    let objects = [
        workload("Deployment", "web", "web:1", web),
        workload("Deployment", "cache", "redis:7", json!({})),
        service("cache"),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "mq" }, "spec": { "type": "ExternalName", "externalName": "b-1.mq.example.com" } }),
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" }, "spec": { "rules": [{ "host": "bank.example.com",
            "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "cache", "port": { "number": 1 } } } }] } }] } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "config" }, "data": config }),
    ];
    let spec = CloneSpec {
        variables: vec!["web:FEED=ftp://app:hunter2@sandbox.example.com".parse().unwrap()],
        ..seeded("seed")
    };
    let plan = planned(&snapshot(&objects), &spec, &policy(json!({ "databases": [] }))).unwrap();
    let told: Vec<&str> = plan
        .warnings
        .iter()
        .map(|warning| warning.split(", which is no part of the clone; ").next().unwrap())
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    ConfigMap/config: data.EVENTS was copied with a password for mq
    ConfigMap/config: data.JDBC was copied with a password for prod.example.com
    ConfigMap/config: data.MAIL_PASSWORD was copied with a password for smtp.example.com
    ConfigMap/config: data.MONGO was copied with a password for cluster.example.mongodb.net
    ConfigMap/config: data.MYSQL was copied with a password for prod.abc.rds.amazonaws.com
    ConfigMap/config: data.db.ini, line 4 was copied with a password for prod-pg.example.com
    Deployment/web: spec.template.spec.containers[0].args[1] was copied with a password for b-1.mq.example.com
    Deployment/web: spec.template.spec.containers[0].env[0].value was copied with a password for proxy.example.com
    ");
    assert!(!plan.warnings.join("").contains("hunter2"));
}

#[test]
fn a_secret_of_manifests_with_a_password_for_a_server_outside_is_pointed_out_without_the_server() {
    let plan = |uri: &str, more: Value| {
        let mut objects = bank();
        objects[6] = secret("web-env", &[("URI", uri)]);
        let of_manifests = Snapshot {
            from_manifests: true,
            ..snapshot(&objects)
        };
        planned(&of_manifests, &seeded("seed"), &policy(more)).unwrap()
    };
    let (uri, none) = ("mysql://u:hunter2@prod.example.com/x", json!({ "databases": [] }));
    let pointed_out = plan(uri, none.clone());
    let [warning] = pointed_out.warnings.as_slice() else {
        panic!("{:?}", pointed_out.warnings)
    };
    assert!(
        warning.starts_with("Secret/web-env: data.URI was copied with a password for a server, "),
        "{warning}"
    );
    // The policy's author has judged what is listed.
    let listed = json!({ "databases": [], "secrets": { "copy": ["web-env"] } });
    assert_eq!(plan(uri, listed).warnings, Vec::<String>::new());
    // A golden's data could be written.
    let refused = plan("postgres://u:hunter2@prod.example.com/x", none);
    let refused: Vec<String> = refused.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Deployment/web"]);
}

#[test]
fn a_password_that_a_server_reads_from_a_file_is_the_environments_own() {
    for image in ["docker.io/library/postgres:16", "docker.io/bitnami/postgresql:16"] {
        let mut db = workload(
            "StatefulSet",
            "accounts-db",
            image,
            json!({
            "env": [{ "name": "POSTGRES_PASSWORD_FILE", "value": "/run/secrets/accounts/password" }],
            "volumeMounts": [{ "name": "accounts", "mountPath": "/run/secrets/accounts" }] }),
        );
        db["spec"]["template"]["spec"]["volumes"] =
            json!([{ "name": "accounts", "secret": { "secretName": "accounts" } }]);
        let web = json!({ "envFrom": [{ "configMapRef": { "name": "web-config" } }] });
        let plan = clone_of(
            &[
                db,
                workload("Deployment", "web", "web:1", web),
                service("accounts-db"),
                secret("accounts", &[("password", "accounts-pw")]),
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web-config" },
                    "data": { "accounts.properties": "password=accounts-pw\n" } }),
            ],
            "seed",
        );
        let password = value(made(&plan, "Secret", "accounts"), "password");
        assert_eq!(password.len(), 24, "{image}");
        let config = &made(&plan, "ConfigMap", "web-config").data["data"];
        assert_eq!(config["accounts.properties"], format!("password={password}\n"));
    }
}

//! What holds for every object: patches apply and do what they say, mutation settles, what was let in passes again.

use super::*;
use crate::connection::{Connection, Rewritten, rewrite};

/// Values that are connections of all flavours, near misses and plain text.
fn value() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "db\\.shop",
        "DB\\.shop\\.svc\\.cluster\\.local",
        "db",
        "other\\.example",
        "db\\.shop,db2\\.shop"
    ];
    let options = prop_oneof![
        "",
        "\\?sslmode=require",
        "\\?application_name=a%20b&token=x",
        "\\?user=u&password=p"
    ];
    prop_oneof![
        (host.clone(), options)
            .prop_map(|(host, options)| format!("postgres://u:p@{host}:5432/shop{options}")),
        host.clone()
            .prop_map(|host| format!("jdbc:postgresql://{host}/shop?user=u&password=p")),
        host.clone()
            .prop_map(|host| format!("host={host} dbname=shop password='a b'")),
        host.clone()
            .prop_map(|host| format!("r2dbc:postgresql://u:p@{host}/shop")),
        host,
        Just("shop".to_owned()),
        "[ -~]{0,16}",
    ]
}

fn variable() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("DATABASE_URL"),
        Just("DB_HOST"),
        Just("DB_NAME"),
        Just("DB_PASSWORD"),
        Just("PGHOST"),
        Just("PGUSER"),
        Just("PGDATABASE"),
        Just("SPRING_DATASOURCE_URL"),
        Just("SPRING_DATASOURCE_USERNAME"),
        Just("SMTP_HOST"),
        Just("A"),
    ];
    prop_oneof![
        4 => (name.clone(), value()).prop_map(|(name, value)| json!({ "name": name, "value": value })),
        1 => name.prop_map(|name| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "shop-db", "key": "url" } } })),
    ]
}

/// A container with its parts absent, null, empty or filled.
fn container() -> impl Strategy<Value = Value> {
    let env = prop_oneof![
        1 => Just(None), 1 => Just(Some(Value::Null)), 1 => Just(Some(json!([]))),
        5 => prop::collection::vec(variable(), 1..5).prop_map(|all| Some(json!(all))),
    ];
    (env, any::<bool>()).prop_map(|(env, from)| {
        let mut container = json!({ "name": "main" });
        if let Some(env) = env {
            container["env"] = env;
        }
        if from {
            container["envFrom"] = json!([{ "configMapRef": { "name": "worker" } }]);
        }
        container
    })
}

fn any_pod() -> impl Strategy<Value = Request> {
    // A13, A14
    let map = || {
        prop_oneof![
            Just(None),
            Just(Some(Value::Null)),
            Just(Some(json!({}))),
            Just(Some(json!({ "a/b~c": "x" })))
        ]
    };
    let list = |least| prop::collection::vec(container(), least..3);
    (map(), map(), list(0), list(0)).prop_map(|(labels, annotations, containers, init)| {
        let mut request = pod(json!({ "name": "main" }));
        request.object["spec"]["containers"] = json!(containers);
        request.object["spec"]["initContainers"] = json!(init);
        for (key, map) in [("labels", labels), ("annotations", annotations)] {
            if let Some(map) = map {
                request.object["metadata"][key] = map;
            }
        }
        request
    })
}

/// Facts in which Pods are held, placed and quarantined as well.
fn busy() -> Facts {
    let mut facts = facts();
    let policies = Arc::make_mut(&mut facts.policies);
    let policy = policies.get_mut("default").unwrap();
    policy.placement.node_selector = [("example.com/pool".to_owned(), "previews".to_owned())].into();
    policy.quarantine.env = [("SMTP_HOST".to_owned(), "sink".to_owned())].into();
    facts.preview.as_mut().unwrap().sealed = None;
    facts
}

/// Where a patch may lead: to what the rules of Pods are about, and nowhere else.
fn is_ours(path: &str) -> bool {
    let environment = path.contains("/env") || path.ends_with("/resources");
    let spec = [
        "/spec/schedulingGates",
        "/spec/nodeSelector",
        "/spec/tolerations",
        "/spec/priorityClassName",
    ];
    environment || spec.iter().any(|ours| path.starts_with(ours)) || path.starts_with("/metadata/annotations")
}

/// What the rules give a container in place of a variable, or in front of all.
fn is_given(entry: &Value) -> bool {
    let value = entry["value"].as_str().unwrap_or_default();
    entry["valueFrom"]["secretKeyRef"]["name"] == "understudy-db-app"
        || value.contains("$(UNDERSTUDY_APP_")
        || *entry == json!({ "name": "SMTP_HOST", "value": "sink" })
}

/// Whether a rule may have a say in this variable: by its name, or by what it means.
fn is_of_interest(entry: &Value) -> bool {
    let value = entry["value"].as_str().map(str::to_lowercase);
    entry["name"] != "A" || value.is_none_or(|value| value.contains("db.shop") || value.contains("$("))
}

/// Puts `env` back to what it was in `came`, one entry after the other, and fails where more was done than is meant.
fn take_back_variables(container: &mut Value, came: &Value) -> Result<(), TestCaseError> {
    let before = came["env"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    prop_assert!(env.len() >= before.len(), "an entry is gone: {:?}", env);
    // What is new stands in front, and the others follow in their order.
    let new = env.len() - before.len();
    let added: Vec<Value> = env.drain(..new).collect();
    prop_assert!(added.iter().all(is_given), "nobody meant {:?}", added);
    for (entry, before) in env.iter_mut().zip(before) {
        if entry == before {
            continue;
        }
        prop_assert_eq!(&entry["name"], &before["name"]);
        prop_assert!(
            is_given(entry) && is_of_interest(before),
            "{} was {}",
            entry,
            before
        );
        entry.clone_from(before);
    }
    take_back_emptied(container, came, "env");
    Ok(())
}

/// A map or list that holds nothing any more, and was made only to hold what was put in, is gone again.
fn take_back_emptied(of: &mut Value, came: &Value, field: &str) {
    if of[field] != json!({}) && of[field] != json!([]) {
        return;
    }
    match came.get(field) {
        Some(Value::Null) => of[field] = Value::Null,
        Some(_) => {}
        None => drop(of.as_object_mut().unwrap().remove(field)),
    }
}

/// `object` without what the rules mean to give the Pod that `came`.
fn taken_back(mut object: Value, came: &Value) -> Result<Value, TestCaseError> {
    let metadata = &mut object["metadata"];
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(keys::REVIEWED);
    }
    take_back_emptied(metadata, &came["metadata"], "annotations");
    let spec = &mut object["spec"];
    if let Some(gates) = spec.get_mut("schedulingGates").and_then(Value::as_array_mut) {
        gates.retain(|gate| gate["name"] != keys::GATE_GUARDRAILS && gate["name"] != keys::GATE_DATABASE);
    }
    if let Some(selector) = spec.get_mut("nodeSelector").and_then(Value::as_object_mut) {
        selector.remove("example.com/pool");
    }
    for field in ["schedulingGates", "nodeSelector"] {
        take_back_emptied(spec, &came["spec"], field);
    }
    for list in ["containers", "initContainers"] {
        let containers = spec[list].as_array_mut().into_iter().flatten();
        for (index, container) in containers.enumerate() {
            // None comes with any.
            container.as_object_mut().unwrap().remove("resources");
            take_back_variables(container, &came["spec"][list][index])?;
        }
    }
    Ok(object)
}

proptest! {
    #[test]
    fn every_patch_applies_means_what_it_says_and_settles(request in any_pod()) {
        for facts in [facts(), busy()] {
            let decision = review(&request, &facts);
            let Decision::Patch { operations, .. } = &decision else { continue };
            for operation in operations {
                prop_assert!(is_ours(operation.path().as_str()), "{}", operation.path());
            }
            let object = applied(&request, &decision);
            let again = Request { object: object.clone(), ..request.clone() };
            prop_assert!(matches!(validate(&again, &facts), Decision::Allow { .. }), "{:?}\n{}", validate(&again, &facts), object);
            let rest = taken_back(object, &request.object)?;
            prop_assert_eq!(&rest, &request.object, "more was touched than is meant");
        }
    }

    #[test]
    fn a_rewritten_connection_differs_in_identity_only(value in value()) {
        let Some(connection) = Connection::parse(&value) else { return Ok(()) };
        let (Rewritten::Composed(text), dropped) = rewrite(&connection, "app", None) else { return Ok(()) };
        prop_assert!(!text.contains("u:p@") && !text.contains("a b'"), "identity is left in {}", text);
        let branch = text
            .replace("$(UNDERSTUDY_APP_USER)", "branch").replace("$(UNDERSTUDY_APP_PASSWORD)", "secret")
            .replace("$(UNDERSTUDY_APP_HOST)", "server").replace("$(UNDERSTUDY_APP_PORT)", "5432")
            .replace("$(UNDERSTUDY_APP_DBNAME)", "copy").replace("$$", "$");
        let rewritten = Connection::parse(&branch);
        prop_assert!(rewritten.is_some(), "{} is no connection", branch);
        let rewritten = rewritten.unwrap();
        prop_assert_eq!(rewritten.flavour, connection.flavour);
        prop_assert_eq!(rewritten.database(), Some("copy".to_owned()));
        prop_assert!(rewritten.hosts().iter().all(|host| host.name == "server"));
        let identity = ["user", "password", "host", "port", "dbname"];
        let kept = |connection: &Connection<'_>| {
            let options = connection.options().map(|(key, value)| (key.to_owned(), value.to_owned()));
            options.filter(|(key, _)| !identity.contains(&key.as_str()) && !dropped.contains(key)).collect::<Vec<_>>()
        };
        prop_assert_eq!(kept(&rewritten), kept(&connection));
    }
}

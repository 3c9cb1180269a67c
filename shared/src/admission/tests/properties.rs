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
            // Everything that no operation names is as it came.
            let mut back = object;
            for key in ["schedulingGates", "nodeSelector", "tolerations"] {
                back["spec"].as_object_mut().unwrap().remove(key);
            }
            for list in ["containers", "initContainers"] {
                for (index, container) in back["spec"][list].as_array_mut().into_iter().flatten().enumerate() {
                    for key in ["env", "resources"] {
                        container.as_object_mut().unwrap().remove(key);
                    }
                    let mut before = request.object["spec"][list][index].clone();
                    before.as_object_mut().unwrap().remove("env");
                    prop_assert_eq!(&*container, &before);
                }
            }
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

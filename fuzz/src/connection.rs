//! Connection strings: read without a crash; pointed at a branch, one stays what it is in all but identity.

use crate::{SECRET, lines};
use std::collections::BTreeMap;
use understudy::connection::{Connection, Flavour, PARTS, Rewritten, rewrite, unbranchable, variable};
use understudy::environment::{VALUE_LIMIT, expand};

/// What a branch's Secret may hold: admission and the provider write nothing else into it.
const BRANCH: [(&str, &str); 5] = [
    ("USER", "branch"),
    ("PASSWORD", "secret"),
    ("HOST", "server"),
    ("PORT", "5432"),
    ("DBNAME", "copy"),
];
const IDENTITY: [&str; 5] = ["user", "password", "host", "port", "dbname"];

/// One connection string.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    one(text);
    // The same with a secret in every place of a password.
    let [user, hosts, path, query] = lines::<4>(text);
    for scheme in [
        "postgres://",
        "postgresql+psycopg2://",
        "jdbc:postgresql://",
        "r2dbc:postgresql://",
    ] {
        let identity = |known: bool| {
            format!(
                "{scheme}{user}:{SECRET}@{hosts}/{path}?{query}{}",
                if known { "&" } else { "" }
            )
        };
        one(&identity(false));
        if !user.contains(['/', '?', '#']) {
            hidden(&format!("{}password={SECRET}", identity(true)));
        }
    }
    if !text.contains(['\'', '\\']) {
        one(&format!("host='{hosts}' {query} password='{SECRET}' user={user}"));
    }
    if !(user.contains(['/', '?', '#']) || hosts.contains(['@', '/', '?', '#'])) {
        hidden(&format!(
            "postgresql+asyncpg://{user}:{SECRET}@{hosts}/{path}?application_name=web"
        ));
    }
    hidden(&format!("host=db.shop password={SECRET} dbname=shop"));
}

fn one(text: &str) {
    let _ = unbranchable(text);
    let Some(connection) = Connection::parse(text) else {
        return;
    };
    let (_, _, _) = (
        connection.hosts(),
        connection.database(),
        connection.has_password(),
    );
    let (rewritten, dropped) = rewrite(&connection, "app", None);
    let Rewritten::Composed(composed) = rewritten else {
        return;
    };
    let values = BRANCH.map(|(part, value)| (variable("app", part), value.to_owned()));
    let values: BTreeMap<String, String> = values.into();
    let Some(branch) = expand(
        &composed,
        |name| values.get(name).map(String::as_str),
        VALUE_LIMIT,
    ) else {
        return;
    };
    let Some(read) = Connection::parse(&branch) else {
        panic!("{text:?} became {composed:?}, which is no connection")
    };
    assert_eq!(read.flavour, connection.flavour, "{text:?} became {composed:?}");
    assert_eq!(
        read.database().as_deref(),
        Some("copy"),
        "{text:?} became {composed:?}"
    );
    assert!(!read.hosts().is_empty(), "{text:?} became {composed:?}");
    assert!(
        read.hosts().iter().all(|host| host.name == "server"),
        "{text:?} became {composed:?}"
    );
    assert_eq!(
        kept(&read, &dropped),
        kept(&connection, &dropped),
        "{text:?} became {composed:?}"
    );
    if connection.flavour != Flavour::Keywords {
        assert!(
            composed.contains(&format!("$({})", variable("app", PARTS[1].0))),
            "{composed:?}"
        );
    }
    // A second look finds nothing that it would put elsewhere.
    let (again, more) = rewrite(&read, "app", None);
    assert!(
        more.is_empty(),
        "{text:?} became {composed:?}, of which {more:?} would be dropped"
    );
    if let (Rewritten::Composed(again), Flavour::Plain | Flavour::Driver) = (again, connection.flavour) {
        assert_eq!(again, composed, "{text:?}");
    }
}

/// What is neither identity nor dropped.
fn kept(connection: &Connection<'_>, dropped: &[String]) -> Vec<(String, String)> {
    let options = connection
        .options()
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let identity = |key: &str| IDENTITY.contains(&key.to_ascii_lowercase().as_str());
    options
        .filter(|(key, _)| !identity(key) && !dropped.contains(key))
        .filter(|(key, _)| harmless(key))
        .collect()
}

/// Among what a text may hold, only these are kept, so only these are compared.
fn harmless(key: &str) -> bool {
    ["sslmode", "application_name", "connect_timeout", "currentschema"]
        .contains(&key.to_ascii_lowercase().as_str())
}

/// A secret where a password stands is gone afterwards, and never printed.
fn hidden(text: &str) {
    one(text);
    if text.matches(SECRET).count() > 2 {
        return;
    }
    let Some(connection) = Connection::parse(text) else {
        return;
    };
    let wherever = text
        .split(['&', '?', ' '])
        .any(|part| part.contains(SECRET) && harmless(part.split('=').next().unwrap_or_default()));
    if let (Rewritten::Composed(composed), _) = rewrite(&connection, "app", None) {
        assert!(
            wherever || !composed.contains(SECRET),
            "{text:?} became {composed:?}"
        );
    }
    // What stands after a `#` belongs to nothing.
    assert!(text.contains('#') || connection.has_password(), "{text:?}");
}

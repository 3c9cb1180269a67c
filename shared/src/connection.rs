//! Connection strings: read without losing a byte, compared by what they mean, pointed elsewhere.
//!
//! Understood: `postgres://`, `postgresql://`, `postgis://`, SQLAlchemy's `postgresql+driver://`, `jdbc:postgresql:`,
//! `r2dbc:postgresql://` and libpq's keyword strings; [`split`] knows connections that stand in several variables.
//! No crate edits connection strings (`url` takes neither several hosts nor `jdbc:`), hence this parser. It keeps ranges
//! of the original text, so that what is not identity survives byte for byte.

mod keywords;
mod parse;
mod rewrite;
pub mod split;

pub use parse::{Connection, Flavour, Host};
pub(crate) use rewrite::PREFIX;
pub use rewrite::{PARTS, Rewritten, rewrite, variable};

use crate::host;
use crate::policy::{Database, Match};

impl Match {
    /// Whether a connection to `hosts` and `database` means this one.
    pub fn means(&self, connection: &Connection<'_>) -> bool {
        connection.hosts().iter().any(|host| self.means_host(&host.name))
            && self.means_database(|| connection.database())
    }

    fn means_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| host::matches(pattern, host))
    }

    fn means_database(&self, name: impl FnOnce() -> Option<String>) -> bool {
        self.databases.is_empty() || name().is_some_and(|name| self.databases.contains(&name))
    }
}

/// Schemes of connections that no provider can branch, with what people call them.
const UNBRANCHABLE: &[(&str, &str)] = &[
    ("mysql", "MySQL"),
    ("mysqlx", "MySQL"),
    ("mariadb", "MariaDB"),
    ("redis", "Redis"),
    ("rediss", "Redis"),
    ("valkey", "Valkey"),
    ("mongodb", "MongoDB"),
    ("mongodb+srv", "MongoDB"),
    ("amqp", "AMQP"),
    ("amqps", "AMQP"),
    ("nats", "NATS"),
    ("kafka", "Kafka"),
    ("sqlserver", "SQL Server"),
    ("mssql", "SQL Server"),
    ("oracle", "Oracle"),
    ("clickhouse", "ClickHouse"),
    ("cassandra", "Cassandra"),
    ("elasticsearch", "Elasticsearch"),
    ("memcached", "Memcached"),
];

/// What kind of connection `text` is, where it is one that no provider can branch.
pub fn unbranchable(text: &str) -> Option<&'static str> {
    let (scheme, _) = text.split_once("//")?;
    let scheme = scheme.strip_suffix(':')?.to_ascii_lowercase();
    let scheme = scheme.strip_prefix("jdbc:").unwrap_or(&scheme);
    let base = scheme.split('+').next().unwrap_or_default();
    let known = |name: &str| {
        UNBRANCHABLE
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    };
    known(scheme).or_else(|| known(base))
}

/// The policy database that `connection` means.
pub fn meant<'p>(databases: &'p [Database], connection: &Connection<'_>) -> Option<&'p Database> {
    databases
        .iter()
        .find(|database| database.matches.means(connection))
}

/// The policy database that key `key` of Secret `secret` is marked for, without reading it.
pub fn marked<'p>(databases: &'p [Database], secret: &str, key: &str) -> Option<&'p Database> {
    let mark = format!("{secret}/{key}");
    databases
        .iter()
        .find(|database| database.matches.secrets.contains(&mark))
}

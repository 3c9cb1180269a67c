//! Connection strings: read without losing a byte, compared by what they mean, pointed elsewhere.
//!
//! Understood: `postgres://`, `postgresql://`, `postgis://`, SQLAlchemy's `postgresql+driver://` and `jdbc:postgresql://`.
//! No crate edits connection strings (`url` takes neither several hosts nor `jdbc:`), hence this parser. It keeps ranges
//! of the original text, so that what is not identity survives byte for byte.

mod parse;
mod rewrite;

pub use parse::{Connection, Flavour, Host};
pub use rewrite::{PARTS, Rewritten, rewrite, variable};

use crate::host;
use crate::policy::{Database, Match};

impl Match {
    /// Whether a connection to `hosts` and `database` means this one.
    pub fn means(&self, connection: &Connection<'_>) -> bool {
        let host_meant = |host: &Host| {
            self.hosts
                .iter()
                .any(|pattern| host::matches(pattern, &host.name))
        };
        let named = |name: &str| self.databases.iter().any(|known| known == name);
        connection.hosts().iter().any(host_meant)
            && (self.databases.is_empty() || connection.database().is_some_and(|name| named(&name)))
    }
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

//! Connections inside longer texts: configuration files, arguments, JSON.
//!
//! A whole value that is a connection is planned onto a branch. One inside a file cannot be: it would need a password in
//! clear. So it is refused, and nobody finds the golden's password in a clone.

use super::golden::GoldenData;
use crate::connection::{self, Connection};
use crate::policy::Database;

/// Where a connection may begin; the longer word first.
const BEGINNINGS: [&str; 3] = ["jdbc:postgresql:", "postgres", "postgis"];

/// Why `text`, which is no connection as a whole, must not stand in a clone; completes "it …".
pub(super) fn leak(text: &str, golden: &GoldenData, databases: &[Database]) -> Option<String> {
    connections(text).find_map(|connection| {
        if let Some(database) = connection::meant(databases, &connection) {
            return Some(format!("holds a connection to golden database {}", database.name));
        }
        let host = connection
            .hosts()
            .into_iter()
            .find(|host| !golden.is_inside(&host.name))?;
        let password = connection.has_password();
        password.then(|| {
            format!(
                "holds a password of the database server {}, which is no part of the clone",
                host.name
            )
        })
    })
}

fn connections(text: &str) -> impl Iterator<Item = Connection<'_>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ';');
    text.split(ends).filter_map(|piece| {
        let lower = piece.to_ascii_lowercase();
        let at = BEGINNINGS.iter().find_map(|beginning| lower.find(beginning))?;
        Connection::parse(&piece[at..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_found_where_programs_write_them() {
        let hosts = |text: &str| -> Vec<String> {
            connections(text)
                .flat_map(|connection| connection.hosts())
                .map(|host| host.name)
                .collect()
        };
        for text in [
            "url: postgres://u:p@db.shop:5432/shop\n",
            "{\"dsn\":\"postgresql+psycopg2://u:p@db.shop/shop\"}",
            "--dsn=jdbc:postgresql://db.shop/shop?user=u&password=p",
            "spring.datasource.url=JDBC:postgresql://db.shop/shop",
        ] {
            assert_eq!(hosts(text), ["db.shop"], "{text}");
        }
        assert!(hosts("postgres is a database; see https://www.postgresql.org/docs").is_empty());
    }
}

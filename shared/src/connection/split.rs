//! Connections that stand in several variables: `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD`, `DB_NAME` and their
//! families.
//!
//! A family is what the names have in common before their last word: `DB_`, `DATABASE_`, `POSTGRES_`, `PG`, `APP_DB_`,
//! `SPRING_DATASOURCE_`. Its host decides what it means; where it has a URL instead, user and password belong to that.
//! Sources: <https://www.postgresql.org/docs/current/libpq-envars.html>, the images of PostgreSQL, Rails, Laravel, Spring Boot.

use super::parse::split_host;
use super::{Connection, Flavour, Rewritten};
use crate::environment::Variable;
use crate::host;
use crate::policy::Database;
use std::collections::BTreeMap;

/// What one variable of a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A host, or several.
    Host,
    /// A port.
    Port,
    /// The role's name.
    User,
    /// Its password.
    Password,
    /// The database's name.
    Name,
    /// A whole connection string.
    Url,
}

impl Part {
    /// The key of the branch Secret that holds it.
    pub fn key(self) -> &'static str {
        match self {
            Part::Host => "host",
            Part::Port => "port",
            Part::User => "username",
            Part::Password => "password",
            Part::Name => "dbname",
            Part::Url => "uri",
        }
    }
}

/// Last words of names, the longer ones first.
const WORDS: &[(&str, Part)] = &[
    ("JDBC_URL", Part::Url),
    ("URL", Part::Url),
    ("URI", Part::Url),
    ("DSN", Part::Url),
    ("HOSTNAME", Part::Host),
    ("HOSTADDR", Part::Host),
    ("HOST", Part::Host),
    ("SERVER", Part::Host),
    ("ADDRESS", Part::Host),
    ("ADDR", Part::Host),
    ("PORT", Part::Port),
    ("USERNAME", Part::User),
    ("USER", Part::User),
    ("LOGIN", Part::User),
    ("PASSWORD", Part::Password),
    ("PASSWD", Part::Password),
    ("PASS", Part::Password),
    ("PWD", Part::Password),
    ("DATABASE_NAME", Part::Name),
    ("DB_NAME", Part::Name),
    ("DBNAME", Part::Name),
    ("DATABASE", Part::Name),
    ("NAME", Part::Name),
    ("DB", Part::Name),
];

/// The families a variable may belong to, in capitals, and its part in each: `APP_DB_NAME` may be the name of `APP_DB_` and
/// of `APP_`.
pub fn parts(name: &str) -> impl Iterator<Item = (String, Part)> {
    let is_last = |word: &str| {
        let mut letters = name.bytes().rev().map(capital);
        word.bytes().rev().all(|letter| letters.next() == Some(letter))
    };
    let words = WORDS.iter().filter(move |(word, _)| is_last(word));
    words.filter_map(move |(word, part)| {
        let family = name[..name.len() - word.len()]
            .to_ascii_uppercase()
            .replace(['.', '-'], "_");
        let joined = family.ends_with('_') && family.len() > 1;
        (joined || family == "PG").then_some((family, *part))
    })
}

/// Whether the variable `name` may belong to `family`.
pub fn begins(name: &str, family: &str) -> bool {
    let mut letters = name.bytes().map(capital);
    family
        .bytes()
        .all(|letter| letters.next() == Some(capital(letter)))
}

/// As it counts in a name: properties are `spring.datasource.url` where variables are `SPRING_DATASOURCE_URL`.
fn capital(byte: u8) -> u8 {
    match byte {
        b'.' | b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// What the families of an environment mean: for each variable (by its place among `variables`) the database and what it
/// becomes, and the variables that have to be added: name, database and key of the branch Secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meant<'d> {
    /// What becomes of variables.
    pub becomes: BTreeMap<usize, (&'d Database, Rewritten)>,
    /// What a driver would otherwise take from a default.
    pub added: Vec<(String, &'d Database, &'static str)>,
}

/// Finds the families among `variables` that mean one of `databases`.
pub fn meant<'d>(variables: &[&Variable], databases: &'d [Database]) -> Meant<'d> {
    let mut families: BTreeMap<String, BTreeMap<Part, Vec<usize>>> = BTreeMap::new();
    for (at, variable) in variables.iter().enumerate() {
        for (family, part) in parts(&variable.name) {
            families
                .entry(family)
                .or_default()
                .entry(part)
                .or_default()
                .push(at);
        }
    }
    let mut meant = Meant::default();
    for (family, parts) in &families {
        let value = |part: Part| {
            let all = parts.get(&part).into_iter().flatten();
            all.filter_map(|at| variables[*at].value.as_deref())
                .find(|value| !value.is_empty())
        };
        let Some(database) = database(family, databases, value) else {
            continue;
        };
        for (part, all) in parts.iter().filter(|(part, _)| **part != Part::Url) {
            for at in all {
                let rewritten = becomes(*part, variables[*at], database);
                meant.becomes.insert(*at, (database, rewritten));
            }
        }
        if value(Part::Host).is_some() {
            add(&mut meant, family, database, parts, variables);
        }
    }
    meant
}

/// The database that a family means, by its host and name, or by its URL.
fn database<'d, 'v>(
    family: &str,
    databases: &'d [Database],
    value: impl Fn(Part) -> Option<&'v str>,
) -> Option<&'d Database> {
    if let Some(hosts) = value(Part::Host) {
        let hosts: Vec<String> = host::tidy(hosts)
            .split(',')
            .map(|host| split_host(host.trim()).name)
            .collect();
        // libpq takes the user's name for a database that nobody names.
        let by_user = || value(Part::User).filter(|_| family == "PG");
        let name = || value(Part::Name).or_else(by_user).map(str::to_owned);
        let means = |database: &&Database| {
            let rule = &database.matches;
            hosts.iter().any(|host| rule.means_host(host)) && rule.means_database(name)
        };
        return databases.iter().find(means);
    }
    let url = value(Part::Url)?;
    super::meant(databases, &Connection::parse(&host::tidy(url))?)
}

fn becomes(part: Part, variable: &Variable, database: &Database) -> Rewritten {
    if is_address_beside_a_name(variable) {
        return Rewritten::Empty;
    }
    let with_port = part == Part::Host
        && variable.value.as_deref().is_some_and(|value| {
            split_host(value.split(',').next().unwrap_or_default().trim())
                .port
                .is_some()
        });
    if with_port {
        let name = |part| super::variable(&database.name, part);
        return Rewritten::Composed(format!("$({}):$({})", name("HOST"), name("PORT")));
    }
    Rewritten::Key(part.key())
}

/// libpq takes an address from `PGHOSTADDR`, and no name; without one it asks for the address of `PGHOST`.
/// <https://www.postgresql.org/docs/current/libpq-envars.html>
fn is_address_beside_a_name(variable: &Variable) -> bool {
    variable.name.eq_ignore_ascii_case("PGHOSTADDR")
}

/// A port that is not written, and for libpq whatever is not, would come from a default of the driver.
fn add<'d>(
    meant: &mut Meant<'d>,
    family: &str,
    database: &'d Database,
    parts: &BTreeMap<Part, Vec<usize>>,
    variables: &[&Variable],
) {
    let libpq = [
        (Part::Port, "PORT"),
        (Part::User, "USER"),
        (Part::Password, "PASSWORD"),
        (Part::Name, "DATABASE"),
    ];
    let wanted = if family == "PG" { &libpq[..] } else { &libpq[..1] };
    let hosts = parts.get(&Part::Host).into_iter().flatten();
    let lower = hosts
        .clone()
        .any(|at| variables[*at].name.chars().any(|c| c.is_ascii_lowercase()));
    let with_port = hosts
        .clone()
        .any(|at| matches!(meant.becomes.get(at), Some((_, Rewritten::Composed(_)))));
    if hosts.clone().all(|at| is_address_beside_a_name(variables[*at])) {
        meant
            .added
            .push((format!("{family}HOST"), database, Part::Host.key()));
    }
    for (part, word) in wanted.iter().filter(|(part, _)| !parts.contains_key(part)) {
        if *part == Part::Port && with_port {
            continue;
        }
        let name = format!("{family}{word}");
        let name = if lower { name.to_ascii_lowercase() } else { name };
        meant.added.push((name, database, part.key()));
    }
}

/// The key of the branch Secret for a variable whose Secret is marked as a database's: by the variable's name, else the
/// whole connection.
pub fn key(name: &str, flavour: Option<Flavour>) -> &'static str {
    match parts(name).next() {
        Some((_, part)) if part != Part::Url => part.key(),
        _ if flavour == Some(Flavour::Jdbc) => "jdbc-uri",
        _ => "uri",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_what_names_have_in_common() {
        for (name, family, expected) in [
            ("DB_HOST", "DB_", Part::Host),
            ("PGHOST", "PG", Part::Host),
            ("PGDATABASE", "PG", Part::Name),
            ("POSTGRES_DB", "POSTGRES_", Part::Name),
            ("APP_DB_NAME", "APP_DB_", Part::Name),
            ("APP_DB_NAME", "APP_", Part::Name),
            ("SPRING_DATASOURCE_USERNAME", "SPRING_DATASOURCE_", Part::User),
            ("spring.datasource.url", "SPRING_DATASOURCE_", Part::Url),
            ("db_password", "DB_", Part::Password),
            ("QUARKUS_DATASOURCE_JDBC_URL", "QUARKUS_DATASOURCE_", Part::Url),
        ] {
            assert!(
                parts(name).any(|found| found == (family.to_owned(), expected)),
                "{name}"
            );
        }
        for name in ["HOST", "HOSTNAME", "PORT", "LOCALHOST", "", "_HOST", "DBHOST"] {
            assert_eq!(parts(name).next(), None, "{name}");
        }
    }
}

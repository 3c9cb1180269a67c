//! Reading a connection string into ranges of itself.
//!
//! Sources: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>,
//! <https://jdbc.postgresql.org/documentation/use/#connecting-to-the-database>,
//! <https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls>.

use super::keywords::{self, Pair};
use percent_encoding::percent_decode_str;
use std::fmt;

/// Options that name the database.
const NAMES: [&str; 3] = ["dbname", "database", "pgdbname"];

/// How a connection string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `postgres://` or `postgresql://`: any libpq-like driver reads it.
    Plain,
    /// A scheme that also names a driver: `postgresql+psycopg2`, `postgis`.
    Driver,
    /// `jdbc:postgresql:`; credentials stand in the query.
    Jdbc,
    /// libpq's `host=… dbname=…`.
    Keywords,
}

/// One host of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or address, decoded, without brackets.
    pub name: String,
    /// Port, where one is written.
    pub port: Option<String>,
}

/// A connection string, taken apart. Prints nothing of itself: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection<'t> {
    /// How it is written.
    pub flavour: Flavour,
    /// Everything before the credentials: `postgresql+psycopg2://`.
    pub scheme: &'t str,
    user: Option<&'t str>,
    has_password: bool,
    authority: &'t str,
    path: &'t str,
    query: Option<&'t str>,
    pub(super) pairs: Vec<Pair>,
}

impl fmt::Debug for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Connection({:?}, {:?}, {:?})",
            self.flavour,
            self.hosts(),
            self.database()
        )
    }
}

impl<'t> Connection<'t> {
    /// Takes `text` apart; `None` when it is no connection string of a kind known here.
    pub fn parse(text: &'t str) -> Option<Self> {
        match Connection::parse_url(text) {
            None => Connection::parse_keywords(text),
            found => found,
        }
    }

    fn parse_keywords(text: &'t str) -> Option<Self> {
        let pairs = keywords::parse(text)?;
        Some(Connection {
            flavour: Flavour::Keywords,
            scheme: text,
            user: None,
            has_password: false,
            authority: "",
            path: "",
            query: None,
            pairs,
        })
    }

    fn parse_url(text: &'t str) -> Option<Self> {
        let colon = text.find(':')?;
        let scheme = &text[..colon];
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let (flavour, scheme_end) = if is("postgres") || is("postgresql") {
            (Flavour::Plain, colon)
        } else if is("postgis") {
            (Flavour::Driver, colon)
        } else if is("jdbc") {
            let rest = &text[colon + 1..];
            let inner = rest.find(':')?;
            rest[..inner]
                .eq_ignore_ascii_case("postgresql")
                .then_some((Flavour::Jdbc, colon + 1 + inner))?
        } else if is("r2dbc") || is("r2dbcs") {
            // R2DBC: <https://r2dbc.io/spec/1.0.0.RELEASE/spec/html/#overview.connection.url>.
            let end = text.find("//")?.checked_sub(1)?;
            let mut drivers = text.get(colon + 1..end)?.split(':');
            let known = drivers.any(|driver| matches!(driver, "postgresql" | "postgres"));
            known.then_some((Flavour::Driver, end))?
        } else {
            let (base, driver) = scheme.split_once('+')?;
            let is = |name: &&str| base.eq_ignore_ascii_case(name);
            let known = ["postgres", "postgresql", "postgis"].iter().any(is) && !driver.is_empty();
            known.then_some((Flavour::Driver, colon))?
        };
        let after = &text[scheme_end + 1..];
        let (head, rest) = match after.strip_prefix("//") {
            Some(rest) => (scheme_end + 3, rest),
            // `jdbc:postgresql:name` and `jdbc:postgresql:/` mean the local server.
            None if flavour == Flavour::Jdbc => {
                let (path, query) = split_query(after.trim_start_matches('/'));
                let scheme = &text[..scheme_end + 1];
                return Some(Connection {
                    flavour,
                    scheme,
                    user: None,
                    has_password: false,
                    authority: "",
                    path,
                    query,
                    pairs: Vec::new(),
                });
            }
            None => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => (Some(userinfo), hosts),
            None => (None, authority),
        };
        let (path, query) = split_query(tail.strip_prefix('/').unwrap_or(tail));
        let user = userinfo.map(|info| info.split_once(':').map_or(info, |(user, _)| user));
        let has_password = userinfo.is_some_and(|info| info.contains(':'));
        Some(Connection {
            flavour,
            scheme: &text[..head],
            user,
            has_password,
            authority,
            path,
            query,
            pairs: Vec::new(),
        })
    }

    /// Every host this may connect to: of the authority, and of the query, where drivers let `host` override it.
    pub fn hosts(&self) -> Vec<Host> {
        let mut hosts: Vec<Host> = self
            .authority
            .split(',')
            .filter(|part| !part.is_empty())
            .map(split_host)
            .collect();
        for (key, value) in self.options() {
            let key = decode(key).to_ascii_lowercase();
            if matches!(key.as_str(), "host" | "hostaddr" | "server" | "pghost") {
                hosts.extend(decode(value).split(',').map(split_host));
            }
        }
        let names = self
            .pairs
            .iter()
            .filter(|pair| matches!(pair.key.to_ascii_lowercase().as_str(), "host" | "hostaddr"));
        hosts.extend(names.flat_map(|pair| pair.value.split(',')).map(|name| Host {
            name: name.to_owned(),
            port: None,
        }));
        hosts
    }

    /// The database; where none is written, drivers take the user's name.
    pub fn database(&self) -> Option<String> {
        if self.flavour == Flavour::Keywords {
            let value = |key: &str| {
                let mut pairs = self.pairs.iter().rev();
                pairs
                    .find(|pair| pair.key.eq_ignore_ascii_case(key))
                    .map(|pair| pair.value.clone())
            };
            return value("dbname").or_else(|| value("user"));
        }
        let named = |wanted: &[&str]| {
            let found = |key: &str| wanted.contains(&decode(key).to_ascii_lowercase().as_str());
            self.options()
                .find(|(key, _)| found(key))
                .map(|(_, value)| decode(value))
        };
        named(&NAMES)
            .or_else(|| (!self.path.is_empty()).then(|| decode(self.path)))
            .or_else(|| self.user.filter(|user| !user.is_empty()).map(decode))
            .or_else(|| named(&["user"]))
    }

    /// Every database that some driver may take it for: where one is named twice, they differ on which counts.
    pub fn databases(&self) -> Vec<String> {
        let is_name = |key: &str| NAMES.contains(&key.to_ascii_lowercase().as_str());
        let pairs = self
            .pairs
            .iter()
            .filter(|pair| is_name(&pair.key))
            .map(|pair| pair.value.clone());
        let options = self.options().filter(|(key, _)| is_name(&decode(key)));
        let path = (!self.path.is_empty()).then(|| decode(self.path));
        let mut all: Vec<String> = pairs
            .chain(options.map(|(_, value)| decode(value)))
            .chain(path)
            .collect();
        if all.is_empty() {
            all.extend(self.database());
        }
        all
    }

    /// Options of the query, undecoded, in their order.
    pub fn options(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let parts = self
            .query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').unwrap_or((part, "")))
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        self.has_password
            || self
                .pairs
                .iter()
                .any(|pair| pair.key.eq_ignore_ascii_case("password"))
            || self
                .options()
                .any(|(key, _)| decode(key).eq_ignore_ascii_case("password"))
    }
}

/// Path and query; a fragment belongs to neither.
fn split_query(tail: &str) -> (&str, Option<&str>) {
    let tail = tail.split_once('#').map_or(tail, |(before, _)| before);
    match tail.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail, None),
    }
}

pub(super) fn split_host(part: &str) -> Host {
    let decoded = decode(part);
    if let Some(rest) = decoded.strip_prefix('[') {
        let (name, after) = rest.split_once(']').unwrap_or((rest, ""));
        return Host {
            name: name.to_owned(),
            port: after.strip_prefix(':').map(str::to_owned),
        };
    }
    match decoded.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => Host {
            name: name.to_owned(),
            port: Some(port.to_owned()),
        },
        _ => Host {
            name: decoded,
            port: None,
        },
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (Flavour, Vec<String>, Option<String>) {
        let connection = Connection::parse(text).unwrap();
        let hosts = connection.hosts().into_iter().map(|host| match host.port {
            Some(port) => format!("{}|{port}", host.name),
            None => host.name,
        });
        (connection.flavour, hosts.collect(), connection.database())
    }

    #[test]
    fn reads_what_drivers_read() {
        use Flavour::{Driver, Jdbc, Plain};
        let cases: &[(&str, Flavour, &[&str], Option<&str>)] = &[
            (
                "postgres://u:p@db.shop:5432/shop",
                Plain,
                &["db.shop|5432"],
                Some("shop"),
            ),
            (
                "POSTGRESQL://db.shop/shop?sslmode=require",
                Plain,
                &["db.shop"],
                Some("shop"),
            ),
            ("postgresql://u:p%40@a:1,b:2/x", Plain, &["a|1", "b|2"], Some("x")),
            ("postgresql://u:p@[::1]:5432/x", Plain, &["::1|5432"], Some("x")),
            ("postgresql:///x?host=db.shop", Plain, &["db.shop"], Some("x")),
            ("postgresql://u:p@ss@db.shop/x", Plain, &["db.shop"], Some("x")),
            ("postgresql://shop@db.shop", Plain, &["db.shop"], Some("shop")),
            (
                "postgresql+asyncpg://u:p@db.shop/x",
                Driver,
                &["db.shop"],
                Some("x"),
            ),
            ("postgis://u:p@db.shop/x", Driver, &["db.shop"], Some("x")),
            (
                "jdbc:postgresql://db.shop:5432/x?user=u&password=p",
                Jdbc,
                &["db.shop|5432"],
                Some("x"),
            ),
            ("jdbc:postgresql:x", Jdbc, &[], Some("x")),
            (
                "r2dbc:pool:postgresql://u:p@db.shop:5432/x",
                Driver,
                &["db.shop|5432"],
                Some("x"),
            ),
            (
                "host=db.shop port=5432 dbname=shop password='a b'",
                Flavour::Keywords,
                &["db.shop"],
                Some("shop"),
            ),
            (
                "postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/x",
                Plain,
                &["/var/run/postgresql"],
                Some("x"),
            ),
            (
                "postgres://u:p@db%2Eshop/sh%6Fp",
                Plain,
                &["db.shop"],
                Some("shop"),
            ),
        ];
        for (text, flavour, hosts, database) in cases {
            let expected = (
                *flavour,
                hosts.iter().map(|s| (*s).to_owned()).collect(),
                database.map(str::to_owned),
            );
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_connections() {
        for text in [
            "",
            "http://db.shop/x",
            "postgres",
            "postgres:x",
            "mysql://db.shop/x",
            "jdbc:mysql://x",
            "a+b://x",
        ] {
            assert_eq!(Connection::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debugging_prints_no_password() {
        let printed = format!(
            "{:?}",
            Connection::parse("postgres://u:hunter2@db.shop/x?password=hunter2").unwrap()
        );
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(postgres|jdbc:postgresql|postgresql\\+x|)(:|://|)[ -~é]{0,40}") {
            if let Some(connection) = Connection::parse(&text) {
                let _ = (connection.hosts(), connection.database(), connection.has_password());
            }
        }
    }
}

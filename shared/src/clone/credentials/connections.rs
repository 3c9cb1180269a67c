//! Connections with a password, of whatever kind, wherever in a text they stand.

use super::place;
use percent_encoding::percent_decode_str;

/// A connection with a password.
pub(in crate::clone) struct Url<'t> {
    /// As it is written, from its scheme on.
    pub(super) text: &'t str,
    /// Where in the text it begins.
    pub(in crate::clone) at: usize,
    pub(super) user: String,
    pub(in crate::clone) password: String,
    /// The first of several, which are one server.
    pub(in crate::clone) host: String,
    pub(super) port: String,
    pub(super) path: String,
}

/// Every connection in `text` that has a password: `scheme://user:password@host`, `…?password=…`, `…;password=…` and
/// Go's `user:password@tcp(host:port)/`.
pub(in crate::clone) fn connections(text: &str) -> Vec<Url<'_>> {
    let urls = text.match_indices("://").filter_map(|(at, _)| url(text, at));
    let dsns = text.match_indices("@tcp(").filter_map(|(at, _)| dsn(text, at));
    urls.chain(dsns).collect()
}

/// The URL whose scheme ends at `at`.
fn url(text: &str, at: usize) -> Option<Url<'_>> {
    let start = text[..at].trim_end_matches(is_scheme).len();
    let rest = &text[at + 3..];
    let end = rest.find(ends).unwrap_or(rest.len());
    let authority = rest[..end].split(['/', '?', '#']).next().unwrap_or_default();
    let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let options = options(&rest[authority.len()..]);
    let option = |is: fn(&str) -> bool| {
        let mut options = options.iter().filter(|(key, _)| is(key));
        options.next().map_or("", |(_, value)| *value)
    };
    let or = |written: &str, option: &str| decoded(if written.is_empty() { option } else { written });
    let password = or(password, option(place::says_password));
    let path = rest[authority.len()..end].trim_start_matches('/');
    let (host, port) = first(host);
    (!password.is_empty()).then(|| Url {
        text: &text[start..at + 3 + end],
        at: start,
        user: or(user, option(|key| matches!(key, "user" | "username"))),
        password,
        host,
        port,
        path: path.split(['?', '#']).next().unwrap_or_default().to_owned(),
    })
}

/// What stands behind a URL's authority as `key=value`; SQL Server's follow a `;`.
fn options(tail: &str) -> Vec<(&str, &str)> {
    let end = tail.find(|c: char| ends(c) && c != ';').unwrap_or(tail.len());
    let parts = tail[..end].split(['?', '&', ';']);
    parts.filter_map(|part| part.split_once('=')).collect()
}

/// The connection of Go's MySQL driver whose user and password end at `at`.
/// Source: <https://github.com/go-sql-driver/mysql#dsn-data-source-name>.
fn dsn(text: &str, at: usize) -> Option<Url<'_>> {
    let goes_on = |c: char| !(ends(c) || matches!(c, '=' | '/'));
    let start = text[..at].trim_end_matches(goes_on).len();
    let (user, password) = text[start..at].split_once(':')?;
    let (host, rest) = text[at + "@tcp(".len()..].split_once(')')?;
    let end = text.len() - rest.len();
    let path = rest.strip_prefix('/').unwrap_or_default();
    let (host, port) = first(host);
    (!password.is_empty()).then(|| Url {
        text: &text[start..end],
        at: start,
        user: user.to_owned(),
        password: password.to_owned(),
        host,
        port,
        path: path
            .split(|c| ends(c) || c == '?')
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// The first host and its port.
fn first(hosts: &str) -> (String, String) {
    let host = hosts.split(',').next().unwrap_or_default();
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => (host, port),
        _ => (host, ""),
    };
    (host.to_owned(), port.to_owned())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// Whether a connection cannot go on with `c`.
pub(super) fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<[String; 6]> {
        let parts = |url: Url<'_>| {
            [
                url.text.to_owned(),
                url.user,
                url.password,
                url.host,
                url.port,
                url.path,
            ]
        };
        connections(text).into_iter().map(parts).collect()
    }

    #[test]
    fn connections_of_any_kind_are_taken_apart() {
        for (text, expected) in [
            (
                "url: mongodb+srv://u%40x:p%2F@m.shop:27017,m2/app?tls=1; plain http://web/x@y",
                [
                    "mongodb+srv://u%40x:p%2F@m.shop:27017,m2/app?tls=1",
                    "u@x",
                    "p/",
                    "m.shop",
                    "27017",
                    "app",
                ],
            ),
            (
                "jdbc:mysql://db:3306/app?user=u&password=p",
                [
                    "mysql://db:3306/app?user=u&password=p",
                    "u",
                    "p",
                    "db",
                    "3306",
                    "app",
                ],
            ),
            (
                "\"jdbc:sqlserver://db:1433;databaseName=app;user=u;password=p\"",
                ["sqlserver://db:1433", "u", "p", "db", "1433", ""],
            ),
            (
                "dsn=u:p@tcp(db:3306)/app?tls=true",
                ["u:p@tcp(db:3306)", "u", "p", "db", "3306", "app"],
            ),
        ] {
            assert_eq!(found(text), [expected.map(str::to_owned)], "{text}");
        }
    }

    #[test]
    fn what_has_no_password_is_none() {
        for text in [
            "redis://cache:6379/0",
            "amqp://:@mq",
            "ssh://git@host/x",
            "é://u",
            "",
        ] {
            assert_eq!(found(text), <[[String; 6]; 0]>::default(), "{text}");
        }
    }
}

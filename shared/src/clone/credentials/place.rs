//! Where a password stands in a text, and putting another one there.

use percent_encoding::percent_decode_str;

/// Shortest password that is looked for inside longer texts, where a shorter one would be found by accident.
const SHORTEST_INSIDE: usize = 8;

/// A connection with a password, of whatever kind.
pub(super) struct Url<'t> {
    pub(super) text: &'t str,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) path: String,
}

/// Every `scheme://user:password@host` in `text`.
pub(super) fn connections(text: &str) -> Vec<Url<'_>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let before = &text[..at];
        let start = before.rfind(|c: char| !is_scheme(c)).map_or(0, |at| at + 1);
        let rest = &text[at + 3..];
        let end = rest.find(ends).unwrap_or(rest.len());
        let authority = rest[..end].split(['/', '?', '#']).next().unwrap_or_default();
        let Some((userinfo, host)) = authority.rsplit_once('@') else {
            continue;
        };
        let Some((user, password)) = userinfo.split_once(':') else {
            continue;
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // The first of several hosts decides: they are one server.
        let host = host.split(',').next().unwrap_or_default();
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => (host, port),
            _ => (host, ""),
        };
        let path = rest[authority.len()..end].trim_start_matches('/');
        found.push(Url {
            text: &text[start..at + 3 + end],
            user: decoded(user),
            password: decoded(password),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        });
    }
    found
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ';')
}

/// `text` with the password `old` replaced by `new` wherever it stands as one: as the whole, in a connection, or as a word.
pub(super) fn replace(text: &str, old: &str, new: &str) -> Option<String> {
    if text.trim() == old {
        return Some(text.replace(old, new));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    for at in password_spans(text, old) {
        let from = text.len() - rest.len();
        // A span may lie inside one that was replaced before.
        if at.start < from {
            continue;
        }
        out.push_str(&text[from..at.start]);
        out.push_str(new);
        rest = &text[at.end..];
    }
    if rest.len() == text.len() {
        return None;
    }
    out.push_str(rest);
    Some(out)
}

/// Where `old` stands in `text` as a password, in order.
fn password_spans(text: &str, old: &str) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let end = text[start..].find(ends).map_or(text.len(), |end| start + end);
        let authority = text[start..end].split(['/', '?', '#']).next().unwrap_or_default();
        let Some((userinfo, _)) = authority.rsplit_once('@') else {
            continue;
        };
        let Some((user, password)) = userinfo.split_once(':') else {
            continue;
        };
        if percent_decode_str(password).decode_utf8_lossy() == old {
            let from = start + user.len() + 1;
            spans.push(from..from + password.len());
        }
    }
    if old.len() >= SHORTEST_INSIDE {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let apart = |at: usize| {
            let before = text[..at].chars().next_back();
            let after = text[at + old.len()..].chars().next();
            !(before.is_some_and(word) || after.is_some_and(word))
        };
        spans.extend(
            text.match_indices(old)
                .map(|(at, _)| at)
                .filter(|at| apart(*at))
                .map(|at| at..at + old.len()),
        );
    }
    spans.sort_by_key(|span| span.start);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_replaced_wherever_it_stands_as_one() {
        for (text, expected) in [
            ("s3cret", "new"),
            (" s3cret\n", " new\n"),
            (
                "postgres://u:s3cret@db:5432/app?x=s3cret",
                "postgres://u:new@db:5432/app?x=s3cret",
            ),
            (
                "redis://:s3cret@redis/0 amqp://a:s3cret@mq",
                "redis://:new@redis/0 amqp://a:new@mq",
            ),
            ("a://u:s3cre%74@h", "a://u:new@h"),
        ] {
            assert_eq!(replace(text, "s3cret", "new").as_deref(), Some(expected));
        }
        for text in ["s3cret1", "my s3cret", "postgres://s3cret:x@db/s3cret"] {
            assert_eq!(replace(text, "s3cret", "new"), None, "{text}");
        }
        assert_eq!(
            replace(
                "requirepass long-s3cret\nuser long-s3cretary",
                "long-s3cret",
                "new"
            )
            .as_deref(),
            Some("requirepass new\nuser long-s3cretary")
        );
    }

    #[test]
    fn connections_of_any_kind_are_taken_apart() {
        let text = "url: mongodb+srv://u%40x:p%2F@m.shop:27017,m2/app?tls=1; plain http://web/x@y";
        let found: Vec<_> = connections(text)
            .into_iter()
            .map(|url| {
                (
                    url.text.to_owned(),
                    url.user,
                    url.password,
                    url.host,
                    url.port,
                    url.path,
                )
            })
            .collect();
        let expected = (
            "mongodb+srv://u%40x:p%2F@m.shop:27017,m2/app?tls=1",
            "u@x",
            "p/",
            "m.shop",
            "27017",
            "app",
        );
        assert_eq!(found.len(), 1);
        let found = &found[0];
        assert_eq!(
            (&*found.0, &*found.1, &*found.2, &*found.3, &*found.4, &*found.5),
            expected
        );
    }

    proptest! {
        #[test]
        fn nothing_of_the_old_password_is_left_in_a_connection(user in "[a-z]{0,5}", old in "[a-zA-Z0-9]{8,20}", tail in "[a-z/?=]{0,10}") {
            let text = format!("postgres://{user}:{old}@db/{tail}");
            let renewed = replace(&text, &old, "new").unwrap();
            prop_assert_eq!(renewed, format!("postgres://{user}:new@db/{tail}"));
        }
    }
}

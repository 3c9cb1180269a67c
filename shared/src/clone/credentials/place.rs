//! Where a password stands in a text, and how another one is written there.

use super::connections::ends;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::ops::Range;

/// Shortest password that is replaced as a word, where a shorter one would be found by accident.
const SHORTEST_WORD: usize = 8;

/// Shortest password that may be made of letters only, as words are.
const SHORTEST_LETTERS: usize = 12;

/// Everything but what a URL holds as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How easily a password is taken for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It stands by itself for itself: replaced as a word, too.
    None,
    /// Short, or of letters only: replaced as a whole value, and pointed out as a word.
    Word,
    /// It is the name of something, too: replaced only where a password must stand.
    Name,
}

impl Likeness {
    pub(super) fn of(password: &str, is_name: bool) -> Self {
        let letters = password.bytes().all(|c| c.is_ascii_alphabetic());
        match password.len() {
            _ if is_name => Likeness::Name,
            ..SHORTEST_WORD => Likeness::Word,
            ..SHORTEST_LETTERS if letters => Likeness::Word,
            _ => Likeness::None,
        }
    }
}

/// How a place is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Plain,
    /// Between double quotes.
    Quoted,
    Url,
}

impl Spelling {
    /// `password` in this spelling.
    pub(super) fn of(self, password: &str) -> String {
        match self {
            Spelling::Plain => password.to_owned(),
            Spelling::Quoted => password.replace('\\', "\\\\").replace('"', "\\\""),
            Spelling::Url => utf8_percent_encode(password, RESERVED).to_string(),
        }
    }
}

/// Where a password stands in a text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) spans: Vec<(Range<usize>, Spelling)>,
    /// Whether it stands somewhere besides, as a word that may be anything.
    pub(super) is_doubtful: bool,
}

/// Looks for `password` in `text`, which is called `name`; `is_source` where a server takes its password from it.
pub(super) fn find(text: &str, password: &str, likeness: Likeness, name: &str, is_source: bool) -> Found {
    let mut found = Found::default();
    let whole = text.trim();
    if whole == password {
        let as_value = match likeness {
            Likeness::None => true,
            Likeness::Word => !says_other(name),
            Likeness::Name => false,
        };
        if is_source || says_password(name) || as_value {
            let start = text.len() - text.trim_start().len();
            found.spans.push((start..start + whole.len(), Spelling::Plain));
        }
        return found;
    }
    found.spans.extend(userinfo(text, password));
    let encoded = text.contains('%').then(|| Spelling::Url.of(password));
    let encoded = encoded.as_deref().filter(|encoded| *encoded != password);
    for written in [Some(password), encoded].into_iter().flatten() {
        for (at, _) in text.match_indices(written) {
            let span = at..at + written.len();
            if found.spans.iter().any(|(known, _)| known.contains(&at)) || !is_apart(text, &span, is_letter) {
                continue;
            }
            if likeness == Likeness::None || is_assigned(text, &span) {
                found.spans.push((span.clone(), spelling(text, &span)));
            } else if likeness == Likeness::Word {
                found.is_doubtful |= is_apart(text, &span, |c| is_letter(c) || matches!(c, '-' | '.'))
                    && !text[span.end..].starts_with(['=', ':']);
            }
        }
    }
    found
}

/// The passwords of URLs in `text` that mean `password`, however they are encoded.
fn userinfo(text: &str, password: &str) -> Vec<(Range<usize>, Spelling)> {
    let span = |start: usize| {
        let authority = text[start..]
            .split(|c| ends(c) || matches!(c, '/' | '?' | '#'))
            .next()?;
        let (userinfo, _) = authority.rsplit_once('@')?;
        let (user, written) = userinfo.split_once(':')?;
        let from = start + user.len() + 1;
        let is_it = percent_decode_str(written).decode_utf8_lossy() == password;
        is_it.then_some((from..from + written.len(), Spelling::Url))
    };
    let starts = text.match_indices("://").map(|(at, _)| at + 3);
    starts.filter_map(span).collect()
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether neither neighbour of `span` is one of `joins`.
fn is_apart(text: &str, span: &Range<usize>, joins: fn(char) -> bool) -> bool {
    let before = text[..span.start].chars().next_back();
    let after = text[span.end..].chars().next();
    !(before.is_some_and(joins) || after.is_some_and(joins))
}

/// Whether what stands before `span` says that it is a password: `password: `, `"pass":"`, `--password `, `PASSWORD '`,
/// `<password>`, `${DB_PASSWORD:-`, `?password=`, and `user:…@`.
fn is_assigned(text: &str, span: &Range<usize>) -> bool {
    const QUOTES: [char; 4] = ['"', '\'', '`', '\\'];
    let (before, after) = (&text[..span.start], &text[span.end..]);
    if before.ends_with(':') && after.starts_with('@') {
        return true;
    }
    let goes_on =
        |c: char| !(ends(c) || QUOTES.contains(&c) || matches!(c, ',' | '&' | '#' | ')' | ']' | '}'));
    if after.starts_with(goes_on) {
        return false;
    }
    let before = before.trim_end_matches(QUOTES).trim_end_matches([' ', '\t']);
    let before = before
        .strip_suffix(":-")
        .unwrap_or(before)
        .trim_end_matches(['=', ':', '>']);
    let before = before.trim_end_matches(|c| matches!(c, ' ' | '\t' | ']') || QUOTES.contains(&c));
    let key = before
        .rsplit(|c: char| !(is_letter(c) || matches!(c, '.' | '-')))
        .next();
    before.len() < span.start && key.is_some_and(says_password)
}

fn spelling(text: &str, span: &Range<usize>) -> Spelling {
    let before = &text[..span.start];
    let word = before.rsplit(ends).next().unwrap_or_default();
    if word.contains("://") {
        Spelling::Url
    } else if before.ends_with('"') {
        Spelling::Quoted
    } else {
        Spelling::Plain
    }
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether what is called so is a password: variables, keys, options.
pub(super) fn says_password(name: &str) -> bool {
    let name = plain(name);
    let ends = [
        "pass",
        "pwd",
        "passphrase",
        "masterauth",
        "secretkey",
        "erlangcookie",
    ];
    name.contains("password") || name.contains("passwd") || ends.iter().any(|end| name.ends_with(end))
}

/// Whether what is called so is something that stands beside a password.
fn says_other(name: &str) -> bool {
    let name = plain(name);
    let ends = [
        "user",
        "username",
        "login",
        "host",
        "hostname",
        "server",
        "address",
        "port",
        "name",
        "database",
        "db",
        "dialect",
        "driver",
        "engine",
        "type",
        "scheme",
        "namespace",
        "environment",
        "env",
        "mode",
    ];
    ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clone::credentials::connections;
    use proptest::prelude::*;

    /// `text`, called `name`, with `old` renewed; and whether something doubtful is left.
    fn renewed(text: &str, name: &str, old: &str, is_name: bool) -> (String, bool) {
        let mut found = find(text, old, Likeness::of(old, is_name), name, false);
        found.spans.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut text = text.to_owned();
        for (span, spelling) in found.spans {
            text.replace_range(span, &spelling.of("n&w"));
        }
        (text, found.is_doubtful)
    }

    #[test]
    fn a_short_password_is_renewed_where_one_must_stand() {
        for (text, expected) in [
            ("s3cret", "n&w"),
            (" s3cret\n", " n&w\n"),
            (
                "postgres://u:s3cret@db:5432/app",
                "postgres://u:n%26w@db:5432/app",
            ),
            (
                "redis://:s3cret@redis/0 amqp://a:s3cret@mq",
                "redis://:n%26w@redis/0 amqp://a:n%26w@mq",
            ),
            ("a://u:s3cre%74@h", "a://u:n%26w@h"),
            (
                "jdbc:mysql://db/app?user=u&password=s3cret&ssl=1",
                "jdbc:mysql://db/app?user=u&password=n%26w&ssl=1",
            ),
            ("u:s3cret@tcp(db:3306)/app", "u:n&w@tcp(db:3306)/app"),
            (
                "spring.datasource.password=s3cret\nx=1",
                "spring.datasource.password=n&w\nx=1",
            ),
            ("db:\n  password: s3cret\n", "db:\n  password: n&w\n"),
            ("db:\n  password: \"s3cret\"\n", "db:\n  password: \"n&w\"\n"),
            ("{\"dbPassword\":\"s3cret\"}", "{\"dbPassword\":\"n&w\"}"),
            ("'pass' => 's3cret',", "'pass' => 'n&w',"),
            (
                "Server=db;User Id=sa;Password=s3cret;",
                "Server=db;User Id=sa;Password=n&w;",
            ),
            (
                "redis:6379,password=s3cret,ssl=False",
                "redis:6379,password=n&w,ssl=False",
            ),
            (
                "requirepass s3cret\nmaxmemory 1mb",
                "requirepass n&w\nmaxmemory 1mb",
            ),
            (
                "CREATE USER app PASSWORD 's3cret';",
                "CREATE USER app PASSWORD 'n&w';",
            ),
            ("<password>s3cret</password>", "<password>n&w</password>"),
            ("password: ${DB_PASSWORD:s3cret}", "password: ${DB_PASSWORD:n&w}"),
        ] {
            assert_eq!(
                renewed(text, "", "s3cret", false),
                (expected.to_owned(), false),
                "{text}"
            );
        }
    }

    #[test]
    fn a_short_password_that_merely_occurs_is_left_and_pointed_out() {
        for (text, is_doubtful) in [
            ("my s3cret", true),
            ("postgres://s3cret:x@db/s3cret", true),
            ("exec redis-cli -a s3cret ping", true),
            ("s3cret1", false),
            ("my-s3cret-volume", false),
            ("s3cret=1 s3cret: 2", false),
        ] {
            assert_eq!(
                renewed(text, "", "s3cret", false),
                (text.to_owned(), is_doubtful),
                "{text}"
            );
        }
    }

    #[test]
    fn a_password_that_is_a_name_too_is_renewed_only_where_one_must_stand() {
        for (name, text, expected) in [
            ("POSTGRES_USER", "shop", "shop"),
            ("POSTGRES_PASSWORD", "shop", "n&w"),
            ("", "shop", "shop"),
            ("", "user: shop\npassword: shop\n", "user: shop\npassword: n&w\n"),
            (
                "",
                "postgres://shop:shop@shop/shop",
                "postgres://shop:n%26w@shop/shop",
            ),
            ("", "the shop", "the shop"),
            ("", "mount my-pass-shop", "mount my-pass-shop"),
            ("", "${DB_PASSWORD:-shop}", "${DB_PASSWORD:-n&w}"),
        ] {
            assert_eq!(
                renewed(text, name, "shop", true),
                (expected.to_owned(), false),
                "{text}"
            );
        }
        let dialect = renewed("sesame", "DB_DIALECT", "sesame", false);
        assert_eq!(dialect, ("sesame".to_owned(), false));
    }

    #[test]
    fn an_unmistakable_password_is_renewed_as_a_word() {
        let text = "-a long-s3cret \"long-s3cret\" long-s3cretary";
        let expected = "-a n&w \"n&w\" long-s3cretary";
        assert_eq!(
            renewed(text, "", "long-s3cret", false),
            (expected.to_owned(), false)
        );
        // F06: quotes and encodings stay what they were.
        assert_eq!(Spelling::Quoted.of("a\"b\\"), "a\\\"b\\\\");
        let encoded = renewed("jdbc:x://h?password=p%40ss-word", "", "p@ss-word", false);
        assert_eq!(encoded.0, "jdbc:x://h?password=n%26w");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([a-zé%:/@?&=' \n\"-]|s3cré|password|://|@tcp\\(){0,40}") {
            let (renewed, _) = renewed(&text, "", "s3cré", false);
            prop_assert!(!renewed.contains("password=s3cré\n"));
            for url in connections(&text) {
                prop_assert!(text[url.at..].starts_with(url.text));
            }
        }

        #[test]
        fn nothing_of_the_old_password_is_left_in_a_connection(user in "[a-z]{0,5}", old in "[a-zA-Z0-9]{7}[0-9]{1,9}", tail in "[a-z/?=]{0,10}") {
            let text = format!("postgres://{user}:{old}@db/{tail}");
            let (renewed, _) = renewed(&text, "", &old, false);
            prop_assert_eq!(renewed, format!("postgres://{user}:n%26w@db/{tail}"));
        }
    }
}

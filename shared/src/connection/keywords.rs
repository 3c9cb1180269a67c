//! libpq's keyword strings: `host=db port=5432 dbname=shop password='a b'`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>.

use std::ops::Range;

/// One `keyword = value`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// The keyword as written.
    pub key: String,
    /// The value without its quotes and escapes.
    pub value: String,
    /// Where the whole pair stands.
    pub whole: Range<usize>,
    /// Where the value stands, quotes included.
    pub span: Range<usize>,
}

/// Takes `text` apart; `None` unless all of it is pairs and one of them names a host.
pub(super) fn parse(text: &str) -> Option<Vec<Pair>> {
    // Most texts are none, and this is asked of every one.
    if !text.contains('=') {
        return None;
    }
    let mut pairs = Vec::new();
    let mut at = 0;
    loop {
        at += blanks(&text[at..]);
        if at == text.len() {
            break;
        }
        let start = at;
        let length = text[at..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let key = &text[at..at + length];
        at += length;
        at += blanks(&text[at..]);
        at += text[at..].strip_prefix('=').map(|_| 1)?;
        at += blanks(&text[at..]);
        let (value, length) = value(&text[at..])?;
        if key.is_empty() {
            return None;
        }
        let span = at..at + length;
        at += length;
        pairs.push(Pair {
            key: key.to_owned(),
            value,
            whole: start..at,
            span,
        });
    }
    let names_host = |pair: &Pair| matches!(pair.key.to_ascii_lowercase().as_str(), "host" | "hostaddr");
    pairs.iter().any(names_host).then_some(pairs)
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The value at the start of `text`, and how long it is as written.
fn value(text: &str) -> Option<(String, usize)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            // At the end of a text it stands for nothing (`conninfo_parse` of libpq).
            '\\' => match chars.next() {
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            '\'' if quoted => return Some((value, at + 1)),
            c if !quoted && c.is_whitespace() => return Some((value, at)),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        Some(
            parse(text)?
                .into_iter()
                .map(|pair| (pair.key, pair.value))
                .collect(),
        )
    }

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        let expected = |pairs: &[(&str, &str)]| {
            Some(
                pairs
                    .iter()
                    .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            read("host=db dbname=shop"),
            expected(&[("host", "db"), ("dbname", "shop")])
        );
        assert_eq!(
            read(" host = 'my db'  password='it\\'s'"),
            expected(&[("host", "my db"), ("password", "it's")])
        );
        assert_eq!(read("host=a\\ b"), expected(&[("host", "a b")]));
        assert_eq!(read("host=d\\b.sho\\p\\"), expected(&[("host", "db.shop")]));
        for other in [
            "",
            "host",
            "host=",
            "a=b",
            "host=db and so on",
            "host='db",
            "see host=db",
        ] {
            let found = read(other);
            assert!(found.is_none() || other == "host=", "{other}: {found:?}");
        }
    }
}

//! What a configuration file assigns, and which host a password in it belongs to. Knows no format: keys are followed by `=` or
//! `:`, and blocks are made by indentation, braces and `[sections]`.

use std::collections::BTreeMap;

/// One assignment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) value: &'t str,
    /// Entries of one block have the same.
    pub(super) block: usize,
    pub(super) line: usize,
    pub(super) place: String,
}

impl<'t> Entry<'t> {
    pub(super) fn new(key: &'t str, value: &'t str, block: usize, place: String) -> Self {
        Entry {
            key,
            value,
            block,
            line: 1,
            place,
        }
    }
}

/// Last words of keys, the longer ones first.
const HOSTS: [&str; 11] = [
    "jdbcurl", "hostname", "hostaddr", "endpoint", "address", "server", "addr", "host", "url", "uri", "dsn",
];
const PASSWORDS: [&str; 4] = ["password", "passwd", "pass", "pwd"];

/// Longest value that may be a host or a password.
const LONGEST: usize = 2048;

/// The places of passwords, each with the hosts that it may belong to.
pub(super) fn pairs(entries: &[Entry<'_>]) -> Vec<(String, Vec<String>)> {
    let mut hosts: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for entry in entries {
        if let Some(family) = family(entry.key, &HOSTS) {
            hosts
                .entry((entry.block, family))
                .or_default()
                .extend(host(entry.value));
        }
    }
    let passwords = entries.iter().filter(|entry| !is_stand_in(entry.value));
    let pairs = passwords.filter_map(|entry| {
        let hosts = hosts.get(&(entry.block, family(entry.key, &PASSWORDS)?))?;
        Some((entry.place.clone(), hosts.clone()))
    });
    pairs.collect()
}

/// Whether `key` is a password's.
pub(super) fn is_password(key: &str) -> bool {
    let ends = |word: &&str| {
        let start = key.len().checked_sub(word.len());
        start.is_some_and(|start| key.as_bytes()[start..].eq_ignore_ascii_case(word.as_bytes()))
    };
    PASSWORDS.iter().any(ends)
}

/// Whether `password` stands for one that comes from elsewhere.
pub(super) fn is_stand_in(password: &str) -> bool {
    let mark = ["${", "$(", "{{", "%(", "<", "env:", "file:"];
    password.is_empty()
        || mark.iter().any(|mark| password.contains(mark))
        || password.starts_with(['$', '%'])
        || password.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.'))
}

/// What `key` begins with, where its last word is one of `words`.
fn family(key: &str, words: &[&str]) -> Option<String> {
    let key = key.to_ascii_lowercase().replace(['-', '.'], "_");
    let joined = words.iter().find_map(|word| key.strip_suffix(word))?;
    // `jdbc_url` is one word.
    Some(joined.trim_end_matches("jdbc_").trim_end_matches('_').to_owned())
}

/// The host in the value of a host or URL.
fn host(value: &str) -> Option<String> {
    let rest = value.split_once("//").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', ';', ',']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host
        .strip_prefix("tcp:")
        .unwrap_or(host)
        .split(':')
        .next()?
        .trim();
    (!host.is_empty()).then(|| host.to_owned())
}

/// Every assignment in `text`; its place is left to the caller.
pub(super) fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    // Most texts hold none, and this is asked of every one.
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    if !words.any(is_password) {
        return entries;
    }
    let mut blocks = Blocks::default();
    for (number, line) in text.lines().enumerate() {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with(['#', ';', '!']) || content.starts_with("//") {
            continue;
        }
        blocks.line(line, content);
        for (at, c) in line.char_indices() {
            match c {
                '{' => blocks.open(),
                '}' => blocks.close(),
                '=' | ':' => {
                    let assigned = assignment(&line[..at], &line[at + 1..]);
                    entries.extend(assigned.map(|(key, value)| Entry {
                        line: number + 1,
                        ..Entry::new(key, value, blocks.current(), String::new())
                    }));
                }
                _ => {}
            }
        }
    }
    entries
}

/// The key that ends `before` and the value that begins `after`.
fn assignment<'t>(before: &'t str, after: &'t str) -> Option<(&'t str, &'t str)> {
    const QUOTES: [char; 2] = ['"', '\''];
    let before = before.trim_end().trim_end_matches(QUOTES);
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let key = &before[before.trim_end_matches(is_key).len()..];
    if key.is_empty() || after.starts_with("//") {
        return None;
    }
    let after = &after[..after.floor_char_boundary(LONGEST)];
    let after = after.strip_prefix('>').unwrap_or(after).trim_start();
    let quote = after.chars().next().filter(|c| QUOTES.contains(c));
    let value = match quote {
        Some(quote) => after[1..].split(quote).next()?,
        None => after
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '}'))
            .next()?,
    };
    Some((key, value.trim_end_matches(',')))
}

/// Which block a line belongs to.
#[derive(Default)]
struct Blocks {
    made: usize,
    section: usize,
    indents: Vec<(usize, usize)>,
    braces: Vec<usize>,
}

impl Blocks {
    fn make(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    fn line(&mut self, line: &str, content: &str) {
        if content.starts_with('[') && content.trim_end().ends_with(']') {
            self.indents.clear();
            self.section = self.make();
        }
        let mut indent = line.len() - content.len();
        let item = content.starts_with("- ");
        while self.indents.last().is_some_and(|(known, _)| *known > indent) {
            self.indents.pop();
        }
        indent += if item { 2 } else { 0 };
        if self.indents.last().is_none_or(|(known, _)| *known < indent) {
            let block = if indent == 0 { self.section } else { self.make() };
            self.indents.push((indent, block));
        }
    }

    fn open(&mut self) {
        let block = self.make();
        self.braces.push(block);
    }

    fn close(&mut self) {
        self.braces.pop();
    }

    fn current(&self) -> usize {
        let indent = self.indents.last().map_or(self.section, |(_, block)| *block);
        self.braces.last().copied().unwrap_or(indent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `line: hosts` of every password.
    fn found(text: &str) -> String {
        let entries: Vec<_> = entries(text)
            .into_iter()
            .map(|entry| Entry {
                place: entry.line.to_string(),
                ..entry
            })
            .collect();
        let pairs = pairs(&entries).into_iter();
        pairs
            .map(|(place, hosts)| format!("{place}: {}", hosts.join(" ")))
            .collect::<Vec<_>>()
            .join("; ")
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([a-zé{}\\[\\] \n\"'=:;,>-]|password|host|//){0,40}") {
            for entry in entries(&text) {
                prop_assert!(text.lines().nth(entry.line - 1).unwrap().contains(entry.value));
            }
        }
    }

    #[test]
    fn a_password_belongs_to_the_host_beside_it() {
        for (text, expected) in [
            (
                "[db]\nhost = a.example.com\n[mail]\nhost=b.example.com\npassword = p\n",
                "5: b.example.com",
            ),
            (
                "mail.host=a.example.com\ndb.password=p\nmail.password=p",
                "3: a.example.com",
            ),
            (
                "spring.datasource.url=jdbc:mysql://a.example.com:3306/x\nspring.datasource.password=p",
                "2: a.example.com",
            ),
            (
                "db:\n  host: a.example.com\n  # the rest\n  password: p\ncache:\n  host: c",
                "4: a.example.com",
            ),
            ("a:\n  host: a.example.com\nb:\n  password: p\n", ""),
            (
                "- host: a.example.com\n  password: p\n- host: b.example.com\n",
                "2: a.example.com",
            ),
            ("- host: b.example.com\n- password: p\n", ""),
            (
                "{\"db\":{\"dbHost\":\"a.example.com\",\"dbPassword\":\"p\"},\"m\":{\"dbHost\":\"b\"}}",
                "1: a.example.com",
            ),
            (
                "{\n  \"host\": \"a.example.com\",\n  \"password\": \"p\"\n}",
                "3: a.example.com",
            ),
            (
                "Server=tcp:a.example.com,1433;Database=x;User Id=u;Password=p;",
                "1: a.example.com",
            ),
            (
                "host=a.example.com port=5432 user=u password=p",
                "1: a.example.com",
            ),
            (
                "export DB_HOST=a.example.com\nexport DB_PASSWORD='p'",
                "2: a.example.com",
            ),
            ("host=a.example.com\npassword=${DB_PASSWORD}", ""),
            ("host=a.example.com\n# password=p", ""),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}

//! What a host means inside a cluster, however it is spelt.
//!
//! Source: <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// A host in the one spelling that comparisons use: lower case, no trailing dot, Services as `name.namespace.svc`.
pub fn canonical(host: &str) -> Cow<'_, str> {
    let host = host.trim_end_matches('.');
    if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(&host[..end(host)]);
    }
    let mut lower = host.to_ascii_lowercase();
    lower.truncate(end(&lower));
    Cow::Owned(lower)
}

/// The namespace that a host leads into: `db.shop.svc…`, `db.shop`, `db-0.db.shop` and `10-0-0-1.shop.pod` all lead into
/// `shop`.
///
/// Without `svc` it is the last label that counts, by the search list of every Pod. That cannot be told from a host of the
/// internet by its spelling alone; the caller asks whether the answer is a namespace that matters.
pub fn namespace(host: &str) -> Option<String> {
    namespace_of(&canonical(host)).map(str::to_owned)
}

/// The same for a host in canonical spelling.
pub(crate) fn namespace_of(host: &str) -> Option<&str> {
    if host.starts_with(|c: char| c.is_ascii_digit()) && host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let mut labels = host.rsplit('.');
    let last = labels.next()?;
    let before = labels.next()?;
    match last {
        "svc" | "pod" if labels.next().is_some() => Some(before),
        last => Some(last),
    }
}

/// A value as a program reads it: without blanks and quotes around it, without the tabs and line breaks that URL parsers
/// drop, with the ideographic full stops that resolvers take for dots and full-width letters as the plain ones.
/// Sources: <https://url.spec.whatwg.org/#concept-basic-url-parser>, <https://www.unicode.org/reports/tr46/>.
pub fn tidy(value: &str) -> Cow<'_, str> {
    let trimmed = unwrapped(value);
    // Most values are plain, and this is asked of every one: to its end, which takes many bytes at a time.
    if trimmed
        .bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
    {
        return Cow::Borrowed(trimmed);
    }
    let folded = |c: char| matches!(c, '\t' | '\r' | '\n') || is_ignored(c) || plain(c) != c;
    if !trimmed.contains(folded) {
        return Cow::Borrowed(trimmed);
    }
    let kept = trimmed
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n') && !is_ignored(*c));
    let folded: String = kept.map(plain).collect();
    // What was folded may have been a quote, or have stood before one. No program takes one for part of a host, and one
    // that is taken off too many leads to a refusal, one too few to a host that nobody recognises.
    Cow::Owned(unwrapped(&folded).to_owned())
}

/// `value` without blanks and quotes around it.
fn unwrapped(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'')
}

/// Characters that IDNA leaves out of a host.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// The plain letter that IDNA takes a compatible one for.
fn plain(c: char) -> char {
    let shifted = |by: u32| char::from_u32(u32::from(c) - by).unwrap_or(c);
    match c {
        '\u{3002}' | '\u{ff61}' => '.',
        '\u{ff01}'..='\u{ff5e}' => shifted(0xfee0),
        '\u{24d0}'..='\u{24e9}' => shifted(0x24d0 - 0x61),
        '\u{24b6}'..='\u{24cf}' => shifted(0x24b6 - 0x61),
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c,
    }
}

/// Whether `host` is what `pattern` means; `*.x` stands for everything below `x`.
pub fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (canonical(pattern), canonical(host));
    let below = |parent: &str, host: &str| {
        host.strip_suffix(parent)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    };
    match pattern.strip_prefix("*.") {
        Some(parent) => below(parent, &host) || (is_pair(&host) && below(parent, &format!("{host}.svc"))),
        None => host == pattern || is_short_for(&host, &pattern) || is_short_for(&pattern, &host),
    }
}

/// Whether a host in canonical spelling has two labels: a name of the internet, or a Service and its namespace.
pub(crate) fn is_pair(canonical: &str) -> bool {
    canonical.bytes().filter(|byte| *byte == b'.').count() == 1
}

fn is_short_for(pair: &str, service: &str) -> bool {
    is_pair(pair) && service.strip_suffix(".svc") == Some(pair)
}

/// Whether a host in canonical spelling says itself that it leads to a Service or a Pod: `db.shop.svc`, `10-0-0-1.shop.pod`.
pub(crate) fn is_spelt_out(canonical: &str) -> bool {
    let dots = canonical.bytes().filter(|byte| *byte == b'.').count();
    dots > 1 && (canonical.ends_with(".svc") || canonical.ends_with(".pod"))
}

/// The Service that a host in canonical spelling may name: its name, and its namespace where one is written.
pub fn service(canonical: &str) -> Option<(&str, Option<&str>)> {
    let host = canonical.strip_suffix(".svc").unwrap_or(canonical);
    let mut labels = host.rsplit('.');
    let last = labels.next()?;
    match labels.next() {
        Some(name) => Some((name, Some(last))),
        None => (!last.is_empty()).then_some((last, None)),
    }
}

/// Whether `domain`, in canonical spelling, is the domain of a whole namespace: `shop`, `shop.svc`, `shop.svc.cluster.local`.
pub fn is_namespace_domain(domain: &str) -> bool {
    let rest = domain.split_once('.').map_or("", |(_, rest)| rest);
    rest.is_empty() || rest == "svc" || rest.starts_with("svc.") || rest == "pod" || rest.starts_with("pod.")
}

/// The address that `host` is, in any spelling that programs take for one.
pub fn address(host: &str) -> Option<IpAddr> {
    let host = host.trim_end_matches('.');
    // Most hosts are names, and this is asked of every one.
    if !host.starts_with(|c: char| c.is_ascii_digit()) && !host.contains(':') {
        return None;
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let plain = bare.unwrap_or(host).split('%').next().unwrap_or_default();
    plain
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
        .or_else(|| numeric(host).map(IpAddr::V4))
}

/// An IPv4 address as `inet_aton` reads it: one to four parts, decimal, octal or hexadecimal, the last one filling what is
/// left. Source: <https://pubs.opengroup.org/onlinepubs/9799919799/functions/inet_addr.html>.
pub fn numeric(host: &str) -> Option<Ipv4Addr> {
    let part = |text: &str| -> Option<u32> {
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
            None => (text, 10),
        };
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    if host.is_empty() || host.len() > 64 || !host.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<u32> = host.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    let left = 4usize.checked_sub(leading.len()).filter(|left| *left > 0)?;
    let room = if left == 4 {
        u32::MAX
    } else {
        (1 << (8 * left)) - 1
    };
    if leading.iter().any(|part| *part > 255) || *last > room {
        return None;
    }
    let high = leading
        .iter()
        .enumerate()
        .fold(0, |sum, (at, part)| sum | part << (24 - 8 * at));
    Some(Ipv4Addr::from(high | last))
}

/// Where `name.namespace.svc` ends in a longer spelling such as `name.namespace.svc.cluster.local`; else the whole length.
fn end(host: &str) -> usize {
    if host.ends_with(".svc") || host.ends_with(".pod") {
        return host.len();
    }
    // The last one: a Service may be called `svc` or `pod` itself.
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let kind = dots.find(|at| matches!(host.get(at + 1..at + 5), Some("svc." | "pod.")));
    kind.filter(|at| host[..*at].contains('.'))
        .map_or(host.len(), |at| at + ".svc".len())
}

/// The parts of a URL that name hosts, where `text` is one and no reading of it could see others: without user, password and
/// path, in which a host is only a word. Anything else as it is: JSON and lists hold URLs too, and drivers disagree on where
/// hosts stand beside a second `@` or a comma.
pub fn of_url(text: &str) -> Cow<'_, str> {
    // Most texts are no URL, and this is asked of every one.
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let find = |text: &str, wanted: &[u8]| text.bytes().position(|byte| wanted.contains(&byte));
    let slashes = text.as_bytes().windows(2).position(|two| two == b"//");
    // <https://www.rfc-editor.org/rfc/rfc3986#section-3.1>; `jdbc:postgresql:` has two.
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | ':');
    let is_scheme = |text: &&str| {
        text.ends_with(':')
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(in_scheme)
    };
    let Some(scheme) = slashes.map(|at| &text[..at]).filter(is_scheme) else {
        return Cow::Borrowed(text);
    };
    let rest = &text[scheme.len() + 2..];
    let (authority, tail) = rest.split_at(find(rest, b"/?#").unwrap_or(rest.len()));
    let (path, query) = tail.split_at(find(tail, b"?#").unwrap_or(tail.len()));
    // A password may hold a `/` or `#` that nobody encoded; then it is anybody's guess where the host stands. JDBC knows no
    // user before the host at all.
    let doubtful = || {
        let twice = authority.matches('@').nth(1).is_some();
        let separates = |c: char| c.is_whitespace() || r#""'`,;{}[]()=\|<>"#.contains(c);
        tail.contains('@')
            || text.contains(char::is_whitespace)
            || rest.contains("//")
            || twice
            || (authority.contains('@') && scheme.get(..5).is_some_and(|of| of.eq_ignore_ascii_case("jdbc:")))
            || authority.contains(separates)
            || path.contains(separates)
    };
    if (path.len() < 2 && !authority.contains('@')) || doubtful() {
        return Cow::Borrowed(text);
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Cow::Owned([scheme, "//", host, "/", query].concat())
}

/// A part of a text that may be a host, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'t> {
    /// The part.
    pub text: &'t str,
    before: &'t str,
    after: &'t str,
}

impl Candidate<'_> {
    /// Whether it stands where only a host stands: after `//` or `@`, or before `:` and a port.
    pub fn is_placed(&self) -> bool {
        let port = self
            .after
            .strip_prefix(':')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        self.before.ends_with("//") || self.before.ends_with('@') || port
    }
}

/// Whether hosts are made of a byte. Every byte of every text is asked.
const IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// The parts of `text` that may be hosts: its runs of the characters that hosts are made of.
pub fn candidates(text: &str) -> impl Iterator<Item = Candidate<'_>> {
    // All of them are ASCII, so that no run begins or ends inside a character.
    let in_host = |byte: &u8| IN_HOST[usize::from(*byte)];
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let bytes = text.as_bytes();
            let start = at + bytes[at..].iter().position(in_host)?;
            let end = bytes[start..]
                .iter()
                .position(|byte| !in_host(byte))
                .map_or(text.len(), |length| start + length);
            at = end;
            let part = &text[start..end];
            let mut pairs = part.as_bytes().windows(2);
            if part.len() <= 253 && !part.starts_with('.') && !pairs.any(|pair| pair == b"..") {
                return Some(Candidate {
                    text: part,
                    before: &text[..start],
                    after: &text[end..],
                });
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_in_every_spelling() {
        for host in [
            "db.shop",
            "db.shop.svc",
            "db.shop.svc.cluster.local",
            "DB.Shop.svc.cluster.local.",
            "db.shop.",
        ] {
            assert!(matches("db.shop.svc.cluster.local", host), "{host}");
            assert_eq!(namespace(host).as_deref(), Some("shop"), "{host}");
        }
    }

    #[test]
    fn look_alikes_are_something_else() {
        // A17
        for host in [
            "mydb.shop",
            "db.shop.example.com",
            "db.shopping",
            "db",
            "xdb.shop.svc",
            "db.shop.svcx",
        ] {
            assert!(!matches("db.shop.svc.cluster.local", host), "{host}");
        }
        assert!(!matches("*.rds.example.com", "rds.example.com"));
        assert!(!matches("*.rds.example.com", "evilrds.example.com"));
        assert!(matches("*.rds.example.com", "a.b.rds.example.com"));
    }

    #[test]
    fn addresses_lead_into_no_namespace() {
        assert_eq!(namespace("10.0"), Some("0".to_owned()));
        assert_eq!(namespace("10.0.0.1"), None);
        assert_eq!(namespace("db"), None);
    }

    #[test]
    fn pods_of_a_headless_service_lead_into_its_namespace() {
        for host in [
            "db-0.db.shop",
            "db-0.db.shop.svc",
            "10-0-0-1.shop.pod",
            "10-0-0-1.shop.pod.cluster.local",
        ] {
            assert_eq!(namespace(host).as_deref(), Some("shop"), "{host}");
        }
    }

    #[test]
    fn a_value_is_read_as_programs_read_it() {
        assert_eq!(tidy(" 'db.\nshop' "), "db.shop");
        assert_eq!(tidy("db\u{3002}shop"), "db.shop");
        assert_eq!(tidy("plain"), "plain");
        assert_eq!(tidy("\u{ff44}\u{ff42}.shop"), "db.shop");
    }

    #[test]
    fn what_folding_uncovers_is_taken_off_as_well() {
        for quoted in [
            "db.sho\u{ff50}\u{ff02}",
            "\u{200b}\"db.shop\"",
            "'\u{feff} db.shop\n\u{ad}'",
            "\u{ff07} \u{ff02}db.shop",
        ] {
            assert_eq!(tidy(quoted), "db.shop", "{quoted:?}");
        }
    }

    #[test]
    fn an_address_is_one_however_it_is_spelt() {
        let meant: IpAddr = "10.96.0.12".parse().unwrap();
        for text in [
            "10.96.0.12",
            "10.96.0.12.",
            "174063628",
            "0xa60000c",
            "012.0x60.12",
            "10.6291468",
            "::ffff:10.96.0.12",
        ] {
            assert_eq!(address(text), Some(meant), "{text}");
        }
        for text in [
            "",
            "db",
            "10.96.0.256",
            "1.2.3.4.5",
            "0x",
            "4294967296",
            "09",
            "10..1",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(address("[fd00::1]"), "fd00::1".parse().ok());
    }

    #[test]
    fn hosts_are_found_where_programs_write_them() {
        let found: Vec<_> = candidates("--db=db.shop:5432,web.shop/x user@mail.shop")
            .filter(|candidate| candidate.text.contains('.'))
            .map(|candidate| (candidate.text, candidate.is_placed()))
            .collect();
        assert_eq!(
            found,
            [("db.shop", true), ("web.shop", false), ("mail.shop", true)]
        );
    }

    #[test]
    fn a_url_is_cut_to_its_hosts_only_where_it_is_one_and_nothing_else() {
        for (text, hosts) in [
            ("http://web/db.shop", "http://web/"),
            (
                "postgresql://u:db.shop@web/x?host=db",
                "postgresql://web/?host=db",
            ),
        ] {
            assert_eq!(of_url(text), hosts);
        }
        for text in [
            r#"{"api":{"url":"http://x/y"},"db":{"host":"db.shop"}}"#,
            "Api=http://x/y;Host=db.shop;Port=5432",
            "redis://x:6379/0,db.shop:6379",
            "postgresql://u:p@db.shop,x@y/shop",
            "postgresql://u:p@db.shop@y/shop",
            "jdbc:postgresql://db.shop@y/shop?user=u",
            "http://db.shop\\@x/y",
        ] {
            assert_eq!(of_url(text), text);
        }
    }
}

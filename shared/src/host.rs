//! What a host means inside a cluster, however it is spelt.
//!
//! Source: <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>.

use std::borrow::Cow;
use std::net::IpAddr;

/// A host in the one spelling that comparisons use: lower case, no trailing dot, Services as `name.namespace.svc`.
pub fn canonical(host: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match service_namespace_end(&host) {
        Some(end) => host[..end].to_owned(),
        None => host,
    }
}

/// The namespace that a host leads into: `db.shop.svc…`, `db.shop`, `db-0.db.shop` and `10-0-0-1.shop.pod` all lead into
/// `shop`.
///
/// Without `svc` it is the last label that counts, by the search list of every Pod. That cannot be told from a host of the
/// internet by its spelling alone; the caller asks whether the answer is a namespace that matters.
pub fn namespace(host: &str) -> Option<String> {
    let host = canonical(host);
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [_, .., namespace, "svc" | "pod"] => Some((*namespace).to_owned()),
        [_, .., namespace] => Some((*namespace).to_owned()),
        _ => None,
    }
}

/// A value as a program reads it: without blanks and quotes around it, without the tabs and line breaks that URL parsers
/// drop, with the ideographic full stops that resolvers take for dots.
/// Sources: <https://url.spec.whatwg.org/#concept-basic-url-parser>, <https://www.unicode.org/reports/tr46/>.
pub fn tidy(value: &str) -> Cow<'_, str> {
    let trimmed = value.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if !trimmed.contains(['\t', '\r', '\n', '\u{3002}', '\u{ff0e}', '\u{ff61}']) {
        return Cow::Borrowed(trimmed);
    }
    let kept = trimmed.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n'));
    Cow::Owned(
        kept.map(|c| {
            if matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}') {
                '.'
            } else {
                c
            }
        })
        .collect(),
    )
}

/// Whether `host` is what `pattern` means; `*.x` stands for everything below `x`.
pub fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (canonical(pattern), canonical(host));
    let short = format!("{host}.svc");
    let spelt = [
        Some(host.as_str()),
        (host.split('.').count() == 2).then_some(short.as_str()),
    ];
    spelt
        .into_iter()
        .flatten()
        .any(|host| match pattern.strip_prefix("*.") {
            Some(parent) => host
                .strip_suffix(parent)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => host == pattern,
        })
}

/// Where `name.namespace.svc` ends in a longer spelling such as `name.namespace.svc.cluster.local`.
fn service_namespace_end(host: &str) -> Option<usize> {
    let (at, kind) = [".svc.", ".pod."]
        .into_iter()
        .find_map(|kind| Some((host.find(kind)?, kind)))?;
    host[..at].contains('.').then_some(at + kind.len() - 1)
}

/// The host-like parts of a text, in the places where programs write hosts.
///
/// A host stands at the start, or after one of `/ @ , = : " ' ( [` or a blank, and ends before the like. A part without
/// any dot is never returned: a bare name is the preview's own Service.
pub fn hosts_in(text: &str) -> impl Iterator<Item = &str> {
    let host_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    text.split(move |c: char| !host_char(c)).filter(|part| {
        let part = part.trim_end_matches('.');
        part.contains('.') && part.len() <= 253 && !part.starts_with('.') && !part.contains("..")
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
    }

    #[test]
    fn hosts_are_found_where_programs_write_them() {
        let found: Vec<_> = hosts_in("--db=db.shop:5432,web.shop/x user@mail.shop").collect();
        assert_eq!(found, ["db.shop", "web.shop", "mail.shop"]);
    }
}

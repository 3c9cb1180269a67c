//! What a host means inside a cluster, however it is spelt.
//!
//! Source: <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>.

use std::net::IpAddr;

/// A host in the one spelling that comparisons use: lower case, no trailing dot, Services as `name.namespace.svc`.
pub fn canonical(host: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match service_namespace_end(&host) {
        Some(end) => host[..end].to_owned(),
        None => host,
    }
}

/// The namespace that a host leads into: `db.shop.svc…` and `db.shop` both lead into `shop`.
///
/// The short form cannot be told from a host of the internet by its spelling alone; the caller asks whether the answer is
/// a namespace that matters.
pub fn namespace(host: &str) -> Option<String> {
    let host = canonical(host);
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [.., namespace, "svc"] if labels.len() >= 3 => Some((*namespace).to_owned()),
        [_, namespace] => Some((*namespace).to_owned()),
        _ => None,
    }
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
    let at = host.find(".svc.")?;
    (host[..at].contains('.')).then_some(at + ".svc".len())
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
    fn hosts_are_found_where_programs_write_them() {
        let found: Vec<_> = hosts_in("--db=db.shop:5432,web.shop/x user@mail.shop").collect();
        assert_eq!(found, ["db.shop", "web.shop", "mail.shop"]);
    }
}

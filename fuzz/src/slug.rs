//! The slug law: names are legal, within their budgets, distinct, and every host has one owner.

use crate::lines;
use understudy::names::{
    DNS_LABEL, IDENTIFIER, PREVIEW, branch, is_dns_label, main_host, owns_host, preview, service_host,
};

/// One a line: two parents, a number, a service, a domain, a database, and any host.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let [parent, other, number, service, domain, database, host] = lines::<7>(text);
    let pr = number.parse().unwrap_or(7);
    let (a, b) = (preview(parent, pr), preview(other, pr));
    assert_eq!(a == b, parent == other, "{parent:?} {other:?}");
    assert_ne!(preview(parent, pr.wrapping_add(1)), a);

    for namespace in [a.as_str(), parent] {
        let legal = is_dns_label(namespace) && !namespace.contains("--");
        let hosts = [
            main_host(namespace, domain),
            service_host(service, namespace, domain),
        ];
        if legal && domain.bytes().all(|c| !c.is_ascii_uppercase()) {
            assert!(owns_host(namespace, domain, &hosts[0]), "{hosts:?}");
        }
        if legal && is_dns_label(service) && domain.bytes().all(|c| !c.is_ascii_uppercase()) {
            assert!(owns_host(namespace, domain, &hosts[1]), "{hosts:?}");
            assert_ne!(hosts[0], hosts[1]);
            let label = hosts[1]
                .strip_suffix(domain)
                .and_then(|rest| rest.strip_suffix('.'));
            assert!(label.is_some_and(is_dns_label), "{hosts:?}");
        }
        for host in hosts.iter().map(String::as_str).chain([host]) {
            let owners =
                [a.as_str(), b.as_str(), parent, other].map(|name| (name, owns_host(name, domain, host)));
            let mut owners: Vec<&str> = owners
                .iter()
                .filter(|(_, owns)| *owns)
                .map(|(name, _)| *name)
                .collect();
            owners.dedup();
            assert!(
                owners.windows(2).all(|pair| pair[0] == pair[1]),
                "{host} belongs to {owners:?}"
            );
        }
        let name = branch(namespace, database, host);
        assert_ne!(name, branch(namespace, database, &format!("{host}x")));
        if namespace.is_ascii() && database.is_ascii() {
            assert!(name.len() <= IDENTIFIER, "{name}");
        }
    }
    if is_dns_label(parent) {
        assert!(is_dns_label(&a) && a.len() <= PREVIEW && !a.contains("--"), "{a}");
    }
    assert!(PREVIEW <= DNS_LABEL);
}

//! Hosts: one meaning in every spelling, and nothing written before or after a protected host hides it.

use crate::stage::{self, PREVIEW};
use std::sync::LazyLock;
use understudy::host::{address, candidates, canonical, matches, namespace, numeric, service, tidy};
use understudy::protected::{Bounds, Place, Protected};
use understudy::services::Services;

static WORLD: LazyLock<(Protected, Services)> =
    LazyLock::new(|| (stage::protected(&stage::policy()), stage::services()));

/// Any text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (protected, services) = &*WORLD;
    let bounds = Bounds::of(protected, services, PREVIEW);
    let once = canonical(text);
    assert_eq!(canonical(&once), once, "{text:?}");
    assert_eq!(namespace(text), namespace(&once), "{text:?}");
    assert_eq!(tidy(&tidy(text)), tidy(text), "{text:?}");
    assert!(matches(text, text) || text.starts_with("*."), "{text:?}");
    let _ = (
        service(text),
        numeric(text),
        protected.why_search(text),
        protected.knows(text),
    );

    for candidate in candidates(text) {
        let host = candidate.text;
        assert!(!host.is_empty() && host.len() <= 253 && !host.contains("..") && text.contains(host));
        spellings(&bounds, host);
    }
    if text.len() <= 253
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-._:".contains(&c))
    {
        spellings(&bounds, text);
    }
    if let (Some(found), Some(_)) = (address(text), numeric(text)) {
        assert!(found.is_ipv4(), "{text:?}");
    }

    spelt_out(&bounds, text);

    let value = bounds.reached(text, Place::Value);
    if bounds.reached(text, Place::File).is_some() {
        assert!(value.is_some(), "{text:?}");
    }
    for host in ["db.shop", "10.96.0.12", "x.prod.example.com", "alias"] {
        let mut hidden = vec![
            format!("{text} {host}"),
            format!("{host} {text}"),
            format!("{text}@{host}"),
        ];
        // In the path of a URL a host is only a word.
        if !text.contains("//") {
            hidden.push(format!("{text}/{host}/"));
        }
        for hidden in hidden {
            assert!(bounds.reached(&hidden, Place::Value).is_some(), "{hidden:?}");
        }
    }
}

/// Whether a host is out of bounds does not depend on how it is spelt.
fn spellings(bounds: &Bounds<'_>, host: &str) {
    let refused = bounds.why(host).is_some();
    for other in [
        host.to_ascii_uppercase(),
        host.to_ascii_lowercase(),
        format!("{}.", host.trim_end_matches('.')),
    ] {
        assert_eq!(bounds.why(&other).is_some(), refused, "{host:?} and {other:?}");
    }
    if let Some(address) = address(host) {
        assert_eq!(
            bounds.why(&address.to_string()).is_some(),
            refused,
            "{host:?} and {address}"
        );
    }
}

/// Whatever stands in front, a name that says it leads into the golden does. A Service may be called `svc` or `pod`
/// itself; in front of its name stands a Pod's, or a port's and a protocol's.
fn spelt_out(bounds: &Bounds<'_>, label: &str) {
    let legal = label
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    if label.is_empty() || label.len() > 63 || !legal {
        return;
    }
    let endings = [
        "shop",
        "shop.svc",
        "db.shop",
        "_tcp.pod.shop.svc",
        "svc.shop.svc.cluster.local",
        "pod.shop.svc.cluster.local",
        "x.shop.svc.cluster.local",
    ];
    for host in endings.map(|end| format!("{label}.{end}")) {
        assert!(bounds.why(&host).is_some(), "{host}");
    }
}

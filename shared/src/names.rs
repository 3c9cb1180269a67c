//! The slug law: names of previews, hosts and databases, deterministic and within their budgets.
//!
//! A preview is `<parent>-pr-<n>`. Its main host is `<namespace>.<domain>`, a further one
//! `<service>--<namespace>.<domain>`: a single DNS label, so that one wildcard certificate serves, and whose it is can be
//! read off what stands after the last `--`. A slug over its budget is cut and a hash of the whole is added: eight
//! characters, and sixteen where two names are two users' and one must not be able to find the other's. What fits but
//! could be taken for a cut one gets a hash as well, so that only equal hashes make equal slugs.

use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Longest DNS label (RFC 1123) and namespace name.
pub const DNS_LABEL: usize = 63;
/// Longest name a clone gives itself: leaves `<service>--` sixteen characters within a DNS label.
pub const PREVIEW: usize = 47;
/// Longest PostgreSQL identifier, in bytes (`NAMEDATALEN - 1`).
pub const IDENTIFIER: usize = 63;
/// Longest namespace that stands whole in a further host: leaves the service one letter and its hash.
const OWNER: usize = 51;

const _: () = assert!(PREVIEW + 2 + 14 <= DNS_LABEL && PREVIEW < OWNER && OWNER + 2 + 10 <= DNS_LABEL);

/// The first `n` hexadecimal characters of the SHA-256 of `text`.
pub fn hash(text: &str, n: usize) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(n);
    digest
}

/// `slug` itself where it fits `budget`, else cut to it with a hash of the whole, joined by `joint`.
pub fn fit(slug: &str, budget: usize, joint: char) -> String {
    within(slug, budget, joint, 8).into_owned()
}

fn within(slug: &str, budget: usize, joint: char, digits: usize) -> Cow<'_, str> {
    // A cut one is as long as its budget, or one less where a joint stood at the cut.
    let looks_cut = || {
        let (_, end) = slug.rsplit_once(joint)?;
        let is_hash =
            end.len() == digits && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hash && slug.len() + 1 >= budget).then_some(())
    };
    if slug.len() <= budget && looks_cut().is_none() {
        return Cow::Borrowed(slug);
    }
    Cow::Owned(cut(slug, budget, joint, &hash(slug, digits)))
}

fn cut(slug: &str, budget: usize, joint: char, hash: &str) -> String {
    let keep: String = slug.chars().take(budget - hash.len() - 1).collect();
    format!("{}{joint}{hash}", keep.trim_end_matches(joint))
}

/// The namespace of pull request `pr` of the golden `parent`.
pub fn preview(parent: &str, pr: u64) -> String {
    let suffix = format!("-pr-{pr}");
    let single = parent
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let parent = if single == parent {
        single
    } else {
        format!("{single}-{}", hash(parent, 8))
    };
    format!("{}{suffix}", fit(&parent, PREVIEW - suffix.len(), '-'))
}

/// Whether `name` is a DNS label (RFC 1123): what a namespace may be called.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= DNS_LABEL && is_label(name)
}

/// Whether `name` is a DNS subdomain (RFC 1123): what a ConfigMap or Secret may be called, and all that may become part of a
/// path to one (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>).
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// The main host of a preview.
pub fn main_host(namespace: &str, domain: &str) -> String {
    format!("{namespace}.{domain}")
}

/// A further host of a preview, for `service`.
pub fn service_host(service: &str, namespace: &str, domain: &str) -> String {
    let owner = owner(namespace);
    let budget = DNS_LABEL.saturating_sub(owner.len() + 2).max(10);
    format!("{}--{owner}.{domain}", fit(service, budget, '-'))
}

/// How a further host names its preview: whole, or where that leaves the service no room, cut.
fn owner(namespace: &str) -> Cow<'_, str> {
    within(namespace, OWNER, '-', 16)
}

/// Whether `host` belongs to the preview `namespace` below `domain`.
pub fn owns_host(namespace: &str, domain: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let Some(label) = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')) else {
        return false;
    };
    if label.contains('.') || !is_dns_label(label) {
        return false;
    }
    match label.rsplit_once("--") {
        Some((_, end)) => end == owner(namespace),
        None => label == namespace,
    }
}

/// The PostgreSQL name (of a role and of its database) for one branch; `seed` tells lives of a namespace apart.
pub fn branch(namespace: &str, database: &str, seed: &str) -> String {
    let readable = format!("preview_{namespace}_{database}").replace('-', "_");
    let whole = format!("{seed}/{namespace}/{database}");
    cut(&readable, IDENTIFIER, '_', &hash(&whole, 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_leads_elsewhere_in_a_path_is_a_name() {
        // A20
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "x?y",
            "x#y",
            "a%2fb",
            "a\nb",
            "a\0b",
            "A",
            "a..b",
            "-a",
            "a\u{202e}b",
        ] {
            assert!(!is_dns_subdomain(name) && !is_dns_label(name), "{name:?}");
        }
        assert!(is_dns_subdomain("shop.db-1") && !is_dns_label("shop.db-1"));
    }

    #[test]
    fn names_read_well_and_do_not_collide() {
        // D15
        assert_eq!(preview("shop", 7), "shop-pr-7");
        assert_ne!(preview("shop", 1), preview("shop", 11));
        let (a, b) = ("a".repeat(62) + "x", "a".repeat(62) + "y");
        assert_ne!(preview(&a, 7), preview(&b, 7));
        assert_ne!(preview("a--b", 7), preview("a-b", 7));
        assert!(!preview("a---b", 7).contains("--"));
    }

    #[test]
    fn a_host_belongs_to_what_stands_after_the_last_double_dash() {
        let owns = |host| owns_host("shop-pr-7", "preview.example.com", host);
        assert!(owns("shop-pr-7.preview.example.com"));
        assert!(owns("api--shop-pr-7.preview.example.com"));
        assert!(owns("API--shop-pr-7.Preview.example.com"));
        assert!(!owns("shop-pr-77.preview.example.com"));
        assert!(!owns("x-shop-pr-7.preview.example.com"));
        assert!(!owns("shop-pr-7--shop-pr-8.preview.example.com"));
        assert!(!owns("a.shop-pr-7.preview.example.com"));
        assert!(!owns("shop-pr-7.preview.example.com.evil.example"));
        assert!(!owns("*.preview.example.com"));
        assert!(!owns("preview.example.com"));
    }

    #[test]
    fn a_host_of_a_long_name_is_one_label_and_nobody_elses() {
        let long = format!("{}-pr-7", "a".repeat(58));
        let host = service_host("web", &long, "preview.example.com");
        let label = host.split('.').next().unwrap();
        assert!(is_dns_label(label) && label.starts_with("web--aaa"), "{label}");
        assert!(owns_host(&long, "preview.example.com", &host));
        // The namespace that is called what the long name is cut to.
        let (_, cut) = label.rsplit_once("--").unwrap();
        assert!(!owns_host(cut, "preview.example.com", &host));
        let own = service_host("web", cut, "preview.example.com");
        assert!(
            own != host && owns_host(cut, "preview.example.com", &own),
            "{own}"
        );
        assert!(!owns_host(&long, "preview.example.com", &own));
    }

    #[test]
    fn what_could_be_a_cut_slug_is_cut_too() {
        let cut = fit(&"a".repeat(40), 20, '-');
        assert_eq!(cut.len(), 20);
        assert_ne!(fit(&cut, 20, '-'), cut);
        for plain in ["web", "web-deadbeef", "a-name-of-20-letters"] {
            assert_eq!(fit(plain, 20, '-'), plain);
        }
    }

    const LABEL: &str = "[a-z](-?[a-z0-9]){0,31}[a-z0-9]{0,31}";

    proptest! {
        #[test]
        fn every_namespace_owns_its_hosts_and_nobody_elses(namespace in LABEL, other in LABEL, service in LABEL, cut in 0_usize..64) {
            let domain = "preview.example.com";
            let (mut namespace, mut other, mut service) = (namespace, other, service);
            for name in [&mut namespace, &mut other, &mut service] {
                name.truncate(DNS_LABEL);
                name.truncate(name.trim_end_matches('-').len());
            }
            // Names with one beginning meet where they are cut.
            other.replace_range(..cut.min(other.len()), &namespace[..cut.min(other.len()).min(namespace.len())]);
            for host in [main_host(&namespace, domain), service_host(&service, &namespace, domain)] {
                let label = host.split('.').next().unwrap();
                prop_assert!(is_dns_label(label), "{}", label);
                prop_assert!(owns_host(&namespace, domain, &host), "{}", host);
                prop_assert_eq!(owns_host(&other, domain, &host), other == namespace, "{} and {}", host, other);
            }
            prop_assert_eq!(service_host(&service, &namespace, domain), service_host(&service, &namespace, domain));
        }

        #[test]
        fn every_preview_owns_its_hosts(parent in "[a-z]([-a-z0-9]{0,60}[a-z0-9])?", pr in 1_u64..u64::MAX, service in "[a-z]([-a-z0-9]{0,60}[a-z0-9])?") {
            let name = preview(&parent, pr);
            prop_assert!(is_dns_label(&name) && name.len() <= PREVIEW && !name.contains("--"), "{}", name);
            let domain = "preview.example.com";
            prop_assert!(owns_host(&name, domain, &main_host(&name, domain)));
            let host = service_host(&service, &name, domain);
            prop_assert!(owns_host(&name, domain, &host), "{}", host);
        }

        #[test]
        fn every_branch_fits_an_identifier(namespace in "[a-z0-9-]{1,63}", database in "[a-z0-9-]{1,32}", seed in ".{0,40}") {
            prop_assert!(branch(&namespace, &database, &seed).len() <= IDENTIFIER);
        }
    }
}

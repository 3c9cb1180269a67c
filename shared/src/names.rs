//! The slug law: names of previews, hosts and databases, deterministic and within their budgets.
//!
//! A preview is `<parent>-pr-<n>`. Its main host is `<namespace>.<domain>`, a further one
//! `<service>--<namespace>.<domain>`: a single DNS label, so that one wildcard certificate serves, and whose it is can be
//! read off what stands after the last `--`. A slug over its budget is cut and eight characters of a hash are added.

use sha2::{Digest, Sha256};

/// Longest DNS label (RFC 1123) and namespace name.
pub const DNS_LABEL: usize = 63;
/// Longest name a clone gives itself: leaves `<service>--` sixteen characters within a DNS label.
pub const PREVIEW: usize = 47;
/// Longest PostgreSQL identifier, in bytes (`NAMEDATALEN - 1`).
pub const IDENTIFIER: usize = 63;

const _: () = assert!(PREVIEW + 2 + 14 <= DNS_LABEL);

/// The first `n` hexadecimal characters of the SHA-256 of `text`.
pub fn hash(text: &str, n: usize) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(n);
    digest
}

/// `slug` itself where it fits `budget`, else cut to it with a hash of the whole, joined by `joint`.
pub fn fit(slug: &str, budget: usize, joint: char) -> String {
    if slug.len() <= budget {
        return slug.to_owned();
    }
    let keep: String = slug.chars().take(budget - 9).collect();
    format!("{}{joint}{}", keep.trim_end_matches(joint), hash(slug, 8))
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
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= DNS_LABEL
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The main host of a preview.
pub fn main_host(namespace: &str, domain: &str) -> String {
    format!("{namespace}.{domain}")
}

/// A further host of a preview, for `service`.
pub fn service_host(service: &str, namespace: &str, domain: &str) -> String {
    let budget = DNS_LABEL.saturating_sub(namespace.len() + 2).max(10);
    format!("{}--{namespace}.{domain}", fit(service, budget, '-'))
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
    label.rsplit_once("--").map_or(label, |(_, owner)| owner) == namespace
}

/// The PostgreSQL name (of a role and of its database) for one branch; `seed` tells lives of a namespace apart.
pub fn branch(namespace: &str, database: &str, seed: &str) -> String {
    let readable = format!("preview_{namespace}_{database}").replace('-', "_");
    let cut: String = readable.chars().take(IDENTIFIER - 13).collect();
    format!("{cut}_{}", hash(&format!("{seed}/{namespace}/{database}"), 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
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

//! What no preview may reach: every golden, plus the union of what all policies list and match.

use crate::host;
use crate::policy::PreviewPolicySpec;
use std::collections::BTreeSet;

/// The union of what is protected in a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Protected {
    namespaces: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Protected {
    /// From all goldens and **all** policies: a laxer policy must not open what another protects.
    pub fn new<'a>(
        goldens: impl IntoIterator<Item = String>,
        policies: impl IntoIterator<Item = &'a PreviewPolicySpec>,
    ) -> Self {
        let mut protected = Protected {
            namespaces: goldens.into_iter().collect(),
            hosts: BTreeSet::new(),
        };
        for policy in policies {
            protected
                .namespaces
                .extend(policy.protected.namespaces.iter().cloned());
            protected.hosts.extend(policy.protected.hosts.iter().cloned());
            protected.hosts.extend(
                policy
                    .databases
                    .iter()
                    .flat_map(|database| database.matches.hosts.clone()),
            );
        }
        protected
    }

    /// Whether the namespace `name` is protected.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }

    /// Why `host` is out of bounds, as the end of the sentence "`host` is …"; `None` when it is not.
    pub fn why(&self, host: &str) -> Option<String> {
        if let Some(namespace) = host::namespace(host).filter(|name| self.has_namespace(name)) {
            return Some(format!("in the protected namespace {namespace}"));
        }
        let pattern = self.hosts.iter().find(|pattern| host::matches(pattern, host))?;
        Some(if *pattern == host {
            "a protected host".to_owned()
        } else {
            format!("a protected host ({pattern})")
        })
    }

    /// The first protected host that is written anywhere in `text`.
    pub fn host_in<'t>(&self, text: &'t str) -> Option<(&'t str, String)> {
        host::hosts_in(text).find_map(|host| self.why(host).map(|why| (host, why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_is_the_union_over_all_policies() {
        // C25
        let strict: PreviewPolicySpec = serde_json::from_value(serde_json::json!({
            "protected": { "namespaces": ["production"], "hosts": ["*.prod.example.com"] }
        }))
        .unwrap();
        let lax = PreviewPolicySpec::default();
        let protected = Protected::new(["shop".to_owned()], [&lax, &strict]);
        assert!(protected.why("db.shop").is_some());
        assert!(protected.why("db.production.svc").is_some());
        assert!(protected.why("x.prod.example.com").is_some());
        assert!(protected.why("example.com").is_none());
        assert_eq!(
            protected.host_in("see http://web.shop:80/").unwrap().0,
            "web.shop"
        );
    }
}

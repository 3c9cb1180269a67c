//! What no preview may reach: every golden, plus the union of what all policies list and match.

mod bounds;

pub use bounds::{Bounds, Place};

use crate::host;
use crate::policy::PreviewPolicySpec;
use crate::services::Services;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The union of what is protected in a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Protected {
    namespaces: BTreeSet<String>,
    /// Exact hosts in canonical spelling, with the spelling of the policy.
    hosts: BTreeMap<String, String>,
    /// What stands after `*.`, in canonical spelling.
    parents: BTreeSet<String>,
    /// The virtual addresses of Services in protected namespaces, with the Service.
    addresses: BTreeMap<IpAddr, String>,
    /// Hosts of a policy's list that are addresses, with the spelling of the policy.
    listed_addresses: BTreeMap<IpAddr, String>,
    /// The Services of protected namespaces, as `name.namespace`.
    services: BTreeSet<String>,
    /// Whether there is any address, which the sixth version of the protocol spells in many ways, those of the fourth too.
    has_addresses: bool,
}

impl Protected {
    /// From all goldens and **all** policies: a laxer policy must not open what another protects.
    pub fn new<'a>(
        goldens: impl IntoIterator<Item = String>,
        policies: impl IntoIterator<Item = &'a PreviewPolicySpec>,
        services: &Services,
    ) -> Self {
        let mut protected = Protected {
            namespaces: goldens.into_iter().collect(),
            ..Protected::default()
        };
        for policy in policies {
            protected
                .namespaces
                .extend(policy.protected.namespaces.iter().cloned());
            let matched = policy
                .databases
                .iter()
                .flat_map(|database| &database.matches.hosts);
            for pattern in policy.protected.hosts.iter().chain(matched) {
                protected.host(pattern);
            }
        }
        for namespace in &protected.namespaces {
            for (name, service) in services.of(namespace) {
                let full = format!("{name}.{namespace}");
                let addresses = service.cluster_ips.iter();
                protected
                    .addresses
                    .extend(addresses.map(|address| (*address, full.clone())));
                protected.services.insert(full);
            }
        }
        protected.has_addresses = !(protected.addresses.is_empty() && protected.listed_addresses.is_empty());
        protected
    }

    fn host(&mut self, pattern: &str) {
        if let Some(parent) = pattern.strip_prefix("*.") {
            self.parents.insert(host::canonical(parent).into_owned());
        } else {
            let canonical = host::canonical(pattern);
            if let Some(address) = host::address(pattern) {
                self.listed_addresses.insert(address, pattern.to_owned());
            }
            // `db.shop` may mean the Service; which of the two a resolver takes is its search list's choice.
            if host::is_pair(&canonical) {
                self.hosts.insert(format!("{canonical}.svc"), pattern.to_owned());
            }
            self.hosts.insert(canonical.into_owned(), pattern.to_owned());
        }
    }

    /// The protected namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = &String> {
        self.namespaces.iter()
    }

    /// Whether the namespace `name` is protected.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }

    /// Why `host` is out of bounds by its spelling or its address, as the end of the sentence "`host` is …"; `None` when
    /// it is not.
    pub fn why(&self, host: &str) -> Option<String> {
        self.why_spelt(host, &host::canonical(host))
    }

    /// The same, with its canonical spelling at hand.
    fn why_spelt(&self, host: &str, canonical: &str) -> Option<String> {
        if let Some(address) = host::address(host) {
            return self.why_address(address, host);
        }
        let led = host::namespace_of(canonical).filter(|name| self.has_namespace(name));
        // `shop` and `app` are namespaces and words that hosts of the internet end in. Two labels are a Service by the search
        // list of every Pod; more are one if they say so, or if there is such a Service.
        let is_service =
            || host::is_pair(canonical) || host::is_spelt_out(canonical) || self.has_service(canonical);
        if let Some(namespace) = led.filter(|_| is_service()) {
            return Some(format!("in the protected namespace {namespace}"));
        }
        self.listed(host, canonical)
    }

    /// The same for the address that `host` is.
    fn why_address(&self, address: IpAddr, host: &str) -> Option<String> {
        let service = self.addresses.get(&address);
        service
            .map(|service| format!("the address of Service {service} in a protected namespace"))
            .or_else(|| {
                let pattern = self.listed_addresses.get(&address)?;
                Some(said(pattern, host))
            })
            .or_else(|| self.listed(host, &host::canonical(host)))
    }

    /// Whether the last two labels of a host in canonical spelling name a Service of a protected namespace.
    fn has_service(&self, canonical: &str) -> bool {
        let name = canonical.strip_suffix(".svc").unwrap_or(canonical);
        let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
        let (last, before) = (dots.next(), dots.next());
        last.is_some() && self.services.contains(&name[before.map_or(0, |at| at + 1)..])
    }

    /// Why a policy's list of hosts puts `host` out of bounds.
    fn listed(&self, host: &str, canonical: &str) -> Option<String> {
        let service = host::is_pair(canonical).then(|| format!("{canonical}.svc"));
        for spelling in [Some(canonical), service.as_deref()].into_iter().flatten() {
            if let Some(pattern) = self.hosts.get(spelling) {
                return Some(said(pattern, host));
            }
            let mut rest = if self.parents.is_empty() { "" } else { spelling };
            while let Some((_, parent)) = rest.split_once('.') {
                if self.parents.contains(parent) {
                    return Some(said(&format!("*.{parent}"), host));
                }
                rest = parent;
            }
        }
        None
    }

    /// Why a search domain of a resolver is out of bounds: a bare name would be looked up below it.
    pub fn why_search(&self, domain: &str) -> Option<String> {
        let domain = host::canonical(domain.trim_start_matches('.'));
        let first = domain.split('.').next().unwrap_or_default();
        let whole = (self.has_namespace(first) && host::is_namespace_domain(&domain)).then_some(first);
        // `db.shop.svc` finds the Pods of a headless Service.
        let below = format!("x.{domain}");
        let inside =
            || host::namespace_of(&below).filter(|name| domain.ends_with(".svc") && self.has_namespace(name));
        if let Some(namespace) = whole.or_else(inside) {
            return Some(format!("the protected namespace {namespace}"));
        }
        let ends = format!(".{domain}");
        let found = self
            .hosts
            .keys()
            .chain(&self.parents)
            .find(|host| host.ends_with(&ends));
        found
            .map(|host| format!("where the protected host {host} is found"))
            .or_else(|| self.listed(&below, &below).map(|why| format!("below {why}")))
    }

    /// Whether `host` names a Service that there is in a protected namespace, or is listed as it stands.
    pub fn knows(&self, host: &str) -> bool {
        self.knows_spelt(host, &host::canonical(host))
    }

    /// The same, with its canonical spelling at hand.
    fn knows_spelt(&self, host: &str, canonical: &str) -> bool {
        self.has_service(canonical) || self.listed(host, canonical).is_some()
    }
}

/// That `host` is what a policy lists as `pattern`.
fn said(pattern: &str, host: &str) -> String {
    if pattern == host {
        "a protected host".to_owned()
    } else {
        format!("a protected host ({pattern})")
    }
}

#[cfg(test)]
mod tests;

//! The Services of the cluster, as far as they say where a name or an address leads.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Where one Service leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its virtual addresses; none for a headless one.
    pub cluster_ips: Vec<IpAddr>,
    /// The name it is an alias of, where it is of type `ExternalName`.
    pub external_name: Option<String>,
}

/// The Services of one namespace by name.
pub type Named = BTreeMap<String, Service>;

/// Every Service by namespace. Cheap to copy: a namespace's Services are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<String, Arc<Named>>);

impl Services {
    /// The Service `name` of `namespace`.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.0.get(namespace)?.get(name)
    }

    /// The Services of `namespace`.
    pub fn of(&self, namespace: &str) -> impl Iterator<Item = (&String, &Service)> {
        self.0.get(namespace).into_iter().flat_map(|named| named.iter())
    }

    /// Remembers what a Service says now.
    pub fn put(&mut self, namespace: &str, name: &str, service: Service) {
        let named = self.0.entry(namespace.to_owned()).or_default();
        Arc::make_mut(named).insert(name.to_owned(), service);
    }

    /// Forgets a Service that is gone.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(named) = self.0.get_mut(namespace) {
            Arc::make_mut(named).remove(name);
            if named.is_empty() {
                self.0.remove(namespace);
            }
        }
    }
}

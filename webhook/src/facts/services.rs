//! Where the Services of the cluster lead: followed, and kept as little as that.
//!
//! No store of whole Services: a cluster has thousands, and of each only addresses and an alias matter here.

use super::freshness::{Followed, Freshness};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Service as Object;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use understudy::services::{Service, Services};

/// Services in one answer of a listing: each may be large.
const PAGE: u32 = 100;

/// The Services as known now.
#[derive(Clone, Default)]
pub struct Directory(Arc<Mutex<Arc<Services>>>);

impl Directory {
    /// What is known now.
    pub fn services(&self) -> Arc<Services> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Services)) {
        change(Arc::make_mut(
            &mut self.0.lock().unwrap_or_else(PoisonError::into_inner),
        ));
    }
}

/// Follows all Services; `filled` becomes `true` once they have been listed. `changed` is called at each change with the
/// namespace, or with none after a listing.
pub async fn follow(
    client: Client,
    directory: Directory,
    filled: watch::Sender<bool>,
    changed: impl Fn(Option<&str>),
    freshness: Arc<Freshness>,
) {
    let api: Api<Object> = Api::all(client);
    let mut events = pin!(watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff());
    let mut listing = Services::default();
    while let Some(event) = events.next().await {
        freshness.heard(Followed::Services, &event);
        match event {
            Ok(watcher::Event::Init) => listing = Services::default(),
            Ok(watcher::Event::InitApply(object)) => put(&mut listing, &object),
            Ok(watcher::Event::InitDone) => {
                let listed = std::mem::take(&mut listing);
                directory.change(|services| *services = listed);
                let _ = filled.send(true);
                changed(None);
            }
            Ok(watcher::Event::Apply(object)) => {
                directory.change(|services| put(services, &object));
                changed(Some(place(&object).0));
            }
            Ok(watcher::Event::Delete(object)) => {
                let (namespace, name) = place(&object);
                directory.change(|services| services.remove(namespace, name));
                changed(Some(namespace));
            }
            Err(_) => {}
        }
    }
}

fn place(object: &Object) -> (&str, &str) {
    (
        object.metadata.namespace.as_deref().unwrap_or_default(),
        object.metadata.name.as_deref().unwrap_or_default(),
    )
}

fn put(services: &mut Services, object: &Object) {
    let (namespace, name) = place(object);
    services.put(namespace, name, read(object));
}

fn read(object: &Object) -> Service {
    let Some(spec) = &object.spec else {
        return Service::default();
    };
    let alias = spec.type_.as_deref() == Some("ExternalName");
    let single = spec.cluster_ip.iter();
    let addresses = spec.cluster_ips.iter().flatten().chain(single);
    let mut cluster_ips: Vec<_> = addresses.filter_map(|address| address.parse().ok()).collect();
    cluster_ips.dedup();
    Service {
        cluster_ips,
        external_name: spec.external_name.clone().filter(|_| alias),
    }
}

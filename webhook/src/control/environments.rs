//! What running Pods read again at every restart: one watch on ConfigMaps and one on Secrets per sealed preview whose Pods
//! read any, metadata only. When something changes, the preview's Pods are looked at again, with what they read now.

use super::context::Context;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use understudy::keys;
use understudy::preview::Preview;

/// The watches, and which previews have to be looked at again.
pub struct Environments {
    watched: Mutex<HashMap<String, Watched>>,
    changed: mpsc::UnboundedSender<ObjectRef<Namespace>>,
}

/// How long a change counts: what was reviewed before it may be stored after it, and shows up here later still.
const SETTLING: Duration = Duration::from_secs(2);

/// Objects in one answer of a listing: metadata may be large too.
const PAGE: u32 = 100;

struct Watched {
    uid: String,
    /// Something changed since the last look.
    stale: bool,
    changed: Instant,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Environments {
    /// None yet; the receiver tells which namespaces to look at.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<ObjectRef<Namespace>>) {
        let (changed, receiver) = mpsc::unbounded_channel();
        let watched = Mutex::default();
        (Environments { watched, changed }, receiver)
    }

    /// Watches `preview` from now on; a change before that counts as one.
    pub fn watch(&self, context: &std::sync::Arc<Context>, preview: &Preview) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched
            .get(&preview.name)
            .is_some_and(|known| known.uid == preview.uid)
        {
            return;
        }
        let (context, name, changed) = (context.clone(), preview.name.clone(), self.changed.clone());
        let task = tokio::spawn(async move {
            let client = context.client.clone();
            let mut events = std::pin::pin!(stream::select(
                changes::<ConfigMap>(&client, &name),
                changes::<Secret>(&client, &name)
            ));
            while events.next().await.is_some() {
                context.environments.has_changed(&name);
                let _ = changed.send(ObjectRef::new(&name));
            }
        });
        let uid = preview.uid.clone();
        watched.insert(
            preview.name.clone(),
            Watched {
                uid,
                stale: true,
                changed: Instant::now(),
                task,
            },
        );
    }

    /// Ends the watches of a preview that is gone or no longer sealed.
    pub fn forget(&self, namespace: &str) {
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(namespace);
    }

    fn has_changed(&self, namespace: &str) {
        self.edit(namespace, |watched| {
            watched.stale = true;
            watched.changed = Instant::now();
        });
    }

    /// Something could not be read when it was looked at.
    pub fn mark(&self, namespace: &str) {
        self.edit(namespace, |watched| watched.stale = true);
    }

    /// Whether something changed since this was asked last, or a moment ago.
    pub fn take(&self, namespace: &str) -> bool {
        let taken = self.edit(namespace, |watched| {
            std::mem::take(&mut watched.stale) || watched.changed.elapsed() < SETTLING
        });
        taken.unwrap_or(false)
    }

    fn edit<T>(&self, namespace: &str, edit: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.get_mut(namespace).map(edit)
    }
}

/// One item per change or end of an object of this kind in `namespace`, and one for each listing: what happened before it is
/// not known. Branch Secrets are ours and immutable.
fn changes<K>(client: &Client, namespace: &str) -> impl Stream<Item = ()> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(client.clone(), namespace);
    watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .filter_map(|event| {
            let ours = |object: &PartialObjectMeta<K>| {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                name.starts_with(keys::BRANCH_SECRET_PREFIX)
            };
            let counts = match event {
                // One that is gone may have hidden what another one says.
                Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => !ours(&object),
                Ok(watcher::Event::InitDone) => true,
                Ok(_) => false,
                Err(error) => {
                    tracing::debug!(%error, "failed to watch what Pods read");
                    false
                }
            };
            std::future::ready(counts.then_some(()))
        })
}

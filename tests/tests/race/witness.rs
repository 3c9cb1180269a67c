//! Everything the API server said of Pods and Namespaces, in the order in which it happened.
//!
//! Two plain watches, without a cache between that could join two events into one. A bed has one etcd, whose revision is
//! the resourceVersion of every kind, so a Pod's event and a namespace's can be put in order: what is judged is what was
//! stored, however late anybody heard of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinHandle;
use understudy::keys;

use crate::attempt::{VARIABLE, is_golden};

/// A namespace after one event.
#[derive(Debug)]
struct Being {
    revision: u64,
    sealed: bool,
}

/// One Pod, by its uid: what was ever seen of it.
#[derive(Debug, Default, Clone)]
pub struct History {
    pub namespace: String,
    pub name: String,
    /// Held by the gates that are lifted.
    pub held: bool,
    /// Held until it is replaced.
    pub set_aside: bool,
    /// At some moment without the review mark, or past its review with the golden's connection.
    pub unreviewed: bool,
    /// The revision at which it had a node first.
    pub bound: Option<u64>,
    pub running: bool,
    pub gone: bool,
}

#[derive(Default)]
struct Journal {
    /// By name, since one name may be born again.
    namespaces: HashMap<String, Vec<Being>>,
    pods: BTreeMap<String, History>,
    broken: Option<String>,
}

/// Watches until dropped.
pub struct Witness {
    client: Client,
    journal: Arc<Mutex<Journal>>,
    watches: [JoinHandle<()>; 2],
}

impl Witness {
    /// Watches from now on, as `client`'s user.
    pub async fn start(client: Client) -> Result<Self> {
        let journal = Arc::new(Mutex::new(Journal::default()));
        let watches = [
            watch::<Namespace>(&client, &journal, Journal::namespace).await?,
            watch::<Pod>(&client, &journal, Journal::pod).await?,
        ];
        Ok(Self {
            client,
            journal,
            watches,
        })
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("no panic while held")
    }

    /// The Pods that `namespace` ever had.
    pub fn pods(&self, namespace: &str) -> Vec<History> {
        let journal = self.journal();
        journal
            .pods
            .values()
            .filter(|pod| pod.namespace == namespace)
            .cloned()
            .collect()
    }

    /// `Ok` once a Pod of `namespace` runs that has not been removed.
    pub fn ensure_running(&self, namespace: &str) -> Result<()> {
        if let Some(why) = &self.journal().broken {
            bail!("the watch ended: {why}");
        }
        let pods = self.pods(namespace);
        ensure!(
            pods.iter().any(|pod| pod.running && !pod.gone),
            "{namespace}: {pods:?}"
        );
        Ok(())
    }

    /// Waits until both watches have told everything up to now.
    pub async fn catch_up(&self) -> Result<()> {
        let name = format!("now-{:08x}", rand::random::<u32>());
        crate::attempt::plain_namespace(&self.client, &name).await?;
        understudy_tests::testbed::eventually(
            crate::SOON,
            "the watch of namespaces has caught up",
            || async {
                let journal = self.journal();
                if let Some(why) = &journal.broken {
                    bail!("the watch ended: {why}");
                }
                journal
                    .namespaces
                    .contains_key(&name)
                    .then_some(())
                    .context("not told yet")
            },
        )
        .await
    }

    /// Whether `pod` had a node while its namespace was not sealed.
    pub fn bound_early(&self, pod: &History) -> bool {
        let Some(bound) = pod.bound else { return false };
        let journal = self.journal();
        let beings = journal.namespaces.get(&pod.namespace);
        let then = beings.and_then(|beings| beings.iter().rev().find(|being| being.revision < bound));
        then.is_none_or(|being| !being.sealed)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

async fn watch<K>(
    client: &Client,
    journal: &Arc<Mutex<Journal>>,
    note: fn(&mut Journal, K, bool),
) -> Result<JoinHandle<()>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    let listed = api.list_metadata(&ListParams::default().limit(1)).await?;
    let mut revision = listed
        .metadata
        .resource_version
        .context("a list without a resourceVersion")?;
    let journal = journal.clone();
    Ok(tokio::spawn(async move {
        // A watch ends now and then, and goes on from where it ended.
        loop {
            let Err(error) = follow(&api, &mut revision, &journal, note).await else {
                continue;
            };
            journal.lock().expect("no panic while held").broken = Some(format!("{error:#}"));
            return;
        }
    }))
}

async fn follow<K>(
    api: &Api<K>,
    revision: &mut String,
    journal: &Mutex<Journal>,
    note: fn(&mut Journal, K, bool),
) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = api.watch(&WatchParams::default(), revision).await?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let (object, gone) = match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(mark) => {
                *revision = mark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(status) => bail!("{status:?}"),
        };
        *revision = object.meta().resource_version.clone().unwrap_or_default();
        note(&mut journal.lock().expect("no panic while held"), object, gone);
    }
    Ok(())
}

impl Journal {
    fn namespace(&mut self, namespace: Namespace, gone: bool) {
        let annotations = namespace.metadata.annotations.clone().unwrap_or_default();
        let being = Being {
            revision: revision(&namespace),
            sealed: !gone && annotations.contains_key(keys::GUARDRAILS),
        };
        self.namespaces
            .entry(namespace.metadata.name.unwrap_or_default())
            .or_default()
            .push(being);
    }

    fn pod(&mut self, pod: Pod, gone: bool) {
        let revision = revision(&pod);
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let history = self.pods.entry(uid).or_default();
        history.namespace = pod.metadata.namespace.clone().unwrap_or_default();
        history.name = pod.metadata.name.clone().unwrap_or_default();
        history.gone |= gone || pod.metadata.deletion_timestamp.is_some();
        let pod = serde_json::to_value(pod).expect("a Pod is JSON");
        let gates: Vec<&str> = pod["spec"]["schedulingGates"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|gate| gate["name"].as_str())
            .collect();
        let set_aside = gates.contains(&keys::GATE_REVIEW);
        history.set_aside |= set_aside;
        history.held |= !set_aside
            && [keys::GATE_GUARDRAILS, keys::GATE_DATABASE]
                .iter()
                .any(|gate| gates.contains(gate));
        history.unreviewed |=
            pod["metadata"]["annotations"][keys::REVIEWED].is_null() || (!set_aside && reaches_golden(&pod));
        if pod["spec"]["nodeName"].is_string() {
            history.bound.get_or_insert(revision);
        }
        history.running |= pod["status"]["phase"] == "Running";
    }
}

/// Whether a variable of a container still means the golden's database.
fn reaches_golden(pod: &Value) -> bool {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut variables = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
    variables.any(|variable| variable["name"] == VARIABLE && is_golden(variable))
}

fn revision<K: Resource>(object: &K) -> u64 {
    object
        .meta()
        .resource_version
        .as_deref()
        .and_then(|text| text.parse().ok())
        .expect("a revision of etcd")
}

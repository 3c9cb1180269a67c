//! Many previews at once, with a Pod each, while admission is rolled out three times.
//!
//! What must come of it: none is let in unreviewed, none is bound to a node before the seal, and no admission fails.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, PostParams, VersionMatch};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use understudy::keys;

use crate::rollout::{Replica, Service};
use crate::testbed::{Understudy, User, eventually};

/// Label of the crowd's previews and Pods.
const CROWD: &str = "crowd";
/// Requests of the crowd under way at once.
const AT_ONCE: usize = 24;
/// How often one request may meet a connection that is being closed.
const CUT_OFF: usize = 3;
/// For five hundred of them, on a busy machine with two cores.
const PATIENCE: Duration = Duration::from_secs(240);

/// What came of a crowd.
pub struct Crowd {
    /// Until all previews and their Pods were made.
    pub made: Duration,
    /// From the same beginning until all of them were ready, which is sealed and each Pod ready.
    pub ready: Duration,
    /// What is found of its Pods then.
    pub pods: Pods,
}

/// Pods of a crowd.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// How many there are.
    pub count: usize,
    /// Of those, how many still have a gate.
    pub held: usize,
    /// Of those, how many lack the mark of a review.
    pub unreviewed: usize,
    /// Previews of those that were bound to a node before the seal.
    pub early: BTreeSet<String>,
}

/// Makes so many previews. An admission that fails is an error. The installed `serve` has to be stopped.
pub async fn gather(understudy: &Understudy, previews: usize) -> Result<Crowd> {
    let bed = understudy.bed();
    let settled = PATIENCE * u32::try_from(previews.div_ceil(500))?;
    let service = Service::bind(understudy.port()).await?;
    let mut serving = Replica::start(bed).await?;
    service.lead_to(&[serving.address]);
    let admin = bed.client(User::Admin).await?;
    answers(&bed.client(User::Developer).await?).await?;
    let watching = tokio::spawn(early(admin.clone(), previews));

    let (began, joined) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let making = tokio::spawn(make(admin.clone(), previews, joined.clone()));
    for quarter in 1..=3 {
        eventually(settled, "a quarter more of the crowd has joined", || async {
            let (so_far, wanted) = (joined.load(Ordering::Relaxed), previews * quarter / 4);
            ensure!(so_far >= wanted || making.is_finished(), "{so_far} of {wanted}");
            anyhow::Ok(())
        })
        .await?;
        serving = serving.replaced(bed, &service, async || ()).await?;
    }
    let made = making.await?? - began;
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let unready = format!("{CROWD},{}!=Ready", keys::PHASE);
    let unready = ListParams::default().labels(&unready).limit(1);
    eventually(settled, "every preview is ready", || async {
        let found = namespaces.list_metadata(&unready).await?.items;
        let first = found.first().map(|preview| &preview.metadata);
        ensure!(first.is_none(), "{first:?}");
        anyhow::Ok(())
    })
    .await?;
    let ready = began.elapsed();

    let early = tokio::time::timeout(settled, watching).await;
    let mut pods = Pods {
        early: early.context("not every Pod was seen on a node")???,
        ..Pods::default()
    };
    let members = ListParams::default().labels(CROWD);
    for pod in Api::<Pod>::all(admin).list(&members).await? {
        pods.count += 1;
        let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
        pods.held += usize::from(gates.is_some());
        pods.unreviewed += usize::from(!pod.annotations().contains_key(keys::REVIEWED));
    }
    Ok(Crowd { made, ready, pods })
}

/// Waits until the API server has somebody to ask.
async fn answers(developer: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    let probe = json!({ "metadata": { "name": "probe", "labels": { keys::PREVIEW: "true" } } });
    let probe = serde_json::from_value(probe)?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually(PATIENCE, "admission answers", || async {
        namespaces.create(&dry_run, &probe).await.map(|_| ())
    })
    .await
}

/// Makes them all and counts them on the way; when the last one was made. By an administrator: the rights of a creator come
/// with the seal.
async fn make(admin: Client, previews: usize, joined: Arc<AtomicUsize>) -> Result<Instant> {
    let joining = stream::iter(0..previews).map(|number| {
        let (name, admin, joined) = (format!("crowd-{number}"), &admin, &joined);
        async move {
            join(admin, &name).await.context(name)?;
            joined.fetch_add(1, Ordering::Relaxed);
            anyhow::Ok(())
        }
    });
    joining.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(Instant::now())
}

/// Makes a preview and at once a Pod in it. What is refused for now is tried again, as whoever makes Pods does; an admission
/// that fails is an error.
async fn join(client: &Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let preview = json!({ "metadata": { "name": name, "labels": { keys::PREVIEW: "true", CROWD: "" } } });
    made(&namespaces, &serde_json::from_value(preview)?)
        .await
        .context("the namespace")?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    let pod = json!({ "metadata": { "name": "web", "labels": { CROWD: "" } },
        "spec": { "containers": [{ "name": "web", "image": "registry.example.com/web:1" }] } });
    let pod: Pod = serde_json::from_value(pod)?;
    let taken = eventually(PATIENCE, "the Pod is taken", || async {
        match made(&pods, &pod).await {
            Err(kube::Error::Api(status))
                if status.message.contains("service account")
                    || status.message.contains("environment-unresolved: ") =>
            {
                bail!("{}", status.message)
            }
            answer => Ok(answer),
        }
    });
    taken.await?.context("the Pod")?;
    Ok(())
}

/// Makes `object`, once. A connection that the API server closes as idle just when it is taken for a request says nothing of
/// admission: the request is sent again, and may have been carried out.
async fn made<K>(api: &Api<K>, object: &K) -> kube::Result<()>
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    let mut cut_off = 0;
    loop {
        match api.create(&PostParams::default(), object).await {
            Err(kube::Error::Service(_)) if cut_off < CUT_OFF => cut_off += 1,
            Err(kube::Error::Api(status)) if cut_off > 0 && status.is_already_exists() => return Ok(()),
            answer => return answer.map(|_| ()),
        }
    }
}

/// Looks at each of so many Pods as it is bound to a node; the previews of those for whom that was before the seal. A bed has
/// one etcd, whose revision is the resourceVersion of every kind: a preview is read as it stood when the binding was stored,
/// however late that is heard of.
async fn early(admin: Client, pods: usize) -> Result<BTreeSet<String>> {
    let members = watcher::Config::default().labels(CROWD);
    let events = watcher(Api::<Pod>::all(admin.clone()), members).default_backoff();
    let mut events = std::pin::pin!(events);
    let namespaces: Api<Namespace> = Api::all(admin);
    let (mut bound, mut early) = (BTreeSet::new(), BTreeSet::new());
    while bound.len() < pods {
        let event = events.next().await.context("the watch of Pods has ended")?;
        // After an error it begins anew with everything that is there.
        let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = event else {
            continue;
        };
        let is_bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        if !is_bound || !bound.insert(pod.uid()) {
            continue;
        }
        let namespace = pod.namespace().unwrap_or_default();
        let then = ListParams::default()
            .fields(&format!("metadata.name={namespace}"))
            .at(&pod.resource_version().unwrap_or_default())
            .matching(VersionMatch::Exact);
        let found = match namespaces.list_metadata(&then).await {
            Err(kube::Error::Service(_)) => namespaces.list_metadata(&then).await?,
            answer => answer?,
        };
        let mut found = found.iter();
        if !found.any(|preview| preview.annotations().contains_key(keys::GUARDRAILS)) {
            early.insert(namespace);
        }
    }
    Ok(early)
}

//! Five hundred previews at once, with a Pod each, while admission is rolled out three times; `UNDERSTUDY_TEST_CROWD` asks
//! for another number.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinHandle;
use understudy::keys;
use understudy_tests::testbed::{User, eventually};

use crate::cluster::{Cluster, Service};
use crate::rollout::Replica;

/// How many previews, where nobody asks for another number.
const PREVIEWS: usize = 500;
/// Requests of the crowd under way at once.
const AT_ONCE: usize = 24;
/// How often one request may meet a connection that is being closed.
const CUT_OFF: usize = 3;
/// On a busy machine with two cores.
const PATIENCE: Duration = Duration::from_secs(240);

/// How many previews, and how long all of them together may take to settle.
fn size() -> (usize, Duration) {
    let asked = std::env::var("UNDERSTUDY_TEST_CROWD").ok();
    let previews = asked.map_or(PREVIEWS, |number| number.parse().expect("a number of previews"));
    let times = u32::try_from(previews.div_ceil(PREVIEWS)).expect("not that many");
    (previews, PATIENCE * times)
}

fn name(number: usize) -> String {
    format!("crowd-{number}")
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

/// Makes a preview and at once a Pod in it. What is refused for now is tried again, as whoever makes Pods does; an admission
/// that fails is an error.
async fn join(client: &Client, number: usize) -> Result<()> {
    let name = name(number);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let preview = json!({ "metadata": { "name": name, "labels": { keys::PREVIEW: "true" } } });
    made(&namespaces, &serde_json::from_value(preview)?)
        .await
        .context("the namespace")?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "web", "image": "registry.example.com/web:1" }] } });
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

/// Says of every Pod of the crowd that was ever bound to a node whether its preview was sealed by then. A seal stays, and comes
/// before the gates go: so a preview that is not sealed when the binding is seen was not sealed when it happened.
fn watch_bindings(admin: Client) -> (Arc<Mutex<BTreeSet<String>>>, JoinHandle<Result<()>>) {
    let early = Arc::new(Mutex::new(BTreeSet::new()));
    let found = early.clone();
    let watching = tokio::spawn(async move {
        let pods = watcher(Api::<Pod>::all(admin.clone()), watcher::Config::default());
        let mut events = std::pin::pin!(pods.default_backoff());
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(admin);
        while let Some(event) = events.next().await {
            // After an error it begins anew with everything that is there.
            let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = event else {
                continue;
            };
            let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
            let namespace = pod.namespace().unwrap_or_default();
            if !bound || !namespace.starts_with("crowd-") {
                continue;
            }
            let preview = match namespaces.get(&namespace).await {
                Err(kube::Error::Service(_)) => namespaces.get(&namespace).await?,
                answer => answer?,
            };
            if !preview.annotations().contains_key(keys::GUARDRAILS) {
                found.lock().expect("no panic while held").insert(namespace);
            }
        }
        Ok(())
    });
    (early, watching)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_previews_comes_through_three_restarts_reviewed_and_sealed() {
    let (previews, settled) = size();
    let Cluster { bed, understudy, .. } = &Cluster::take().await;
    let service = Service::bind(understudy.port()).await;
    let mut serving = Replica::start(bed).await;
    service.lead_to(&[serving.address]);
    let admin = bed.client(User::Admin).await.unwrap();
    let developer = bed.client(User::Developer).await.unwrap();
    eventually(PATIENCE, "admission answers", || async {
        let probe = json!({ "metadata": { "name": "probe", "labels": { keys::PREVIEW: "true" } } });
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        Api::<Namespace>::all(developer.clone())
            .create(&dry_run, &serde_json::from_value(probe)?)
            .await?;
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let (early, watching) = watch_bindings(admin.clone());

    // Pods are made by an administrator: the rights of a creator come with the seal.
    let joined = Arc::new(AtomicUsize::new(0));
    let crowd = {
        let admin = admin.clone();
        let joined = joined.clone();
        tokio::spawn(async move {
            let joining = stream::iter(0..previews).map(|number| {
                let admin = admin.clone();
                let joined = &joined;
                async move {
                    join(&admin, number).await.with_context(|| name(number))?;
                    joined.fetch_add(1, Ordering::Relaxed);
                    anyhow::Ok(())
                }
            });
            joining.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await
        })
    };
    for quarter in 1..=3 {
        eventually(settled, "a quarter more of the crowd has joined", || async {
            let (so_far, wanted) = (joined.load(Ordering::Relaxed), previews * quarter / 4);
            let over = crowd.is_finished();
            ensure!(so_far >= wanted || over, "{so_far} of {wanted}");
            anyhow::Ok(())
        })
        .await
        .unwrap();
        serving = serving.replaced(bed, &service, async || ()).await;
    }
    crowd.await.unwrap().expect("none failed");

    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let unready = format!("{}=true,{}!=Ready", keys::PREVIEW, keys::PHASE);
    let unready = ListParams::default().labels(&unready).limit(500);
    eventually(settled, "every preview is ready", || async {
        let found = namespaces.list_metadata(&unready).await?.items;
        let crowd = found
            .iter()
            .filter(|preview| preview.name_any().starts_with("crowd-"));
        let count = crowd.count();
        ensure!(count == 0, "{count} are not, or more");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let pods = Api::<Pod>::all(admin).list(&ListParams::default()).await.unwrap();
    let of_crowd = |pod: &&Pod| pod.namespace().is_some_and(|name| name.starts_with("crowd-"));
    let crowd: Vec<&Pod> = pods.items.iter().filter(of_crowd).collect();
    let held = |pod: &&&Pod| {
        let spec = pod.spec.as_ref();
        spec.is_some_and(|spec| spec.scheduling_gates.is_some())
    };
    let unreviewed = |pod: &&&Pod| !pod.annotations().contains_key(keys::REVIEWED);
    let counts = (
        crowd.len(),
        crowd.iter().filter(held).count(),
        crowd.iter().filter(unreviewed).count(),
    );
    assert_eq!(counts, (previews, 0, 0), "Pods, held, unreviewed");
    assert!(!watching.is_finished(), "the watch broke off");
    watching.abort();
    assert_eq!(*early.lock().unwrap(), BTreeSet::new(), "bound before the seal");
}

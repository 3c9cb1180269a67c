//! How long a preview waits for its seal, one after the other on an idle server with the chart as it is: from the request
//! that sets the label until a watch shows the annotation. A namespace is made with the label, or is there, empty, and gets
//! it. Everything that the policy asks for is compared then: a wrong seal fails the bench.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;
use understudy::guardrails::{self, Kind};
use understudy::keys;
use understudy::phase::Phase;
use understudy::policy::PreviewPolicy;
use understudy::preview::Preview;
use understudy_tests::testbed::{InstallOptions, NAMESPACE, Options, TestBed, User, eventually};

use crate::figures::Figures;

/// After each the previews go, so that there are never many.
const ROUNDS: usize = 10;
/// Previews of each kind in a round.
const EACH: usize = 25;
/// Nothing has changed for so long: the server is idle.
const IDLE: Duration = Duration::from_millis(300);
/// The longest that a round's end takes.
const SOON: Duration = Duration::from_secs(300);

/// Milliseconds from the request.
#[derive(Default)]
struct Times {
    answered: Figures,
    sealed: Figures,
}

/// Measures and prints.
pub async fn measure() -> Result<()> {
    let stage = Stage::open().await?;
    // The first of all opens connections.
    stage.round("first", 1, &mut Default::default()).await?;
    let mut times: [Times; 2] = Default::default();
    for number in 0..ROUNDS {
        stage.round(&number.to_string(), EACH, &mut times).await?;
    }
    println!("\n# From the label to the seal on an idle server, ms\n");
    println!("| the label comes | previews | answered p50 | sealed p50 | p99 | longest |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (way, Times { answered, sealed }) in ["with the namespace", "later, by a patch"].iter().zip(times) {
        let [median, high, most] = [0.5, 0.99, 1.0].map(|part| sealed.at(part));
        println!(
            "| {way} | {} | {:.0} | {median:.0} | {high:.0} | {most:.0} |",
            sealed.len(),
            answered.median()
        );
    }
    Ok(())
}

/// Understudy on a bed of its own.
struct Stage {
    _bed: TestBed,
    admin: Client,
    /// Of a developer, who makes previews.
    developers: Api<Namespace>,
    /// Of an administrator, who labels what is there.
    namespaces: Api<Namespace>,
    policy: PreviewPolicy,
}

impl Stage {
    async fn open() -> Result<Self> {
        let bed = TestBed::start(Options {
            postgres: false,
            ..Options::default()
        })
        .await?;
        bed.install(InstallOptions::default()).await?;
        let admin = bed.client(User::Admin).await?;
        let policies: Api<PreviewPolicy> = Api::all(admin.clone());
        Ok(Stage {
            developers: Api::all(bed.client(User::Developer).await?),
            namespaces: Api::all(admin.clone()),
            policy: policies.get(keys::DEFAULT_POLICY).await?,
            admin,
            _bed: bed,
        })
    }

    /// So many of each kind in turns; then all of them go.
    async fn round(&self, name: &str, each: usize, [made, labelled]: &mut [Times; 2]) -> Result<()> {
        let plain: Vec<String> = (0..each).map(|number| format!("later-{name}-{number}")).collect();
        try_join_all(plain.iter().map(|name| self.plain(name))).await?;
        let mut watch = Watch::begin(&self.admin);
        let (post, patch) = (PostParams::default(), PatchParams::default());
        let label = json!({ "metadata": { "labels": { keys::PREVIEW: "true" } } });
        for (number, later) in plain.iter().enumerate() {
            let with = format!("with-{name}-{number}");
            let mut preview = label.clone();
            preview["metadata"]["name"] = json!(with);
            let preview = serde_json::from_value(preview)?;
            let request = self.developers.create(&post, &preview);
            let measured = self.seal(&mut watch, &with, request, made).await;
            measured.context(with)?;

            let change = Patch::Merge(&label);
            let request = self.namespaces.patch(later, &patch, &change);
            let measured = self.seal(&mut watch, later, request, labelled).await;
            measured.with_context(|| later.clone())?;
        }
        self.clear().await
    }

    /// Makes a namespace without the label, and waits until the control plane has put there what belongs in each.
    async fn plain(&self, name: &str) -> Result<()> {
        let namespace = json!({ "metadata": { "name": name } });
        let namespace = serde_json::from_value(namespace)?;
        self.namespaces.create(&PostParams::default(), &namespace).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), name);
        let maps: Api<ConfigMap> = Api::namespaced(self.admin.clone(), name);
        eventually(SOON, "the namespace is settled", || async {
            accounts.get("default").await?;
            maps.get("kube-root-ca.crt").await.map(|_| ())
        })
        .await
    }

    /// Waits until nothing is under way, sends `request`, and measures until the preview `name` is sealed.
    async fn seal(
        &self,
        watch: &mut Watch,
        name: &str,
        request: impl Future<Output = kube::Result<Namespace>>,
        times: &mut Times,
    ) -> Result<()> {
        watch.idle().await?;
        let began = Instant::now();
        request.await?;
        let answered = began.elapsed();
        let sealed = watch.until(name, |preview| preview.sealed.is_some()).await?;
        times.sealed.took(began.elapsed());
        times.answered.took(answered);
        self.check(&sealed).await?;
        let settled = |preview: &Preview| preview.phase == Some(Phase::Ready);
        watch.until(name, settled).await.map(|_| ())
    }

    /// Whether everything that the policy asks for is there and in force.
    async fn check(&self, preview: &Preview) -> Result<()> {
        let desired = guardrails::desired(preview, &self.policy.spec, NAMESPACE);
        let hash = guardrails::seal_hash(&desired);
        ensure!(
            preview.sealed.as_ref() == Some(&hash),
            "sealed as {:?}, not {hash}",
            preview.sealed
        );
        for kind in Kind::ALL {
            let wanted = desired.iter().filter(|guardrail| guardrail.kind == kind);
            let (api_version, kind_name) = kind.api();
            ensure!(wanted.clone().count() > 0, "the policy asks for no {kind_name}");
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind_name));
            let api: Api<DynamicObject> = Api::namespaced_with(self.admin.clone(), &preview.name, &resource);
            for guardrail in wanted {
                let live = serde_json::to_value(api.get(&guardrail.name).await?)?;
                let is_right = guardrails::matches(&live, &guardrail.object)
                    && (kind != Kind::ResourceQuota || guardrails::quota_in_force(&live));
                ensure!(is_right, "not {}: {live}", guardrail.object);
            }
        }
        Ok(())
    }

    /// Ends every preview and waits until they are gone.
    async fn clear(&self) -> Result<()> {
        let previews = ListParams::default().labels(keys::PREVIEW);
        let there = self.namespaces.list_metadata(&previews).await?.items;
        let names = there.iter().filter_map(|preview| preview.metadata.name.as_ref());
        let parameters = DeleteParams::default();
        try_join_all(names.map(|name| self.namespaces.delete(name, &parameters))).await?;
        eventually(SOON, "the previews are gone", || async {
            let left = self.namespaces.list_metadata(&previews).await?.items.len();
            ensure!(left == 0, "{left} are there");
            anyhow::Ok(())
        })
        .await
    }
}

/// Previews as they change.
struct Watch(BoxStream<'static, Result<ObjectMeta, watcher::Error>>);

impl Watch {
    fn begin(admin: &Client) -> Self {
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(admin.clone());
        let previews = watcher::Config::default().labels(keys::PREVIEW);
        let changes = watcher(namespaces, previews).applied_objects();
        Watch(changes.map_ok(|namespace| namespace.metadata).boxed())
    }

    /// Waits until nothing has changed for a while.
    async fn idle(&mut self) -> Result<()> {
        while let Ok(change) = timeout(IDLE, self.0.next()).await {
            change.context("the watch has ended")??;
        }
        Ok(())
    }

    /// Waits until the preview `name` is as expected.
    async fn until(&mut self, name: &str, is_so: impl Fn(&Preview) -> bool) -> Result<Preview> {
        let found = async {
            loop {
                let change = self.0.next().await.context("the watch has ended")??;
                let preview = Preview::of(&change);
                if let Some(preview) = preview.filter(|preview| preview.name == name && is_so(preview)) {
                    return anyhow::Ok(preview);
                }
            }
        };
        timeout(SOON, found).await?
    }
}

//! A bed of which `serve` is taken over by replicas of a test's own, and somebody in a preview who makes things all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::ensure;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tokio::sync::{MutexGuard, OnceCell};
use tokio::task::JoinSet;
use understudy::keys;
use understudy_tests::testbed::{
    InstallOptions, Launch, Options, Role, TestBed, Understudy, User, eventually,
};

use crate::replica::SOON;

/// The bed, for one test at a time.
pub struct Cluster {
    pub bed: TestBed,
    pub understudy: Understudy,
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Nobody answers the API server yet, and the leader looks at the certificates every second.
    pub async fn take() -> Self {
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        static INSTALLED: OnceCell<(TestBed, Understudy)> = OnceCell::const_new();
        let alone = ALONE.lock().await;
        let installed = INSTALLED.get_or_init(async || {
            let bed = TestBed::start(Options {
                postgres: false,
                ..Options::default()
            })
            .await
            .unwrap();
            let understudy = bed.install(InstallOptions::default()).await.unwrap();
            understudy.stop(Role::Serve).await.unwrap();
            understudy.stop(Role::Control).await.unwrap();
            let arguments = vec!["--certificate-seconds=1".to_owned()];
            let often = Launch {
                arguments,
                ..Launch::default()
            };
            understudy.start_with(Role::Control, often).await.unwrap();
            understudy.wait_until_ready(Role::Control).await.unwrap();
            (bed, understudy)
        });
        let (bed, understudy) = installed.await.clone();
        Self {
            bed,
            understudy,
            _alone: alone,
        }
    }
}

/// Developers who make things in a preview, as fast as they can. A failure ends the test.
pub struct Makers {
    over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Makers {
    /// Starts in a new preview.
    pub async fn start(bed: &TestBed) -> Self {
        let developer = bed.client(User::Developer).await.unwrap();
        let namespaces: Api<Namespace> = Api::all(developer.clone());
        let name = format!("busy-{:08x}", rand::random::<u32>());
        let preview = json!({ "metadata": { "name": name, "labels": { keys::PREVIEW: "true" } } });
        let preview: Namespace = serde_json::from_value(preview).unwrap();
        eventually(SOON, "a preview is made", || async {
            namespaces.create(&PostParams::default(), &preview).await
        })
        .await
        .unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(developer, &name);
        eventually(SOON, "the developer may write there", || async {
            make(&maps, "first").await
        })
        .await
        .unwrap();
        let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for maker in 0..4 {
            let (maps, over, made) = (maps.clone(), over.clone(), made.clone());
            tasks.spawn(async move {
                for number in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    make(&maps, &format!("x-{maker}-{number}"))
                        .await
                        .expect("no admission fails");
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { over, made, tasks }
    }

    /// Waits until so many more have been made.
    pub async fn make(&mut self, more: u64) {
        let enough = self.made.load(Ordering::SeqCst) + more;
        eventually(SOON, "more is made", || async {
            let made = self.made.load(Ordering::SeqCst);
            ensure!(made >= enough, "{made} of {enough}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Stops them. Panics if one of them ever failed.
    pub async fn finish(self) {
        self.over.store(true, Ordering::SeqCst);
        self.tasks.join_all().await;
    }
}

async fn make(maps: &Api<ConfigMap>, name: &str) -> kube::Result<ConfigMap> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let map = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    maps.create(&dry_run, &map).await
}

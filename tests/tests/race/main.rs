//! A namespace and its first Pod in the same instant, three hundred times: no gap, whatever lags behind.
//!
//! On an idle machine the API server itself holds a namespace's first Pod for a tenth of a second, until its
//! ServiceAccount is there, and the controller is done by then. So two hundred times something is in the way: what the
//! API server tells admission is held back, or the controller is stopped.

mod attempt;
mod witness;

use std::fmt::{self, Display};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;
use understudy_tests::shop;
use understudy_tests::testbed::{Launch, Role, TcpProxy, Understudy, User, eventually};

use attempt::{Attempt, Workload};
use witness::Witness;

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(90);
/// How many attempts are made at once.
const AT_ONCE: usize = 20;

/// Attempts under each circumstance.
fn attempts() -> usize {
    let asked = std::env::var("UNDERSTUDY_TEST_RACE_ATTEMPTS");
    asked.map_or(100, |number| number.parse().expect("a number of attempts"))
}

/// The processes belong to one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());
static STAGE: OnceCell<Stage> = OnceCell::const_new();

/// The bed with the sample golden; admission reaches the API server by a proxy.
struct Stage {
    understudy: &'static Understudy,
    proxy: TcpProxy,
}

async fn stage() -> &'static Stage {
    let opened = STAGE.get_or_try_init(|| async {
        let understudy = shop::stage().await;
        let proxy = understudy.bed().proxy()?;
        understudy.stop(Role::Serve).await?;
        understudy
            .start_with(
                Role::Serve,
                Launch {
                    through: Some(&proxy),
                    ..Launch::default()
                },
            )
            .await?;
        understudy.wait_until_ready(Role::Serve).await?;
        anyhow::Ok(Stage { understudy, proxy })
    });
    opened
        .await
        .unwrap_or_else(|error| panic!("failed to set up the sample golden: {error:?}"))
}

/// What is in the way while a round is made.
#[derive(Clone, Copy, Debug)]
enum Circumstance {
    Undisturbed,
    /// Admission hears nothing from the API server: neither what it watches nor what it asks.
    WatchHeldBack,
    ControllerStopped,
}

impl Circumstance {
    /// Puts it in the way, until dropped.
    fn begin(self, stage: &Stage) -> Result<Disturbance<'_>> {
        let disturbance = Disturbance {
            stage,
            circumstance: self,
        };
        match self {
            Self::Undisturbed => {}
            Self::WatchHeldBack => stage.proxy.pause(),
            Self::ControllerStopped => stage.understudy.pause(Role::Control)?,
        }
        Ok(disturbance)
    }

    /// How long it lasts in this round. A live read is given up after half a second, so what admission does not hear of
    /// for longer it has to decide without.
    fn lasts(self, round: usize) -> Duration {
        match self {
            Self::Undisturbed => Duration::ZERO,
            Self::WatchHeldBack => Duration::from_millis(400) * (round as u32 + 1),
            Self::ControllerStopped => Duration::from_secs(2),
        }
    }
}

/// A circumstance while it lasts; a test that fails meanwhile leaves nothing stopped to the next.
struct Disturbance<'s> {
    stage: &'s Stage,
    circumstance: Circumstance,
}

impl Drop for Disturbance<'_> {
    fn drop(&mut self) {
        match self.circumstance {
            Circumstance::Undisturbed => {}
            Circumstance::WatchHeldBack => self.stage.proxy.resume(),
            // It fails only where the process has ended, which the test sees by itself.
            Circumstance::ControllerStopped => drop(self.stage.understudy.resume(Role::Control)),
        }
    }
}

/// What became of the attempts under one circumstance.
#[derive(Debug, Default)]
struct Counts {
    attempts: usize,
    held: usize,
    refused_then_created: usize,
    replaced: usize,
    unreviewed: usize,
    bound_before_the_seal: usize,
    took: Duration,
}

impl Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} attempts: {} held, {} refused then created, {} replaced, {} unreviewed, {} bound before the seal, in {:.1?}",
            self.attempts,
            self.held,
            self.refused_then_created,
            self.replaced,
            self.unreviewed,
            self.bound_before_the_seal,
            self.took
        )
    }
}

impl Counts {
    fn add(&mut self, attempt: &Attempt, refusals: &[String], witness: &Witness) {
        let pods = witness.pods(&attempt.namespace);
        let any = |property: fn(&witness::History) -> bool| usize::from(pods.iter().any(property));
        self.attempts += 1;
        self.held += any(|pod| pod.held);
        self.replaced += any(|pod| pod.set_aside && pod.gone);
        self.refused_then_created += usize::from(attempt.workload == Workload::Bare && !refusals.is_empty());
        self.unreviewed += any(|pod| pod.unreviewed);
        self.bound_before_the_seal += usize::from(pods.iter().any(|pod| witness.bound_early(pod)));
    }

    fn assert_no_gap(&self) {
        assert_eq!([self.unreviewed, self.bound_before_the_seal], [0, 0], "{self}");
    }
}

/// Not captured: the counts are worth seeing when they are right, too.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "race: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_the_same_instant_is_reviewed_and_waits_for_the_seal() {
    // C11
    let _alone = ALONE.lock().await;
    let stage = stage().await;
    let creator = attempt::creator(stage.understudy.bed()).await.unwrap();
    let witness = Witness::start(stage.understudy.bed().client(User::Admin).await.unwrap())
        .await
        .unwrap();
    for circumstance in [
        Circumstance::Undisturbed,
        Circumstance::WatchHeldBack,
        Circumstance::ControllerStopped,
    ] {
        let counts = run(stage, &creator, &witness, circumstance).await.unwrap();
        say(format!("{circumstance:?}: {counts}"));
        counts.assert_no_gap();
        assert_eq!(counts.attempts, attempts());
        assert!(counts.held > 0, "nothing was ever held: {counts}");
        if !matches!(circumstance, Circumstance::Undisturbed) {
            assert!(
                counts.refused_then_created > 0 && counts.replaced > 0,
                "nothing was in the way: {counts}"
            );
        }
    }
}

/// All attempts under one circumstance, a round at a time.
async fn run(
    stage: &Stage,
    creator: &Client,
    witness: &Witness,
    circumstance: Circumstance,
) -> Result<Counts> {
    let (started, mut counts) = (Instant::now(), Counts::default());
    let attempts: Vec<Attempt> = (0..attempts()).map(Attempt::number).collect();
    for (number, round) in attempts.chunks(AT_ONCE).enumerate() {
        let disturbance = circumstance.begin(stage)?;
        let lasting = async {
            sleep(circumstance.lasts(number)).await;
            drop(disturbance);
        };
        let made = try_join_all(round.iter().map(|attempt| attempt.make(creator)));
        let (refusals, ()) = tokio::join!(made, lasting);
        let refusals = refusals?;
        let settled = round.iter().map(|attempt| {
            let running = async || witness.ensure_running(&attempt.namespace);
            eventually(SOON, "its Pod runs", running)
        });
        try_join_all(settled).await?;
        witness.catch_up().await?;
        round
            .iter()
            .zip(&refusals)
            .for_each(|(attempt, refusals)| counts.add(attempt, refusals, witness));
        // The next round need not wait for the end of this one.
        for ended in join_all(round.iter().map(|attempt| attempt.unmake(creator))).await {
            ended?;
        }
    }
    counts.took = started.elapsed();
    Ok(counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_born_again_under_its_name_is_not_taken_for_the_sealed_one() {
    let _alone = ALONE.lock().await;
    let stage = stage().await;
    let (bed, started) = (stage.understudy.bed(), Instant::now());
    let creator = attempt::creator(bed).await.unwrap();
    let witness = Witness::start(bed.client(User::Admin).await.unwrap())
        .await
        .unwrap();
    let attempts: Vec<Attempt> = (0..4).map(Attempt::number).collect();
    try_join_all(attempts.iter().map(|attempt| attempt.make(&creator)))
        .await
        .unwrap();
    let settled = async || {
        let running = attempts.iter().map(|attempt| {
            eventually(SOON, "its Pod runs", async || {
                witness.ensure_running(&attempt.namespace)
            })
        });
        try_join_all(running).await.unwrap();
    };
    settled().await;

    // Admission remembers four sealed previews and does not hear that they went.
    let held_back = Circumstance::WatchHeldBack.begin(stage).unwrap();
    for attempt in &attempts {
        attempt.unmake(&creator).await.unwrap();
    }
    try_join_all(
        attempts
            .iter()
            .map(|attempt| attempt::gone(bed, &attempt.namespace)),
    )
    .await
    .unwrap();
    let stopped = Circumstance::ControllerStopped.begin(stage).unwrap();
    let made = try_join_all(attempts.iter().map(|attempt| attempt.make(&creator)));
    let lasting = async {
        sleep(Duration::from_secs(2)).await;
        drop(stopped);
        sleep(Duration::from_secs(1)).await;
        drop(held_back);
    };
    let (refusals, ()) = tokio::join!(made, lasting);
    let refusals = refusals.unwrap();
    settled().await;
    witness.catch_up().await.unwrap();
    let mut counts = Counts {
        took: started.elapsed(),
        ..Counts::default()
    };
    attempts
        .iter()
        .zip(&refusals)
        .for_each(|(attempt, refusals)| counts.add(attempt, refusals, &witness));
    say(format!("born again: {counts}"));
    counts.assert_no_gap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_admission_hears_nothing_nobody_elses_namespace_waits() {
    // C15: one worker of Kubernetes makes every namespace's ServiceAccount, in previews through our webhook.
    let _alone = ALONE.lock().await;
    let stage = stage().await;
    let bed = stage.understudy.bed();
    let creator = attempt::creator(bed).await.unwrap();
    let admin = bed.client(User::Admin).await.unwrap();
    let attempts: Vec<Attempt> = (0..AT_ONCE).map(Attempt::number).collect();
    let held_back = Circumstance::WatchHeldBack.begin(stage).unwrap();
    try_join_all(attempts.iter().map(|attempt| attempt.preview(&creator)))
        .await
        .unwrap();
    let plain = format!("plain-{:08x}", rand::random::<u32>());
    attempt::plain_namespace(&admin, &plain).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, &plain);
    let made = eventually(Duration::from_secs(5), "it has its ServiceAccount", || {
        accounts.get("default")
    })
    .await;
    drop(held_back);
    try_join_all(attempts.iter().map(|attempt| attempt.unmake(&creator)))
        .await
        .unwrap();
    made.unwrap();
}

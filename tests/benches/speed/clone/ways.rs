//! The ways in which a preview is made: by a clone, by a client that only sends, by kubectl.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use understudy::keys;
use understudy_tests::testbed::{User, eventually};

use super::counter::Counter;
use super::poster::{self, Verb};
use super::stage::{Golden, Prepared, Stage};

const SOON: Duration = Duration::from_secs(60);

/// Steps of a clone, and what it says when it has come so far.
pub const STEPS: [(&str, &str); 4] = [
    ("read and planned", "✓ read "),
    ("namespace made", "✓ namespace "),
    ("let in", "applying "),
    ("applied", " created, "),
];

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `understudy clone`.
    Clone,
    /// `POST`, in parallel.
    Post,
    /// Server-side apply by the client that otherwise posts.
    Apply,
    /// `kubectl apply --server-side --filename`.
    ServerSide,
    /// `kubectl apply --filename`.
    ClientSide,
}

/// What it took.
pub struct Ran {
    /// From nothing until everything was there and the process had ended.
    pub whole: Duration,
    /// Of that, from being let in until everything was there.
    pub applying: Duration,
    /// When a clone was done with each of [`STEPS`].
    pub steps: Vec<Duration>,
}

impl Way {
    /// Those with kubectl last.
    pub const ALL: [Way; 5] = [
        Way::Clone,
        Way::Post,
        Way::Apply,
        Way::ServerSide,
        Way::ClientSide,
    ];

    /// Whether it is kubectl, which sends one object after the other.
    pub fn is_kubectl(self) -> bool {
        matches!(self, Way::ServerSide | Way::ClientSide)
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Way::Clone => "understudy clone",
            Way::Post => "POST",
            Way::Apply => "server-side apply",
            Way::ServerSide => "kubectl apply --server-side",
            Way::ClientSide => "kubectl apply",
        }
    }

    /// Makes the preview so, by way of `counter` if there is one.
    pub async fn run(
        self,
        stage: &Stage,
        golden: &Golden,
        prepared: &Prepared,
        counter: Option<&Counter>,
    ) -> Result<Ran> {
        match self {
            Way::Clone => {
                let mut command = stage.bed.understudy(User::Developer)?;
                command.args(["clone", &golden.name, "--pr", &prepared.pr, "--no-progress"]);
                lead(&mut command, stage, counter)?;
                let (whole, steps) = watch(command, &STEPS.map(|(_, line)| line)).await?;
                Ok(Ran {
                    whole,
                    applying: steps[3] - steps[2],
                    steps,
                })
            }
            Way::Post => send(stage, prepared, counter, Verb::Create).await,
            Way::Apply => send(stage, prepared, counter, Verb::Apply).await,
            Way::ServerSide => kubectl(stage, prepared, counter, &["--server-side"]).await,
            Way::ClientSide => kubectl(stage, prepared, counter, &[]).await,
        }
    }
}

async fn send(stage: &Stage, prepared: &Prepared, counter: Option<&Counter>, verb: Verb) -> Result<Ran> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(verb.argument()).arg(&prepared.lines);
    command
        .env("KUBECONFIG", stage.bed.kubeconfig())
        .kill_on_drop(true);
    lead(&mut command, stage, counter)?;
    let (whole, steps) = watch(command, &["applying", " created"]).await?;
    Ok(Ran {
        whole,
        applying: steps[1] - steps[0],
        steps: Vec::new(),
    })
}

/// kubectl cannot wait to be let in, and has no patience with a young namespace: it begins when that is sealed.
async fn kubectl(
    stage: &Stage,
    prepared: &Prepared,
    counter: Option<&Counter>,
    flags: &[&str],
) -> Result<Ran> {
    let started = Instant::now();
    poster::make(&stage.developer, prepared.namespace.as_bytes()).await?;
    let lists: BTreeSet<&str> = prepared.lists.iter().map(String::as_str).collect();
    poster::access(&stage.developer, &lists, &["create", "patch"]).await?;
    let namespaces: Api<Namespace> = Api::all(stage.admin.clone());
    eventually(SOON, "the preview is sealed", || async {
        let annotations = namespaces.get(&prepared.name).await?.metadata.annotations;
        ensure!(
            annotations.is_some_and(|all| all.contains_key(keys::GUARDRAILS)),
            "not sealed"
        );
        Ok(())
    })
    .await?;
    let mut command = stage.bed.kubectl(User::Developer);
    command
        .arg("apply")
        .args(flags)
        .arg("--filename")
        .arg(&prepared.manifests);
    lead(&mut command, stage, counter)?;
    let (applying, _) = watch(command, &[]).await?;
    Ok(Ran {
        whole: started.elapsed(),
        applying,
        steps: Vec::new(),
    })
}

/// Leads `command` through `counter`.
fn lead(command: &mut Command, stage: &Stage, counter: Option<&Counter>) -> Result<()> {
    if let Some(counter) = counter {
        let mut variables = command.as_std().get_envs();
        let own = variables.find(|(name, _)| *name == "KUBECONFIG");
        let own = own.and_then(|(_, value)| value).context("a kubeconfig")?;
        let through = counter.before(&stage.bed, Path::new(own))?;
        command.env("KUBECONFIG", through);
    }
    Ok(())
}

/// Runs `command`: how long it took, and when it first said each of `lines` on stderr.
async fn watch(mut command: Command, lines: &[&str]) -> Result<(Duration, Vec<Duration>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn()?;
    let mut said = BufReader::new(child.stderr.take().context("a pipe")?).lines();
    let (mut at, mut last) = (Vec::new(), VecDeque::new());
    while let Some(line) = said.next_line().await? {
        if lines.get(at.len()).is_some_and(|next| line.contains(next)) {
            at.push(started.elapsed());
        }
        last.push_front(line);
        last.truncate(8);
    }
    let ended = child.wait().await?;
    let whole = started.elapsed();
    ensure!(
        ended.success(),
        "it ended with {ended}; it last said, backwards: {last:?}"
    );
    ensure!(at.len() == lines.len(), "it never said {:?}", lines[at.len()]);
    Ok((whole, at))
}

//! Understudy on the bed: its two processes, each of which a test may stop, hold, start again or lead astray.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::supervisor::{Process, Signal};
use super::{READY_WITHIN, TcpProxy, TestBed, User, eventually};
use crate::programs;

/// Where the chart is installed.
pub const NAMESPACE: &str = "understudy-system";

/// The two sub-commands of `understudy-webhook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers the API server.
    Serve,
    /// Makes, watches and ends previews.
    Control,
}

impl Role {
    /// The sub-command, which is the name of the process too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Control => "control",
        }
    }

    /// The ServiceAccount it runs as.
    #[must_use]
    pub fn service_account(self) -> &'static str {
        match self {
            Self::Serve => "understudy-admission",
            Self::Control => "understudy-controller",
        }
    }
}

/// How a process is to differ from what the chart would run.
#[derive(Default)]
pub struct Launch<'a> {
    /// It reaches the API server by this proxy alone.
    pub through: Option<&'a TcpProxy>,
    /// Arguments (`--flag=value`), each in place of the chart's for the same flag.
    pub arguments: Vec<String>,
}

/// An installation; cheap to clone.
#[derive(Clone)]
pub struct Understudy(Arc<Installation>);

struct Installation {
    bed: TestBed,
    port: u16,
    health: [u16; 2],
}

impl Understudy {
    pub(super) fn new(bed: TestBed, port: u16, health: [u16; 2]) -> Self {
        Self(Arc::new(Installation { bed, port, health }))
    }

    /// The bed it is installed on.
    #[must_use]
    pub fn bed(&self) -> &TestBed {
        &self.0.bed
    }

    /// Where `serve` listens for the API server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Where this process answers `/livez`, `/readyz` and `/metrics`, over plain HTTP.
    #[must_use]
    pub fn health(&self, role: Role) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.0.health[role as usize]).into()
    }

    /// Starts a process as the chart's Deployment would, with its arguments and identity. Does not wait for it.
    pub async fn start(&self, role: Role) -> Result<()> {
        self.start_with(role, Launch::default()).await
    }

    /// Starts a process in another way than the chart would.
    pub async fn start_with(&self, role: Role, launch: Launch<'_>) -> Result<()> {
        let bed = &self.0.bed;
        let kubeconfig = bed
            .service_account_kubeconfig(NAMESPACE, role.service_account(), launch.through)
            .await?;
        let mut arguments = launch.arguments;
        arguments.push(format!("--health-listen={}", self.health(role)));
        if role == Role::Serve {
            arguments.push(format!("--listen=127.0.0.1:{}", self.0.port));
        }
        let mut argv = vec![
            programs::executable()?.display().to_string(),
            programs::WEBHOOK.selector(),
        ];
        argv.extend(merge(self.charted_arguments(role).await?, arguments));
        let log_level = std::env::var("UNDERSTUDY_TEST_LOG").unwrap_or_else(|_| "info".to_owned());
        let env = [
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("RUST_LOG", log_level),
        ];
        let env = env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        bed.supervisor().launch(Process {
            name: role.name().to_owned(),
            argv,
            env,
            ..Process::default()
        })
    }

    /// The arguments in the chart's Deployment: what is tested is what would run.
    async fn charted_arguments(&self, role: Role) -> Result<Vec<String>> {
        let deployments: Api<Deployment> = Api::namespaced(self.0.bed.client(User::Admin).await?, NAMESPACE);
        let name = role.service_account(); // the chart's Deployments are called as their ServiceAccounts are
        let deployment = deployments
            .get(name)
            .await
            .with_context(|| format!("failed to read the Deployment {name}"))?;
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let container = pod.and_then(|pod| pod.containers.into_iter().next());
        container
            .and_then(|container| container.args)
            .with_context(|| format!("the Deployment {name} has no arguments"))
    }

    /// Waits until `/readyz` says so. Fails at once, with the end of its log, when the process has ended.
    pub async fn wait_until_ready(&self, role: Role) -> Result<()> {
        let what = format!("{} is ready", role.name());
        let ready = eventually(READY_WITHIN, &what, || async {
            if let Err(ended) = self.0.bed.supervisor().ensure_running(role.name()) {
                return Ok(Err(ended));
            }
            let (status, body) = self.get(role, "/readyz").await?;
            ensure!(status == 200, "/readyz answers {status}: {body}");
            Ok(Ok(()))
        });
        match ready.await {
            Ok(result) => result,
            Err(error) => bail!(
                "{error}; the end of its log:\n{}",
                self.0.bed.log_tail(role.name())
            ),
        }
    }

    /// The status and body of a GET at the process's health address.
    pub async fn get(&self, role: Role, path: &str) -> Result<(u16, String)> {
        let answer = tokio::time::timeout(Duration::from_secs(5), get(self.health(role), path)).await??;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split_whitespace()
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        Ok((status, body.to_owned()))
    }

    /// Ends a process, as Kubernetes would: it may finish what it has begun.
    pub async fn stop(&self, role: Role) -> Result<()> {
        self.0.bed.supervisor().stop(role.name()).await
    }

    /// Stops a process in its tracks, until [`Self::resume`].
    pub fn pause(&self, role: Role) -> Result<()> {
        self.0.bed.supervisor().signal(role.name(), Signal::SigStop)
    }

    /// Lets a paused process go on.
    pub fn resume(&self, role: Role) -> Result<()> {
        self.0.bed.supervisor().signal(role.name(), Signal::SigCont)
    }

    /// Starts a stopped process again and waits until it is ready.
    pub async fn restart(&self, role: Role) -> Result<()> {
        self.stop(role).await?;
        self.start(role).await?;
        self.wait_until_ready(role).await
    }
}

/// The chart's arguments, without those whose flag is given anew, and then the new ones.
fn merge(charted: Vec<String>, given: Vec<String>) -> Vec<String> {
    let flag = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let anew: Vec<String> = given.iter().map(|argument| flag(argument)).collect();
    charted
        .into_iter()
        .filter(|argument| !anew.contains(&flag(argument)))
        .chain(given)
        .collect()
}

/// One HTTP/1.0 exchange: the server closes when it has said all, and nothing is chunked.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_flag_takes_the_place_of_the_charts() {
        let charted = [
            "serve",
            "--listen=0.0.0.0:9443",
            "--exempt-group=a",
            "--exempt-group=b",
        ]
        .map(str::to_owned);
        let merged = merge(charted.to_vec(), vec!["--listen=127.0.0.1:1".to_owned()]);
        assert_eq!(
            merged,
            [
                "serve",
                "--exempt-group=a",
                "--exempt-group=b",
                "--listen=127.0.0.1:1"
            ]
        );
    }
}

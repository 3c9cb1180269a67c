//! A real API server with a sealed preview on it, and webhooks of the bench's own in place of the chart's: by an address that
//! is not loopback, as in a cluster, and chosen by a label, so that each Pod says who is asked about it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::programs;
use understudy_tests::testbed::{
    InstallOptions, NAMESPACE, Options, Process, Role, Signal, TestBed, Understudy, User, eventually,
};

use crate::servers::{Kind, Server, certify};

const SOON: Duration = Duration::from_secs(90);

/// The label that says who is asked about an object.
pub const ASKED: &str = "bench";

/// The bed.
pub struct Cluster {
    /// With the chart's configurations taken away.
    pub bed: TestBed,
    /// This machine's address.
    pub ip: Ipv4Addr,
    /// A sealed preview.
    pub preview: String,
    understudy: Understudy,
    rules: [Value; 2],
}

impl Cluster {
    /// Starts it; from then on nobody is asked about anything.
    pub async fn start() -> Result<Self> {
        let bed = TestBed::start(Options {
            postgres: false,
            ..Options::default()
        })
        .await?;
        let understudy = bed.install(InstallOptions::default()).await?;
        let preview = "measured".to_owned();
        make_preview(&bed, &preview).await?;
        let admin = bed.client(User::Admin).await?;
        let mutating = take::<MutatingWebhookConfiguration>(Api::all(admin.clone())).await?;
        let validating = take::<ValidatingWebhookConfiguration>(Api::all(admin)).await?;
        understudy.stop(Role::Serve).await?;
        Ok(Cluster {
            bed,
            ip: own_address()?,
            preview,
            understudy,
            rules: [mutating, validating],
        })
    }

    /// Ends the leader, so that nothing is written any more.
    pub async fn without_control(&self) -> Result<()> {
        self.understudy.stop(Role::Control).await
    }

    /// Has the API server ask at `address` about objects labelled `bench: name`, with the chart's rules and terms.
    pub async fn register(&self, name: &str, address: SocketAddr, authority: &str) -> Result<()> {
        let admin = self.bed.client(User::Admin).await?;
        let configuration = |chart: &Value, path: &str| {
            let mut webhook = chart.clone();
            webhook["name"] = json!(format!("{name}.example.com"));
            webhook["clientConfig"] =
                json!({ "url": format!("https://{address}{path}"), "caBundle": STANDARD.encode(authority) });
            webhook["objectSelector"] = json!({ "matchLabels": { ASKED: name } });
            json!({ "metadata": { "name": format!("bench-{name}") }, "webhooks": [webhook] })
        };
        let [mutating, validating] = &self.rules;
        let mutating = serde_json::from_value(configuration(mutating, "/mutate"))?;
        let validating = serde_json::from_value(configuration(validating, "/validate"))?;
        let (first, second) = (Api::all(admin.clone()), Api::all(admin));
        let first: Api<MutatingWebhookConfiguration> = first;
        let second: Api<ValidatingWebhookConfiguration> = second;
        first.create(&PostParams::default(), &mutating).await?;
        second.create(&PostParams::default(), &validating).await?;
        Ok(())
    }

    /// An echo of this kind on this machine's address.
    pub async fn echo(&self, kind: Kind) -> Result<Server> {
        Server::start(kind, self.ip, false).await
    }

    /// A `serve` with the chart's identity on this machine's address. Does not wait for it.
    pub async fn serve(&self, name: &str) -> Result<Serve> {
        let tls = self.bed.path().join(name);
        std::fs::create_dir(&tls)?;
        let authority = certify(&tls, self.ip)?;
        let (address, health) = (free(self.ip)?, free(Ipv4Addr::LOCALHOST)?);
        let account = Role::Serve.service_account();
        let kubeconfig = self
            .bed
            .service_account_kubeconfig(NAMESPACE, account, None)
            .await?;
        let mut argv = vec![
            programs::executable()?.display().to_string(),
            programs::WEBHOOK.selector(),
        ];
        argv.extend(["serve", "--drain-delay=0", "--exempt-group=system:masters"].map(str::to_owned));
        argv.push(format!("--listen={address}"));
        argv.push(format!("--health-listen={health}"));
        argv.push(format!("--namespace={NAMESPACE}"));
        argv.push(format!("--tls-dir={}", tls.display()));
        let env = [
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("RUST_LOG", "info".to_owned()),
        ];
        let started = Instant::now();
        self.bed.supervisor().launch(Process {
            name: name.to_owned(),
            argv,
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Process::default()
        })?;
        Ok(Serve {
            bed: self.bed.clone(),
            name: name.to_owned(),
            address,
            authority,
            health,
            started,
            _tls: tls,
        })
    }
}

/// A `serve` of the bench's own; it ends with this value.
pub struct Serve {
    bed: TestBed,
    name: String,
    /// Where it answers reviews.
    pub address: SocketAddr,
    /// The authority of its certificate.
    pub authority: String,
    health: SocketAddr,
    /// When it was started.
    pub started: Instant,
    _tls: PathBuf,
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.bed.supervisor().signal(&self.name, Signal::SigKill);
    }
}

impl Serve {
    /// Waits until it says that it is ready, and returns how long that took from its start.
    pub async fn ready(&self) -> Result<Duration> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let asked = || async {
            let mut stream = tokio::net::TcpStream::connect(self.health).await?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer.split_whitespace().nth(1) == Some("200"))
        };
        loop {
            if asked().await.unwrap_or(false) {
                return Ok(self.started.elapsed());
            }
            self.bed.supervisor().ensure_running(&self.name)?;
            if self.started.elapsed() > SOON {
                bail!(
                    "not ready; the end of its log:\n{}",
                    self.bed.log_tail(&self.name)
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Kilobytes that its process has in memory.
    pub fn resident(&self) -> Result<u64> {
        let states = self.bed.supervisor().states()?;
        let state = states
            .iter()
            .find(|state| state.name == self.name)
            .context("never started")?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", state.pid))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("it has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// A developer's preview, sealed.
async fn make_preview(bed: &TestBed, name: &str) -> Result<()> {
    let api: Api<Namespace> = Api::all(bed.client(User::Developer).await?);
    let manifest = json!({ "metadata": { "name": name, "labels": { keys::PREVIEW: "true" } } });
    api.create(&PostParams::default(), &serde_json::from_value(manifest)?)
        .await?;
    let admin: Api<Namespace> = Api::all(bed.client(User::Admin).await?);
    eventually(SOON, "the preview is sealed", || async {
        let annotations = admin.get(name).await?.metadata.annotations.unwrap_or_default();
        ensure!(annotations.contains_key(keys::GUARDRAILS), "{annotations:?}");
        Ok(())
    })
    .await
}

/// Takes the chart's configuration away, and returns its entry for objects.
async fn take<K>(api: Api<K>) -> Result<Value>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let configuration = serde_json::to_value(api.get("understudy").await?)?;
    api.delete("understudy", &DeleteParams::default()).await?;
    let mut webhooks = configuration["webhooks"].as_array().into_iter().flatten();
    let objects = webhooks.find(|webhook| webhook["name"] == "objects.understudy.dev");
    objects.cloned().context("the chart asks about no objects")
}

/// The address that this machine would speak to others from; nothing is sent.
fn own_address() -> Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Ok(ip),
        other => bail!("this machine has no address but {other}"),
    }
}

fn free(ip: Ipv4Addr) -> Result<SocketAddr> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?)
}

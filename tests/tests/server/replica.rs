//! A `serve` of a test's own, on ports that the kernel chooses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use understudy_tests::programs;
use understudy_tests::testbed::{NAMESPACE, Process, Role, Signal, TcpProxy, TestBed, eventually, installed};

use crate::caller::Caller;
use crate::pki::Authority;

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(60);

/// How a replica differs from a plain one.
#[derive(Default)]
pub struct Options<'a> {
    pub arguments: Vec<String>,
    /// `RUST_LOG`; `info` if empty.
    pub log: &'a str,
    pub through: Option<&'a TcpProxy>,
    /// How many files it may have open.
    pub files: Option<u32>,
}

/// A running replica; it ends when dropped.
pub struct Replica {
    pub bed: TestBed,
    pub name: String,
    pub address: SocketAddr,
    pub health: SocketAddr,
    /// Signed what it serves with.
    pub authority: Authority,
    /// Holds what it serves with.
    pub tls: PathBuf,
}

impl Replica {
    pub async fn start(options: Options<'_>) -> Self {
        let bed = installed().await.bed().clone();
        let name = format!("replica-{:08x}", rand::random::<u32>());
        let tls = bed.path().join(&name);
        std::fs::create_dir(&tls).unwrap();
        let authority = Authority::new(&name);
        authority.server("understudy-webhook", 365).write(&tls);
        let mut arguments = options.arguments.clone();
        arguments.push(format!("--tls-dir={}", tls.display()));
        launch(&bed, &name, arguments, &options).await.unwrap();
        let (health, address) = addresses(&bed, &name).await.unwrap();
        let replica = Self {
            bed,
            name,
            address,
            health,
            authority,
            tls,
        };
        replica.wait_until_ready().await;
        replica
    }

    /// Who calls it, trusting its authority.
    pub fn caller(&self) -> Caller {
        Caller::new(self.address, self.authority.roots())
    }

    pub async fn wait_until_ready(&self) {
        eventually(SOON, "the replica is ready", || async {
            let (status, text) = self.get("/readyz").await?;
            ensure!(status == 200, "{status} {text}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// A GET at its health address.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        tokio::time::timeout(Duration::from_secs(5), get(self.health, path)).await?
    }

    /// The value of a metric, by its name and labels as they are printed; 0 if it is not there.
    pub async fn metric(&self, line: &str) -> f64 {
        let (_, text) = self.get("/metrics").await.unwrap();
        let value = text
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    fn pid(&self) -> u32 {
        let states = self.bed.supervisor().states().unwrap();
        states.iter().find(|state| state.name == self.name).unwrap().pid
    }

    /// Lets it open no file of this number or above, from now on.
    pub fn limit_files(&self, files: u32) {
        let limit = Command::new("prlimit")
            .args([format!("--pid={}", self.pid()), format!("--nofile={files}:")])
            .status()
            .expect("failed to run prlimit; install it: apt-get install util-linux");
        assert!(limit.success(), "{limit}");
    }

    /// How long the processor has worked for it.
    pub fn processor_time(&self) -> Duration {
        // The name in parentheses may hold anything; of what follows, the 12th and 13th are time in hundredths (proc_pid_stat(5)).
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let hundredths: u64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(hundredths * 10)
    }

    /// Megabytes that its process has in memory.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub fn signal(&self, signal: Signal) {
        self.bed.supervisor().signal(&self.name, signal).unwrap();
    }

    /// How it ended.
    pub async fn end(&self) -> String {
        eventually(SOON, "the replica has ended", || async {
            let states = self.bed.supervisor().states()?;
            let state = states
                .into_iter()
                .find(|state| state.name == self.name)
                .context("never started")?;
            ensure!(!state.running, "it runs");
            Ok::<_, anyhow::Error>(state.exit)
        })
        .await
        .unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.bed.logs().join(format!("{}.log", self.name))).unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.bed.supervisor().signal(&self.name, Signal::SigKill);
    }
}

/// Starts a `serve` called `name` as the chart's identity.
pub async fn launch(bed: &TestBed, name: &str, arguments: Vec<String>, options: &Options<'_>) -> Result<()> {
    let mut argv = Vec::new();
    if let Some(files) = options.files {
        argv.extend(["sh", "-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")].map(str::to_owned));
    }
    argv.push(programs::executable()?.display().to_string());
    argv.extend([programs::WEBHOOK.selector(), Role::Serve.name().to_owned()]);
    argv.extend(["--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"].map(str::to_owned));
    argv.push(format!("--namespace={NAMESPACE}"));
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("--drain-delay="))
    {
        argv.push("--drain-delay=0".to_owned());
    }
    argv.extend(arguments);
    let kubeconfig = kubeconfig(bed, name, options.through).await?;
    let log = if options.log.is_empty() {
        "info"
    } else {
        options.log
    };
    let env = [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("RUST_LOG", log.to_owned()),
    ];
    bed.supervisor().launch(Process {
        name: name.to_owned(),
        argv,
        env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Process::default()
    })
}

/// A kubeconfig of the chart's identity, for this process alone: the bed writes its own anew for each.
async fn kubeconfig(bed: &TestBed, name: &str, through: Option<&TcpProxy>) -> Result<PathBuf> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let account = Role::Serve.service_account();
    let written = bed
        .service_account_kubeconfig(NAMESPACE, account, through)
        .await?;
    let own = written.with_extension(name);
    std::fs::copy(&written, &own)?;
    Ok(own)
}

/// Where a replica answers health and reviews, as it says in its log.
pub async fn addresses(bed: &TestBed, name: &str) -> Result<(SocketAddr, SocketAddr)> {
    let log = bed.logs().join(format!("{name}.log"));
    let found = eventually(SOON, "the replica listens", || async {
        if let Err(ended) = bed.supervisor().ensure_running(name) {
            return Ok(Err(ended));
        }
        let text = std::fs::read_to_string(&log)?;
        let said = |message: &str| -> Result<SocketAddr> {
            let lines = text
                .lines()
                .rev()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut lines = lines.filter(|line| line["message"] == message);
            let line = lines
                .next()
                .with_context(|| format!("{message:?} is not in the log"))?;
            Ok(line["address"].as_str().context("no address")?.parse()?)
        };
        anyhow::Ok(Ok((said("answering health")?, said("answering reviews")?)))
    });
    match found.await {
        Ok(found) => found,
        Err(error) => bail!("{error}; the end of its log:\n{}", bed.log_tail(name)),
    }
}

/// One HTTP/1.0 exchange: the server closes when it has said all.
pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split_whitespace().nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

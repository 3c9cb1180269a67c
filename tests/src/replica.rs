//! A `serve` beside the installed one, on ports that the kernel chooses.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::previews::SOON;
use crate::programs;
use crate::testbed::{NAMESPACE, Process, Role, TcpProxy, TestBed, eventually};

/// How a replica differs from a plain one.
#[derive(Default)]
pub struct Options<'a> {
    /// Further arguments.
    pub arguments: Vec<String>,
    /// `RUST_LOG`; `info` if empty.
    pub log: &'a str,
    /// It reaches the API server by this proxy alone.
    pub through: Option<&'a TcpProxy>,
    /// How many files it may have open.
    pub files: Option<u32>,
}

/// Starts a `serve` called `name` as the chart's identity. Does not wait for it.
pub async fn launch(bed: &TestBed, name: &str, options: &Options<'_>) -> Result<()> {
    let mut argv = Vec::new();
    if let Some(files) = options.files {
        argv.extend(["sh", "-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")].map(str::to_owned));
    }
    argv.push(programs::executable()?.display().to_string());
    argv.extend([programs::WEBHOOK.selector(), Role::Serve.name().to_owned()]);
    argv.extend(["--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"].map(str::to_owned));
    argv.push(format!("--namespace={NAMESPACE}"));
    let mut arguments = options.arguments.iter();
    if !arguments.any(|argument| argument.starts_with("--drain-delay=")) {
        argv.push("--drain-delay=0".to_owned());
    }
    argv.extend(options.arguments.iter().cloned());
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

//! The two servers that are compared, each a process of its own on a core of its own: ours with facts in hand, and an echo
//! that reads of a review what it has to, its uid, and allows it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use tokio::process::Child;
use tokio::sync::watch;
use understudy::admission::{self, Facts, Stage};
use understudy_tests::testbed::eventually;
use understudy_webhook::http::{Answer, Counts, Limits, Listener, Reply, Season, reply, text};
use understudy_webhook::{Gather, LogFormat, Reviewer, start_logs};

/// The core of the server that is measured.
pub const SERVER: usize = 0;
/// The core of the client.
pub const CLIENT: usize = 1;

/// What a process of the bench serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reviewer.
    Ours,
    /// The echo.
    Echo,
    /// An echo that sets a label under mutation: the least that whoever changes anything costs the API server.
    Patching,
}

/// What to serve, where, and which directory holds the certificate and takes the address.
pub struct Role {
    kind: Kind,
    ip: IpAddr,
    directory: PathBuf,
}

/// The role that these arguments ask for, if they do.
pub fn role(arguments: &[String]) -> Option<Role> {
    let [first, ip, directory] = arguments else {
        return None;
    };
    let kind = match first.as_str() {
        "--serve=ours" => Kind::Ours,
        "--serve=echo" => Kind::Echo,
        "--serve=patching" => Kind::Patching,
        _ => return None,
    };
    Some(Role {
        kind,
        ip: ip.parse().ok()?,
        directory: directory.into(),
    })
}

/// Serves until it is ended.
pub fn serve(role: Role) -> Result<()> {
    // As many threads as cores it may use, as in the programs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = Listener::bind((role.ip, 0).into(), Limits::default(), Counts::default()).await?;
        let address = listener.address()?;
        let (_season, seasons) = watch::channel(Season::Open);
        let (_tls, tls) = watch::channel(Arc::new(tls(&role.directory)?));
        let half = role.directory.join("address.half");
        std::fs::write(&half, address.to_string())?;
        std::fs::rename(half, role.directory.join("address"))?;
        match role.kind {
            Kind::Ours => {
                start_logs(LogFormat::Json);
                let reviewer = Reviewer::alone(InHand(understudy_bench::facts()));
                listener.serve(reviewer, Some(tls), seasons).await;
            }
            Kind::Echo => listener.serve(Echo { patching: false }, Some(tls), seasons).await,
            Kind::Patching => listener.serve(Echo { patching: true }, Some(tls), seasons).await,
        }
        Ok(())
    })
}

/// Facts that need no cluster. Cloned for each review, as those of the memory are.
struct InHand(Facts);

impl Gather for InHand {
    async fn gather(&self, _: Stage, _: &admission::Request) -> Facts {
        self.0.clone()
    }

    fn remembered(&self) -> Facts {
        self.0.clone()
    }

    fn stands(&self, _: &str, _: &Facts) -> impl Future<Output = bool> + Send {
        std::future::ready(true)
    }
}

struct Echo {
    patching: bool,
}

/// The rest of an answer with one operation; the object has labels.
static PATCH: LazyLock<String> = LazyLock::new(|| {
    let operations = format!(r#"[{{"op":"add","path":"/metadata/labels/{PATCHED}","value":"true"}}]"#);
    format!(
        r#","patchType":"JSONPatch","patch":{:?}"#,
        STANDARD.encode(operations)
    )
});

/// The label that a patching echo sets.
pub const PATCHED: &str = "patched";

#[derive(Deserialize)]
struct Review {
    request: Asked,
}

#[derive(Deserialize)]
struct Asked {
    uid: String,
}

impl Answer for Echo {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let patching = self.patching && request.uri().path() == "/mutate";
        let Ok(body) = request.into_body().collect().await else {
            return text(StatusCode::BAD_REQUEST, "the body broke off");
        };
        let Ok(review) = serde_json::from_slice::<Review>(&body.to_bytes()) else {
            return text(StatusCode::BAD_REQUEST, "not a review");
        };
        let patch = if patching { PATCH.as_str() } else { "" };
        let answer = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":{:?},"allowed":true{patch}}}}}"#,
            review.request.uid
        );
        reply(StatusCode::OK, "application/json", answer)
    }
}

/// The certificate in `directory`.
pub fn tls(directory: &Path) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_file(directory.join("tls.crt"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("tls.key"))?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// A process that serves; it ends with this value.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The authority of its certificate, as PEM.
    pub authority: String,
    /// What each thread has run.
    threads: Mutex<HashMap<OsString, u64>>,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts one on `ip`; on the server's core alone where `pinned`.
    pub async fn start(kind: Kind, ip: Ipv4Addr, pinned: bool) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let authority = certify(directory.path(), ip)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(match kind {
            Kind::Ours => "--serve=ours",
            Kind::Echo => "--serve=echo",
            Kind::Patching => "--serve=patching",
        });
        command.arg(ip.to_string()).arg(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().context("it has ended")?;
        if pinned {
            pin(pid, SERVER)?;
        }
        let file = directory.path().join("address");
        let read = eventually(Duration::from_secs(30), "the server listens", || async {
            std::fs::read_to_string(&file)
        });
        let address = read.await?.parse()?;
        Ok(Server {
            child,
            address,
            authority,
            threads: Mutex::default(),
            _directory: directory,
        })
    }

    /// Nanoseconds that it has run on a processor, all its threads together.
    pub fn ran(&self) -> Result<u64> {
        let pid = self.child.id().context("it has ended")?;
        let mut threads = self.threads.lock().expect("no panic while held");
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            // A thread that has ended keeps what it was last seen with: the sum never shrinks.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let ran = text.split_whitespace().next().context("no time")?.parse()?;
            threads.insert(task.file_name(), ran);
        }
        Ok(threads.values().sum())
    }
}

/// Writes a certificate for `ip` and `localhost` into `directory`, and returns the authority that signed it.
pub fn certify(directory: &Path, ip: Ipv4Addr) -> Result<String> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned(), ip.to_string()])?.signed_by(&key, &authority)?;
    std::fs::write(directory.join("tls.crt"), leaf.pem())?;
    std::fs::write(directory.join("tls.key"), key.serialize_pem())?;
    Ok(authority.pem())
}

/// Keeps a process, and the threads that it will make, on one core; does nothing where there is only one.
pub fn pin(pid: u32, core: usize) -> Result<()> {
    if cores() < 2 {
        return Ok(());
    }
    taskset(pid, &core.to_string())
}

/// Lets it run anywhere.
pub fn unpin(pid: u32) -> Result<()> {
    taskset(pid, &format!("0-{}", cores() - 1))
}

/// How many cores there are, wherever this process is kept.
pub fn cores() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("processor"))
        .count()
        .max(1)
}

fn taskset(pid: u32, cores: &str) -> Result<()> {
    let set = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("failed to run taskset; it is part of util-linux")?;
    ensure!(set.success(), "taskset ended with {set}");
    Ok(())
}

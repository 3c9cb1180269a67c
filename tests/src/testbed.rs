//! A real Kubernetes control plane with PostgreSQL and Understudy, as local processes.
//!
//! # Flow
//! [`TestBed::start`] builds what is missing ([`cache`]), makes a directory ([`directory`]), starts `supervise` in it
//! ([`supervisor`]), and through it two PostgreSQL servers ([`postgres`]) and etcd, API server, controllers, scheduler
//! and kwok's nodes ([`control_plane`]). [`TestBed::install`] puts Understudy there with Helm and runs `serve` and
//! `control` beside it ([`install`], [`understudy`]).
//!
//! # Guarantees
//! Nothing outlives the holder: `supervise` ends everything when the pipe to it closes, whatever closed it, and
//! removes the directory. [`TestBed::detach`] gives that up for `cargo testbed up`; `down` ends it.
//! A missing prerequisite is an error that says what to install.
//!
//! # Assumptions
//! A `TestBed` may be shared by tests with a runtime each: it holds nothing that belongs to a runtime. A
//! [`kube::Client`] does, so [`TestBed::client`] makes a new one at each call.

pub mod cache;
mod control_plane;
pub mod directory;
pub mod eventually;
mod identity;
mod install;
mod kubeconfig;
mod neighbour;
mod nodes;
mod pki;
mod ports;
pub mod postgres;
pub mod proxy;
pub mod record;
mod shared;
pub mod supervisor;
mod understudy;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

pub use self::eventually::eventually;
pub use self::identity::User;
pub use self::install::InstallOptions;
pub use self::neighbour::{Change, Neighbour};
pub use self::postgres::Postgres;
pub use self::proxy::TcpProxy;
pub use self::shared::{installed, shared};
pub use self::supervisor::{Process, Signal, Supervisor};
pub use self::understudy::{Launch, NAMESPACE, Role, Understudy};

use self::cache::{Binaries, Cache};
use self::control_plane::ControlPlane;
use self::directory::Directory;
use self::record::Record;
use crate::programs;

/// The longest that any part of the bed may take to become ready; beyond it something is broken.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// What a testbed consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many nodes kwok plays.
    pub nodes: u16,
    /// Whether the two PostgreSQL servers are started.
    pub postgres: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            postgres: true,
        }
    }
}

/// A running testbed; cheap to clone. When the last clone is dropped, or the process ends, so does the bed.
#[derive(Clone)]
pub struct TestBed(Arc<Parts>);

struct Parts {
    // Declared first, so dropped first: it ends the processes and removes the directory.
    supervisor: Arc<Supervisor>,
    directory: Directory,
    binaries: Binaries,
    control_plane: ControlPlane,
    golden: Option<Postgres>,
    previews: Option<Postgres>,
}

impl TestBed {
    /// Starts a testbed, building first what the cache does not hold.
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = run_blocking(|| Cache::open()?.binaries()).await?;
        let directory = Directory::create()?;
        pki::create(&directory.pki())?;
        let supervisor = Arc::new(Supervisor::start(&binaries.supervise, &directory)?);

        let control_plane = ControlPlane::start(&supervisor, &directory, &binaries, options.nodes);
        let postgres = async {
            if !options.postgres {
                return Ok((None, None));
            }
            let golden = Postgres::start("golden", &supervisor, &directory);
            let previews = Postgres::start("previews", &supervisor, &directory);
            let (golden, previews) = tokio::try_join!(golden, previews)?;
            Ok((Some(golden), Some(previews)))
        };
        let (control_plane, (golden, previews)) = tokio::try_join!(control_plane, postgres)?;
        Ok(Self(Arc::new(Parts {
            supervisor,
            directory,
            binaries,
            control_plane,
            golden,
            previews,
        })))
    }

    /// The kubeconfig with a context for every [`User`]; its current context is `developer`.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.directory.kubeconfig()
    }

    /// The API server's address, as in the kubeconfig.
    #[must_use]
    pub fn server(&self) -> String {
        self.0.control_plane.server()
    }

    /// A new client that acts as this user, for the runtime it is called in.
    pub async fn client(&self, user: User) -> Result<kube::Client> {
        identity::client(&self.kubeconfig(), user.name()).await
    }

    /// A new client that acts as this user with every right: an administrator who impersonates them.
    pub async fn impersonating(&self, user: &str) -> Result<kube::Client> {
        identity::impersonating(&self.kubeconfig(), User::Admin.name(), user).await
    }

    /// A new client that acts as a ServiceAccount, by a token minted for it.
    pub async fn service_account_client(&self, namespace: &str, name: &str) -> Result<kube::Client> {
        let path = self.service_account_kubeconfig(namespace, name, None).await?;
        identity::client(&path, name).await
    }

    /// Writes a kubeconfig for a ServiceAccount with a token minted for it, and returns its path.
    ///
    /// With `through`, the API server is addressed through that proxy.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        through: Option<&TcpProxy>,
    ) -> Result<PathBuf> {
        let token = identity::mint(self.client(User::Admin).await?, namespace, name).await?;
        let (server, suffix) = match through {
            Some(proxy) => (format!("https://{}", proxy.address()), "-proxied"),
            None => (self.server(), ""),
        };
        let path = self
            .0
            .directory
            .path()
            .join(format!("{namespace}.{name}{suffix}.kubeconfig"));
        kubeconfig::write(&path, &server, &self.ca_file(), &[(name, &token)], name)?;
        Ok(path)
    }

    /// The certificate authority of the API server and of both PostgreSQL servers, as a PEM file.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.0.directory.pki().join("ca.crt")
    }

    /// A proxy in front of the API server, which can hold back what the server says.
    pub fn proxy(&self) -> Result<TcpProxy> {
        TcpProxy::to(self.0.control_plane.address()).context("failed to start a proxy to the API server")
    }

    /// `kubectl` as this user.
    #[must_use]
    pub fn kubectl(&self, user: User) -> Command {
        let mut command = self.command(&self.0.binaries.kubectl);
        command.args(["--context", user.name()]);
        command
    }

    /// `helm` as this user.
    #[must_use]
    pub fn helm(&self, user: User) -> Command {
        let mut command = self.command(&self.0.binaries.helm);
        command
            .args(["--kube-context", user.name()])
            .env("HELM_CACHE_HOME", self.0.directory.path().join("helm"));
        command
    }

    /// `understudy` as this user: a kubeconfig of its own says who, so the arguments are the user's alone.
    pub fn understudy(&self, user: User) -> Result<Command> {
        let path = self
            .0
            .directory
            .path()
            .join(format!("{}.kubeconfig", user.name()));
        kubeconfig::write_for(&path, &self.kubeconfig(), user.name())?;
        let mut command = self.command(programs::executable()?);
        command
            .arg(programs::UNDERSTUDY.selector())
            .env("KUBECONFIG", path);
        Ok(command)
    }

    fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.path().join("kubectl"));
        command.kill_on_drop(true);
        command
    }

    /// The golden's PostgreSQL server.
    ///
    /// # Panics
    /// If the bed was started without PostgreSQL.
    #[must_use]
    pub fn golden(&self) -> &Postgres {
        self.0
            .golden
            .as_ref()
            .expect("this testbed was started without PostgreSQL")
    }

    /// The PostgreSQL server for branches.
    ///
    /// # Panics
    /// If the bed was started without PostgreSQL.
    #[must_use]
    pub fn previews(&self) -> &Postgres {
        self.0
            .previews
            .as_ref()
            .expect("this testbed was started without PostgreSQL")
    }

    /// The directory of the processes' logs, `<name>.log` each.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.directory.logs()
    }

    /// The end of a process's log, for messages.
    #[must_use]
    pub fn log_tail(&self, process: &str) -> String {
        self.0.directory.log_tail(process)
    }

    /// A directory for files that shall vanish with the bed.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.directory.path()
    }

    /// Starts, stops and signals processes; also those of the control plane.
    #[must_use]
    pub fn supervisor(&self) -> &Arc<Supervisor> {
        &self.0.supervisor
    }

    /// Leaves the bed running when this process ends. `cargo testbed down` ends it.
    pub fn detach(&self) -> Result<Record> {
        let record = Record {
            supervise: self.0.binaries.supervise.clone(),
            kubectl: self.0.binaries.kubectl.clone(),
            helm: self.0.binaries.helm.clone(),
            kubeconfig: self.kubeconfig(),
            server: self.server(),
            logs: self.logs(),
            contexts: User::ALL.iter().map(|user| user.name().to_owned()).collect(),
            postgres: [&self.0.golden, &self.0.previews]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        };
        record.write(&self.0.directory)?;
        self.0.supervisor.detach()?;
        Ok(record)
    }
}

/// Runs what blocks (a compiler, `initdb`) where it holds up no other task.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a task of the testbed panicked")?
}

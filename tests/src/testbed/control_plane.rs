//! etcd, the API server, the controllers, the scheduler, and kwok in place of the kubelets.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use super::cache::Binaries;
use super::directory::Directory;
use super::identity::{self, User};
use super::pki;
use super::supervisor::Supervisor;
use super::{READY_WITHIN, eventually, kubeconfig, nodes, ports};

mod components;

/// The control plane's own users: Kubernetes brings the roles of the first two, `access.yaml` that of the third.
const COMPONENTS: [&str; 3] = [
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kwok",
];

/// A control plane that answers.
pub struct ControlPlane {
    port: u16,
}

impl ControlPlane {
    /// Starts everything and waits until nodes are ready and namespaces get their ServiceAccounts.
    pub async fn start(
        supervisor: &Supervisor,
        directory: &Directory,
        binaries: &Binaries,
        node_count: u16,
    ) -> Result<Self> {
        let bed = Bed {
            supervisor,
            directory,
            binaries,
        };
        let identities = bed.write_identities()?;
        let port = bed.start_api_server(&identities).await?;

        let admin = identity::client(&directory.kubeconfig(), User::Admin.name()).await?;
        nodes::grant_access(&admin).await?;
        nodes::create(&admin, node_count).await?;
        bed.start_clients()?;
        let ready = nodes::wait_until_ready(&admin, node_count);
        bed.explain(
            ready.await,
            &["kube-controller-manager", "kube-scheduler", "kwok"],
        )?;
        Ok(Self { port })
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn server(&self) -> String {
        server(self.port)
    }
}

fn server(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// What every step of the start needs.
struct Bed<'a> {
    supervisor: &'a Supervisor,
    directory: &'a Directory,
    binaries: &'a Binaries,
}

type Identities = Vec<(&'static str, String)>;

impl Bed<'_> {
    /// The tokens by which the API server knows people and components.
    fn write_identities(&self) -> Result<Identities> {
        let people = User::ALL.map(|user| (user.name(), user.group()));
        let mut identities = Identities::new();
        let mut table = String::new();
        for (name, group) in people.into_iter().chain(COMPONENTS.map(|name| (name, ""))) {
            let token = identity::token();
            writeln!(table, "{token},{name},{name},\"{group}\"")?;
            identities.push((name, token));
        }
        pki::write_secret(&self.directory.pki().join("tokens.csv"), &table)?;
        Ok(identities)
    }

    fn write_kubeconfigs(&self, port: u16, identities: &Identities) -> Result<()> {
        let ca = self.directory.pki().join("ca.crt");
        let (components, people): (Vec<_>, Vec<_>) = identities
            .iter()
            .map(|(name, token)| (*name, token.as_str()))
            .partition(|(name, _)| COMPONENTS.contains(name));
        let current = User::Developer.name();
        kubeconfig::write(&self.directory.kubeconfig(), &server(port), &ca, &people, current)?;
        for component in components {
            let path = self.directory.pki().join(format!("{}.kubeconfig", component.0));
            kubeconfig::write(&path, &server(port), &ca, &[component], component.0)?;
        }
        Ok(())
    }

    /// Starts etcd and the API server on free ports, and returns the latter's.
    async fn start_api_server(&self, identities: &Identities) -> Result<u16> {
        let mut attempt = 1;
        loop {
            let (etcd, peers, api) = (ports::free()?, ports::free()?, ports::free()?);
            self.supervisor.launch(self.etcd(etcd, peers))?;
            self.supervisor.launch(self.api_server(etcd, api))?;
            self.write_kubeconfigs(api, identities)?;
            match self.wait_for_api_server().await {
                Ok(()) => return Ok(api),
                Err(error) if attempt == ports::ATTEMPTS || !self.lost_a_port() => {
                    return self.explain(Err(error), &["etcd", "kube-apiserver"]);
                }
                Err(_) => {
                    for name in ["kube-apiserver", "etcd"] {
                        self.supervisor.stop_and_wait(name)?;
                        let _ = std::fs::remove_file(self.directory.log(name));
                    }
                    let _ = std::fs::remove_dir_all(self.directory.path().join("etcd"));
                    attempt += 1;
                }
            }
        }
    }

    async fn wait_for_api_server(&self) -> Result<()> {
        let client = identity::client(&self.directory.kubeconfig(), User::Admin.name()).await?;
        eventually(READY_WITHIN, "the API server is ready", || async {
            for name in ["etcd", "kube-apiserver"] {
                if let Err(ended) = self.supervisor.ensure_running(name) {
                    return Ok(Err(ended)); // no use in waiting on
                }
            }
            let request = http::Request::get("/readyz").body(Vec::new())?;
            client
                .request_text(request)
                .await
                .map(|_| Ok(()))
                .map_err(anyhow::Error::from)
        })
        .await?
    }

    fn lost_a_port(&self) -> bool {
        ["etcd", "kube-apiserver"]
            .iter()
            .any(|name| ports::is_taken(&self.directory.log_tail(name)))
    }

    /// Everything that is a client of the API server.
    fn start_clients(&self) -> Result<()> {
        self.supervisor.launch(self.controllers())?;
        self.supervisor.launch(self.scheduler())?;
        self.supervisor.launch(self.kwok())
    }

    /// Adds the ends of the logs to a failure.
    fn explain<T>(&self, result: Result<T>, names: &[&str]) -> Result<T> {
        result.with_context(|| {
            let mut text = String::from("failed to start the control plane");
            for name in names {
                let _ = write!(
                    text,
                    "\n--- the end of {name}'s log\n{}",
                    self.directory.log_tail(name)
                );
            }
            text
        })
    }
}

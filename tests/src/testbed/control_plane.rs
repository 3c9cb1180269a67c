//! etcd, the API server, the controllers, the scheduler, and kwok in place of the kubelets.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};

use super::cache::Binaries;
use super::directory::Directory;
use super::identity::{self, User};
use super::pki;
use super::supervisor::{Process, Signal, Supervisor};
use super::{READY_WITHIN, eventually, kubeconfig, nodes, ports};

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

    fn etcd(&self, port: u16, peers: u16) -> Process {
        let data = self.directory.path().join("etcd");
        component(
            "etcd",
            &self.binaries.etcd,
            vec![
                format!("--data-dir={}", data.display()),
                format!("--listen-client-urls=http://127.0.0.1:{port}"),
                format!("--advertise-client-urls=http://127.0.0.1:{port}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peers}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peers}"),
                "--unsafe-no-fsync".into(),
                "--log-level=warn".into(),
            ],
        )
    }

    fn api_server(&self, etcd: u16, port: u16) -> Process {
        let pki = self.directory.pki();
        let file = |name: &str| pki.join(name).display().to_string();
        component(
            "kube-apiserver",
            &self.binaries.kube_apiserver,
            vec![
                format!("--etcd-servers=http://127.0.0.1:{etcd}"),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                format!("--secure-port={port}"),
                format!("--tls-cert-file={}", file("kube-apiserver.crt")),
                format!("--tls-private-key-file={}", file("kube-apiserver.key")),
                format!("--token-auth-file={}", file("tokens.csv")),
                "--authorization-mode=Node,RBAC".into(),
                "--service-account-issuer=https://testbed.understudy.dev".into(),
                format!("--service-account-key-file={}", file("service-accounts.pub")),
                format!(
                    "--service-account-signing-key-file={}",
                    file("service-accounts.key")
                ),
                "--service-cluster-ip-range=10.96.0.0/16".into(),
                // The `kubernetes` Service would need an endpoint, and an endpoint may not be 127.0.0.1.
                "--endpoint-reconciler-type=none".into(),
                "--allow-privileged=true".into(),
                // Hundreds of namespaces at once are the test's point; queueing them is not.
                "--enable-priority-and-fairness=false".into(),
                "--max-requests-inflight=0".into(),
                "--max-mutating-requests-inflight=0".into(),
            ],
        )
    }

    fn controllers(&self) -> Process {
        let pki = self.directory.pki();
        let mut arguments = self.client_arguments(COMPONENTS[0]);
        arguments.extend([
            "--controllers=*,-cloud-node-lifecycle-controller,-service-lb-controller,-node-route-controller"
                .into(),
            "--use-service-account-credentials=true".into(),
            format!(
                "--service-account-private-key-file={}",
                pki.join("service-accounts.key").display()
            ),
            format!("--root-ca-file={}", pki.join("ca.crt").display()),
            "--concurrent-namespace-syncs=50".into(),
            "--concurrent-serviceaccount-token-syncs=20".into(),
            "--concurrent-resource-quota-syncs=20".into(),
            "--secure-port=0".into(),
        ]);
        component(
            "kube-controller-manager",
            &self.binaries.kube_controller_manager,
            arguments,
        )
    }

    fn scheduler(&self) -> Process {
        let mut arguments = self.client_arguments(COMPONENTS[1]);
        arguments.push("--secure-port=0".into());
        component("kube-scheduler", &self.binaries.kube_scheduler, arguments)
    }

    fn client_arguments(&self, user: &str) -> Vec<String> {
        let path = self.directory.pki().join(format!("{user}.kubeconfig"));
        vec![
            format!("--kubeconfig={}", path.display()),
            "--leader-elect=false".into(),
            "--kube-api-qps=2000".into(),
            "--kube-api-burst=4000".into(),
        ]
    }

    fn kwok(&self) -> Process {
        let stages = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/kwok/stages.yaml");
        let credentials = self.directory.pki().join(format!("{}.kubeconfig", COMPONENTS[2]));
        component(
            "kwok",
            &self.binaries.kwok,
            vec![
                format!("--kubeconfig={}", credentials.display()),
                format!("--config={}", stages.display()),
                "--manage-all-nodes=true".into(),
                "--cidr=10.244.0.0/16".into(),
                "--node-lease-duration-seconds=120".into(),
            ],
        )
    }
}

/// A component of the control plane. Nothing of its state is kept, so there is nothing to end in order.
fn component(name: &str, program: &Path, arguments: Vec<String>) -> Process {
    let mut argv = vec![program.display().to_string()];
    argv.extend(arguments);
    Process {
        name: name.into(),
        argv,
        stop_by: Signal::SigKill,
        ..Process::default()
    }
}

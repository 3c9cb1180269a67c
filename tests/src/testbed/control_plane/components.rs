//! The command line of each component, with the reason for whatever is not its default.

use std::path::Path;

use super::{Bed, COMPONENTS};
use crate::testbed::supervisor::{Process, Signal};

impl Bed<'_> {
    pub(super) fn etcd(&self, port: u16, peers: u16) -> Process {
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

    pub(super) fn api_server(&self, etcd: u16, port: u16) -> Process {
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

    pub(super) fn controllers(&self) -> Process {
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

    pub(super) fn scheduler(&self) -> Process {
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

    pub(super) fn kwok(&self) -> Process {
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

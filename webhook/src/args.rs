//! What was typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use understudy::admission::{Exempt, Installation};

/// Admission and controllers of Understudy.
#[derive(Debug, Parser)]
#[command(name = "understudy-webhook", version)]
pub struct Args {
    /// How logs are written
    #[arg(
        long,
        value_enum,
        default_value = "json",
        env = "UNDERSTUDY_LOG_FORMAT",
        global = true
    )]
    pub log_format: LogFormat,
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The two programs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer admission reviews over HTTPS
    Serve(Serve),
    /// Seal previews, make branches, end leases; one leader at a time
    Control(Control),
}

/// Settings of `serve`.
#[derive(Debug, ClapArgs)]
pub struct Serve {
    /// Address of the HTTPS server
    #[arg(long, default_value = "0.0.0.0:9443", env = "UNDERSTUDY_LISTEN")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics, over HTTP
    #[arg(long, default_value = "0.0.0.0:8080", env = "UNDERSTUDY_HEALTH_LISTEN")]
    pub health_listen: SocketAddr,
    /// Directory with tls.crt and tls.key to serve with, read again when they change; without it, the pair is read from
    /// the Secret understudy-webhook-tls
    #[arg(long, value_name = "DIRECTORY", env = "UNDERSTUDY_TLS_DIR")]
    pub tls_dir: Option<PathBuf>,
    /// File with the CA that clients need a certificate of, read again when it changes; without it, everybody is answered
    #[arg(long, value_name = "FILE", env = "UNDERSTUDY_CLIENT_CA")]
    pub client_ca: Option<PathBuf>,
    /// A common name or subject alternative name under which clients are accepted; may be given again, and without any
    /// every certificate of the CA is
    #[arg(long = "client-name", value_name = "NAME", requires = "client_ca")]
    pub client_names: Vec<String>,
    /// Seconds to go on answering after the first signal, while others still learn that this process is no longer ready
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=60), env = "UNDERSTUDY_DRAIN_DELAY")]
    pub drain_delay: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub installed: Installed,
}

/// Settings of `control`.
#[derive(Debug, ClapArgs)]
pub struct Control {
    /// Address of /livez, /readyz and /metrics, over HTTP
    #[arg(long, default_value = "0.0.0.0:8081", env = "UNDERSTUDY_HEALTH_LISTEN")]
    pub health_listen: SocketAddr,
    /// Name of the Service that the API server calls; the certificate is made for it
    #[arg(long, default_value = "understudy-webhook", env = "UNDERSTUDY_SERVICE")]
    pub service: String,
    /// Name of the two webhook configurations whose caBundle is kept
    #[arg(long, default_value = "understudy", env = "UNDERSTUDY_CONFIGURATION")]
    pub configuration: String,
    /// Who makes the serving certificate and keeps the caBundle
    #[arg(long, value_enum, default_value = "own", env = "UNDERSTUDY_CERTIFICATES")]
    pub certificates: Certificates,
    /// Seconds between two looks at the certificates and the caBundle
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600), env = "UNDERSTUDY_CERTIFICATE_SECONDS")]
    pub certificate_seconds: u64,
    /// Seconds between two sweeps for branches whose preview is gone
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), env = "UNDERSTUDY_SWEEP_SECONDS")]
    pub sweep_seconds: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub installed: Installed,
}

/// Who makes the serving certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Certificates {
    /// The leader, with a CA of its own.
    Own,
    /// Somebody else, such as cert-manager; they keep the caBundle too.
    External,
}

/// What the chart tells both.
#[derive(Clone, Debug, ClapArgs)]
pub struct Installed {
    /// The namespace Understudy runs in
    #[arg(long, default_value = "understudy-system", env = "UNDERSTUDY_NAMESPACE")]
    pub namespace: String,
    /// A user who may break the contract on purpose; may be given again
    #[arg(long = "exempt-user", value_name = "USER")]
    pub exempt_users: Vec<String>,
    /// A group whose members may break the contract on purpose; may be given again
    #[arg(long = "exempt-group", value_name = "GROUP")]
    pub exempt_groups: Vec<String>,
    /// A service account (`namespace/name`) of the cluster's own machinery; may be given again
    #[arg(long = "system-service-account", value_name = "NAMESPACE/NAME")]
    pub system_service_accounts: Vec<String>,
    /// A user of the cluster's own machinery that is no service account; may be given again
    #[arg(long = "system-user", value_name = "USER")]
    pub system_users: Vec<String>,
}

impl Installed {
    /// As the core wants it.
    pub fn installation(&self) -> Installation {
        Installation {
            namespace: self.namespace.clone(),
            exempt: Exempt {
                users: self.exempt_users.clone(),
                groups: self.exempt_groups.clone(),
            },
            system_service_accounts: self.system_service_accounts.clone(),
            system_users: self.system_users.clone(),
        }
    }
}

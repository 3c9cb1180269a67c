//! Real PostgreSQL servers from the system's packages.
//!
//! The servers offer TLS with a certificate of the bed's authority, and do not insist on it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls};

use self::cluster::Cluster;
use super::directory::Directory;
use super::supervisor::Supervisor;
use super::{READY_WITHIN, eventually, identity, ports, run_blocking};

mod cluster;

/// A running server. Everything needed to reach it as its superuser.
#[derive(Clone, Serialize, Deserialize)]
pub struct Postgres {
    /// `golden` or `previews`; the name of its process and its log too.
    pub name: String,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// The superuser's name.
    pub username: String,
    /// The superuser's password.
    pub password: String,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({} at {}:{})", self.name, self.host, self.port)
    }
}

impl Postgres {
    /// Makes and starts a server, and waits until it lets its superuser in.
    pub(super) async fn start(name: &str, supervisor: &Supervisor, directory: &Directory) -> Result<Self> {
        let password = identity::token();
        let (directory_, name_, password_) = (directory.clone(), name.to_owned(), password.clone());
        let cluster = run_blocking(move || Cluster::create(&directory_, &name_, &password_)).await?;
        let process = format!("postgres-{name}");
        let mut attempt = 1;
        loop {
            let server = Self {
                name: name.to_owned(),
                host: "127.0.0.1".to_owned(),
                port: ports::free()?,
                username: "postgres".to_owned(),
                password: password.clone(),
            };
            supervisor.launch(cluster.process(&process, server.port))?;
            match server.wait_until_ready(supervisor, &process).await {
                Ok(()) => return Ok(server),
                Err(error)
                    if attempt == ports::ATTEMPTS || !ports::is_taken(&directory.log_tail(&process)) =>
                {
                    return Err(error);
                }
                Err(_) => {
                    supervisor.stop_and_wait(&process)?;
                    let _ = std::fs::remove_file(directory.log(&process));
                    attempt += 1;
                }
            }
        }
    }

    async fn wait_until_ready(&self, supervisor: &Supervisor, process: &str) -> Result<()> {
        eventually(READY_WITHIN, &format!("{process} lets us in"), || async {
            match supervisor.ensure_running(process) {
                Ok(()) => self.connect("postgres").await.map(|_| Ok(())),
                Err(ended) => Ok(Err(ended)),
            }
        })
        .await?
    }

    /// The name of its process, for the supervisor.
    #[must_use]
    pub fn process(&self) -> String {
        format!("postgres-{}", self.name)
    }

    /// A connection URL for its superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{}:{}@{}:{}/{database}",
            self.username, self.password, self.host, self.port
        )
    }

    /// Connects as its superuser. The connection lives in the runtime this is called in.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        self.connect_as(&self.username, &self.password, database).await
    }

    /// Connects as somebody.
    pub async fn connect_as(&self, username: &str, password: &str, database: &str) -> Result<Client> {
        let (client, connection) = tokio_postgres::Config::new()
            .host(&self.host)
            .port(self.port)
            .user(username)
            .password(password)
            .dbname(database)
            .connect(NoTls)
            .await
            .with_context(|| {
                format!(
                    "failed to connect to {database} on {} as {username}",
                    self.process()
                )
            })?;
        tokio::spawn(connection);
        Ok(client)
    }
}

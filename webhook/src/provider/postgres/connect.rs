//! Connecting to a PostgreSQL server: over verified TLS unless the Secret says otherwise, never falling back to plain text.

use crate::provider::{Endpoint, ProviderError};
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// For TLS and the login as well, which the library's own deadline does not cover.
const SESSION_DEADLINE: Duration = Duration::from_secs(10);

/// The administrator of a server, from a Secret with the keys `host`, `port`, `username`, `password`.
///
/// Optional keys: `database` (where to connect, default `postgres`), `sslmode` (`verify-full`, the default, or
/// `disable`) and `ca.crt` (the CA to trust instead of the public ones).
#[derive(Clone, Debug)]
pub struct Admin {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
    database: String,
    roots: Option<RootCertStore>,
}

impl Admin {
    /// Reads `secret`; an error names the key that is missing or wrong.
    pub fn from_secret(secret: &Secret) -> Result<Admin, ProviderError> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let text = |key: &str| {
            let value = secret.data.as_ref()?.get(key)?;
            String::from_utf8(value.0.clone())
                .ok()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let required = |key: &str| {
            text(key).ok_or_else(|| ProviderError::new(format!("Secret {name} has no key {key}; add it")))
        };
        let port = text("port").unwrap_or_else(|| "5432".to_owned());
        let sslmode = text("sslmode").unwrap_or_else(|| "verify-full".to_owned());
        let roots = match sslmode.as_str() {
            "disable" => None,
            "verify-full" => Some(roots(text("ca.crt").as_deref(), &name)?),
            other => {
                let message = format!("Secret {name}: sslmode {other:?} must be verify-full or disable");
                return Err(ProviderError::new(message));
            }
        };
        Ok(Admin {
            host: required("host")?,
            port: port
                .parse()
                .map_err(|_| ProviderError::new(format!("Secret {name}: port {port:?} is no port number")))?,
            user: required("username")?,
            password: required("password")?.into(),
            database: text("database").unwrap_or_else(|| "postgres".to_owned()),
            roots,
        })
    }

    /// Where the server is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The administrator's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A session as the administrator, in `database` or where the Secret says.
    pub async fn connect(&self, database: Option<&str>) -> Result<Client, ProviderError> {
        let database = database.unwrap_or(&self.database);
        let session = self.session(&self.user, database, &self.password);
        let session = async {
            let client = session.await?;
            // Nobody else's functions pass for the catalogue's, whatever may be created in `public` there (CVE-2018-1058).
            client.batch_execute("SET search_path = pg_catalog").await?;
            Ok(client)
        };
        match timeout(SESSION_DEADLINE, session).await {
            Ok(session) => session.map_err(|error: tokio_postgres::Error| self.unreachable(&error)),
            Err(_) => Err(ProviderError::new(format!(
                "PostgreSQL at {}:{} let no session begin within {} s; check the server",
                self.host,
                self.port,
                SESSION_DEADLINE.as_secs()
            ))),
        }
    }

    /// Whether `user` can log in to `database` with `password`, proven by doing so.
    pub async fn works(
        &self,
        user: &str,
        database: &str,
        password: &SecretString,
    ) -> Result<bool, ProviderError> {
        match self.session(user, database, password).await {
            Ok(client) => Ok(client.simple_query("SELECT 1").await.is_ok()),
            Err(error)
                if error.as_db_error().is_none() || error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) =>
            {
                Err(self.unreachable(&error))
            }
            Err(_) => Ok(false),
        }
    }

    async fn session(
        &self,
        user: &str,
        database: &str,
        password: &SecretString,
    ) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(user)
            .dbname(database)
            .password(password.expose_secret())
            .application_name("understudy")
            .connect_timeout(CONNECT_DEADLINE)
            .ssl_mode(if self.roots.is_some() {
                SslMode::Require
            } else {
                SslMode::Disable
            });
        match &self.roots {
            Some(roots) => {
                let tls = ClientConfig::builder()
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
                let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
                tokio::spawn(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    fn unreachable(&self, error: &tokio_postgres::Error) -> ProviderError {
        let mut said = error
            .as_db_error()
            .map_or_else(|| error.to_string(), |db| db.message().to_owned());
        if let Some(source) = std::error::Error::source(error).filter(|_| error.as_db_error().is_none()) {
            said = format!("{said}: {source}");
        }
        ProviderError::new(format!(
            "cannot work with PostgreSQL at {}:{} as {}: {said}; check the policy's adminSecret and the server",
            self.host, self.port, self.user
        ))
    }
}

fn roots(pem: Option<&str>, secret: &str) -> Result<RootCertStore, ProviderError> {
    let Some(pem) = pem else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
        let refused = |_| {
            ProviderError::new(format!(
                "Secret {secret}: ca.crt holds a certificate that is none"
            ))
        };
        store.add(certificate).map_err(refused)?;
    }
    if store.is_empty() {
        return Err(ProviderError::new(format!(
            "Secret {secret}: ca.crt holds no certificate"
        )));
    }
    Ok(store)
}

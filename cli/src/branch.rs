//! A branch's server, seen with the branch's own role: what that role can do there, and reach.
//!
//! Over verified TLS unless the administrator's Secret says otherwise: a password is sent to nobody else's server.

use k8s_openapi::ByteString;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Who logs in where. Prints nothing of itself.
pub struct Login {
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
}

/// How the server is known.
#[derive(Clone, Default)]
pub enum Trust {
    /// By the authorities that browsers trust.
    #[default]
    Public,
    /// By these.
    Authorities(RootCertStore),
    /// Not at all: the administrator's Secret says `sslmode: disable`.
    Nothing,
}

/// What the branch's role is and reaches, as its server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// Attributes beyond those of an ordinary role.
    pub attributes: Vec<String>,
    /// Roles whose rights it may take.
    pub member_of: Vec<String>,
    /// Other databases that it may connect to.
    pub reaches: Vec<String>,
    /// The template, as far as it is there.
    pub template: Option<Template>,
}

/// The template as the branch's role finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Rights on it that were granted to the role by name.
    pub granted: Vec<String>,
    /// Whether the role could log in to it.
    pub entered: bool,
}

const ATTRIBUTES: &str = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles \
    WHERE rolname = current_user";
/// Every database's owner is one of `pg_database_owner`, in that database alone.
const MEMBER_OF: &str = "SELECT rolname::text FROM pg_roles WHERE rolname NOT IN (current_user, 'pg_database_owner') \
    AND pg_has_role(current_user, oid, 'MEMBER') ORDER BY 1";
const REACHES: &str = "SELECT datname::text FROM pg_database WHERE datallowconn AND datname <> current_database() \
    AND has_database_privilege(current_user, oid, 'CONNECT') ORDER BY 1";
const TEMPLATE: &str = "SELECT ARRAY(SELECT entry.privilege_type FROM aclexplode(datacl) entry \
    JOIN pg_roles role ON role.oid = entry.grantee WHERE role.rolname = current_user ORDER BY 1) \
    FROM pg_database WHERE datname = $1";

impl Login {
    /// From the data of a branch's Secret; `None` where a key is missing.
    pub fn of(data: &BTreeMap<String, ByteString>) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        Some(Login {
            host: text("host")?,
            port: text("port")?.parse().ok()?,
            user: text("username")?,
            password: text("password")?,
            database: text("dbname")?,
        })
    }

    /// Where it leads, without who logs in.
    pub fn place(&self) -> String {
        format!("database {} on {}:{}", self.database, self.host, self.port)
    }

    /// The server's host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the role can do and reach; an error says why nobody could ask.
    pub async fn powers(&self, trust: &Trust, template: &str) -> Result<Powers, String> {
        let client = self
            .session(trust, &self.database)
            .await
            .map_err(|error| said(&error))?;
        let asked = self.ask(&client, trust, template).await;
        asked.map_err(|error| said(&error))
    }

    async fn ask(
        &self,
        client: &Client,
        trust: &Trust,
        template: &str,
    ) -> Result<Powers, tokio_postgres::Error> {
        let row = client.query_one(ATTRIBUTES, &[]).await?;
        let names = ["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"];
        let held = names.into_iter().enumerate().filter(|(at, _)| row.get(*at));
        let attributes = held.map(|(_, name)| name.to_owned()).collect();
        let names = async |question: &str| {
            let rows = client.query(question, &[]).await?;
            Ok::<_, tokio_postgres::Error>(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>())
        };
        let template = match client.query_opt(TEMPLATE, &[&template]).await? {
            Some(row) => Some(Template {
                granted: row.get(0),
                entered: self.session(trust, template).await.is_ok(),
            }),
            None => None,
        };
        Ok(Powers {
            attributes,
            member_of: names(MEMBER_OF).await?,
            reaches: names(REACHES).await?,
            template,
        })
    }

    async fn session(&self, trust: &Trust, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .password(&self.password)
            .dbname(database)
            .application_name("understudy verify")
            .connect_timeout(CONNECT_DEADLINE);
        let roots = match trust {
            Trust::Nothing => {
                let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
                tokio::spawn(connection);
                return Ok(client);
            }
            Trust::Authorities(roots) => roots.clone(),
            Trust::Public => RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
        };
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (client, connection) = config
            .ssl_mode(SslMode::Require)
            .connect(MakeRustlsConnect::new(tls))
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Trust {
    /// The authorities in `pem`; `None` where there is none.
    pub fn pem(pem: &[u8]) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem).flatten() {
            roots.add(certificate).ok()?;
        }
        (!roots.is_empty()).then_some(Trust::Authorities(roots))
    }

    /// As the administrator's Secret says, by the contract of the policy's `adminSecret`.
    pub fn of(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: &str| data.get(key).map(|value| value.0.trim_ascii());
        if text("sslmode") == Some(b"disable") {
            return Trust::Nothing;
        }
        text("ca.crt").and_then(Trust::pem).unwrap_or_default()
    }
}

/// What went wrong, without who logged in.
fn said(error: &tokio_postgres::Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return answer.message().to_owned();
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_a_host_is_nobodys_login() {
        let data = |keys: &[&str]| {
            let value = |key: &&str| ((*key).to_owned(), ByteString(b"5432".to_vec()));
            keys.iter().map(value).collect::<BTreeMap<_, _>>()
        };
        let all = ["host", "port", "username", "password", "dbname"];
        assert!(Login::of(&data(&all)).is_some());
        assert!(Login::of(&data(&all[1..])).is_none());
    }

    #[test]
    fn nothing_but_the_administrator_turns_tls_off() {
        let data = |key: &str, value: &str| [(key.to_owned(), ByteString(value.into()))].into();
        assert!(matches!(Trust::of(&data("sslmode", "disable")), Trust::Nothing));
        assert!(matches!(Trust::of(&data("sslmode", "prefer")), Trust::Public));
        assert!(matches!(Trust::of(&data("ca.crt", "none")), Trust::Public));
    }
}

//! Branches by `CREATE DATABASE … TEMPLATE` on a PostgreSQL server.
//!
//! Flow: a role with a marker in its comment, without LOGIN, in one transaction; the database as a copy of the template,
//! owned by that role, closed; PUBLIC revoked; opened for us; ownership of the copied objects moved one by one; LOGIN;
//! proven with the role's own session. LOGIN is what says "done": a crash anywhere before leaves a marked role that can
//! do nothing, and the next call goes on.
//!
//! Guarantees: nothing is dropped unless a role marked as exactly this branch owns it. The template's sessions are never
//! ended. No password is part of a statement: the role gets a SCRAM verifier.
//!
//! Assumptions: the administrator of the Secret may create roles and databases, and owns the template or is a superuser
//! (<https://www.postgresql.org/docs/current/sql-createdatabase.html>).

mod connect;
mod ownership;
mod sql;

pub use connect::Admin;

use super::{BranchId, Endpoint, Outcome, Provider, ProviderError};
use secrecy::{ExposeSecret, SecretString};
use sql::{failed, identifier, literal};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use understudy::policy::PostgresBranch;

/// What begins the comment of every role of ours.
const MARKER: &str = "understudy:";

/// One server, one template.
#[derive(Clone, Debug)]
pub struct Postgres {
    admin: Admin,
    spec: PostgresBranch,
}

impl Postgres {
    /// Branches of `spec`'s template, made as `admin`.
    pub fn new(admin: Admin, spec: PostgresBranch) -> Self {
        Postgres { admin, spec }
    }

    /// The marked role, once it is there: whether it may log in already.
    async fn role(&self, client: &Client, branch: &BranchId) -> Result<Option<bool>, ProviderError> {
        let name = branch.name();
        let query =
            "SELECT rolcanlogin, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1";
        let Some(row) = client
            .query_opt(query, &[&name])
            .await
            .map_err(failed("read the roles"))?
        else {
            return Ok(None);
        };
        let comment: Option<String> = row.get(1);
        if comment.as_deref().and_then(marked) != Some(branch.clone()) {
            return Err(ProviderError::new(format!(
                "role {name} exists and is not ours; it was left alone"
            )));
        }
        Ok(Some(row.get(0)))
    }

    async fn create_role(&self, client: &mut Client, branch: &BranchId) -> Result<(), ProviderError> {
        let name = identifier(&branch.name());
        let comment = format!(
            "{MARKER}{}",
            serde_json::to_string(branch).expect("plain strings are JSON")
        );
        let transaction = client
            .transaction()
            .await
            .map_err(failed("begin a transaction"))?;
        let mut statements = format!(
            "CREATE ROLE {name} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT \
             CONNECTION LIMIT {};\nCOMMENT ON ROLE {name} IS {};\nGRANT {name} TO CURRENT_USER;\n",
            self.spec.connection_limit,
            literal(&comment),
        );
        if let Some(timeout) = self.spec.statement_timeout {
            statements.push_str(&format!(
                "ALTER ROLE {name} SET statement_timeout = '{}s';\n",
                timeout.seconds()
            ));
        }
        transaction
            .batch_execute(&statements)
            .await
            .map_err(failed("create the branch's role"))?;
        transaction
            .commit()
            .await
            .map_err(failed("create the branch's role"))
    }

    /// `None` when the copy is there, else why it has to wait.
    async fn copy_template(
        &self,
        client: &Client,
        branch: &BranchId,
    ) -> Result<Option<String>, ProviderError> {
        let (name, template) = (branch.name(), &self.spec.template);
        let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1";
        if let Some(row) = client
            .query_opt(owner, &[&name])
            .await
            .map_err(failed("read the databases"))?
        {
            let owner: String = row.get(0);
            let foreign = format!("database {name} exists and is not ours; it was left alone");
            return if owner == name {
                Ok(None)
            } else {
                Err(ProviderError::new(foreign))
            };
        }
        let create = format!(
            "CREATE DATABASE {0} TEMPLATE {1} OWNER {0} ALLOW_CONNECTIONS false",
            identifier(&name),
            identifier(template)
        );
        let Err(error) = client.batch_execute(&create).await else {
            return Ok(None);
        };
        let Endpoint { host, port } = self.endpoint();
        match error.code() {
            Some(&SqlState::OBJECT_IN_USE) => Ok(Some(self.who_holds_template(client).await)),
            Some(&SqlState::UNDEFINED_DATABASE) => Err(ProviderError::new(format!(
                "template database {template} does not exist on {host}:{port}; create it, or correct \
                     databases[].branch.postgres.template of the policy"
            ))),
            _ => Err(failed("copy the template")(error)),
        }
    }

    async fn who_holds_template(&self, client: &Client) -> String {
        let query = "SELECT count(*), coalesce(string_agg(DISTINCT usename, ', '), '') FROM pg_stat_activity \
                     WHERE datname = $1";
        let template = &self.spec.template;
        match client.query_one(query, &[template]).await {
            Ok(row) => {
                let (count, users): (i64, String) = (row.get(0), row.get(1));
                format!("template {template} is in use by {count} sessions of [{users}]; a copy needs none")
            }
            Err(_) => format!("template {template} is in use; a copy needs it free of sessions"),
        }
    }

    /// Copies of the database's own grants are not made, but PUBLIC may connect by default: to the copy and the template.
    async fn close_to_public(&self, client: &Client, branch: &BranchId) -> Result<(), ProviderError> {
        for database in [&branch.name(), &self.spec.template] {
            let open = "SELECT has_database_privilege('public', $1, 'CONNECT') OR has_database_privilege('public', $1, 'TEMP')";
            let open: bool = client
                .query_one(open, &[database])
                .await
                .map_err(failed("read grants"))?
                .get(0);
            if open {
                let revoke = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", identifier(database));
                client
                    .batch_execute(&revoke)
                    .await
                    .map_err(failed("revoke PUBLIC"))?;
            }
            // Without ownership PostgreSQL only warns: look again.
            let open = "SELECT has_database_privilege('public', $1, 'CONNECT')";
            if client
                .query_one(open, &[database])
                .await
                .map_err(failed("read grants"))?
                .get(0)
            {
                return Err(ProviderError::new(format!(
                    "PUBLIC may connect to {database} and {} may not revoke that; make it the owner",
                    self.admin.user()
                )));
            }
        }
        Ok(())
    }

    /// Drops the role, and first what it made in databases that are open to everybody.
    async fn drop_role(&self, client: &Client, name: &str) -> Result<(), ProviderError> {
        let left = "SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid \
                    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) \
                      AND d.datallowconn";
        let rows = client
            .query(left, &[&name])
            .await
            .map_err(failed("look for what the role left behind"))?;
        let owned = format!("DROP OWNED BY {}", identifier(name));
        for row in rows {
            let database: String = row.get(0);
            let inside = self.admin.connect(Some(&database)).await?;
            inside
                .batch_execute(&owned)
                .await
                .map_err(failed("drop what the role left behind"))?;
        }
        client
            .batch_execute(&owned)
            .await
            .map_err(failed("take the role's grants off"))?;
        let drop = format!("DROP ROLE IF EXISTS {}", identifier(name));
        client
            .batch_execute(&drop)
            .await
            .map_err(failed("drop the branch's role"))
    }

    async fn set_password(
        &self,
        client: &Client,
        branch: &BranchId,
        password: &SecretString,
    ) -> Result<(), ProviderError> {
        let verifier = postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
        let statement = format!(
            "ALTER ROLE {} LOGIN PASSWORD {}",
            identifier(&branch.name()),
            literal(&verifier)
        );
        client
            .batch_execute(&statement)
            .await
            .map_err(failed("let the branch's role log in"))
    }
}

impl Provider for Postgres {
    fn endpoint(&self) -> Endpoint {
        self.admin.endpoint()
    }

    async fn ensure(&self, branch: &BranchId, password: &SecretString) -> Result<Outcome, ProviderError> {
        let name = branch.name();
        if self.admin.works(&name, &name, password).await? {
            return Ok(Outcome::Ready);
        }
        let mut client = self.admin.connect(None).await?;
        if self.role(&client, branch).await?.is_none() {
            self.create_role(&mut client, branch).await?;
        }
        if let Some(why) = self.copy_template(&client, branch).await? {
            return Ok(Outcome::Pending(why));
        }
        self.close_to_public(&client, branch).await?;
        let open = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", identifier(&name));
        client
            .batch_execute(&open)
            .await
            .map_err(failed("open the branch"))?;
        if self.role(&client, branch).await? != Some(true) {
            let mut inside = self.admin.connect(Some(&name)).await?;
            ownership::take_over(&mut inside, &name).await?;
        }
        self.set_password(&client, branch, password).await?;
        if self.admin.works(&name, &name, password).await? {
            Ok(Outcome::Ready)
        } else {
            Ok(Outcome::Pending(
                "the branch is made, its connection does not work yet".to_owned(),
            ))
        }
    }

    async fn drop(&self, branch: &BranchId) -> Result<(), ProviderError> {
        let client = self.admin.connect(None).await?;
        if self.role(&client, branch).await?.is_none() {
            return Ok(());
        }
        let name = branch.name();
        let owned = "SELECT count(*) FROM pg_database WHERE datname = $1 AND pg_get_userbyid(datdba) = $1";
        let owned: i64 = client
            .query_one(owned, &[&name])
            .await
            .map_err(failed("read the databases"))?
            .get(0);
        if owned > 0 {
            // Its owner may have declared it a template, which cannot be dropped.
            let drop = format!("ALTER DATABASE {} IS_TEMPLATE false", identifier(&name));
            client
                .batch_execute(&drop)
                .await
                .map_err(failed("prepare to drop the branch"))?;
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(&name));
            client
                .batch_execute(&drop)
                .await
                .map_err(failed("drop the branch"))?;
        }
        self.drop_role(&client, &name).await
    }

    async fn list(&self) -> Result<Vec<BranchId>, ProviderError> {
        let client = self.admin.connect(None).await?;
        let query = "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles \
                     WHERE shobj_description(oid, 'pg_authid') LIKE $1";
        let rows = client
            .query(query, &[&format!("{MARKER}%")])
            .await
            .map_err(failed("list the branches"))?;
        let found = rows.into_iter().filter_map(|row| {
            let (name, comment): (String, String) = (row.get(0), row.get(1));
            marked(&comment).filter(|branch| branch.name() == name)
        });
        Ok(found.collect())
    }
}

/// The branch that a role's comment marks.
fn marked(comment: &str) -> Option<BranchId> {
    serde_json::from_str(comment.strip_prefix(MARKER)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_exact_mark_counts() {
        let branch = BranchId {
            cluster: "c".to_owned(),
            namespace: "shop-pr-7".to_owned(),
            uid: "u".to_owned(),
            database: "app".to_owned(),
        };
        let comment = format!("{MARKER}{}", serde_json::to_string(&branch).unwrap());
        assert_eq!(marked(&comment), Some(branch));
        assert_eq!(marked("understudy: made by hand"), None);
        assert_eq!(marked("owner of the shop"), None);
    }
}

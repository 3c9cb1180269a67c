//! How a branch comes to be and goes: `ensure`, `drop`, `list`.
//!
//! Contract. A branch belongs to one life of one preview: [`BranchId`] holds the namespace's uid. Every provider marks
//! what it makes with that identity in the place where it makes it, so that nothing unmarked is ever dropped and an
//! orphan is found with no other record.

pub mod postgres;

use secrecy::SecretString;
use std::future::Future;
use std::time::Duration;
use understudy::names;

/// Whose branch, of which database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct BranchId {
    /// The cluster: uid of its `kube-system` namespace.
    pub cluster: String,
    /// The preview.
    pub namespace: String,
    /// The preview's uid: a namespace of the same name is another preview.
    pub uid: String,
    /// Name of the policy database.
    pub database: String,
}

impl BranchId {
    /// Name of its role and of its database: deterministic, so that every step can be resumed.
    pub fn name(&self) -> String {
        names::branch(
            &self.namespace,
            &self.database,
            &format!("{}/{}", self.cluster, self.uid),
        )
    }
}

/// How far a branch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its connection works.
    Ready,
    /// Not yet, for this reason; try again.
    Pending(String),
}

/// Why a provider cannot go on. Messages name hosts, databases and roles, never passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What is wrong and what mends it.
    pub message: String,
}

impl ProviderError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        ProviderError {
            message: message.into(),
        }
    }
}

/// The outcome of `work` on a server, or that it took longer than `limit`: one that accepts and then says nothing must hold up
/// nobody else.
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let late = |_| ProviderError::new(format!("the server did not answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// Where a branch is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A kind of database server that can be branched.
pub trait Provider: Send + Sync {
    /// Where branches are reached.
    fn endpoint(&self) -> Endpoint;

    /// Makes `branch`, or goes on making it, with `password` for its role. Idempotent; may be interrupted anywhere.
    fn ensure(
        &self,
        branch: &BranchId,
        password: &SecretString,
    ) -> impl Future<Output = Result<Outcome, ProviderError>> + Send;

    /// Removes `branch` and its role. Succeeds where there is none; touches nothing that is not marked as this branch.
    fn drop(&self, branch: &BranchId) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// Every branch on the server that carries our mark.
    fn list(&self) -> impl Future<Output = Result<Vec<BranchId>, ProviderError>> + Send;
}

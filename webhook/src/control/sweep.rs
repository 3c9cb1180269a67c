//! Dropping branches whose preview is gone, while nobody watched.
//!
//! The marker on the server is the only record. A branch goes when a live read shows no namespace of its uid, and only if
//! it was made for this cluster. Which servers there are, the policies say: branches on a server that no policy names any
//! more stay until one does.

use super::context::Context;
use crate::provider::{self, BranchId, Provider, ProviderError};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use understudy::policy::{Database, ObjectRef};

/// For one answer of a server.
const ANSWERED: Duration = Duration::from_secs(30);

/// Sweeps now, and then every `interval`, until the process ends.
pub async fn keep(context: Arc<Context>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let policies = context.memory.facts(None, BTreeMap::new()).policies;
        // One look per server, however many policies name it.
        let servers: BTreeMap<ObjectRef, &Database> = policies
            .values()
            .flat_map(|policy| &policy.databases)
            .map(|database| (database.branch.postgres.admin_secret.clone(), database))
            .collect();
        for database in servers.into_values() {
            if let Err(error) = sweep(&context, database).await {
                tracing::warn!(database = database.name, %error, "failed to sweep; will try again");
            }
        }
    }
}

async fn sweep(context: &Context, database: &Database) -> Result<(), ProviderError> {
    let provider = context.provider(database).await?;
    for branch in provider::within(ANSWERED, provider.list()).await? {
        // One that cannot be dropped must not keep the others.
        let swept = async {
            if !context.is_this_cluster(&branch) || !is_orphan(context, &branch).await? {
                return Ok(false);
            }
            provider.drop(&branch).await.map(|()| true)
        };
        let (namespace, database) = (&branch.namespace, &branch.database);
        match provider::within(ANSWERED, swept).await {
            Ok(true) => {
                context.metrics.acted("branch-swept");
                tracing::info!(namespace, database, "swept a branch without a preview");
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(namespace, database, %error, "failed to sweep a branch; will try again")
            }
        }
    }
    Ok(())
}

async fn is_orphan(context: &Context, branch: &BranchId) -> Result<bool, ProviderError> {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let found = api.get_metadata_opt(&branch.namespace).await;
    let found = found
        .map_err(|error| ProviderError::new(format!("failed to look for {}: {error}", branch.namespace)))?;
    Ok(found.is_none_or(|namespace| namespace.metadata.uid.as_deref() != Some(&branch.uid)))
}

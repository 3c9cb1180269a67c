//! Fingerprints of the Secrets of protected namespaces, as far as an administrator lets us read them.
//!
//! A RoleBinding to the ClusterRole `understudy-golden-reader` in a golden is what lets us; without one the golden's values
//! stay unknown. Values are hashed as they are read and kept nowhere.

use super::Memory;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use understudy::fingerprints::{Fingerprints, Origin};

/// Between two readings: a rotated secret is recognised this much later at most.
const EVERY: Duration = Duration::from_secs(60);

/// Keeps the fingerprints, until the process ends.
pub async fn keep(client: Client, memory: Memory) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let namespaces: Vec<String> = memory.protected().namespaces().cloned().collect();
        let mut prints = Fingerprints::default();
        for namespace in namespaces {
            read(&client, &namespace, &mut prints).await;
        }
        tracing::debug!(
            values = prints.len(),
            "read the fingerprints of protected Secrets"
        );
        memory.remember(Arc::new(prints));
    }
}

async fn read(client: &Client, namespace: &str, prints: &mut Fingerprints) {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut page = ListParams::default().limit(200);
    loop {
        let found = match api.list(&page).await {
            Ok(found) => found,
            // The usual case: nobody let us. `doctor` and `verify` say "unknown" of such a namespace.
            Err(error) => {
                tracing::debug!(namespace, %error, "cannot read the Secrets of a protected namespace");
                return;
            }
        };
        for secret in &found.items {
            let name = secret.metadata.name.clone().unwrap_or_default();
            for (key, value) in secret.data.iter().flatten() {
                let origin = Origin {
                    namespace: namespace.to_owned(),
                    name: name.clone(),
                    key: key.clone(),
                };
                prints.add(origin, &value.0);
            }
        }
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return,
        }
    }
}

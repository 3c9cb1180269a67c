//! Names for completion, as the cluster has them now. Whoever presses TAB does not wait for a cluster that is away, and
//! reads no error: where names cannot be had at once, there are none.

use crate::cluster::{Cluster, connect};
use crate::error::Failure;
use crate::settings::Connection;
use clap_complete::engine::CompletionCandidate;
use kube::config::Kubeconfig;
use std::sync::mpsc;
use std::time::Duration;

/// How long a shell may be kept.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Goldens.
pub fn goldens() -> Vec<CompletionCandidate> {
    names(async |cluster| cluster.goldens().await)
}

/// Previews.
pub fn previews() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let previews = cluster.previews(None).await?;
        Ok(previews
            .into_iter()
            .map(|existing| existing.preview.name)
            .collect())
    })
}

/// PreviewPolicies.
pub fn policies() -> Vec<CompletionCandidate> {
    names(async |cluster| Ok(cluster.policies().await?.into_keys().collect()))
}

/// Contexts of the kubeconfig, for which no cluster is asked.
pub fn contexts() -> Vec<CompletionCandidate> {
    let read = match connection().kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let contexts = read.map(|kubeconfig| kubeconfig.contexts).unwrap_or_default();
    contexts.into_iter().map(|context| context.name.into()).collect()
}

/// Asks on a thread of its own, which is left behind when it takes too long: a kubeconfig may start programs.
fn names(
    list: impl AsyncFnOnce(Cluster) -> Result<Vec<String>, Failure> + Send + 'static,
) -> Vec<CompletionCandidate> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        let found = runtime.block_on(async {
            let cluster = connect(&connection()).await?;
            list(cluster).await
        });
        // Whoever asked may be gone.
        let _ = send.send(found.unwrap_or_default());
    });
    let found = receive.recv_timeout(AT_ONCE).unwrap_or_default();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// The cluster that the line means so far; a line that is not finished cannot be parsed as one.
fn connection() -> Connection {
    let words: Vec<String> = std::env::args().collect();
    let option = |flag: &str| {
        let with_equals = words
            .iter()
            .find_map(|word| word.strip_prefix(flag)?.strip_prefix('='));
        let apart = || {
            words
                .windows(2)
                .find(|pair| pair[0] == flag)
                .map(|pair| pair[1].as_str())
        };
        with_equals
            .or_else(apart)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    Connection {
        kubeconfig: option("--kubeconfig").map(Into::into),
        context: option("--context"),
    }
}

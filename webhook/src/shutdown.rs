//! Two signals: the first one drains, the second one stops at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes `true` at the first SIGTERM or SIGINT; the second one ends the process.
pub fn watch() -> std::io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        next().await;
        tracing::info!("stopping");
        let _ = sender.send(true);
        next().await;
        std::process::exit(1);
    });
    Ok(receiver)
}

/// Waits until stopping has begun.
pub async fn begun(mut receiver: watch::Receiver<bool>) {
    let _ = receiver.wait_for(|stopping| *stopping).await;
}

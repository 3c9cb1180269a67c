//! The TLS side: our pair and the check of clients, made into one configuration, anew whenever either changes.

use super::client::Check;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;
use tokio::sync::watch;

/// Waits for the first good pair and follows both from then on. Connections that stand keep what they began with.
pub async fn keep(
    mut pairs: watch::Receiver<Option<Arc<CertifiedKey>>>,
    checks: Option<watch::Receiver<Check>>,
) -> anyhow::Result<watch::Receiver<Arc<ServerConfig>>> {
    pairs.wait_for(Option::is_some).await?;
    let current = |pairs: &watch::Receiver<Option<Arc<CertifiedKey>>>,
                   checks: &Option<watch::Receiver<Check>>| {
        let check = checks.as_ref().map(|checks| checks.borrow().clone());
        pairs.borrow().clone().map(|pair| configure(pair, check))
    };
    let first = current(&pairs, &checks).expect("a good pair is never taken back")?;
    let (configurations, receiver) = watch::channel(Arc::new(first));
    tokio::spawn(async move {
        let mut checks = checks;
        loop {
            let check = async {
                match &mut checks {
                    Some(checks) => checks.changed().await,
                    None => std::future::pending().await,
                }
            };
            let changed = tokio::select! { changed = pairs.changed() => changed, changed = check => changed };
            if changed.is_err() {
                return;
            }
            match current(&pairs, &checks) {
                Some(Ok(configuration)) => drop(configurations.send_replace(Arc::new(configuration))),
                Some(Err(error)) => {
                    tracing::error!(%error, "failed to set up TLS anew; keeping what there was")
                }
                None => {}
            }
        }
    });
    Ok(receiver)
}

fn configure(pair: Arc<CertifiedKey>, check: Option<Check>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12])?;
    let checked = check.is_some();
    let builder = match check {
        Some(check) => builder.with_client_cert_verifier(check),
        None => builder.with_no_client_auth(),
    };
    let mut configuration = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if checked {
        // Who resumes a session shows no certificate again, and the one of then may have expired since.
        configuration.session_storage = Arc::new(NoServerSessionStorage {});
        configuration.send_tls13_tickets = 0;
    }
    Ok(configuration)
}

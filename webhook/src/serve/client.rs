//! Who may ask: with a client CA, only whoever has a certificate of it, and only under the names that are accepted.
//!
//! The API server shows one to webhooks if its administrator gave it one, by an AdmissionConfiguration with a
//! `kubeConfigFile` (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#authenticate-apiservers>).

use super::certificate::LOOK;
use crate::metrics::Metrics;
use crate::pair;
use anyhow::Context;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use x509_parser::extensions::GeneralName;

/// What checks a client's certificate.
pub type Check = Arc<dyn ClientCertVerifier>;

/// Reads the CA of clients from `file` and follows it; a CA that cannot be read is refused, and the last good one stays.
pub async fn follow(
    file: PathBuf,
    names: Vec<String>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<watch::Receiver<Check>> {
    let mut last = tokio::fs::read(&file)
        .await
        .with_context(|| format!("failed to read {}", file.display()))?;
    let first = check(&last, &names)
        .with_context(|| format!("failed to read a client CA from {}", file.display()))?;
    let (checks, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let found = tokio::fs::read(&file).await.unwrap_or_default();
            if found == last {
                continue;
            }
            match check(&found, &names) {
                Ok(check) => {
                    tracing::info!("took the client CA");
                    checks.send_replace(check);
                }
                Err(error) => {
                    metrics.refused_certificate();
                    tracing::error!(
                        error = format!("{error:#}"),
                        "refused the client CA; keeping the last good one"
                    );
                }
            }
            last = found;
        }
    });
    Ok(receiver)
}

fn check(authorities: &[u8], names: &[String]) -> anyhow::Result<Check> {
    let mut roots = RootCertStore::empty();
    for authority in pair::chain(authorities)? {
        roots.add(authority)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let issued = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build()?;
    Ok(Arc::new(Named {
        issued,
        names: names.to_vec(),
    }))
}

/// A certificate of the CA, and under one of these names; any if there are none.
#[derive(Debug)]
struct Named {
    issued: Check,
    names: Vec<String>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.issued.verify_client_cert(leaf, chain, now)?;
        if self.names.is_empty() || names(leaf).iter().any(|name| self.names.contains(name)) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

/// Common name and subject alternative names, where they are text.
fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else {
        return Vec::new();
    };
    let common = parsed
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok());
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|names| &names.value.general_names);
    let alternative = alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some(*name),
        _ => None,
    });
    common.chain(alternative).map(str::to_owned).collect()
}

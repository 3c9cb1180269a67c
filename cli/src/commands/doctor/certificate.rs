//! What the API server trusts (caBundle) and what admission shows it (the serving Secret): each in order, and a pair.

use super::finding::{Finding, State, or_ok};
use crate::cluster::{Inspection, SERVICE, Seen};
use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use understudy::keys;
use x509_parser::parse_x509_certificate;

/// The leader renews when less than thirty days are left; with less than this it did not.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 14);

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let mend = mend(inspection);
    let mut bundles = BTreeSet::new();
    let mut problems = Vec::new();
    for (configuration, kind) in inspection.configurations.iter().zip(["mutating", "validating"]) {
        for entry in configuration.there().into_iter().flat_map(entries) {
            let at = format!("{kind} {}", entry["name"].as_str().unwrap_or_default());
            match bundle(entry) {
                Some(bundle) => {
                    let finding = of_bundle(&at, &bundle, inspection.now);
                    problems.extend(finding.map(|finding| finding.mend(&mend)));
                    bundles.insert(bundle);
                }
                None => problems.push(
                    Finding::failed(format!(
                        "{at} has no caBundle: the API server cannot trust admission"
                    ))
                    .mend(&mend),
                ),
            }
        }
    }
    if bundles.is_empty() && problems.is_empty() {
        return vec![Finding::unknown(
            "the caBundle stands in the webhook configurations, which cannot be read",
        )];
    }
    let leaf = match &inspection.certificate {
        Seen::There(leaf) => leaf,
        Seen::Absent => {
            problems.push(
                Finding::failed(format!(
                    "there is no Secret {}: admission has nothing to show",
                    keys::SERVING_SECRET
                ))
                .mend(&mend),
            );
            return problems;
        }
        hidden => {
            let why = hidden.obscured().unwrap_or_default();
            problems.push(Finding::unknown(format!(
                "Secret {}: {why}; whether the caBundle fits it shows in `reach`",
                keys::SERVING_SECRET
            )));
            return problems;
        }
    };
    let name = format!("{SERVICE}.{}.svc", inspection.namespace);
    let shown: Vec<CertificateDer<'_>> = certificates(leaf).unwrap_or_default();
    let Some(end) = shown.first().and_then(ends) else {
        problems.push(
            Finding::failed(format!(
                "Secret {} holds no certificate in tls.crt",
                keys::SERVING_SECRET
            ))
            .mend(&mend),
        );
        return problems;
    };
    problems.extend(
        running_out("the serving certificate", end, inspection.now).map(|finding| finding.mend(&mend)),
    );
    if problems.iter().all(|problem| problem.state != State::Failed) {
        let unfit = bundles
            .iter()
            .find_map(|bundle| fits(bundle, &shown, &name, inspection.now).err());
        problems.extend(unfit.map(|why| {
            Finding::failed(format!(
                "the caBundle does not verify the serving certificate: {why}"
            ))
            .mend(&mend)
        }));
    }
    or_ok(
        problems,
        format!("the caBundle verifies the serving certificate of {name}, which ends {end}"),
    )
}

/// Who keeps certificates: the leader, or cert-manager where the configurations say so.
fn mend(inspection: &Inspection) -> String {
    let injected = inspection
        .configurations
        .iter()
        .filter_map(Seen::there)
        .any(|configuration| {
            let notes = configuration["metadata"]["annotations"].as_object();
            notes.is_some_and(|notes| notes.keys().any(|key| key.starts_with("cert-manager.io/")))
        });
    if injected {
        return format!(
            "kubectl --namespace {} describe certificates.cert-manager.io",
            inspection.namespace
        );
    }
    // It looks at them every ten seconds, so its log says what keeps it.
    format!(
        "kubectl --namespace {} logs deployment/{}",
        inspection.namespace,
        keys::CONTROLLER_ACCOUNT
    )
}

fn entries(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

fn bundle(entry: &Value) -> Option<Vec<u8>> {
    let bytes: k8s_openapi::ByteString =
        serde_json::from_value(entry["clientConfig"]["caBundle"].clone()).ok()?;
    Some(bytes.0).filter(|bytes| !bytes.is_empty())
}

/// The certificates of a PEM text; an error where one of them is none.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|_| "it is no PEM text".to_owned())?;
    match all.iter().all(|der| parse_x509_certificate(der).is_ok()) {
        _ if all.is_empty() => Err("it holds no certificate".to_owned()),
        false => Err("it holds what is no certificate".to_owned()),
        true => Ok(all),
    }
}

fn ends(der: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn of_bundle(at: &str, bundle: &[u8], now: Timestamp) -> Option<Finding> {
    match certificates(bundle) {
        Err(why) => Some(Finding::failed(format!("{at}: the caBundle is unusable: {why}"))),
        // With overlap the newest counts.
        Ok(all) => running_out(
            &format!("{at}: the caBundle"),
            all.iter().filter_map(ends).max()?,
            now,
        ),
    }
}

fn running_out(what: &str, end: Timestamp, now: Timestamp) -> Option<Finding> {
    if end <= now {
        return Some(Finding::failed(format!("{what} expired at {end}")));
    }
    (end.duration_since(now) < SOON)
        .then(|| Finding::warning(format!("{what} expires at {end}, and was not renewed")))
}

/// Whether the API server, which trusts `bundle`, accepts `shown` for `name`.
fn fits(bundle: &[u8], shown: &[CertificateDer<'_>], name: &str, now: Timestamp) -> Result<(), String> {
    let (leaf, intermediates) = shown.split_first().ok_or("there is none")?;
    let trusted = certificates(bundle)?;
    // A certificate that is trusted itself needs no issuer; webpki asks for one.
    if trusted.iter().any(|one| one == leaf) {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    match verifier.verify_server_cert(leaf, intermediates, &name, &[], at) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(error)) => Err(match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "another authority issued it".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("it is not for {}", name.to_str())
            }
            other => other.to_string(),
        }),
        Err(other) => Err(other.to_string()),
    }
}

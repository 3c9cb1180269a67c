//! What is stored and the time → what is to be stored, told and issued. Touches nothing.

use super::{Names, Pem, make};
use crate::pair::{Pair, chain};
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::pem::Pem as Block;

/// A certificate with less left than this is made anew.
const RENEW: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What one look finds.
#[derive(Clone, Default)]
pub struct Stored {
    /// `ca.crt` and `ca.key`.
    pub authority: Option<Pem>,
    /// `previous.crt`: CAs of which a leaf may still be served.
    pub previous: String,
    /// `tls.crt` and `tls.key`.
    pub serving: Option<Pem>,
    /// The caBundle of every entry of both webhook configurations.
    pub bundles: Vec<String>,
}

/// What one look is to leave.
pub struct Plan {
    /// `ca.crt` and `ca.key`.
    pub authority: Option<Pem>,
    /// `previous.crt`
    pub previous: String,
    /// The caBundle of every entry of both webhook configurations.
    pub bundle: String,
    /// About `tls.crt` and `tls.key`.
    pub leaf: Leaf,
}

/// What is to be done about the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// It is good.
    Keep,
    /// It is to be made anew, but not everybody who calls us knows its CA yet. The one there is still serves.
    Wait,
    /// It is to be made now.
    Issue,
}

impl Plan {
    /// What to do at `now`.
    pub fn of(stored: &Stored, names: &Names, now: Timestamp) -> anyhow::Result<Plan> {
        let held = stored.authority.as_ref();
        let good = held.filter(|pem| lasts(pem, now + RENEW));
        let authority = match good {
            Some(pem) => pem.clone(),
            None => make::authority(names, now)?,
        };
        let old = match good {
            Some(_) => stored.previous.clone(),
            None => held.map(|pem| pem.certificate.clone()).unwrap_or_default() + &stored.previous,
        };
        let previous = still_needed(&old, &authority, now);
        let told = !stored
            .bundles
            .iter()
            .any(|bundle| !holds(bundle, &authority.certificate));
        let leaf = match &stored.serving {
            Some(leaf) if lasts(leaf, now + RENEW) && verifies(leaf, &authority.certificate, names, now) => {
                Leaf::Keep
            }
            _ if told => Leaf::Issue,
            // Nobody would accept it now either, so nothing is lost by being early.
            Some(leaf)
                if !stored
                    .bundles
                    .iter()
                    .all(|bundle| verifies(leaf, bundle, names, now)) =>
            {
                Leaf::Issue
            }
            None => Leaf::Issue,
            Some(_) => Leaf::Wait,
        };
        Ok(Plan {
            bundle: authority.certificate.clone() + &previous,
            authority: Some(authority),
            previous,
            leaf,
        })
    }
}

/// Those of the CAs in `old` of which a leaf may still be served: until they end, and at most for a leaf's life after
/// `authority` took over.
fn still_needed(old: &str, authority: &Pem, now: Timestamp) -> String {
    let life = SignedDuration::from_hours(24 * make::SERVING_DAYS)
        + SignedDuration::from_secs(make::BACKDATED.whole_seconds());
    let begun = times(&authority.certificate).map(|(begun, _)| begun);
    if begun.is_some_and(|begun| now > begun + life) {
        return String::new();
    }
    let blocks = old.split_inclusive("-----END CERTIFICATE-----").map(str::trim);
    let needed = blocks.filter(|block| times(block).is_some_and(|(_, end)| end > now));
    needed.map(|block| format!("{block}\n")).collect()
}

/// Whether a pair is whole, its key fits, and its time goes on beyond `end`.
fn lasts(pem: &Pem, end: Timestamp) -> bool {
    Pair::read(pem.certificate.as_bytes(), pem.key.as_bytes(), end).is_ok()
}

/// Whether `bundle` has this certificate.
fn holds(bundle: &str, certificate: &str) -> bool {
    let (Ok(bundle), Ok(certificate)) = (chain(bundle.as_bytes()), chain(certificate.as_bytes())) else {
        return false;
    };
    bundle.contains(&certificate[0])
}

/// Whether the API server, told `bundle`, would accept `leaf` at `now` for our Service.
fn verifies(leaf: &Pem, bundle: &str, names: &Names, now: Timestamp) -> bool {
    let check = || -> anyhow::Result<()> {
        let chain_of_leaf: Vec<CertificateDer<'_>> = chain(leaf.certificate.as_bytes())?;
        let mut roots = RootCertStore::empty();
        for authority in chain(bundle.as_bytes())? {
            roots.add(authority)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        let host = ServerName::try_from(make::host(names))?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second())?));
        verifier.verify_server_cert(&chain_of_leaf[0], &chain_of_leaf[1..], &host, &[], now)?;
        Ok(())
    };
    check().is_ok()
}

/// Begin and end of the first certificate in `pem`.
fn times(pem: &str) -> Option<(Timestamp, Timestamp)> {
    let block = Block::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    let validity = block.parse_x509().ok()?.validity().clone();
    let begun = Timestamp::from_second(validity.not_before.timestamp()).ok()?;
    Some((
        begun,
        Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    ))
}

#[cfg(test)]
mod tests;

//! A certificate and its key, read from PEM and checked as far as that goes without asking anybody.

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// A pair that a server can be started with.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What rustls serves.
    pub certified: Arc<CertifiedKey>,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// Why a pair is none. No message holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum BadPair {
    /// `tls.crt` holds no certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// `tls.key` holds no private key.
    #[error("the private key cannot be read")]
    Key,
    /// The one is not for the other.
    #[error("the private key does not fit the certificate")]
    Mismatch,
    /// Its time is over.
    #[error("the certificate has expired at {0}")]
    Expired(Timestamp),
}

impl Pair {
    /// Reads a chain of certificates, the leaf first, and its key; good at `now`.
    pub fn read(certificates: &[u8], key: &[u8], now: Timestamp) -> Result<Self, BadPair> {
        let chain = chain(certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadPair::Key)?;
        let not_after = not_after(&chain[0])?;
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => BadPair::Mismatch,
            _ => BadPair::Key,
        })?;
        if not_after <= now {
            return Err(BadPair::Expired(not_after));
        }
        Ok(Pair {
            certified: Arc::new(certified),
            not_after,
        })
    }
}

/// At least one certificate.
pub fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPair> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or(BadPair::Certificate)
}

/// When a certificate ends.
pub fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, BadPair> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| BadPair::Certificate)?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).map_err(|_| BadPair::Certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_pair_is_good_only_whole_matching_and_in_its_time() {
        let ((certificate, key), (other, _)) = (made(), made());
        let read = |certificate: &str, key: &str, now| {
            Pair::read(certificate.as_bytes(), key.as_bytes(), now).map(|_| ())
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(read(&certificate, &key, now).is_ok());
        let half = &certificate[..certificate.len() / 2];
        assert!(matches!(read(half, &key, now), Err(BadPair::Certificate)));
        assert!(matches!(read("", &key, now), Err(BadPair::Certificate)));
        assert!(matches!(
            read(&certificate, &key[..key.len() / 2], now),
            Err(BadPair::Key)
        ));
        assert!(matches!(read(&other, &key, now), Err(BadPair::Mismatch)));
        // rcgen's default ends in the year 4096.
        let late = Timestamp::from_second(70_000_000_000).unwrap();
        assert!(matches!(read(&certificate, &key, late), Err(BadPair::Expired(_))));
    }
}

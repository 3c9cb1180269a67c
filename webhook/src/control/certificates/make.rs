//! Makes the CA and the leaf. Their keys are made with them and never used for another.

use super::{Names, Pem};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

const AUTHORITY_DAYS: i64 = 3650;
/// How long a leaf is good for.
pub const SERVING_DAYS: i64 = 90;
/// For clocks that are behind ours.
pub const BACKDATED: time::Duration = time::Duration::hours(1);

/// A CA of our own.
pub fn authority(names: &Names, now: Timestamp) -> anyhow::Result<Pem> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Two of them stand in one bundle during a rotation: names that differ spare whoever verifies a wrong guess.
    let name = format!("{} CA {}", names.service, now.as_second());
    params.distinguished_name.push(DnType::CommonName, name);
    validity(&mut params, AUTHORITY_DAYS, now)?;
    Ok(Pem {
        certificate: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// A leaf for the Service.
pub fn serving(names: &Names, authority: &Pem, now: Timestamp) -> anyhow::Result<Pem> {
    let host = host(names);
    let hosts = [
        host.clone(),
        format!("{host}.cluster.local"),
        format!("{}.{}", names.service, names.namespace),
    ];
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name.push(DnType::CommonName, host);
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, SERVING_DAYS, now)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    Ok(Pem {
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

/// The name under which the API server calls the Service.
pub fn host(names: &Names) -> String {
    format!("{}.{}.svc", names.service, names.namespace)
}

fn validity(params: &mut CertificateParams, days: i64, now: Timestamp) -> anyhow::Result<()> {
    // rcgen's own default ends in the year 4096.
    let now = OffsetDateTime::from_unix_timestamp(now.as_second())?;
    params.not_before = now - BACKDATED;
    params.not_after = now + time::Duration::days(days);
    Ok(())
}

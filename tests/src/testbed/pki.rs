//! The bed's own certificate authority, and what it signs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// Writes the authority (`ca.crt`), a pair for each server, and the pair (`service-accounts`) for tokens.
///
/// The authority's own key is kept nowhere.
pub fn create(directory: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "understudy testbed");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(directory.join("ca.crt"), authority.pem())?;
    issue(&authority, "kube-apiserver", directory)?;
    issue(&authority, "postgres", directory)?;
    let tokens = KeyPair::generate()?;
    write_secret(&directory.join("service-accounts.key"), &tokens.serialize_pem())?;
    fs::write(directory.join("service-accounts.pub"), tokens.public_key_pem())?;
    Ok(())
}

/// Writes `<name>.crt` and `<name>.key` for a server on this machine.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, directory: &Path) -> Result<()> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let pair = KeyPair::generate()?;
    fs::write(
        directory.join(format!("{name}.crt")),
        params.signed_by(&pair, authority)?.pem(),
    )?;
    write_secret(&directory.join(format!("{name}.key")), &pair.serialize_pem())
}

/// Writes a file that only its owner may read, from its first byte on.
pub fn write_secret(path: &Path, content: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("failed to write {}", path.display()))?;
    file.write_all(content.as_bytes())
        .with_context(|| format!("failed to write {}", path.display()))
}

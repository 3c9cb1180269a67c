//! Secret values of protected namespaces, as fingerprints: enough to recognise a copy, not to learn a value.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Shortest value in bytes that is compared: shorter ones are `true`, `admin` and the like.
pub const SHORTEST: usize = 16;

/// Keys whose values are public by nature.
const PUBLIC: [&str; 3] = ["ca.crt", "tls.crt", "service-ca.crt"];

/// Where a secret value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The protected namespace.
    pub namespace: String,
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// The fingerprints of what may be read of protected namespaces. Holds no value and prints none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeMap<[u8; 16], Origin>);

impl Fingerprints {
    /// Remembers the value of one key.
    pub fn add(&mut self, origin: Origin, value: &[u8]) {
        if !PUBLIC.contains(&origin.key.as_str())
            && let Some(print) = print(value)
        {
            self.0.insert(print, origin);
        }
    }

    /// Where `value` was copied from.
    pub fn origin(&self, value: &[u8]) -> Option<&Origin> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&print(value)?)
    }

    /// How many values are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Blanks around a value are an accident of how it was written.
fn print(value: &[u8]) -> Option<[u8; 16]> {
    let value = value.trim_ascii();
    if value.len() < SHORTEST {
        return None;
    }
    let digest = Sha256::digest(value);
    digest[..16].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_recognised_and_nothing_is_printed() {
        let origin = |key: &str| Origin {
            namespace: "shop".into(),
            name: "stripe".into(),
            key: key.into(),
        };
        let mut prints = Fingerprints::default();
        prints.add(origin("api-key"), b"sk_live_0123456789\n");
        prints.add(origin("short"), b"admin");
        prints.add(origin("ca.crt"), b"-----BEGIN CERTIFICATE-----");
        assert_eq!(prints.origin(b"sk_live_0123456789").unwrap().key, "api-key");
        assert_eq!(prints.origin(b"admin"), None);
        assert_eq!(prints.origin(b"-----BEGIN CERTIFICATE-----"), None);
        assert!(!format!("{prints:?}").contains("sk_live"));
    }
}

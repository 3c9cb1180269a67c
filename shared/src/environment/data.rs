//! What a ConfigMap or Secret holds.

use super::Fact;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// The data of a ConfigMap or Secret, decoded, by key. Variables find the texts; a mounted file may be either. Prints keys only:
/// it may be a Secret's.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Data {
    texts: BTreeMap<String, String>,
    /// `binaryData` of a ConfigMap, which the kubelet makes no variables of (`makeEnvironmentVariables`).
    #[serde(skip)]
    binary: BTreeMap<String, String>,
}

impl Data {
    /// The same with `binary`, which only files are made of.
    pub fn with_binary(self, binary: impl IntoIterator<Item = (String, String)>) -> Self {
        Data {
            binary: binary.into_iter().collect(),
            ..self
        }
    }

    /// What mounted files are made of.
    pub fn files(&self) -> impl Iterator<Item = (&String, &String)> {
        self.texts.iter().chain(&self.binary)
    }

    /// Bytes of all keys and values.
    pub fn size(&self) -> usize {
        self.files().map(|(key, value)| key.len() + value.len()).sum()
    }
}

impl Deref for Data {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.texts
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files().map(|(key, _)| key)).finish()
    }
}

impl From<ConfigMap> for Data {
    fn from(map: ConfigMap) -> Self {
        let binary = map.binary_data.unwrap_or_default();
        Data::from(map.data.unwrap_or_default()).with_binary(readable(binary))
    }
}

impl From<Secret> for Data {
    fn from(secret: Secret) -> Self {
        readable(secret.data.unwrap_or_default()).collect()
    }
}

/// What is no text is read as far as it is: a host in it counts all the same.
fn readable(data: BTreeMap<String, ByteString>) -> impl Iterator<Item = (String, String)> {
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
}

impl Fact<Data> {
    /// Bytes of what is there.
    pub fn size(&self) -> usize {
        match self {
            Fact::Present(data) => data.size(),
            Fact::Absent | Fact::Unknown => 0,
        }
    }
}

impl FromIterator<(String, String)> for Data {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        BTreeMap::from_iter(pairs).into()
    }
}

impl From<BTreeMap<String, String>> for Data {
    fn from(texts: BTreeMap<String, String>) -> Self {
        Data {
            texts,
            binary: BTreeMap::new(),
        }
    }
}

impl<const N: usize> From<[(String, String); N]> for Data {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl IntoIterator for Data {
    type Item = (String, String);
    type IntoIter = std::collections::btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.texts.into_iter()
    }
}

impl<'d> IntoIterator for &'d Data {
    type Item = (&'d String, &'d String);
    type IntoIter = std::collections::btree_map::Iter<'d, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.texts.iter()
    }
}

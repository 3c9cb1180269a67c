//! What a ConfigMap or Secret holds.

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

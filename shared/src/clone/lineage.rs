//! What a clone was made of at birth: for reading, and for planning it again. Nothing that is refused or let in rests on it.

use super::snapshot::{kind_of, name_of};
use crate::names;
use kube::core::DynamicObject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest lineage that still leaves room for the other annotations (256 KiB in all).
const MOST: usize = 64 * 1024;

/// The annotation `lineage`, compact JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The golden.
    pub golden: String,
    /// When the golden was read; RFC 3339. Empty in manifests that a repository holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// Goldens whose objects moved in with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// Whether it was made of manifests, and not of what ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_manifests: bool,
    /// What alone was cloned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Labels that everything cloned carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selector: Vec<String>,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Workloads that alone were cloned, while the golden serves the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The commit the images were built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `workload/container` → image.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// `Kind/name` → the first eight characters of a hash of the golden's object, without its status and marks.
    #[serde(default)]
    pub objects: BTreeMap<String, String>,
}

impl Lineage {
    /// Compact JSON; where it would be too long, one hash stands for all objects.
    pub fn text(mut self) -> String {
        let text = |lineage: &Lineage| serde_json::to_string(lineage).unwrap_or_default();
        let full = text(&self);
        if full.len() <= MOST {
            return full;
        }
        let all = names::hash(&full, 8);
        self.objects = [(format!("{} objects", self.objects.len()), all)].into();
        text(&self)
    }
}

/// Hash of a sanitised object. Of a Secret only the keys count: a hash of its values could be guessed at.
pub(super) fn hash(object: &DynamicObject) -> String {
    let content = if kind_of(object) == "Secret" {
        let data = object
            .data
            .get("data")
            .map(super::golden::decoded)
            .unwrap_or_default();
        data.keys().map(String::as_str).collect::<Vec<_>>().join("\n")
    } else {
        object.data.to_string()
    };
    names::hash(&format!("{}/{}\n{content}", kind_of(object), name_of(object)), 8)
}

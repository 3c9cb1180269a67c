//! What becomes of one object of the golden. No verdict is implicit.

use crate::violation::printable;
use kube::core::DynamicObject;
use serde::Serialize;
use std::fmt;

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Made as it is, without what identifies the original.
    Copy,
    /// Made with changes that its reason lists.
    Rewrite,
    /// Something else makes the clone's own.
    ReCreate,
    /// Not part of a clone.
    Skip,
    /// Cannot be made safe; nothing is written as long as one object is refused.
    Refuse,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Copy => "copy",
            Verdict::Rewrite => "rewrite",
            Verdict::ReCreate => "re-create",
            Verdict::Skip => "skip",
            Verdict::Refuse => "refuse",
        })
    }
}

/// When an object is made: one wave after the other, in parallel within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wave {
    /// What Pods refer to by name.
    Config,
    /// What holds data.
    Data,
    /// What makes Pods.
    Workloads,
    /// What lets traffic in.
    Routes,
}

impl Wave {
    /// Every wave, in order.
    pub const ALL: [Wave; 4] = [Wave::Config, Wave::Data, Wave::Workloads, Wave::Routes];
}

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Wave::Config => "config",
            Wave::Data => "data",
            Wave::Workloads => "workloads",
            Wave::Routes => "routes",
        })
    }
}

/// One object of the golden with its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why; a sentence without a full stop. Never a value of a Secret.
    pub reason: String,
    /// What to do about a refusal.
    pub remedy: String,
    /// The wave it is made in, and the object to make.
    pub made: Option<(Wave, Box<DynamicObject>)>,
}

impl Item {
    /// An item that is not made.
    pub(super) fn unmade(object: &DynamicObject, verdict: Verdict, reason: impl Into<String>) -> Self {
        let types = object.types.clone().unwrap_or_default();
        Item {
            api_version: types.api_version,
            kind: types.kind,
            name: object.metadata.name.clone().unwrap_or_default(),
            verdict,
            reason: reason.into(),
            remedy: String::new(),
            made: None,
        }
    }

    /// The same with what to do about it.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Refuses it, with each way out once; the last one is to do without it.
    pub(super) fn refuse(&mut self, reason: String, remedies: impl IntoIterator<Item = String>) {
        let mut ways: Vec<String> = Vec::new();
        for remedy in remedies {
            // Admission speaks of a part of the object, which is the golden's here.
            let way = match remedy.strip_prefix("leave it out") {
                Some(rest) if rest.is_empty() || rest.starts_with(',') => {
                    format!("take that out of the golden{rest}")
                }
                _ => remedy,
            };
            if !way.is_empty() && !ways.contains(&way) {
                ways.push(way);
            }
        }
        let without = format!("leave it out with --exclude {}", self.id());
        self.remedy = if ways.is_empty() {
            without
        } else {
            format!("{}, or {without}", ways.join("; "))
        };
        (self.verdict, self.reason, self.made) = (Verdict::Refuse, reason, None);
    }

    /// `Kind/name`, safe to print.
    pub fn id(&self) -> String {
        printable(&format!("{}/{}", self.kind, self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_out_is_said_once() {
        let object = serde_json::from_value(
            serde_json::json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } }),
        )
        .unwrap();
        let ways = |remedies: &[&str]| {
            let mut item = Item::unmade(&object, Verdict::Copy, "");
            item.refuse(String::new(), remedies.iter().map(|remedy| (*remedy).to_owned()));
            item.remedy
        };
        let without = "leave it out with --exclude Service/web";
        assert_eq!(ways(&[]), without);
        assert_eq!(
            ways(&["mend a", "mend b", "mend a", ""]),
            format!("mend a; mend b, or {without}")
        );
        assert_eq!(
            ways(&["leave it out", "leave it out"]),
            format!("take that out of the golden, or {without}")
        );
        assert_eq!(
            ways(&["leave it out of this volume"]),
            format!("leave it out of this volume, or {without}")
        );
    }
}
